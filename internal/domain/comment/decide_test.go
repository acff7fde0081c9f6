package comment_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/comment"
	"katkit.dev/katkit/internal/domain/link"
)

var (
	written  = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	otherSHA = strings.Repeat("b", 40)
)

const pullURL = "https://github.com/acme/app/pull/7"

// actor is an account by its number, with a permission.
func actor(id int64, level string) link.Actor {
	return link.Actor{ID: id, Permission: link.Permission{UserID: id, Level: level}}
}

// ask is a command of a writer on an open pull request that a writer opened from a branch of the repository, with one run that
// has failed, one that is under way, and one that waits for approval.
func ask(body string, mutate ...func(*comment.Input)) comment.Input {
	command, found, problem := comment.Parse(body)
	if !found {
		panic(body)
	}
	in := comment.Input{
		Link: &v1alpha1.TenantRepoLink{
			ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: "app"},
			Spec:       v1alpha1.TenantRepoLinkSpec{HomeBranch: "main", Triggers: v1alpha1.TriggersSpec{Comments: &v1alpha1.CommentTrigger{}}},
		},
		Comment: comment.Comment{ID: 42, Author: actor(5, link.LevelWrite), Login: "ann", Created: written, Number: 7, Body: body},
		Command: command, Problem: problem,
		Pull: comment.Pull{
			PullRequest: link.PullRequest{
				PullRequestStatus: v1alpha1.PullRequestStatus{Number: 7, HeadSHA: someSHA, Author: "bob", URL: pullURL}, Opener: actor(6, link.LevelWrite),
			},
			Base: "main", Open: true,
		},
		Runs: []*v1alpha1.CIRun{
			aRun("failed", v1alpha1.RunFailed, -3*time.Hour), aRun("going", v1alpha1.RunRunning, -2*time.Hour),
			aRun("waiting", v1alpha1.RunWaitingForApproval, -time.Hour),
		},
		Phases: []*v1alpha1.Phase{aPhase("waiting", "DEPLOY", -time.Minute)},
	}
	for _, f := range mutate {
		f(&in)
	}
	return in
}

func aRun(name string, state v1alpha1.RunState, made time.Duration) *v1alpha1.CIRun {
	return &v1alpha1.CIRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: name, CreationTimestamp: metav1.NewTime(written.Add(made))},
		Spec:       v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: "app"}, Commit: v1alpha1.CommitSelector{SHA: someSHA, PullRequest: 7}},
		Status:     v1alpha1.CIRunStatus{State: state, SHA: someSHA, PullRequest: 7},
	}
}

func aPhase(run, name string, asked time.Duration) *v1alpha1.Phase {
	return &v1alpha1.Phase{
		ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: run + "-0-" + strings.ToLower(name)},
		Spec:       v1alpha1.PhaseSpec{Run: v1alpha1.ObjectName{Name: run}, Name: name, SHA: someSHA, Approval: v1alpha1.ApprovalManual},
		Status: v1alpha1.PhaseStatus{
			State: v1alpha1.PhaseWaitingForApproval, Approval: &v1alpha1.ApprovalStatus{RequestTime: metav1.NewTime(written.Add(asked))},
		},
	}
}

// did is a decision in words.
func did(d comment.Decision) string {
	var parts []string
	if run := d.Create; run != nil {
		part := "create " + run.Name + " sha=" + run.Spec.Commit.SHA + " rerunOf=" + run.Spec.RerunOf + " phases=" + strings.Join(run.Spec.PhaseNames, ",")
		parts = append(parts, strings.NewReplacer(someSHA, "HEAD", "sha= ", "", "rerunOf= ", "").Replace(part))
	}
	for _, run := range d.Cancel {
		parts = append(parts, "cancel "+run.Name)
	}
	if d.Approve != nil {
		parts = append(parts, "approve "+d.Approve.Name)
	}
	return strings.Join(append(parts, string(d.Reaction)), "; ")
}

var everyCommand = []string{"run", "run A B", "rerun", "cancel", "approve DEPLOY", "ok " + someSHA, "help", "nonsense"}

func TestWhoIsObeyed(t *testing.T) {
	fork := func(in *comment.Input) { in.Pull.Fork, in.Pull.Opener = true, actor(9, "read") }
	strangers := func(in *comment.Input) { in.Pull.Opener = actor(9, "read") }
	all := map[string]string{
		"run": "create app-c42 sha=HEAD phases=; +1", "run A B": "create app-c42 sha=HEAD phases=A,B; +1",
		"rerun": "create app-c42 rerunOf=failed phases=; +1", "cancel": "cancel going; cancel waiting; +1",
		"approve DEPLOY": "approve waiting-0-deploy; +1", "ok " + someSHA: "create app-ok-7fd1a60b01f91b31 sha=HEAD phases=; +1",
		"help": "+1", "nonsense": "confused",
	}
	oneByOne := maps.Clone(all)
	oneByOne["run"], oneByOne["run A B"] = "-1", "-1"

	for who, author := range map[string]link.Actor{
		"the owner": actor(1, link.LevelAdmin), "a writer": actor(5, link.LevelWrite),
		"a reader": actor(9, "read"), "a stranger": actor(8, "none"), "nobody": {}, "a level of the future": actor(8, "maintain"),
		"an App":                        {ID: 3, Bot: true, Permission: link.Permission{UserID: 3, Bot: true, Level: link.LevelAdmin}},
		"one whose login an App has":    {ID: 3, Permission: link.Permission{UserID: 3, Bot: true, Level: link.LevelAdmin}},
		"one whose login another has":   {ID: 3, Permission: link.Permission{UserID: 4, Level: link.LevelAdmin}},
		"one whose account was deleted": {Permission: link.Permission{Level: link.LevelAdmin}},
	} {
		for where, c := range map[string]struct {
			of   func(*comment.Input)
			want map[string]string
		}{
			"a branch of the repository":      {func(*comment.Input) {}, all},
			"a fork":                          {fork, oneByOne},
			"a stranger's pull request":       {strangers, oneByOne},
			"a writer's pull request, a fork": {func(in *comment.Input) { in.Pull.Fork = true }, oneByOne},
		} {
			for _, command := range everyCommand {
				t.Run(who+" on "+where+" says "+command, func(t *testing.T) {
					want := ""
					if who == "the owner" || who == "a writer" {
						want = c.want[command]
					}
					in := ask("/katkit "+command, c.of, func(in *comment.Input) { in.Comment.Author = author })
					decision := comment.Decide(in)
					if got := did(decision); got != want {
						t.Errorf("%s, want %s: %s", got, want, decision.Answer)
					}
					if decision.Silent() != (want == "") || decision.Silent() != (decision.Answer == "") {
						t.Errorf("silent: %t, answer: %q", decision.Silent(), decision.Answer)
					}
				})
			}
		}
	}
}

func TestDecide(t *testing.T) {
	closed := func(in *comment.Input) { in.Pull.Open = false }
	only := func(commands ...v1alpha1.CommentCommand) func(*comment.Input) {
		return func(in *comment.Input) { in.Link.Spec.Triggers.Comments.Commands = commands }
	}
	runs := func(list ...*v1alpha1.CIRun) func(*comment.Input) { return func(in *comment.Input) { in.Runs = list } }
	phases := func(list ...*v1alpha1.Phase) func(*comment.Input) {
		return func(in *comment.Input) { in.Phases = list }
	}
	with := func(run *v1alpha1.CIRun, mutate func(*v1alpha1.CIRun)) *v1alpha1.CIRun { mutate(run); return run }
	signed := func(annotation, by string) func(*v1alpha1.CIRun) {
		return func(run *v1alpha1.CIRun) { run.Annotations = map[string]string{annotation: by} }
	}
	triggered := func(by v1alpha1.TriggerName, made time.Duration) *v1alpha1.CIRun {
		run := aRun("b", v1alpha1.RunRunning, made)
		run.Labels = map[string]string{v1alpha1.LabelTrigger: string(by)}
		return run
	}
	const by42 = "ann (#5) in comment 42"
	ofOther := func(p *v1alpha1.Phase) *v1alpha1.Phase { p.Spec.SHA = otherSHA; return p }
	for name, c := range map[string]struct {
		in   comment.Input
		want string
		says []string
	}{
		"a run tells commit and phases": {ask(`/katkit run A "B C"`), "create app-c42 sha=HEAD phases=A,B C; +1", []string{"`app-c42`", "`" + someSHA + "`", "`A`, `B C`"}},
		"a fork's commit is allowed with a command to copy": {ask("/katkit run", func(in *comment.Input) { in.Pull.Fork = true }), "-1",
			[]string{"it is from a fork", "`/katkit ok " + someSHA + "`"}},
		"a stranger's, too": {ask("/katkit run", func(in *comment.Input) { in.Pull.Opener = actor(9, "read") }), "-1",
			[]string{"somebody without write permission", "`/katkit ok " + someSHA + "`"}},
		"where ok is not obeyed that is told": {ask("/katkit run", only("run"), func(in *comment.Input) { in.Pull.Fork = true }), "-1", []string{"link `app` does not obey `ok`"}},
		"nothing of a closed one is run":      {ask("/katkit run", closed), "confused", []string{"#7 is closed"}},
		"a run that was made is not made again, whatever is the newest commit now": {ask("/katkit run",
			runs(with(aRun("app-c42", v1alpha1.RunRunning, 0), func(r *v1alpha1.CIRun) { r.Spec.Commit.SHA = otherSHA }))), "+1", []string{otherSHA}},

		"another letter case of the sha": {ask("/katkit ok " + strings.ToUpper(someSHA)), "create app-ok-7fd1a60b01f91b31 sha=HEAD phases=; +1", nil},
		"the beginning of the sha":       {ask("/katkit ok " + someSHA[:12]), "confused", []string{"whole sha", "`/katkit ok " + someSHA + "`"}},
		"the beginning of another":       {ask("/katkit ok " + otherSHA[:39]), "confused", []string{"is not the sha of a commit"}},
		"no sha":                         {ask("/katkit ok @everybody"), "confused", []string{"`@everybody` is not the sha"}},
		"a commit that was pushed over":  {ask("/katkit ok " + otherSHA), "confused", []string{"`" + otherSHA + "` is not the newest one", "`/katkit ok " + someSHA + "`"}},
		"ok of a closed one":             {ask("/katkit ok "+someSHA, closed), "confused", []string{"#7 is closed"}},
		"ok said again":                  {ask("/katkit ok "+someSHA, runs(aRun("app-ok-7fd1a60b01f91b31", v1alpha1.RunFailed, 0))), "+1", []string{"is allowed", "`app-ok-7fd1a60b01f91b31`"}},
		"ok said again, after a later push": {ask("/katkit ok "+someSHA, runs(aRun("app-ok-7fd1a60b01f91b31", v1alpha1.RunFailed, 0)),
			func(in *comment.Input) { in.Pull.HeadSHA = otherSHA }), "+1", nil},
		"ok of a commit whose sha begins like that of one that was allowed": {ask("/katkit ok "+someSHA, runs(with(aRun("app-ok-7fd1a60b01f91b31", v1alpha1.RunFailed, 0),
			func(r *v1alpha1.CIRun) { r.Spec.Commit.SHA = someSHA[:16] + otherSHA[16:] }))), "create app-ok-7fd1a60b01f91b31 sha=HEAD phases=; +1", nil},

		"of two that ended the later is repeated": {ask("/katkit rerun", runs(aRun("b", v1alpha1.RunFailed, -time.Hour), aRun("a", v1alpha1.RunCancelled, 0))), "create app-c42 rerunOf=a phases=; +1", nil},
		"what succeeded is not repeated":          {ask("/katkit rerun", runs(aRun("b", v1alpha1.RunSucceeded, 0), aRun("a", v1alpha1.RunFailed, -time.Hour))), "confused", []string{"all phases of run `b` succeeded"}},
		"nothing has ended":                       {ask("/katkit rerun", runs(aRun("b", v1alpha1.RunRunning, 0))), "confused", []string{"no run of this pull request that has ended"}},
		"nothing is left of it": {ask("/katkit rerun", runs(with(aRun("b", v1alpha1.RunFailed, 0), func(r *v1alpha1.CIRun) { r.Status.TrimTime = new(metav1.NewTime(written)) }))),
			"confused", []string{"no run of this pull request"}},
		"a rerun of a closed one": {ask("/katkit rerun", closed), "confused", []string{"#7 is closed"}},
		"a rerun that was made is not made of itself": {ask("/katkit rerun", runs(aRun("failed", v1alpha1.RunFailed, -time.Hour),
			with(aRun("app-c42", v1alpha1.RunFailed, 0), func(r *v1alpha1.CIRun) { r.Spec.RerunOf = "failed" }))), "+1", []string{"repeats `failed`"}},

		"a closed one is cancelled": {ask("/katkit cancel", closed), "cancel going; cancel waiting; +1", []string{"cancelled `going`, `waiting`"}},
		"nothing to cancel":         {ask("/katkit cancel", runs(aRun("b", v1alpha1.RunFailed, 0))), "confused", []string{"nothing of this pull request is under way"}},
		"what is cancelled already": {ask("/katkit cancel", runs(with(aRun("b", v1alpha1.RunRunning, 0), func(r *v1alpha1.CIRun) { r.Spec.Cancelled = true }))), "confused", nil},
		"what this comment has cancelled already": {ask("/katkit cancel", runs(with(aRun("b", v1alpha1.RunCancelled, 0), signed(v1alpha1.AnnotationCancelledOnGitHub, by42)))),
			"+1", []string{"cancelled `b`"}},
		"what was made a minute later is not meant":    {ask("/katkit cancel", runs(aRun("b", v1alpha1.RunRunning, 61*time.Second))), "confused", nil},
		"what a trigger made before":                   {ask("/katkit cancel", runs(triggered("pr", -time.Second))), "cancel b; +1", nil},
		"what a trigger made in the same second":       {ask("/katkit cancel", runs(triggered("pr", 0))), "confused", []string{"`b` began after this was written"}},
		"what a trigger made of a later push":          {ask("/katkit cancel", runs(triggered("pr", 55*time.Second))), "confused", []string{"`b` began after"}},
		"what another trigger made later":              {ask("/katkit cancel", runs(triggered("push", time.Second))), "confused", []string{"`b` began after"}},
		"of two runs of a trigger the earlier":         {ask("/katkit cancel", runs(triggered("pr", time.Second), aRun("a", v1alpha1.RunRunning, -time.Second))), "cancel a; +1", []string{"cancelled `a`"}},
		"clocks may be apart, of what people made":     {ask("/katkit cancel", runs(aRun("b", v1alpha1.RunRunning, time.Minute))), "cancel b; +1", nil},
		"what an earlier comment asked for, made late": {ask("/katkit cancel", runs(with(aRun("b", v1alpha1.RunRunning, time.Hour), signed(v1alpha1.AnnotationAskedOnGitHub, "x (#1) in comment 41")))), "cancel b; +1", nil},
		"what a later comment asked for":               {ask("/katkit cancel", runs(with(aRun("b", v1alpha1.RunRunning, 0), signed(v1alpha1.AnnotationAskedOnGitHub, "x (#1) in comment 43")))), "confused", nil},

		"a phase that began to wait later": {ask("/katkit approve DEPLOY", phases(aPhase("r", "DEPLOY", time.Second))), "confused", []string{"after this was written", "`r`"}},
		"a phase of another name":          {ask("/katkit approve Deploy"), "confused", []string{"no phase `Deploy`"}},
		"of several the newest commit's":   {ask("/katkit approve DEPLOY", phases(ofOther(aPhase("a", "DEPLOY", 0)), aPhase("b", "DEPLOY", 0))), "approve b-0-deploy; +1", nil},
		"one of an older commit alone":     {ask("/katkit approve DEPLOY", phases(ofOther(aPhase("a", "DEPLOY", 0)))), "approve a-0-deploy; +1", []string{otherSHA}},
		"several of one commit":            {ask("/katkit approve DEPLOY", phases(aPhase("b", "DEPLOY", 0), aPhase("a", "DEPLOY", 0))), "confused", []string{"several runs", "`a`, `b`"}},
		"several of other commits":         {ask("/katkit approve DEPLOY", phases(ofOther(aPhase("b", "DEPLOY", 0)), ofOther(aPhase("a", "DEPLOY", 0)))), "confused", []string{"several runs"}},
		"what this comment has approved already": {ask("/katkit approve DEPLOY", phases(func() *v1alpha1.Phase {
			phase := aPhase("a", "DEPLOY", 0)
			phase.Status.State, phase.Spec.Approved = v1alpha1.PhaseRunning, true
			phase.Annotations = map[string]string{v1alpha1.AnnotationApprovedOnGitHub: by42}
			return phase
		}())), "+1", []string{"approved phase `DEPLOY` of run `a`"}},

		"help lists what is obeyed":       {ask("/katkit", only("cancel", "ok")), "+1", []string{"`/katkit cancel`", "`/katkit ok SHA`"}},
		"another command is not":          {ask("/katkit run", only("cancel")), "-1", []string{"does not obey `run`", "`/katkit cancel`"}},
		"and what is none is not, either": {ask("/katkit fly", only("cancel")), "confused", []string{"no command `fly`"}},
	} {
		t.Run(name, func(t *testing.T) {
			decision := comment.Decide(c.in)
			if got := did(decision); got != c.want {
				t.Errorf("%s, want %s: %s", got, c.want, decision.Answer)
			}
			for _, text := range c.says {
				if !strings.Contains(decision.Answer, text) {
					t.Errorf("%q does not say %q", decision.Answer, text)
				}
			}
		})
	}
	if answer := comment.Decide(ask("/katkit", only("cancel"))).Answer; strings.Contains(answer, "/katkit run") {
		t.Errorf("help tells what is not obeyed: %s", answer)
	}
}

func TestARunTellsWhoAskedForIt(t *testing.T) {
	run := comment.Decide(ask("/katkit ok " + someSHA)).Create
	want := metav1.ObjectMeta{
		Namespace: "tenant", Name: "app-ok-7fd1a60b01f91b31", Labels: map[string]string{v1alpha1.LabelManagedBy: "katkit", v1alpha1.LabelTrigger: "comments"},
		Annotations: map[string]string{v1alpha1.AnnotationAskedOnGitHub: "ann (#5) in comment 42"},
	}
	if diff := cmp.Diff(want, run.ObjectMeta); diff != "" {
		t.Error(diff)
	}
	long := ask("/katkit run", func(in *comment.Input) { in.Link.Name = strings.Repeat("l", 63); in.Comment.ID = 1 << 62 })
	if name := comment.Decide(long).Create.Name; len(name) > 63 || !strings.HasSuffix(name, fmt.Sprint("-c", int64(1<<62))) {
		t.Errorf("a run %s", name)
	}
}

func TestSameRun(t *testing.T) {
	wanted := comment.Decide(ask("/katkit ok " + someSHA)).Create
	for name, c := range map[string]struct {
		mutate func(*v1alpha1.CIRun)
		want   bool
	}{
		"itself":                           {func(*v1alpha1.CIRun) {}, true},
		"of the same commit, by another":   {func(r *v1alpha1.CIRun) { r.Annotations = nil }, true},
		"of another commit, by another":    {func(r *v1alpha1.CIRun) { r.Annotations = nil; r.Spec.Commit.SHA = otherSHA }, false},
		"of another link":                  {func(r *v1alpha1.CIRun) { r.Spec.Link.Name = "other" }, false},
		"of the same comment, but changed": {func(r *v1alpha1.CIRun) { r.Spec.Commit.SHA = otherSHA }, true},
	} {
		existing := wanted.DeepCopy()
		c.mutate(existing)
		if got := comment.Same(wanted, existing); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestRunsOfAPullRequest(t *testing.T) {
	of := func(name string, mutate func(*v1alpha1.CIRun)) *v1alpha1.CIRun {
		run := aRun(name, v1alpha1.RunRunning, 0)
		run.Spec.Commit, run.Status.PullRequest = v1alpha1.CommitSelector{}, 0
		mutate(run)
		return run
	}
	runs := []*v1alpha1.CIRun{
		of("spec", func(r *v1alpha1.CIRun) { r.Spec.Commit.PullRequest = 7 }),
		of("status", func(r *v1alpha1.CIRun) { r.Status.PullRequest = 7 }),
		of("again", func(r *v1alpha1.CIRun) { r.Spec.RerunOf = "spec" }),
		of("and-again", func(r *v1alpha1.CIRun) { r.Spec.RerunOf = "again" }),
		of("branch", func(r *v1alpha1.CIRun) { r.Spec.Commit.Branch = "main" }),
		of("other", func(r *v1alpha1.CIRun) { r.Spec.Commit.PullRequest = 8 }),
		of("other-link", func(r *v1alpha1.CIRun) { r.Spec.Commit.PullRequest = 7; r.Spec.Link.Name = "web" }),
		of("gone", func(r *v1alpha1.CIRun) { r.Spec.RerunOf = "nothing" }),
		of("circle", func(r *v1alpha1.CIRun) { r.Spec.RerunOf = "circle" }),
	}
	var names []string
	for _, run := range comment.OfPull(runs, "app", 7) {
		names = append(names, run.Name)
	}
	if want := []string{"spec", "status", "again", "and-again"}; !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
}
