package phase_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/problem"
)

type states = map[string]v1alpha1.PhaseState

func TestDecideWhetherAPhaseBegins(t *testing.T) {
	for name, c := range map[string]struct {
		after     []string
		before    states
		inactive  bool
		ended     bool
		unlabeled bool
		manual    bool
		approved  bool
		want      v1alpha1.PhaseState
		reason    string
		message   string
	}{
		"the first phase begins at once":               {want: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRunning},
		"a phase begins when the one before succeeded": {after: []string{"a"}, before: states{"a": v1alpha1.PhaseSucceeded}, want: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRunning},
		"it waits while one before runs": {after: []string{"a", "b"},
			before: states{"a": v1alpha1.PhaseSucceeded, "b": v1alpha1.PhaseRunning}, want: v1alpha1.PhasePending},
		"it waits while one before says nothing yet": {after: []string{"a"}, before: states{"a": ""}, want: v1alpha1.PhasePending},
		"it waits while one before waits for approval": {after: []string{"a"},
			before: states{"a": v1alpha1.PhaseWaitingForApproval}, want: v1alpha1.PhasePending},
		"it is skipped when one before failed, though others still run": {after: []string{"a", "b"},
			before: states{"a": v1alpha1.PhaseRunning, "b": v1alpha1.PhaseFailed}, want: v1alpha1.PhaseSkipped, reason: v1alpha1.ReasonSkipped, message: "not started: Phase b did not succeed"},
		"it is skipped when one before was": {after: []string{"a"}, before: states{"a": v1alpha1.PhaseSkipped},
			want: v1alpha1.PhaseSkipped, reason: v1alpha1.ReasonSkipped},
		"it fails when one before is gone": {after: []string{"a"}, before: states{"other": v1alpha1.PhaseSucceeded},
			want: v1alpha1.PhaseFailed, reason: v1alpha1.ReasonPhaseGone, message: "Phase a"},
		"another's success is not its own": {after: []string{"a"}, before: states{"a": "", "b": v1alpha1.PhaseSucceeded}, want: v1alpha1.PhasePending},
		"a manual phase waits and says how to approve it": {manual: true, want: v1alpha1.PhaseWaitingForApproval, reason: v1alpha1.ReasonWaitingForApproval,
			message: `kubectl patch phase run-1-step -n d-taskrunner --type=merge -p '{"spec":{"approved":true}}'`},
		"a manual phase does not ask before its turn": {manual: true, after: []string{"a"}, before: states{"a": v1alpha1.PhaseRunning}, want: v1alpha1.PhasePending},
		"an approved phase begins":                    {manual: true, approved: true, want: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRunning},
		"an approval does not jump the queue": {manual: true, approved: true, after: []string{"a"},
			before: states{"a": v1alpha1.PhaseRunning}, want: v1alpha1.PhasePending},
		"nothing begins where the tenant's label was taken away": {unlabeled: true, want: v1alpha1.PhaseFailed, reason: v1alpha1.ReasonNotATenant, message: "no tenant"},
		"nor is an approval asked for":                           {unlabeled: true, manual: true, want: v1alpha1.PhaseFailed, reason: v1alpha1.ReasonNotATenant, message: "no tenant"},
		"nothing begins for a run that is gone":                  {inactive: true, want: v1alpha1.PhasePending},
		"it is skipped when its run has ended": {inactive: true, ended: true, want: v1alpha1.PhaseSkipped,
			reason: v1alpha1.ReasonSkipped, message: "ended before its turn came"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, p := range []*v1alpha1.Phase{newExecution(2), newDeployment("api")} {
				p.Spec.After, p.Spec.Approved = c.after, c.approved
				if c.manual {
					p.Spec.Approval = v1alpha1.ApprovalManual
				}
				o := phase.Observation{Phase: p, RunActive: !c.inactive, RunEnded: c.ended, Before: c.before, Services: services(p, "old")}
				if c.unlabeled {
					o.NotATenant = problem.Config(v1alpha1.ReasonNotATenant, "no tenant")
				}
				plan := decide(t, o, now)
				if plan.Status.State != c.want || reason(plan.Status) != c.reason || !strings.Contains(plan.Status.Message, c.message) {
					t.Errorf("%s phase: %s, %s, %q; want %s, %s, %q", p.Spec.Type,
						plan.Status.State, reason(plan.Status), plan.Status.Message, c.want, c.reason, c.message)
				}
				begins := c.want == v1alpha1.PhaseRunning
				if (len(plan.CreatePods) > 0) != (begins && p.Spec.Type == v1alpha1.PhaseExecution) {
					t.Errorf("%s phase: %d Pods are made", p.Spec.Type, len(plan.CreatePods))
				}
				if len(plan.PatchImages) > 0 {
					t.Errorf("%s phase: images are changed before the receipts are stored", p.Spec.Type)
				}
				needed, dryRun := phase.NeedsServices(o)
				if want := begins && p.Spec.Type == v1alpha1.PhaseDeployment; needed != want || dryRun != want {
					t.Errorf("%s phase: services are needed: %t, dry run: %t; want %t", p.Spec.Type, needed, dryRun, want)
				}
			}
		})
	}
}

func TestApprovalOfAWaitingPhaseBeginsIt(t *testing.T) {
	p := newExecution(1)
	p.Spec.Approval = v1alpha1.ApprovalManual
	p.Status = decide(t, phase.Observation{Phase: p, RunActive: true}, now).Status
	again := decide(t, phase.Observation{Phase: p, RunActive: true}, now.Add(time.Hour))
	if diff := cmp.Diff(p.Status, again.Status); diff != "" {
		t.Errorf("waiting is written twice (-first +second)\n%s", diff)
	}
	p.Spec.Approved = true
	plan := decide(t, phase.Observation{Phase: p, RunActive: true}, now.Add(time.Hour))
	if plan.Status.State != v1alpha1.PhaseRunning || plan.Status.Message != "" || len(plan.CreatePods) != 1 {
		t.Errorf("%+v", plan)
	}
}

func TestExecutionBeginsWithAPodForEachReplica(t *testing.T) {
	p := newExecution(3)
	plan := decide(t, phase.Observation{Phase: p, RunActive: true}, now)
	var created, named []string
	for _, pod := range plan.CreatePods {
		created = append(created, pod.Name)
	}
	for i, replica := range plan.Status.Attempts[0].Replicas {
		if int(replica.Index) != i {
			t.Errorf("replica %d has the index %d", i, replica.Index)
		}
		named = append(named, replica.Pod)
	}
	want := []string{podName(p, 0), podName(p, 1), podName(p, 2)}
	if diff := cmp.Diff([][]string{want, want}, [][]string{created, named}); diff != "" {
		t.Errorf("Pods made and named (-want +got)\n%s", diff)
	}
	if plan.RequeueAfter != time.Hour {
		t.Errorf("looks again after %s, not at the timeout", plan.RequeueAfter)
	}
}

// A manager that was killed after it made some of the Pods makes the others.
func TestExecutionMakesNoPodTwice(t *testing.T) {
	p := newExecution(3)
	_, pods := begun(t, p)
	delete(pods, podName(p, 1))
	plan := decide(t, phase.Observation{Phase: p, RunActive: true, Pods: pods}, now)
	if len(plan.CreatePods) != 1 || plan.CreatePods[0].Name != podName(p, 1) || len(plan.Status.Attempts[0].Replicas) != 3 {
		t.Errorf("%+v", plan)
	}
}

// Somebody with the right to do so emptied the status: it is begun again, and nothing is made twice.
func TestStatusWithoutItsRecordIsBegunAgain(t *testing.T) {
	p, pods := begun(t, newExecution(2))
	p.Status.Attempts = nil
	plan := decide(t, phase.Observation{Phase: p, RunActive: true, Pods: pods}, now)
	if len(plan.CreatePods) != 0 || len(plan.Status.Attempts) != 1 {
		t.Errorf("%+v", plan)
	}
	p, _ = begun(t, newDeployment("api"))
	p.Status.Receipts = nil
	plan = decide(t, phase.Observation{Phase: p, RunActive: true, Services: services(p, "old")}, now)
	if len(plan.PatchImages) != 0 || len(plan.Status.Receipts) != 1 || plan.Status.State != v1alpha1.PhaseRunning {
		t.Errorf("%+v", plan)
	}
}

func TestFailKeepsATerminalStatus(t *testing.T) {
	for _, state := range []v1alpha1.PhaseState{v1alpha1.PhaseSucceeded, v1alpha1.PhaseFailed, v1alpha1.PhaseSkipped} {
		p := newExecution(1)
		p.Status = v1alpha1.PhaseStatus{State: state, Message: "as it was"}
		status := *p.Status.DeepCopy()
		phase.Fail(p, &status, problem.Config(v1alpha1.ReasonPodRejected, "too late"), now)
		if diff := cmp.Diff(p.Status, status); diff != "" {
			t.Errorf("%s (-want +got)\n%s", state, diff)
		}
	}
}

func TestFailBoundsTheMessage(t *testing.T) {
	p := newExecution(1)
	for _, text := range []string{"x", "ü", "日", "😀"} {
		for length := 4080; length < 4120; length++ {
			var status v1alpha1.PhaseStatus
			phase.Fail(p, &status, problem.Config(v1alpha1.ReasonPodRejected, "%s", strings.Repeat("x", length%7)+strings.Repeat(text, length)), now)
			checkStatus(t, p, status)
			if strings.ToValidUTF8(status.Message, "?") != status.Message {
				t.Fatalf("cut within a character: %q", status.Message[len(status.Message)-12:])
			}
		}
	}
}

func TestAPhaseUnderWayIsStoppedWhenItsRunEnds(t *testing.T) {
	p := newExecution(1)
	p.Status = decide(t, phase.Observation{Phase: p, RunActive: true}, now).Status
	plan := decide(t, phase.Observation{Phase: p, RunEnded: true}, now)
	if plan.Status.State != v1alpha1.PhaseFailed || reason(plan.Status) != v1alpha1.ReasonRunEnded {
		t.Errorf("%s, %s; want Failed, RunEnded", plan.Status.State, reason(plan.Status))
	}
}
