package run_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/run"
)

// begun is a run whose Phases are made, with them.
func begun(t *testing.T, templates ...v1alpha1.PhaseTemplate) (*v1alpha1.CIRun, map[string]*v1alpha1.Phase) {
	t.Helper()
	r := newRun()
	plan := decide(t, run.Observation{Run: r, Material: newMaterial(templates...)}, now)
	phases := map[string]*v1alpha1.Phase{}
	for _, phase := range plan.CreatePhases {
		phases[phase.Name] = phase
	}
	r.Status = plan.Status
	return r, phases
}

func TestDecideWhetherARunBegins(t *testing.T) {
	r := newRun()
	if !run.NeedsMaterial(r) {
		t.Fatal("a new run needs material")
	}
	plan := decide(t, run.Observation{Run: r, Material: newMaterial(threePhases()...)}, now)
	var made []string
	for _, phase := range plan.CreatePhases {
		made = append(made, phase.Name)
	}
	want := []string{"taskrunner-7f3a-0-pre-deploy-build", "taskrunner-7f3a-1-deploy", "taskrunner-7f3a-2-post-deploy-verification"}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("Phases (-want +got)\n%s", diff)
	}
	r.Status = plan.Status
	if run.NeedsMaterial(r) {
		t.Error("a run that has begun asks GitHub again")
	}
}

// A manager that was killed after it made some of the Phases makes the others, and begins nothing twice.
func TestARunMakesNoPhaseTwice(t *testing.T) {
	_, phases := begun(t, threePhases()...)
	for _, phase := range phases {
		if phase.Spec.Order == 0 {
			phase.Status.State = v1alpha1.PhaseSucceeded // it was fast
		} else {
			delete(phases, phase.Name)
		}
	}
	plan := decide(t, run.Observation{Run: newRun(), Material: newMaterial(threePhases()...), Phases: phases}, now)
	if len(plan.CreatePhases) != 2 || len(plan.Status.Phases) != 3 || len(phases) != 1 {
		t.Fatalf("%d Phases are made, %d named", len(plan.CreatePhases), len(plan.Status.Phases))
	}
	if got := []v1alpha1.PhaseState{plan.Status.Phases[0].State, plan.Status.Phases[1].State}; got[0] != v1alpha1.PhaseSucceeded || got[1] != v1alpha1.PhaseRunning {
		t.Errorf("states %v", got)
	}
}

func TestARunThatCannotBegin(t *testing.T) {
	limited := problem.Transient(v1alpha1.ReasonRateLimited, "limited")
	for name, c := range map[string]struct {
		cause *problem.Problem
		state v1alpha1.RunState
		retry bool
	}{
		"fails for what a person has to mend":    {problem.Config(v1alpha1.ReasonTokenMissing, "no token"), v1alpha1.RunFailed, false},
		"waits for what passes by itself":        {limited, v1alpha1.RunPending, true},
		"waits for its link, and says for which": {run.LinkNotFound(newRun()), v1alpha1.RunPending, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun()
			plan := decide(t, run.Observation{Run: r, Problem: c.cause}, now)
			condition := succeededCondition(plan.Status)
			if plan.Status.State != c.state || condition.Reason != c.cause.Reason || condition.Message != c.cause.Message || (plan.Retry != nil) != c.retry {
				t.Errorf("got %s, %s, %q, again: %v", plan.Status.State, condition.Reason, condition.Message, plan.Retry)
			}
			if len(plan.CreatePhases) > 0 || plan.Status.SHA != "" {
				t.Errorf("it begins all the same: %+v", plan)
			}
			r.Status = plan.Status
			again := decide(t, run.Observation{Run: r, Problem: c.cause}, now.Add(time.Hour))
			if diff := cmp.Diff(plan.Status, again.Status); diff != "" {
				t.Errorf("the same problem is written again (-first +second)\n%s", diff)
			}
		})
	}
	if message := run.LinkNotFound(newRun()).Message; !strings.Contains(message, "d-taskrunner/taskrunner") {
		t.Errorf("%q", message)
	}
	waited := newRun()
	waited.Status = decide(t, run.Observation{Run: waited, Problem: limited}, now).Status
	if plan := decide(t, run.Observation{Run: waited, Material: newMaterial(threePhases()...)}, now); plan.Status.State != v1alpha1.RunRunning {
		t.Errorf("a run that waited does not begin: %s", plan.Status.State)
	}
	if plan := decide(t, run.Observation{Run: newRun()}, now); len(plan.CreatePhases) > 0 || plan.Status.State != v1alpha1.RunPending {
		t.Errorf("with nothing known: %+v", plan)
	}
}

func TestDecideWhatBecomesOfARun(t *testing.T) {
	const (
		pending, waits, runs       = v1alpha1.PhasePending, v1alpha1.PhaseWaitingForApproval, v1alpha1.PhaseRunning
		succeeded, failed, skipped = v1alpha1.PhaseSucceeded, v1alpha1.PhaseFailed, v1alpha1.PhaseSkipped
	)
	for name, c := range map[string]struct {
		states  [3]v1alpha1.PhaseState // of two phases side by side, and one after them
		state   v1alpha1.RunState
		reason  string
		message string
	}{
		"nothing said yet":                    {[3]v1alpha1.PhaseState{"", "", ""}, v1alpha1.RunRunning, "Running", "0 of 3 phases done, now A, B"},
		"two run":                             {[3]v1alpha1.PhaseState{runs, runs, pending}, v1alpha1.RunRunning, "Running", "0 of 3 phases done, now A, B"},
		"one waits while another runs":        {[3]v1alpha1.PhaseState{waits, runs, pending}, v1alpha1.RunRunning, "Running", "0 of 3 phases done, now A, B"},
		"one waits and nothing else goes on":  {[3]v1alpha1.PhaseState{waits, succeeded, pending}, v1alpha1.RunWaitingForApproval, "WaitingForApproval", "waiting for approval: A"},
		"one failed while another runs":       {[3]v1alpha1.PhaseState{failed, runs, skipped}, v1alpha1.RunRunning, "Running", "0 of 3 phases done, now B"},
		"one failed and the last has to skip": {[3]v1alpha1.PhaseState{failed, succeeded, pending}, v1alpha1.RunRunning, "Running", "1 of 3 phases done"},
		"one failed and all have ended":       {[3]v1alpha1.PhaseState{failed, succeeded, skipped}, v1alpha1.RunFailed, "PhaseFailed", "phase A failed: because"},
		"two failed":                          {[3]v1alpha1.PhaseState{failed, failed, skipped}, v1alpha1.RunFailed, "PhaseFailed", "phase A failed: because; phase B failed: because"},
		"the last failed":                     {[3]v1alpha1.PhaseState{succeeded, succeeded, failed}, v1alpha1.RunFailed, "PhaseFailed", "phase C failed: because"},
		"all succeeded":                       {[3]v1alpha1.PhaseState{succeeded, succeeded, succeeded}, v1alpha1.RunSucceeded, "Succeeded", "all 3 phases succeeded"},
	} {
		t.Run(name, func(t *testing.T) {
			r, phases := begun(t, template("A", 0, v1alpha1.PhaseExecution), template("B", 0, v1alpha1.PhaseExecution), template("C", 1, v1alpha1.PhaseExecution))
			for i, state := range c.states {
				phase := phases[r.Status.Phases[i].PhaseName]
				phase.Status.State = state
				if state == failed {
					phase.Status.Message = "because"
				}
			}
			plan := decide(t, run.Observation{Run: r, Phases: phases, BuilderPods: true}, now.Add(time.Minute))
			condition := succeededCondition(plan.Status)
			if plan.Status.State != c.state || condition.Reason != c.reason || condition.Message != c.message {
				t.Errorf("got %s, %s, %q", plan.Status.State, condition.Reason, condition.Message)
			}
			if plan.DeletePods != plan.Status.State.Terminal() {
				t.Errorf("builder Pods are removed: %t", plan.DeletePods)
			}
		})
	}
}

func TestAPhaseThatIsGoneEndsTheRun(t *testing.T) {
	r, phases := begun(t, threePhases()...)
	delete(phases, "taskrunner-7f3a-1-deploy")
	plan := decide(t, run.Observation{Run: r, Phases: phases, BuilderPods: true}, now)
	condition := succeededCondition(plan.Status)
	if plan.Status.State != v1alpha1.RunFailed || condition.Reason != v1alpha1.ReasonPhaseGone || !strings.Contains(condition.Message, "Phase taskrunner-7f3a-1-deploy was deleted") || !plan.DeletePods {
		t.Errorf("got %s, %+v", plan.Status.State, condition)
	}
	for _, entry := range plan.Status.Phases {
		if !entry.State.Terminal() {
			t.Errorf("phase %s stays %s in a run that has ended", entry.Name, entry.State)
		}
	}
}

func TestARunThatHasEndedOnlyCleansUp(t *testing.T) {
	r, phases := begun(t, threePhases()...)
	r.Status.State = v1alpha1.RunFailed
	for name, o := range map[string]run.Observation{
		"Pods are left": {Run: r, Phases: phases, BuilderPods: true}, "all is gone": {Run: r},
		"its Phases have succeeded since": {Run: r, Phases: phases, Material: newMaterial(threePhases()...)},
		"a problem came up since":         {Run: r, Problem: problem.Config(v1alpha1.ReasonNotATenant, "no tenant")},
	} {
		if plan := decide(t, o, now); plan.DeletePods != o.BuilderPods || len(plan.CreatePhases) > 0 || plan.Retry != nil {
			t.Errorf("%s: %+v", name, plan)
		}
	}
}

func TestStatusIsBounded(t *testing.T) {
	m := newMaterial(template("A", 0, v1alpha1.PhaseExecution))
	m.Workflow.Source = strings.Repeat("ü", 1000)
	for i := range 25 {
		m.Warnings = append(m.Warnings, fmt.Sprint(i)+strings.Repeat("日", i*20))
	}
	r := newRun()
	plan := decide(t, run.Observation{Run: r, Material: m}, now) // checks the bounds
	if n := len(plan.Status.Warnings); n != 10 || plan.Status.Warnings[9] != "and 16 more" {
		t.Errorf("%d warnings, the last %q", n, plan.Status.Warnings[n-1])
	}
	r.Status = plan.Status
	failed := plan.CreatePhases[0]
	failed.Status = v1alpha1.PhaseStatus{State: v1alpha1.PhaseFailed, Message: strings.Repeat("😀", 1000), CompletionTime: new(metav1.NewTime(now))}
	decide(t, run.Observation{Run: r, Phases: map[string]*v1alpha1.Phase{failed.Name: failed}}, now)
}

func TestARunThatCouldNotBeginTellsOfWhichCommitItIs(t *testing.T) {
	found := run.Commit{SHA: sha, Message: "Mend it", Author: "ada", Ref: "main", PullRequest: 7}
	plan := decide(t, run.Observation{Run: newRun(), Problem: problem.Config(v1alpha1.ReasonInvalidConfig, "broken"), Commit: found}, now)
	got := run.Commit{SHA: plan.Status.SHA, Message: plan.Status.Message, Author: plan.Status.Author, Ref: plan.Status.Ref, PullRequest: plan.Status.PullRequest}
	if plan.Status.State != v1alpha1.RunFailed || got != found {
		t.Errorf("%s: %+v", plan.Status.State, got)
	}
}
