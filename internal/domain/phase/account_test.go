package phase_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/problem"
)

func withAccount() *v1alpha1.Phase {
	p := newExecution(2)
	p.Spec.Execution.ServiceAccountName = "tester"
	return p
}

var notForBuilders = problem.Config(v1alpha1.ReasonServiceAccountNotAllowed, "not for builder Pods")

func TestAServiceAccountIsAskedForBeforeEachAttempt(t *testing.T) {
	if phase.NeedsAccount(phase.Observation{Phase: newExecution(1), RunActive: true}) || phase.NeedsAccount(phase.Observation{Phase: newDeployment("api"), RunActive: true}) {
		t.Error("asked for where none is named")
	}
	p := withAccount()
	o := phase.Observation{Phase: p, RunActive: true}
	if !phase.NeedsAccount(o) {
		t.Fatal("not asked for before the first attempt")
	}
	if p.Spec.After = []string{"a"}; phase.NeedsAccount(o) {
		t.Error("asked for before its turn")
	}
	p.Spec.After = nil
	plan := decide(t, o, start.Time)
	p.Status = plan.Status
	o.Pods = map[string]*corev1.Pod{}
	for _, pod := range plan.CreatePods {
		o.Pods[pod.Name] = is(pod, netCheckout, netBuild)
	}
	if phase.NeedsAccount(o) {
		t.Error("asked for while the attempt goes on")
	}
	plan = decide(t, o, now)
	p.Status = plan.Status
	if p.Status.Attempts[0].RetryTime == nil || !phase.NeedsAccount(o) {
		t.Errorf("not asked for before the second attempt: %+v", p.Status)
	}
	o.Account = notForBuilders
	plan = decide(t, o, now.Add(plan.RequeueAfter))
	if plan.Status.State != v1alpha1.PhaseFailed || len(plan.CreatePods) > 0 || reason(plan.Status) != v1alpha1.ReasonServiceAccountNotAllowed {
		t.Errorf("%+v", plan)
	}
}

func TestWithoutItsServiceAccountAPhaseFails(t *testing.T) {
	p := withAccount()
	plan := decide(t, phase.Observation{Phase: p, RunActive: true, Account: notForBuilders}, now)
	if plan.Status.State != v1alpha1.PhaseFailed || len(plan.CreatePods) > 0 || plan.Status.FailureClass != v1alpha1.FailureConfig {
		t.Errorf("%+v", plan)
	}
}
