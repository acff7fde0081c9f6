package phase_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/rollout"
)

// story is a phase with its builder Pods, decided on step by step. Every plan's status is stored.
type story struct {
	*testing.T
	phase *v1alpha1.Phase
	pods  map[string]*corev1.Pod
	stop  *v1alpha1.StopStatus
	at    time.Time
}

func tell(t *testing.T, p *v1alpha1.Phase) *story {
	t.Helper()
	s := &story{T: t, at: now}
	s.phase, s.pods = begun(t, p)
	return s
}

// becomes gives a replica's Pod of the last attempt its containers' states.
func (s *story) becomes(replica int, checkout, build corev1.ContainerState) {
	attempts := s.phase.Status.Attempts
	for _, r := range attempts[len(attempts)-1].Replicas {
		if int(r.Index) == replica {
			s.pods[r.Pod] = is(s.pods[r.Pod], checkout, build)
		}
	}
}

// decides stores the plan's status, and makes the Pods that the plan asks for.
func (s *story) decides() phase.Plan {
	s.Helper()
	plan := decide(s.T, phase.Observation{Phase: s.phase, RunActive: true, RunStop: s.stop, Pods: s.pods}, s.at)
	for _, pod := range plan.CreatePods {
		pod.CreationTimestamp = metav1.NewTime(s.at)
		s.pods[pod.Name] = pod
	}
	for _, name := range plan.StopPods {
		s.pods[name] = s.pods[name].DeepCopy()
		s.pods[name].Spec.ActiveDeadlineSeconds = new(int64(1))
	}
	s.phase = s.phase.DeepCopy()
	s.phase.Status = plan.Status
	return plan
}

// ends checks how the phase ended.
func (s *story) ends(state v1alpha1.PhaseState, why, message string) {
	s.Helper()
	status := s.phase.Status
	if status.State != state || reason(status) != why || !strings.Contains(status.Message, message) {
		s.Errorf("got %s, %s, %q", status.State, reason(status), status.Message)
	}
}

var cancelled = &v1alpha1.StopStatus{Reason: v1alpha1.ReasonCancelled, Message: "run run was cancelled", StartTime: start}

// told is a container that ended since it was told to.
func told() corev1.ContainerState {
	return reported(report(contract.ExitTerminated, contract.ReasonTerminated, contract.ClassInfra))
}

func TestCancelTellsCIScriptToEndAndKeepsWhatItLeft(t *testing.T) {
	s := tell(t, newExecution(1))
	s.becomes(0, done, running)
	s.stop = cancelled
	plan := s.decides()
	if diff := cmp.Diff([]string{podName(s.phase, 0)}, plan.StopPods); diff != "" || len(plan.DeletePods) > 0 || s.phase.Status.Stop == nil {
		t.Fatalf("%+v", plan)
	}
	if plan.RequeueAfter <= buildpod.GracePeriod || plan.RequeueAfter > buildpod.GracePeriod+10*time.Second {
		t.Errorf("looks again after %s", plan.RequeueAfter)
	}
	if plan = s.decides(); len(plan.StopPods) > 0 {
		t.Error("told twice")
	}
	s.becomes(0, done, told())
	if plan = s.decides(); len(plan.DeletePods)+len(plan.KillPods) > 0 {
		t.Errorf("%+v", plan)
	}
	s.ends(v1alpha1.PhaseCancelled, v1alpha1.ReasonCancelled, "run run was cancelled")
	if replica := s.phase.Status.Attempts[0].Replicas[0]; *replica.ExitCode != contract.ExitTerminated || replica.Log.Tail != "hello\n" {
		t.Errorf("%+v", replica)
	}
}

func TestCancelOfAPodThatHasNotStartedRemovesIt(t *testing.T) {
	s := tell(t, newExecution(1))
	s.stop = cancelled
	if plan := s.decides(); !cmp.Equal(plan.DeletePods, []string{podName(s.phase, 0)}) || len(plan.StopPods) > 0 {
		t.Fatalf("%+v", plan)
	}
	clear(s.pods)
	s.decides()
	s.ends(v1alpha1.PhaseCancelled, v1alpha1.ReasonCancelled, "")
}

func TestCIScriptThatEndsWellWhileItIsCancelledHasSucceeded(t *testing.T) {
	s := tell(t, newExecution(1))
	s.becomes(0, done, running)
	s.stop = cancelled
	s.decides()
	s.becomes(0, done, succeeded)
	s.decides()
	s.ends(v1alpha1.PhaseSucceeded, v1alpha1.ReasonSucceeded, "")
}

func TestPodThatDoesNotEndIsGivenUp(t *testing.T) {
	s := tell(t, newExecution(2))
	s.becomes(0, done, running)
	s.becomes(1, done, running)
	s.stop = cancelled
	s.decides()
	s.becomes(0, done, told())
	s.at = s.at.Add(buildpod.GracePeriod + 4*time.Second)
	if plan := s.decides(); plan.Status.State != v1alpha1.PhaseRunning || len(plan.KillPods) > 0 {
		t.Fatalf("too early: %+v", plan)
	}
	s.at = s.at.Add(time.Second)
	if plan := s.decides(); !cmp.Equal(plan.KillPods, []string{podName(s.phase, 1)}) {
		t.Errorf("%+v", plan)
	}
	s.ends(v1alpha1.PhaseCancelled, v1alpha1.ReasonCancelled, "did not end within 35s")
	replicas := s.phase.Status.Attempts[0].Replicas
	if replicas[0].Reason != "Terminated" || replicas[1].Reason != v1alpha1.ReasonNotStopped {
		t.Errorf("%+v", replicas)
	}
}

func TestFailFast(t *testing.T) {
	p := newExecution(3)
	p.Spec.Execution.FailFast = true
	s := tell(t, p)
	s.becomes(0, done, succeeded)
	s.becomes(1, done, failed)
	s.becomes(2, done, running)
	if plan := s.decides(); !cmp.Equal(plan.StopPods, []string{podName(p, 2)}) {
		t.Fatalf("%+v", plan)
	}
	s.becomes(2, done, told())
	s.decides()
	s.ends(v1alpha1.PhaseFailed, "CIScriptFailed", "replica 1: ci.sh exited with code 3; the other replicas were stopped")
	var codes []int32
	for _, replica := range s.phase.Status.Attempts[0].Replicas {
		codes = append(codes, *replica.ExitCode)
	}
	if diff := cmp.Diff([]int32{0, 3, 143}, codes); diff != "" || s.phase.Status.FailureClass != v1alpha1.FailureUser {
		t.Errorf("the results of all are kept (-want +got)\n%s", diff)
	}
}

func TestTimeoutEndsWithWhatCIScriptLeft(t *testing.T) {
	s := tell(t, newExecution(1))
	s.becomes(0, done, running)
	s.at = start.Add(time.Hour)
	s.decides()
	s.becomes(0, done, told())
	s.decides()
	s.ends(v1alpha1.PhaseFailed, v1alpha1.ReasonTimedOut, "took longer than its timeout of 1h0m0s")
	if s.phase.Status.Attempts[0].Replicas[0].Log == nil {
		t.Error("the log is lost")
	}
}

func TestNoNodeInTime(t *testing.T) {
	p := newExecution(1)
	p.Spec.Execution.UnscheduledTimeout = &metav1.Duration{Duration: 15 * time.Minute}
	s := tell(t, p)
	name := podName(p, 0)
	s.pods[name].Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/3 nodes are available"}}
	s.at = start.Add(10 * time.Minute)
	if plan := s.decides(); plan.RequeueAfter != 5*time.Minute || plan.Status.Stop != nil {
		t.Errorf("looks again after %s", plan.RequeueAfter)
	}
	s.at = s.at.Add(5 * time.Minute)
	if plan := s.decides(); !cmp.Equal(plan.DeletePods, []string{name}) {
		t.Fatalf("%+v", plan)
	}
	clear(s.pods)
	s.decides()
	s.ends(v1alpha1.PhaseFailed, v1alpha1.ReasonUnscheduledTimedOut, "0/3 nodes are available")
	if s.phase.Status.FailureClass != v1alpha1.FailureInfra || len(s.phase.Status.Attempts) != 1 {
		t.Errorf("%+v", s.phase.Status)
	}
	p.Spec.Execution.UnscheduledTimeout.Duration = time.Minute
	scheduled := tell(t, p)
	scheduled.pods[name].Spec.NodeName = "node"
	if plan := scheduled.decides(); plan.Status.Stop != nil {
		t.Errorf("it has a node: %+v", plan.Status.Stop)
	}
}

func TestNothingBeginsInARunThatIsStopped(t *testing.T) {
	for _, p := range []*v1alpha1.Phase{newExecution(1), newDeployment("api")} {
		plan := decide(t, phase.Observation{Phase: p, RunActive: true, RunStop: cancelled, Services: services(p, "old")}, now)
		if plan.Status.State != v1alpha1.PhaseSkipped || plan.Status.Message != "not started: run run was cancelled" || len(plan.CreatePods) > 0 {
			t.Errorf("%+v", plan)
		}
	}
}

func TestCancelTakesARolloutBack(t *testing.T) {
	p, _ := begun(t, newDeployment("api"))
	going := map[string]rollout.Service{"api": rolling(upgraded("api"), rollout.Progress{Message: "1 of 2"})}
	plan := decide(t, phase.Observation{Phase: p, RunActive: true, RunStop: cancelled, Services: going}, now)
	if plan.Status.Rollback == nil || plan.Status.Rollback.Reason != v1alpha1.ReasonCancelled || len(plan.PatchImages) > 0 {
		t.Fatalf("%+v", plan)
	}
	p.Status = plan.Status
	plan = decide(t, phase.Observation{Phase: p, RunActive: true, RunStop: cancelled, Services: going}, now)
	if len(plan.PatchImages) != 1 || plan.PatchImages[0].Image != "acme/api:old" {
		t.Fatalf("%+v", plan)
	}
	back := apply(going["api"], plan.PatchImages[0])
	back.Progress = rollout.Progress{Done: true, Message: "2 of 2"}
	plan = decide(t, phase.Observation{Phase: p, RunActive: true, RunStop: cancelled, Services: map[string]rollout.Service{"api": back}}, now)
	if plan.Status.State != v1alpha1.PhaseCancelled || !strings.Contains(plan.Status.Message, "rolled back: Deployment api runs acme/api:old again") {
		t.Errorf("%s, %q", plan.Status.State, plan.Status.Message)
	}

	p, _ = begun(t, newDeployment("api"))
	plan = decide(t, phase.Observation{Phase: p, RunActive: true, RunStop: cancelled, Services: map[string]rollout.Service{"api": upgraded("api")}}, now)
	if plan.Status.State != v1alpha1.PhaseSucceeded {
		t.Errorf("a rollout that is over: %+v", plan.Status)
	}
}

func TestDeletedDeployment(t *testing.T) {
	deleted := func(p *v1alpha1.Phase) *v1alpha1.Phase {
		p = p.DeepCopy()
		p.Finalizers = []string{v1alpha1.FinalizerDeployment}
		p.DeletionTimestamp = &start
		return p
	}
	p, _ := begun(t, newDeployment("api"))
	p = deleted(p)
	going := map[string]rollout.Service{"api": rolling(upgraded("api"), rollout.Progress{Message: "1 of 2"})}
	o := phase.Observation{Phase: p, Deleted: true, Services: going}
	plan := decide(t, o, now)
	if plan.Release || plan.Status.Rollback == nil {
		t.Fatalf("%+v", plan)
	}
	p.Status = plan.Status
	if plan = decide(t, o, now); plan.Release || len(plan.PatchImages) != 1 || plan.PatchImages[0].Image != "acme/api:old" {
		t.Fatalf("%+v", plan)
	}
	if late := decide(t, o, now.Add(time.Minute)); !late.Release || len(late.PatchImages) > 0 {
		t.Error("what cannot be taken back holds up the deletion")
	}
	o.Services = map[string]rollout.Service{"api": apply(going["api"], plan.PatchImages[0])}
	if plan = decide(t, o, now); !plan.Release || len(plan.PatchImages) > 0 {
		t.Errorf("waits for the rollout of the previous image: %+v", plan)
	}

	for name, o := range map[string]phase.Observation{
		"not begun":        {Phase: deleted(newDeployment("api")), Deleted: true},
		"namespace, whole": {Phase: p, Deleted: true, NamespaceGone: true, Services: going},
	} {
		if plan := decide(t, o, now); !plan.Release || len(plan.PatchImages) > 0 {
			t.Errorf("%s: %+v", name, plan)
		}
	}
	ended := deleted(newDeployment("api"))
	ended.Status.State, ended.DeletionTimestamp = v1alpha1.PhaseSucceeded, nil
	if plan := decide(t, phase.Observation{Phase: ended, RunActive: true}, now); !plan.Release {
		t.Error("has ended and keeps its finalizer")
	}
}
