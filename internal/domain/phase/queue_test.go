package phase_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/queue"
)

var deploying = &queue.Wait{Run: "other", Position: 2, Why: "run other is deploying to d-taskrunner"}

func TestAPhaseThatIsReadyWaitsForItsTurn(t *testing.T) {
	for _, p := range []*v1alpha1.Phase{newExecution(1), newDeployment("api")} {
		p.Spec.QueueTimeout = &metav1.Duration{Duration: time.Hour}
		o := phase.Observation{Phase: p, RunActive: true, Wait: deploying, Services: services(p, "old")}
		if !phase.Ready(o) {
			t.Fatal("nothing but its turn keeps it from beginning")
		}
		if needed, dryRun := phase.NeedsServices(o); needed || dryRun {
			t.Error("looks at services before its turn")
		}
		plan := decide(t, o, now)
		status := plan.Status
		const message = "waits since 2024-05-06T07:08:09Z: run other is deploying to d-taskrunner (position 2)"
		if status.State != v1alpha1.PhasePending || reason(status) != v1alpha1.ReasonQueued || status.Message != message || status.StartTime != nil || len(plan.CreatePods) > 0 {
			t.Errorf("%+v", plan)
		}
		if plan.RequeueAfter != time.Hour {
			t.Errorf("looks again after %s", plan.RequeueAfter)
		}
		p.Status = status
		if again := decide(t, o, now.Add(time.Minute)); !cmp.Equal(status, again.Status) || again.RequeueAfter != 59*time.Minute {
			t.Errorf("%+v", again)
		}
		o.Wait = nil
		if plan = decide(t, o, now.Add(time.Minute)); plan.Status.State != v1alpha1.PhaseRunning || plan.Status.Message != "" || !plan.Status.QueueTime.Equal(status.QueueTime) {
			t.Errorf("its turn has come: %+v", plan.Status)
		}
		o.Wait = deploying
		plan = decide(t, o, now.Add(time.Hour))
		if plan.Status.State != v1alpha1.PhaseFailed || reason(plan.Status) != v1alpha1.ReasonQueueTimedOut || plan.Status.FailureClass != v1alpha1.FailureInfra ||
			plan.Status.Message != "its turn did not come within its queueTimeout of 1h0m0s; at the end it was: "+message {
			t.Errorf("%+v", plan.Status)
		}
	}
}

func TestWhatHasItsPodsHadItsTurn(t *testing.T) {
	p := newExecution(1)
	_, pods := begun(t, p)
	plan := decide(t, phase.Observation{Phase: p, RunActive: true, Wait: deploying, Pods: pods}, now)
	if plan.Status.State != v1alpha1.PhaseRunning || len(plan.CreatePods) > 0 {
		t.Errorf("%+v", plan)
	}
}

func TestWhatHasSomeOfItsPodsIsHeld(t *testing.T) {
	p := newExecution(2)
	_, pods := begun(t, p)
	delete(pods, podName(p, 1))
	status := *p.Status.DeepCopy()
	phase.Hold(p, &status, problem.Transient(v1alpha1.ReasonWaitingForQuota, "no room"), now)
	if status.State != v1alpha1.PhaseRunning || status.StartTime == nil || reason(status) != v1alpha1.ReasonWaitingForQuota {
		t.Fatalf("%+v", status)
	}
	p.Status = status
	o := phase.Observation{Phase: p, RunActive: true, Pods: pods}
	if plan := decide(t, o, now); len(plan.CreatePods) != 1 || plan.CreatePods[0].Name != podName(p, 1) || len(plan.Status.Attempts) != 1 {
		t.Errorf("%+v", plan)
	}
	if plan := decide(t, o, now.Add(time.Hour)); plan.Status.State != v1alpha1.PhaseFailed || reason(plan.Status) != v1alpha1.ReasonTimedOut {
		t.Errorf("%+v", plan.Status)
	}
	o.RunStop = cancelled
	if plan := decide(t, o, now); plan.Status.State != v1alpha1.PhaseCancelled || len(plan.CreatePods) > 0 {
		t.Errorf("%+v", plan)
	}
}

func TestNotReadyForItsTurn(t *testing.T) {
	ready := func(change func(*phase.Observation)) phase.Observation {
		o := phase.Observation{Phase: newExecution(1), RunActive: true}
		change(&o)
		return o
	}
	for name, o := range map[string]phase.Observation{
		"run is over":    ready(func(o *phase.Observation) { o.RunActive = false }),
		"run is stopped": ready(func(o *phase.Observation) { o.RunStop = cancelled }),
		"deleted":        ready(func(o *phase.Observation) { o.Deleted = true }),
		"has ended":      ready(func(o *phase.Observation) { o.Phase.Status.State = v1alpha1.PhaseSkipped }),
		"has begun":      ready(func(o *phase.Observation) { o.Phase, o.Pods = begun(t, o.Phase) }),
		"one before goes on": ready(func(o *phase.Observation) {
			o.Phase.Spec.After = []string{"a"}
			o.Before = states{"a": v1alpha1.PhaseRunning}
		}),
		"not approved": ready(func(o *phase.Observation) { o.Phase.Spec.Approval = v1alpha1.ApprovalManual }),
	} {
		if phase.Ready(o) {
			t.Error(name)
		}
	}
}

func TestApprovalIsRecorded(t *testing.T) {
	p := newExecution(1)
	p.Spec.Approval = v1alpha1.ApprovalManual
	p.Status = decide(t, phase.Observation{Phase: p, RunActive: true}, now).Status
	asked := metav1.NewTime(now)
	if diff := cmp.Diff(&v1alpha1.ApprovalStatus{RequestTime: asked}, p.Status.Approval); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	p.Spec.Approved, p.Spec.ApprovedBy = true, "ann"
	given := metav1.NewTime(now.Add(time.Hour))
	for _, wait := range []*queue.Wait{nil, deploying} {
		status := decide(t, phase.Observation{Phase: p, RunActive: true, Wait: wait}, given.Time).Status
		if diff := cmp.Diff(&v1alpha1.ApprovalStatus{RequestTime: asked, By: "ann", Time: &given}, status.Approval); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}
