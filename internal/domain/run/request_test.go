package run_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/run"
)

// ended is a run of the demo's phases, in states such as "Succeeded Failed Skipped".
func ended(states string) *v1alpha1.CIRun {
	r := newRun()
	r.Name, r.UID = "first", "first-uid"
	r.Status.State, r.Status.SHA, r.Status.Ref = v1alpha1.RunFailed, sha, "feature"
	for i, state := range strings.Fields(states) {
		phase := threePhases()[i]
		r.Status.Phases = append(r.Status.Phases, v1alpha1.RunPhaseStatus{
			Name: phase.Name, PhaseName: "first-" + strings.ToLower(phase.Name), Type: phase.Type, Order: phase.Order, State: v1alpha1.PhaseState(state), StartTime: new(metav1.NewTime(now)),
		})
	}
	return r
}

func rerun(from string) *v1alpha1.CIRun {
	r := newRun()
	r.Spec.Commit, r.Spec.RerunOf, r.Spec.FromPhase = v1alpha1.CommitSelector{}, "first", from
	return r
}

func TestAsk(t *testing.T) {
	first := ended("Failed Skipped Skipped")
	first.Spec.Env = []v1alpha1.EnvVar{{Name: "A", Value: "first"}, {Name: "B", Value: "first"}}
	first.Spec.Phases = threePhases()
	second := rerun("")
	second.Name = "second"
	second.Status.SHA, second.Status.Ref = sha, "feature"
	third := rerun("")
	third.Spec.Env = []v1alpha1.EnvVar{{Name: "B", Value: "third"}}
	want := run.Request{
		Commit: v1alpha1.CommitSelector{SHA: sha}, Judged: true, Ref: "feature", Phases: threePhases(),
		Env: []v1alpha1.EnvVar{{Name: "A", Value: "first"}, {Name: "B", Value: "first"}, {Name: "B", Value: "third"}},
	}
	if diff := cmp.Diff(want, run.Ask(third, []*v1alpha1.CIRun{second, first})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	never := newRun()
	never.Spec.Commit = v1alpha1.CommitSelector{PullRequest: 7}
	if got := run.Ask(rerun(""), []*v1alpha1.CIRun{never}); got.Commit.PullRequest != 7 || got.PullRequest != 7 || got.Judged {
		t.Errorf("a run that never found its commit: %+v", got)
	}
}

func TestCarry(t *testing.T) {
	for name, c := range map[string]struct {
		states, from string
		phases       []v1alpha1.PhaseTemplate
		want         string // names of what is carried over, in their order
		wrong        string
	}{
		"from the first that did not succeed":  {states: "Succeeded Failed Skipped", want: "PRE_DEPLOY_BUILD"},
		"nothing succeeded":                    {states: "Failed Skipped Skipped"},
		"it never had phases":                  {},
		"from a phase":                         {states: "Succeeded Succeeded Failed", from: "DEPLOY", want: "PRE_DEPLOY_BUILD"},
		"from a phase of one that succeeded":   {states: "Succeeded Succeeded Succeeded", from: "POST_DEPLOY_VERIFICATION", want: "PRE_DEPLOY_BUILD DEPLOY"},
		"all succeeded":                        {states: "Succeeded Succeeded Succeeded", wrong: "all phases of run first succeeded: name the one to begin with"},
		"no such phase":                        {states: "Failed Skipped Skipped", from: "TEST", wrong: `no phase "TEST" to begin with: it has PRE_DEPLOY_BUILD, DEPLOY, POST_DEPLOY_VERIFICATION`},
		"a phase before it did not succeed":    {states: "Failed Skipped Skipped", from: "DEPLOY", wrong: "phase PRE_DEPLOY_BUILD comes before DEPLOY and did not succeed in run first"},
		"cancelled in the middle":              {states: "Succeeded Cancelled Skipped", want: "PRE_DEPLOY_BUILD"},
		"the workflow has one phase less now":  {states: "Succeeded Failed Skipped", phases: threePhases()[:2], wrong: "the workflow of the commit is another"},
		"the workflow has another order now":   {states: "Succeeded Failed Skipped", phases: reordered(), wrong: "the workflow of the commit is another"},
		"beside it, what failed is run again":  {states: "Failed Failed Skipped", phases: sideBySide()},
		"beside it, what succeeded is carried": {states: "Succeeded Failed Skipped", phases: sideBySide(), want: "PRE_DEPLOY_BUILD"},
	} {
		t.Run(name, func(t *testing.T) {
			phases := c.phases
			if phases == nil {
				phases = threePhases()
			}
			before := ended(c.states)
			if strings.HasPrefix(name, "beside it") {
				before.Status.Phases[1].Order = 0
			}
			carried, cause := run.Carry(rerun(c.from), before, phases)
			if (cause != nil) != (c.wrong != "") || cause != nil && (!strings.Contains(cause.Message, c.wrong) || cause.Reason != v1alpha1.ReasonRerunNotPossible) {
				t.Fatalf("got %v", cause)
			}
			var names []string
			for _, phase := range phases {
				if entry, is := carried[phase.Name]; is {
					names = append(names, phase.Name)
					if entry.CarriedFrom != "first" || entry.State != v1alpha1.PhaseSucceeded || entry.Message != "carried over from run first" {
						t.Errorf("%+v", entry)
					}
				}
			}
			if got := strings.Join(names, " "); got != c.want {
				t.Errorf("carried over: %q, want %q", got, c.want)
			}
		})
	}
}

func reordered() []v1alpha1.PhaseTemplate {
	phases := threePhases()
	phases[1].Order = 7
	return phases
}

func sideBySide() []v1alpha1.PhaseTemplate {
	phases := threePhases()
	phases[1].Order = 0
	return phases
}

func TestCarryTellsOfTheRunInWhichAPhaseRan(t *testing.T) {
	again := ended("Succeeded Failed Skipped")
	again.Name = "again"
	again.Status.Phases[0].CarriedFrom = "first"
	carried, _ := run.Carry(rerun(""), again, threePhases())
	if entry := carried["PRE_DEPLOY_BUILD"]; entry.CarriedFrom != "first" || entry.PhaseName != "first-pre_deploy_build" {
		t.Errorf("%+v", entry)
	}
}

func TestRepeatable(t *testing.T) {
	going := ended("Running Pending Pending")
	going.Status.State = v1alpha1.RunRunning
	other := ended("Failed Skipped Skipped")
	other.Spec.Link.Name = "other"
	for want, r := range map[string]*v1alpha1.CIRun{"has not ended": going, "is of link other, not of taskrunner": other} {
		if cause := run.Repeatable(rerun(""), r); cause == nil || !strings.Contains(cause.Message, want) {
			t.Errorf("got %v, want %q", cause, want)
		}
	}
	if cause := run.Repeatable(rerun(""), ended("Failed Skipped Skipped")); cause != nil {
		t.Error(cause)
	}
}

func TestWhatIsCarriedOverIsNotRunAgain(t *testing.T) {
	m := newMaterial(threePhases()...)
	m.Carried, _ = run.Carry(rerun(""), ended("Succeeded Succeeded Failed"), m.Workflow.Phases)
	m.Outputs = []v1alpha1.Output{{Name: "VERSION", Value: "1.2"}}
	plan := decide(t, run.Observation{Run: rerun(""), Material: m}, now)
	if len(plan.CreatePhases) != 1 || plan.CreatePhases[0].Spec.Name != "POST_DEPLOY_VERIFICATION" || len(plan.CreatePhases[0].Spec.After) > 0 {
		t.Fatalf("%+v", plan.CreatePhases)
	}
	if diff := cmp.Diff(m.Outputs, plan.CreatePhases[0].Spec.Execution.CarriedOutputs); diff != "" {
		t.Errorf("outputs (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(m.Outputs, plan.Status.Outputs); diff != "" {
		t.Errorf("outputs (-want +got)\n%s", diff)
	}
	if condition := succeededCondition(plan.Status); condition.Message != "2 of 3 phases done, now POST_DEPLOY_VERIFICATION" {
		t.Error(condition.Message)
	}
	r := rerun("")
	r.Status = plan.Status
	phase := plan.CreatePhases[0]
	phase.Status.State, phase.Status.CompletionTime = v1alpha1.PhaseSucceeded, new(metav1.NewTime(now))
	phase.Status.Outputs = []v1alpha1.Output{{Name: "VERSION", Value: "1.3"}, {Name: "URL", Value: "x"}}
	plan = decide(t, run.Observation{Run: r, Phases: map[string]*v1alpha1.Phase{phase.Name: phase}}, now)
	if plan.Status.State != v1alpha1.RunSucceeded {
		t.Errorf("%+v", plan.Status)
	}
	if diff := cmp.Diff(phase.Status.Outputs, plan.Status.Outputs); diff != "" {
		t.Errorf("outputs (-want +got)\n%s", diff)
	}
}

func TestStillLive(t *testing.T) {
	m := newMaterial(threePhases()...)
	carried, _ := run.Carry(rerun(""), ended("Succeeded Succeeded Failed"), m.Workflow.Phases)
	live := v1alpha1.Receipt{Kind: "Deployment", Name: "taskrunner", PreviousImage: "acme/taskrunner:" + sha, Image: "acme/taskrunner:" + sha}
	if cause := run.StillLive(ended(""), carried, []v1alpha1.Receipt{live}); cause != nil {
		t.Error(cause)
	}
	live.PreviousImage = "acme/taskrunner:newer"
	if cause := run.StillLive(ended(""), carried, []v1alpha1.Receipt{live}); cause == nil || !strings.Contains(cause.Message, "Deployment taskrunner runs acme/taskrunner:newer by now: begin with that phase (fromPhase: DEPLOY)") {
		t.Errorf("got %v", cause)
	}
	delete(carried, "DEPLOY")
	if cause := run.StillLive(ended(""), carried, []v1alpha1.Receipt{live}); cause != nil {
		t.Errorf("nothing deployed is carried over: %v", cause)
	}
}

func TestMergeOutputs(t *testing.T) {
	left := func(name string, order int32, outputs ...v1alpha1.Output) *v1alpha1.Phase {
		p := &v1alpha1.Phase{Spec: v1alpha1.PhaseSpec{Name: name, Order: order}}
		p.Status.Outputs = outputs
		return p
	}
	got := run.MergeOutputs([]v1alpha1.Output{{Name: "A", Value: "before"}, {Name: "Z", Value: "before"}}, []*v1alpha1.Phase{
		left("late", 2, v1alpha1.Output{Name: "A", Value: "late"}), left("b", 1, v1alpha1.Output{Name: "B", Value: "b"}, v1alpha1.Output{Name: "A", Value: "b"}),
		left("a", 1, v1alpha1.Output{Name: "B", Value: "a"}),
	})
	want := []v1alpha1.Output{{Name: "A", Value: "late"}, {Name: "Z", Value: "before"}, {Name: "B", Value: "b"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
