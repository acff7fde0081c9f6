package link

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
)

const (
	// shaInName is how many digits of a sha tell a run from those of the other commits of its link.
	shaInName = 16
	// maxName is the bound of a run's name, which becomes a label.
	maxName = 63
	// hashInName is how many digits stand for the part of a link's name that has no room.
	hashInName = 8
)

// PullRequest is an open pull request into the home branch.
type PullRequest struct {
	v1alpha1.PullRequestStatus
	// Opener is who opened it; its Permission is not known.
	Opener Actor
	// Labels that it has.
	Labels []string
}

// Push is a change of the home branch.
type Push struct {
	// Before and After are the commits, of 40 hex digits, that the branch had. Before may be all zeros.
	Before, After string
}

// Candidate is a commit that a trigger runs, if the evidence allows it.
type Candidate struct {
	Trigger v1alpha1.TriggerName
	// SHA is 40 hex digits.
	SHA string
	// Before is the commit, or the branch, that the files which it changes are told from; "": not known.
	Before string
	// PullRequest that it is the newest commit of; nil for a push.
	PullRequest *PullRequest
	// Paths are the patterns of which one has to match a file that it changes; none: any file does.
	Paths []string
	// PhaseNames are the phases to run; none: all.
	PhaseNames []string
}

// Evidence is what GitHub says about a Candidate.
type Evidence struct {
	// Permission of who opened its pull request.
	Permission Permission
	// Files that it changes; AllFiles: they are all. Looked at where it has Paths.
	Files    []string
	AllFiles bool
	// Problem that a person can mend is why the rest is not known; nil when it is.
	Problem *problem.Problem
}

// ID tells a candidate from others, also of the same commit.
func (c Candidate) ID() string {
	if c.PullRequest == nil {
		return c.Key()
	}
	return fmt.Sprintf("%s#%d", c.Key(), c.PullRequest.Number)
}

// Key is a candidate in the record of what was handled, and the end of its run's name.
func (c Candidate) Key() string { return Key(c.Trigger, c.SHA) }

// Key is a commit (40 hex digits) in the record of what a trigger handled.
func Key(trigger v1alpha1.TriggerName, sha string) string {
	return string(trigger) + "-" + sha[:min(len(sha), shaInName)]
}

// RunName is the name of the run that is made for a link once, whoever asks for it however often: the link's name and a key, in
// 63 characters.
func RunName(link, key string) string {
	room := maxName - 1 - len(key)
	if len(link) > room {
		sum := sha256.Sum256([]byte(link))
		link = strings.TrimRight(link[:room-1-hashInName], ".-") + "-" + hex.EncodeToString(sum[:])[:hashInName]
	}
	return link + "-" + key
}

// Candidates are the commits that the link's triggers have not handled yet, those of pushes in their order first.
func Candidates(link *v1alpha1.TenantRepoLink, findings Findings) []Candidate {
	return slices.DeleteFunc(candidates(link, findings), func(c Candidate) bool {
		return handled(link.Status.Triggers, c.Key()) || !active(link, c.Trigger)
	})
}

// candidates are all commits that a link's triggers are about now, handled or not.
func candidates(link *v1alpha1.TenantRepoLink, findings Findings) []Candidate {
	var list []Candidate
	if trigger := link.Spec.Triggers.Push; trigger != nil {
		for _, push := range pushes(link, findings) {
			list = append(list, Candidate{Trigger: v1alpha1.TriggerPush, SHA: push.After, Before: push.Before, Paths: trigger.Paths, PhaseNames: trigger.Phases})
		}
	}
	if trigger := link.Spec.Triggers.PullRequest; trigger != nil {
		for _, pull := range findings.PullRequests {
			if !pull.Fork && !pull.Opener.Bot && wanted(trigger, link.Status.PullRequests, pull) {
				list = append(list, Candidate{
					Trigger: v1alpha1.TriggerPullRequest, SHA: pull.HeadSHA, Before: link.Spec.HomeBranch, PullRequest: &pull,
					Paths: trigger.Paths, PhaseNames: trigger.Phases,
				})
			}
		}
	}
	return list
}

// wanted tells whether what happened to a pull request is among the events that count. known are those that were seen before.
func wanted(trigger *v1alpha1.PullRequestTrigger, known []v1alpha1.PullRequestStatus, pull PullRequest) bool {
	event := v1alpha1.PullRequestOpened
	if firstSHA(known, pull.PullRequestStatus) != "" {
		event = v1alpha1.PullRequestUpdated
	}
	on := trigger.On
	if len(on) == 0 {
		on = []v1alpha1.PullRequestEvent{v1alpha1.PullRequestOpened, v1alpha1.PullRequestUpdated}
	}
	labelled := slices.ContainsFunc(pull.Labels, func(label string) bool { return slices.Contains(trigger.Labels, label) })
	return slices.Contains(on, event) || labelled && slices.Contains(on, v1alpha1.PullRequestLabelled)
}

// firstSHA is the commit that a pull request had when it was first seen, if that is another than it has now; else "".
func firstSHA(known []v1alpha1.PullRequestStatus, pull v1alpha1.PullRequestStatus) string {
	at := slices.IndexFunc(known, func(k v1alpha1.PullRequestStatus) bool { return k.Number == pull.Number })
	if at < 0 {
		return ""
	}
	first := known[at].FirstSHA
	if first == "" {
		first = known[at].HeadSHA
	}
	if first == pull.HeadSHA {
		return ""
	}
	return first
}

// HasPushed tells whether the home branch has another commit than at the last look, and a trigger wants to know about each push.
func HasPushed(link *v1alpha1.TenantRepoLink, findings Findings) bool {
	return active(link, v1alpha1.TriggerPush) && link.Spec.Triggers.Push != nil &&
		link.Status.HomeBranch != nil && link.Status.HomeBranch.SHA != findings.Commits[0].SHA
}

// pushes are those to the home branch since the last look, the oldest first. The newest commit is among them even where GitHub does
// not tell of single pushes, or does so late.
func pushes(link *v1alpha1.TenantRepoLink, findings Findings) []Push {
	head, before := findings.Commits[0].SHA, ""
	if link.Status.HomeBranch != nil {
		before = link.Status.HomeBranch.SHA
	}
	if head == before {
		return []Push{{After: head}}
	}
	list := pushesSince(findings.Pushes, before)
	switch {
	case len(list) == 0:
		return []Push{{Before: before, After: head}}
	case list[len(list)-1].After != head:
		list = append(list, Push{Before: list[len(list)-1].After, After: head})
	}
	return list
}

// pushesSince are those after the branch had a commit, the oldest first; none where the list, the newest first, does not go back so far.
func pushesSince(pushes []Push, before string) []Push {
	for i, push := range pushes {
		switch before {
		case push.After:
			pushes = pushes[:i]
		case push.Before:
			pushes = pushes[:i+1]
		default:
			continue
		}
		pushes = slices.Clone(pushes)
		slices.Reverse(pushes)
		return pushes
	}
	return nil
}

// runs tells which of the candidates the evidence allows, and which need no look any more. said is what a person should know of
// those that could not be judged.
func runs(link *v1alpha1.TenantRepoLink, candidates []Candidate, evidence map[string]Evidence) (list []*v1alpha1.CIRun, done []string, said *problem.Problem) {
	for _, candidate := range candidates {
		known, asked := evidence[candidate.ID()]
		switch {
		case !asked || slices.Contains(done, candidate.Key()):
			continue
		case known.Problem != nil:
			said = known.Problem
			continue
		case !candidate.Trusted(known.Permission):
			continue // the permission may be given yet
		case matches(candidate.Paths, known):
			list = append(list, BuildRun(link, candidate))
		}
		done = append(done, candidate.Key())
	}
	return list, done, said
}

// Trusted tells whether a commit is run by itself, by the permission of who opened its pull request. A push to the home branch is:
// GitHub took it.
func (c Candidate) Trusted(opener Permission) bool {
	if c.PullRequest == nil {
		return true
	}
	actor := c.PullRequest.Opener
	actor.Permission = opener
	return Trusts(Change{Fork: c.PullRequest.Fork, Actor: actor})
}

// matches tells whether one of the files is of one of the patterns. What is not known could be.
func matches(patterns []string, known Evidence) bool {
	if len(patterns) == 0 || !known.AllFiles {
		return true
	}
	return slices.ContainsFunc(known.Files, func(file string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool { return doublestar.MatchUnvalidated(pattern, file) })
	})
}

// BuildRun makes the run of a commit that a trigger runs.
func BuildRun(link *v1alpha1.TenantRepoLink, candidate Candidate) *v1alpha1.CIRun {
	run := &v1alpha1.CIRun{
		ObjectMeta: metav1.ObjectMeta{
			Name: RunName(link.Name, candidate.Key()), Namespace: link.Namespace,
			Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelTrigger: string(candidate.Trigger)},
		},
		Spec: v1alpha1.CIRunSpec{
			Link: v1alpha1.ObjectName{Name: link.Name}, Commit: v1alpha1.CommitSelector{SHA: candidate.SHA}, PhaseNames: candidate.PhaseNames,
		},
	}
	if candidate.PullRequest != nil {
		run.Spec.Commit.PullRequest = candidate.PullRequest.Number
	} else {
		run.Spec.Commit.Branch = link.Spec.HomeBranch
	}
	return run
}

// invalidTriggers is the problem of patterns that are none.
func invalidTriggers(spec v1alpha1.TriggersSpec) *problem.Problem {
	paths := map[string][]string{}
	if spec.Push != nil {
		paths["push"] = spec.Push.Paths
	}
	if spec.PullRequest != nil {
		paths["pullRequest"] = spec.PullRequest.Paths
	}
	for _, trigger := range []string{"push", "pullRequest"} {
		for i, pattern := range paths[trigger] {
			if !doublestar.ValidatePattern(pattern) {
				return problem.Config(v1alpha1.ReasonInvalidTrigger,
					"spec.triggers.%s.paths[%d] is %q, which is no pattern: name files as in api/** or *.go", trigger, i, pattern)
			}
		}
	}
	return nil
}

// AlreadyRun is the problem of a run's name that a run of something else has.
func AlreadyRun(run *v1alpha1.CIRun) string {
	return fmt.Sprintf("a run %s of something else is there already, so that commit %s is not run by itself: run it by hand", run.Name, run.Spec.Commit.SHA)
}
