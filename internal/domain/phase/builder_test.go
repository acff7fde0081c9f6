package phase_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/problem"
)

func TestAClassIsAskedForWhenAPhaseBegins(t *testing.T) {
	if phase.NeedsBuilder(phase.Observation{Phase: newDeployment("api"), RunActive: true}) {
		t.Error("asked for by a deployment")
	}
	p := newExecution(2)
	o := phase.Observation{Phase: p, RunActive: true, Builder: madeBy("old")}
	if p.Spec.After = []string{"a"}; phase.NeedsBuilder(o) {
		t.Error("asked for before its turn")
	}
	p.Spec.After = nil
	if !phase.NeedsBuilder(o) {
		t.Fatal("not asked for")
	}
	plan := decide(t, o, start.Time)
	p.Status = plan.Status
	if p.Status.Builder == nil || p.Status.Builder.Image != "builder:old" {
		t.Fatalf("made by %+v", p.Status.Builder)
	}
	o.Builder, o.Pods = madeBy("new"), map[string]*corev1.Pod{}
	for _, pod := range plan.CreatePods {
		o.Pods[pod.Name] = is(pod, netCheckout, netBuild)
	}
	plan = decide(t, o, now)
	p.Status = plan.Status
	if p.Status.Attempts[0].RetryTime == nil || phase.NeedsBuilder(o) {
		t.Fatalf("asked for again: %t, %+v", phase.NeedsBuilder(o), p.Status)
	}
	plan = decide(t, o, now.Add(plan.RequeueAfter))
	if len(plan.CreatePods) != 2 || imageOf(plan.CreatePods[0], contract.BuildContainer) != "builder:old" {
		t.Errorf("the second attempt has another builder than the first: %+v", plan.CreatePods)
	}
}

func TestWhatAClassDoesNotAllowFailsThePhase(t *testing.T) {
	refused := &phase.Builder{Problem: problem.Config(v1alpha1.ReasonImageNotAllowed, "use one of a, b")}
	plan := decide(t, phase.Observation{Phase: newExecution(1), RunActive: true, Builder: refused}, now)
	if plan.Status.State != v1alpha1.PhaseFailed || plan.Status.FailureClass != v1alpha1.FailureConfig || reason(plan.Status) != v1alpha1.ReasonImageNotAllowed || len(plan.CreatePods) > 0 {
		t.Errorf("%+v", plan)
	}
}

// Only an observation that asked nobody has none.
func TestWithoutAClassAPhaseLooksAgain(t *testing.T) {
	plan := phase.Decide(phase.Observation{Phase: newExecution(1), RunActive: true}, now)
	if len(plan.CreatePods) > 0 || plan.Status.StartTime != nil || plan.RequeueAfter != time.Second {
		t.Errorf("%+v", plan)
	}
}

// The manager was killed before it could say that the Pods are there: what the class says by now does not undo them.
func TestAClassThatChangedMeanwhileUndoesNoPod(t *testing.T) {
	p := newExecution(1)
	made := decide(t, phase.Observation{Phase: p, RunActive: true, Builder: madeBy("old")}, start.Time)
	o := phase.Observation{Phase: p, RunActive: true, Pods: map[string]*corev1.Pod{podName(p, 0): made.CreatePods[0]}}
	for name, by := range map[string]*phase.Builder{"another image": madeBy("new"), "not allowed": {Problem: problem.Config(v1alpha1.ReasonImageNotAllowed, "no")}} {
		o.Builder = by
		if plan := decide(t, o, now); plan.Status.State != v1alpha1.PhaseRunning || len(plan.CreatePods)+len(plan.DeletePods) > 0 || len(plan.Status.Attempts) != 1 {
			t.Errorf("%s: %+v", name, plan)
		}
	}
}

// Some of its Pods may be there, and the status that says so stored, when a quota refuses the others.
func TestAPhaseWithSomeOfItsPodsKeepsItsBuilder(t *testing.T) {
	p := newExecution(2)
	p.Status.Builder = madeBy("old").Status
	phase.Hold(p, &p.Status, problem.Transient(v1alpha1.ReasonWaitingForQuota, "wait"), start.Time)
	o := phase.Observation{Phase: p, RunActive: true, Builder: madeBy("new")}
	if phase.NeedsBuilder(o) {
		t.Error("asked for again")
	}
	if plan := decide(t, o, now); len(plan.CreatePods) != 2 || plan.Status.Builder.Image != "builder:old" {
		t.Errorf("%+v", plan)
	}
}
