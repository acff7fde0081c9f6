package link_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/problem"
)

// shaOf is a commit of 40 hex digits that differs in its first ones.
func shaOf(n int) string { return fmt.Sprintf("%08x", n) + strings.Repeat("0", 32) }

// world is a link, and what GitHub says of its repository, as looks and pushes go by.
type world struct {
	link     *v1alpha1.TenantRepoLink
	findings link.Findings
	evidence func(link.Candidate) link.Evidence
	made     []string
}

func newWorld(triggers v1alpha1.TriggersSpec) *world {
	w := &world{link: &v1alpha1.TenantRepoLink{}, findings: *see(v1alpha1.CommitStatus{SHA: shaOf(1)})}
	w.link.Name, w.link.Namespace, w.link.Spec.HomeBranch, w.link.Spec.Triggers = "app", "d-app", "main", triggers
	w.findings.PullRequests = nil
	w.evidence = func(c link.Candidate) link.Evidence {
		if c.PullRequest == nil {
			return link.Evidence{AllFiles: true}
		}
		return link.Evidence{AllFiles: true, Permission: c.PullRequest.Opener.Permission}
	}
	return w
}

// look lets the link be looked at, and returns the runs that it made, as in "pr-00000002 of #1: BUILD".
func (w *world) look() []string {
	o := link.Observation{Link: w.link.DeepCopy(), Findings: &w.findings, Evidence: map[string]link.Evidence{}}
	for _, candidate := range link.Candidates(w.link, w.findings) {
		o.Evidence[candidate.ID()] = w.evidence(candidate)
	}
	plan := link.Decide(o, now)
	w.link.Status = plan.Status
	var made []string
	for _, run := range plan.CreateRuns {
		text := run.Labels[v1alpha1.LabelTrigger] + "-" + run.Spec.Commit.SHA[:8]
		if number := run.Spec.Commit.PullRequest; number != 0 {
			text += fmt.Sprintf(" of #%d", number)
		}
		if branch := run.Spec.Commit.Branch; branch != "" {
			text += " of " + branch
		}
		if len(run.Spec.PhaseNames) > 0 {
			text += ": " + strings.Join(run.Spec.PhaseNames, ", ")
		}
		made = append(made, text)
		w.made = append(w.made, run.Name)
	}
	return made
}

// push lets the home branch have these commits, one push each.
func (w *world) push(commits ...int) {
	for _, n := range commits {
		w.findings.Pushes = slices.Insert(w.findings.Pushes, 0, link.Push{Before: w.findings.Commits[0].SHA, After: shaOf(n)})
		w.findings.Commits = []v1alpha1.CommitStatus{{SHA: shaOf(n)}}
	}
}

// open is a pull request of somebody of the trust matrix.
func (w *world) open(number int32, commit int, opener string, fork bool, labels ...string) {
	pull := link.PullRequest{Opener: actors()[opener], Labels: labels}
	pull.Number, pull.HeadSHA, pull.Fork = number, shaOf(commit), fork
	w.findings.PullRequests = append(w.findings.PullRequests, pull)
}

func expect(t *testing.T, step string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", step, diff)
	}
}

func TestPushesAreRunOnce(t *testing.T) {
	w := newWorld(v1alpha1.TriggersSpec{Push: &v1alpha1.PushTrigger{Phases: []string{"DEPLOY"}}})
	expect(t, "what was there before", w.look())
	expect(t, "nothing new", w.look())
	w.push(2)
	expect(t, "a push", w.look(), "push-00000002 of main: DEPLOY")
	expect(t, "nothing new", w.look())
	w.push(3, 4, 5)
	expect(t, "three between two looks, in their order", w.look(), "push-00000003 of main: DEPLOY", "push-00000004 of main: DEPLOY", "push-00000005 of main: DEPLOY")
	w.push(3)
	expect(t, "forced back to what was run", w.look())
	w.push(6)
	w.findings.Pushes = nil
	expect(t, "a GitHub that does not tell of pushes", w.look(), "push-00000006 of main: DEPLOY")
	w.push(7, 8)
	w.findings.Pushes = w.findings.Pushes[1:]
	expect(t, "one that tells late", w.look(), "push-00000007 of main: DEPLOY", "push-00000008 of main: DEPLOY")
	w.push(9, 10)
	w.findings.Pushes = w.findings.Pushes[:1]
	expect(t, "one that does not tell far enough back", w.look(), "push-0000000a of main: DEPLOY")
	if !slices.Equal(w.made, slices.Compact(slices.Sorted(slices.Values(w.made)))) {
		t.Errorf("made twice: %v", w.made)
	}
}

func TestWhatWasThereWhenATriggerIsSetIsNotRun(t *testing.T) {
	w := newWorld(v1alpha1.TriggersSpec{})
	w.open(1, 100, "writer", false)
	expect(t, "no trigger", w.look())
	if w.link.Status.Triggers != nil {
		t.Errorf("a record of nothing: %+v", w.link.Status.Triggers)
	}
	w.push(2)
	w.link.Spec.Triggers = v1alpha1.TriggersSpec{Push: &v1alpha1.PushTrigger{}, PullRequest: &v1alpha1.PullRequestTrigger{}}
	expect(t, "set", w.look())
	w.push(3)
	w.open(2, 101, "writer", false)
	expect(t, "after that", w.look(), "push-00000003 of main", "pr-00000065 of #2")
	w.link.Spec.Triggers = v1alpha1.TriggersSpec{}
	w.push(4)
	expect(t, "taken away", w.look())
	w.link.Spec.Triggers = v1alpha1.TriggersSpec{Push: &v1alpha1.PushTrigger{}}
	expect(t, "set again", w.look())
}

func TestEventsOfPullRequests(t *testing.T) {
	for name, c := range map[string]struct {
		trigger                                 v1alpha1.PullRequestTrigger
		opened, updated, labelled, moved, again []string
	}{
		"opened and updated, unless it says otherwise": {
			opened: []string{"pr-00000064 of #1"}, updated: []string{"pr-00000065 of #1"}, moved: []string{"pr-00000066 of #1"}},
		"opened":  {trigger: v1alpha1.PullRequestTrigger{On: []v1alpha1.PullRequestEvent{"Opened"}}, opened: []string{"pr-00000064 of #1"}, again: []string{"pr-00000066 of #1"}},
		"updated": {trigger: v1alpha1.PullRequestTrigger{On: []v1alpha1.PullRequestEvent{"Updated"}}, updated: []string{"pr-00000065 of #1"}, moved: []string{"pr-00000066 of #1"}},
		"labelled": {trigger: v1alpha1.PullRequestTrigger{On: []v1alpha1.PullRequestEvent{"Labelled"}, Labels: []string{"other", "test me"}, Phases: []string{"BUILD", "TEST"}},
			labelled: []string{"pr-00000065 of #1: BUILD, TEST"}, moved: []string{"pr-00000066 of #1: BUILD, TEST"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(v1alpha1.TriggersSpec{PullRequest: &c.trigger})
			w.look()
			w.open(1, 100, "writer", false, "bug")
			pull := &w.findings.PullRequests[0]
			expect(t, "opened", w.look(), c.opened...)
			expect(t, "nothing new", w.look())
			pull.HeadSHA = shaOf(101)
			expect(t, "updated", w.look(), c.updated...)
			pull.Labels = []string{"test me"}
			expect(t, "labelled", w.look(), c.labelled...)
			expect(t, "nothing new", w.look())
			pull.HeadSHA = shaOf(102)
			expect(t, "updated again", w.look(), c.moved...)
			closed := w.findings.PullRequests
			w.findings.PullRequests = nil
			expect(t, "closed", w.look())
			w.findings.PullRequests = closed
			expect(t, "opened again", w.look(), c.again...)
		})
	}
}

// The trust matrix: what runs by itself of the pull requests of all kinds of people.
func TestTrustMatrix(t *testing.T) {
	for name := range actors() {
		for _, fork := range []bool{false, true} {
			runs := !fork && (name == "owner" || name == "writer")
			t.Run(fmt.Sprintf("%s, fork %t", name, fork), func(t *testing.T) {
				w := newWorld(v1alpha1.TriggersSpec{PullRequest: &v1alpha1.PullRequestTrigger{
					On: []v1alpha1.PullRequestEvent{"Opened", "Updated", "Labelled"}, Labels: []string{"ci"},
				}})
				w.look()
				w.open(1, 100, name, fork)
				pull := &w.findings.PullRequests[0]
				check := func(event string, expected int) {
					t.Helper()
					if !runs {
						expected = 0
					}
					if made := w.look(); len(made) != expected {
						t.Errorf("%s: made %v, want %d", event, made, expected)
					}
				}
				check("opened", 1)
				pull.HeadSHA = shaOf(101)
				check("synchronize", 1)
				pull.Labels = []string{"ci"}
				check("labelled", 0)
				closed := w.findings.PullRequests
				w.findings.PullRequests = nil
				check("closed", 0)
				w.findings.PullRequests = closed
				check("reopened", 0)
				pull.HeadSHA = shaOf(102)
				check("reopened with a new commit", 1)
			})
		}
	}
}

func TestAPermissionThatIsGivenLaterCounts(t *testing.T) {
	w := newWorld(v1alpha1.TriggersSpec{PullRequest: &v1alpha1.PullRequestTrigger{}})
	w.look()
	w.open(1, 100, "reader", false)
	expect(t, "of a reader", w.look())
	w.findings.PullRequests[0].Opener.Permission.Level = link.LevelWrite
	expect(t, "of a writer by now", w.look(), "pr-00000064 of #1")
}

func TestPathsOfTriggers(t *testing.T) {
	for name, c := range map[string]struct {
		paths, files []string
		more         bool
		want         bool
	}{
		"any file":                           {files: []string{"README.md"}, want: true},
		"a file of the folder":               {paths: []string{"api/**"}, files: []string{"README.md", "api/v1/main.go"}, want: true},
		"none of the folder":                 {paths: []string{"api/**"}, files: []string{"README.md", "apis/main.go"}},
		"a file of the root alone":           {paths: []string{"*.go"}, files: []string{"api/main.go"}},
		"a file by its name":                 {paths: []string{"web/*", "**/*.go"}, files: []string{"api/main.go"}, want: true},
		"nothing changed":                    {paths: []string{"**"}},
		"more files than GitHub tells about": {paths: []string{"api/**"}, files: []string{"README.md"}, more: true, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(v1alpha1.TriggersSpec{Push: &v1alpha1.PushTrigger{Paths: c.paths}, PullRequest: &v1alpha1.PullRequestTrigger{Paths: c.paths}})
			w.look()
			w.evidence = func(candidate link.Candidate) link.Evidence {
				known := link.Evidence{Files: c.files, AllFiles: !c.more}
				if candidate.PullRequest != nil {
					known.Permission = candidate.PullRequest.Opener.Permission
				}
				return known
			}
			w.push(2)
			w.open(1, 100, "writer", false)
			var want []string
			if c.want {
				want = []string{"push-00000002 of main", "pr-00000064 of #1"}
			}
			expect(t, "first", w.look(), want...)
			expect(t, "nothing new", w.look())
		})
	}
}

func TestAPatternThatIsNone(t *testing.T) {
	w := newWorld(v1alpha1.TriggersSpec{PullRequest: &v1alpha1.PullRequestTrigger{Paths: []string{"ok/**", "[a"}}})
	w.look()
	ready := w.link.Status.Conditions[0]
	if ready.Reason != v1alpha1.ReasonInvalidTrigger || !strings.Contains(ready.Message, `spec.triggers.pullRequest.paths[1] is "[a"`) {
		t.Errorf("%+v", ready)
	}
}

func TestWhatIsNotKnownIsJudgedLater(t *testing.T) {
	w := newWorld(v1alpha1.TriggersSpec{PullRequest: &v1alpha1.PullRequestTrigger{}})
	w.look()
	w.open(1, 100, "writer", false)
	known := w.evidence
	w.evidence = func(link.Candidate) link.Evidence {
		return link.Evidence{Problem: problem.Config(v1alpha1.ReasonTokenRejected, "the token may not read permissions")}
	}
	expect(t, "not known", w.look())
	if ready := w.link.Status.Conditions[0]; !strings.HasSuffix(ready.Message, "pull requests do not run by themselves: the token may not read permissions") {
		t.Errorf("%+v", ready)
	}
	w.evidence = known
	expect(t, "known", w.look(), "pr-00000064 of #1")
}

func TestTheRecordIsBounded(t *testing.T) {
	w := newWorld(v1alpha1.TriggersSpec{Push: &v1alpha1.PushTrigger{}, PullRequest: &v1alpha1.PullRequestTrigger{}})
	w.look()
	w.open(1, 1<<20, "writer", false)
	total := 0
	for n := range 600 {
		w.push(n + 2)
		total += len(w.look())
	}
	if total != 601 {
		t.Errorf("%d runs", total)
	}
	record := w.link.Status.Triggers.Handled
	if len(record) != 256 || !slices.Contains(record, link.Key("pr", shaOf(1<<20))) || record[255] != link.Key("push", shaOf(601)) {
		t.Errorf("%d entries, the last is %s", len(record), record[len(record)-1])
	}
	expect(t, "afterwards", w.look())
}

func TestRunName(t *testing.T) {
	key := link.Key(v1alpha1.TriggerComments, shaOf(7))
	short, long, other := link.RunName("app", key), link.RunName(strings.Repeat("a", 63), key), link.RunName(strings.Repeat("a", 62)+"b", key)
	if dotted := link.RunName(strings.Repeat("a", 32)+"."+strings.Repeat("b", 20), key); len(validation.IsDNS1123Subdomain(dotted)) > 0 || strings.Contains(dotted, ".-") {
		t.Errorf("%s is no name", dotted)
	}
	if short != "app-comments-0000000700000000" || len(long) != 63 || !strings.HasSuffix(long, "-"+key) || long == other {
		t.Errorf("%s\n%s\n%s", short, long, other)
	}
}

func TestACommitOfTwoPullRequestsIsRunIfOneIsTrusted(t *testing.T) {
	for _, openers := range [][]string{{"stranger", "writer"}, {"writer", "stranger"}, {"writer", "owner"}} {
		w := newWorld(v1alpha1.TriggersSpec{PullRequest: &v1alpha1.PullRequestTrigger{}})
		w.look()
		w.open(1, 100, openers[0], false)
		w.open(2, 100, openers[1], false)
		want := "pr-00000064 of #1"
		if openers[0] == "stranger" {
			want = "pr-00000064 of #2"
		}
		expect(t, strings.Join(openers, ", "), w.look(), want)
		expect(t, "nothing new", w.look())
	}
}

func TestAnotherHomeBranchIsTakenAsItIs(t *testing.T) {
	w := newWorld(v1alpha1.TriggersSpec{Push: &v1alpha1.PushTrigger{}, PullRequest: &v1alpha1.PullRequestTrigger{}})
	w.look()
	w.push(2, 3)
	w.look()
	w.link.Spec.HomeBranch = "develop"
	w.push(2, 7, 8)
	w.open(1, 100, "writer", false)
	expect(t, "what was there before", w.look())
	w.push(9)
	w.open(2, 101, "writer", false)
	expect(t, "after that", w.look(), "push-00000009 of develop", "pr-00000065 of #2")
}
