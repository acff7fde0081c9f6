package rerequest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/click"
	"katkit.dev/katkit/internal/domain/reporting"
	"katkit.dev/katkit/internal/domain/rerequest"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// aRun is a run of link app, whose UID is its name, with phases BUILD, TEST and LINT side by side, and DEPLOY, in these states.
func aRun(name string, states ...v1alpha1.PhaseState) *v1alpha1.CIRun {
	run := &v1alpha1.CIRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: "d-one", Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(noon)},
		Spec:       v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: "app"}},
		Status:     v1alpha1.CIRunStatus{State: v1alpha1.RunFailed},
	}
	for i, state := range states {
		run.Status.Phases = append(run.Status.Phases, v1alpha1.RunPhaseStatus{
			Name: []string{"BUILD", "TEST", "LINT", "DEPLOY"}[i], Order: []int32{0, 1, 1, 2}[i], State: state,
		})
	}
	return run
}

const (
	good = v1alpha1.PhaseSucceeded
	bad  = v1alpha1.PhaseFailed
	skip = v1alpha1.PhaseSkipped
)

// pressed is a click on the check run 7 of a phase, in suite 70, of a run that failed in TEST.
func pressed(phase string, mutate ...func(*rerequest.Input)) rerequest.Input {
	in := rerequest.Input{
		Link: &v1alpha1.TenantRepoLink{
			ObjectMeta: metav1.ObjectMeta{Namespace: "d-one", Name: "app"},
			Spec:       v1alpha1.TenantRepoLinkSpec{Triggers: v1alpha1.TriggersSpec{Comments: &v1alpha1.CommentTrigger{}}},
		},
		Tenant: "one", Kind: click.CheckRun, Checks: []rerequest.Check{check(7, "run", phase)},
		Runs: []*v1alpha1.CIRun{aRun("other", good, bad), aRun("run", good, bad, good, skip)},
	}
	for _, f := range mutate {
		f(&in)
	}
	return in
}

func check(id int64, run, phase string) rerequest.Check {
	return rerequest.Check{ID: id, Suite: 70, Name: "katkit/one/-/" + phase, ExternalID: reporting.CheckID(types.UID(run), phase)}
}

// suite is a click on Re-run all checks.
func suite(checks ...rerequest.Check) func(*rerequest.Input) {
	return func(in *rerequest.Input) { in.Kind, in.Checks = click.CheckSuite, checks }
}

func TestWhatAButtonRepeats(t *testing.T) {
	replace := func(run *v1alpha1.CIRun) func(*rerequest.Input) {
		return func(in *rerequest.Input) { in.Runs[1] = run }
	}
	newest := aRun("newest", good, good, good, bad)
	newest.CreationTimestamp = metav1.NewTime(noon.Add(time.Minute))
	for name, c := range map[string]struct {
		in       rerequest.Input
		of, from string
		check    int64
	}{
		"from the phase that failed":               {pressed("TEST"), "run", "TEST", 7},
		"from one that succeeded":                  {pressed("BUILD"), "run", "BUILD", 7},
		"from one beside it":                       {pressed("LINT"), "run", "LINT", 7},
		"of one that was skipped, from the cause":  {pressed("DEPLOY"), "run", "", 7},
		"of a run that succeeded":                  {pressed("DEPLOY", replace(aRun("run", good, good, good, good))), "run", "DEPLOY", 7},
		"of a run that could not begin":            {pressed(reporting.ConfigPhase, replace(aRun("run"))), "run", "", 7},
		"of one that could, which it says of that": {pressed(reporting.ConfigPhase), "run", "BUILD", 7},
		"where rerun is obeyed among others": {pressed("TEST", func(in *rerequest.Input) {
			in.Link.Spec.Triggers.Comments.Commands = []v1alpha1.CommentCommand{v1alpha1.CommandCancel, v1alpha1.CommandRerun}
		}), "run", "TEST", 7},
		"all checks, of one run":  {pressed("", suite(check(9, "run", "TEST"), check(8, "run", "BUILD"), check(3, "theirs", "BUILD"))), "run", "BUILD", 8},
		"all checks, of the last": {pressed("", suite(check(9, "newest", "DEPLOY"), check(8, "run", "BUILD")), func(in *rerequest.Input) { in.Runs = append(in.Runs, newest) }), "newest", "BUILD", 9},
		"a second time, by another check run's button": {pressed("TEST", func(in *rerequest.Input) {
			before := rerequest.Decide(pressed("BUILD")).Create
			before.Status.State = v1alpha1.RunFailed
			in.Runs, in.Checks[0].ID = append(in.Runs, before), 8
		}), "run", "TEST", 8},
	} {
		t.Run(name, func(t *testing.T) {
			got := rerequest.Decide(c.in)
			if got.Create == nil {
				t.Fatalf("nothing is made: %s: %s", got.Reason, got.Note)
			}
			want := v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: "app"}, RerunOf: c.of, FromPhase: c.from}
			if diff := cmp.Diff(want, got.Create.Spec); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Suite != 70 || got.Check != c.check || got.Note != "" {
				t.Errorf("suite %d, check %d, note %q", got.Suite, got.Check, got.Note)
			}
			if by := got.Create.Annotations[v1alpha1.AnnotationAskedOnGitHub]; by != fmt.Sprint("Re-run of check run ", c.check) {
				t.Errorf("asked by %q", by)
			}
			if got.Create.Labels[v1alpha1.LabelTrigger] == "" {
				t.Error("the admission policy lets no such run be made")
			}
			if !strings.HasPrefix(got.Create.Name, "app-rerun-") || len(got.Create.Name) != len("app-rerun-")+16 {
				t.Errorf("its name is %s", got.Create.Name)
			}
		})
	}
}

func TestWhatAButtonDoesNotRepeat(t *testing.T) {
	with := func(mutate func(*v1alpha1.CIRun)) func(*rerequest.Input) {
		return func(in *rerequest.Input) { mutate(in.Runs[1]) }
	}
	made := rerequest.Decide(pressed("TEST")).Create
	for name, c := range map[string]struct {
		in           rerequest.Input
		reason, note string
	}{
		"of a link without comments": {pressed("TEST", func(in *rerequest.Input) { in.Link.Spec.Triggers.Comments = nil }),
			v1alpha1.ReasonRerunNotObeyed, "set spec.triggers.comments"},
		"of a link with other commands": {pressed("TEST", func(in *rerequest.Input) {
			in.Link.Spec.Triggers.Comments.Commands = []v1alpha1.CommentCommand{v1alpha1.CommandCancel}
		}), v1alpha1.ReasonRerunNotObeyed, `have "rerun" among its commands`},
		"of a run that goes on":       {pressed("TEST", with(func(r *v1alpha1.CIRun) { r.Status.State = v1alpha1.RunRunning })), v1alpha1.ReasonRerunNotPossible, "has not ended"},
		"of a run that was trimmed":   {pressed("TEST", with(func(r *v1alpha1.CIRun) { r.Status.TrimTime = &metav1.Time{} })), v1alpha1.ReasonRerunNotPossible, "were removed"},
		"of a phase that is not its":  {pressed("SHIP"), v1alpha1.ReasonRerunNotPossible, "has no such phase"},
		"of a run that is gone":       {pressed("TEST", func(in *rerequest.Input) { in.Runs = nil }), v1alpha1.ReasonRerunNotFound, "check run 7 shows is not there any more"},
		"of one that is gone, unread": {pressed("TEST", func(in *rerequest.Input) { in.Runs, in.Link.Spec.Triggers.Comments = nil, nil }), "", ""},
		"of another tenant's run":     {pressed("TEST", func(in *rerequest.Input) { in.Runs, in.Tenant = nil, "two" }), "", ""},
		"of another link's run": {pressed("TEST", with(func(r *v1alpha1.CIRun) { r.Spec.Link.Name = "api" }), func(in *rerequest.Input) {
			in.Link.Spec.FolderPath = "api"
		}), "", ""},
		"of what is not Katkit's": {pressed("TEST", func(in *rerequest.Input) { in.Checks[0].ExternalID = "run" }), "", ""},
		"of nothing":              {pressed("TEST", func(in *rerequest.Input) { in.Checks = nil }), "", ""},
		"twice":                   {pressed("TEST", func(in *rerequest.Input) { in.Runs = append(in.Runs, made) }), "", ""},
		"while it is repeated": {pressed("BUILD", func(in *rerequest.Input) { in.Runs, in.Checks[0].ID = append(in.Runs, made), 8 }),
			v1alpha1.ReasonRerunNotPossible, "repeats run run already"},
		"what was made before it went": {pressed("TEST", func(in *rerequest.Input) {
			in.Link.Status.Triggers = &v1alpha1.TriggersStatus{Pressed: []string{"check_run/7"}}
		}), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := rerequest.Decide(c.in)
			if got.Create != nil {
				t.Fatalf("makes %+v", got.Create)
			}
			if got.Reason != c.reason || !strings.Contains(got.Note, c.note) || (c.note == "") != (got.Note == "") {
				t.Errorf("%s: %s, want %s: …%s…", got.Reason, got.Note, c.reason, c.note)
			}
		})
	}
}

func TestOneRunForAllButtonsOfARun(t *testing.T) {
	decide := func(id int64, run, phase string) rerequest.Decision {
		return rerequest.Decide(pressed(phase, func(in *rerequest.Input) { in.Checks[0] = check(id, run, phase) }))
	}
	chosen := rerequest.Choose([]rerequest.Decision{decide(1, "run", "LINT"), decide(2, "other", "BUILD"), decide(3, "run", "BUILD"), decide(4, "run", "DEPLOY")})
	var got []string
	for _, one := range chosen {
		got = append(got, fmt.Sprintf("%s from %s by %d", one.Create.Spec.RerunOf, one.Create.Spec.FromPhase, one.Check))
	}
	if diff := cmp.Diff([]string{"run from BUILD by 3", "other from BUILD by 2"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
