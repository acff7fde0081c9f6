package phase_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/phase"
)

func TestTimeout(t *testing.T) {
	const rest = time.Hour - time.Minute
	runs := func(pod *corev1.Pod) *corev1.Pod { return is(pod, done, running) }
	if _, plan := follow(t, runs, now.Add(rest-time.Second)); plan.Status.State != v1alpha1.PhaseRunning || plan.RequeueAfter != time.Second {
		t.Errorf("a second before: %s, looks again after %s", plan.Status.State, plan.RequeueAfter)
	}
	p, plan := follow(t, runs, now.Add(rest))
	status := plan.Status
	if status.State != v1alpha1.PhaseRunning || status.Stop == nil || status.Stop.Reason != v1alpha1.ReasonTimedOut || status.Stop.FailureClass != v1alpha1.FailureUser ||
		status.Stop.Message != "took longer than its timeout of 1h0m0s; at the end: ci.sh is running" {
		t.Errorf("got %s, %+v", status.State, status.Stop)
	}
	if diff := cmp.Diff([]string{podName(p, 0)}, plan.StopPods); diff != "" {
		t.Errorf("Pods to be stopped (-want +got)\n%s", diff)
	}
	if _, plan := follow(t, func(pod *corev1.Pod) *corev1.Pod { return is(pod, done, succeeded) }, now.Add(2*rest)); plan.Status.State != v1alpha1.PhaseSucceeded {
		t.Errorf("a ci.sh that ended while nobody looked: %s", plan.Status.State)
	}
	unscheduled := func(pod *corev1.Pod) *corev1.Pod {
		pod = pod.DeepCopy()
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/3 nodes are available"}}
		return pod
	}
	if _, plan := follow(t, unscheduled, now.Add(rest)); !strings.HasSuffix(plan.Status.Message, "the builder Pod is not scheduled: 0/3 nodes are available") {
		t.Errorf("got %q", plan.Status.Message)
	}
}

func TestReplicas(t *testing.T) {
	for name, c := range map[string]struct {
		builds  []corev1.ContainerState
		state   v1alpha1.PhaseState
		message string
	}{
		"all succeeded":                         {[]corev1.ContainerState{succeeded, succeeded, succeeded}, v1alpha1.PhaseSucceeded, ""},
		"one runs":                              {[]corev1.ContainerState{succeeded, running, succeeded}, v1alpha1.PhaseRunning, ""},
		"one failed, and another runs":          {[]corev1.ContainerState{failed, running, succeeded}, v1alpha1.PhaseRunning, ""},
		"one failed":                            {[]corev1.ContainerState{succeeded, succeeded, failed}, v1alpha1.PhaseFailed, "replica 2: ci.sh exited with code 3"},
		"two failed, the first one tells of it": {[]corev1.ContainerState{succeeded, failed, failed}, v1alpha1.PhaseFailed, "replica 1: ci.sh exited with code 3 (2 of 3 replicas failed)"},
	} {
		t.Run(name, func(t *testing.T) {
			p, pods := begun(t, newExecution(3))
			for i, build := range c.builds {
				pods[podName(p, int32(i))] = is(pods[podName(p, int32(i))], done, build)
			}
			plan := decide(t, phase.Observation{Phase: p, RunActive: true, Pods: pods}, now)
			if plan.Status.State != c.state || plan.Status.Message != c.message {
				t.Errorf("got %s, %q", plan.Status.State, plan.Status.Message)
			}
			for i, replica := range plan.Status.Attempts[0].Replicas {
				ended := c.builds[i].Terminated
				if (replica.ExitCode != nil) != (ended != nil) || ended != nil && *replica.ExitCode != ended.ExitCode {
					t.Errorf("replica %d: exit code %v", i, replica.ExitCode)
				}
			}
		})
	}
}

// TestWhatAReplicaCameToIsKeptWhenItsPodIsGone: a drain may remove what has ended while others still run.
func TestWhatAReplicaCameToIsKeptWhenItsPodIsGone(t *testing.T) {
	killed := report(contract.ExitTerminated, contract.ReasonTerminated, contract.ClassInfra)
	killed.Message = "told to stop"
	for name, c := range map[string]struct {
		first   corev1.ContainerState
		state   v1alpha1.PhaseState
		class   v1alpha1.FailureClass
		message string
	}{
		"a success": {first: left("VERSION", "1.0"), state: v1alpha1.PhaseSucceeded},
		"a failure": {first: failed, state: v1alpha1.PhaseFailed, class: v1alpha1.FailureUser, message: "replica 0: ci.sh exited with code 3"},
		"an end by the cluster": {first: reported(killed), state: v1alpha1.PhaseFailed, class: v1alpha1.FailureInfra,
			message: "replica 0: told to stop; it was not tried again, since ci.sh may have started: builder.retry.onInfra of the link allows that"},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t, newExecution(2))
			s.becomes(0, done, c.first)
			s.becomes(1, done, running)
			s.decides()
			delete(s.pods, podName(s.phase, 0))
			s.becomes(1, done, succeeded)
			s.decides()
			status := s.phase.Status
			if status.State != c.state || status.FailureClass != c.class || c.message != "" && status.Message != c.message {
				t.Errorf("%s, %s, %q", status.State, status.FailureClass, status.Message)
			}
			if (len(status.Outputs) == 1) != (c.state == v1alpha1.PhaseSucceeded) {
				t.Errorf("outputs: %v", status.Outputs)
			}
		})
	}
}

// TestAReplicaThatIsGivenUpDoesNotRunLater: its image may be pulled after all, while others run.
func TestAReplicaThatIsGivenUpDoesNotRunLater(t *testing.T) {
	s := tell(t, newExecution(2))
	s.becomes(0, waiting("ErrImagePull", "dial tcp: i/o timeout"), waiting("ErrImagePull", "dial tcp: i/o timeout"))
	s.becomes(1, done, running)
	s.at = s.at.Add(time.Minute)
	if plan := s.decides(); !cmp.Equal(plan.DeletePods, []string{podName(s.phase, 0)}) || s.phase.Status.Attempts[0].Replicas[0].Reason != v1alpha1.ReasonImagePullFailed {
		t.Fatalf("removed %v; %+v", plan.DeletePods, s.phase.Status.Attempts)
	}
	if plan := s.decides(); !cmp.Equal(plan.DeletePods, []string{podName(s.phase, 0)}) { // it could not be removed
		t.Errorf("removed %v", plan.DeletePods)
	}
	delete(s.pods, podName(s.phase, 0))
	if plan := s.decides(); len(plan.DeletePods) > 0 {
		t.Errorf("removed %v", plan.DeletePods)
	}
}

// What is left over of a phase or a run that has ended is stopped; what has ended stays for its run to remove.
func TestLeftoverPodsAreStopped(t *testing.T) {
	p, pods := begun(t, newExecution(4))
	for i, build := range []corev1.ContainerState{running, succeeded, running} {
		pods[podName(p, int32(i))] = is(pods[podName(p, int32(i))], done, build)
	}
	pods[podName(p, 2)].DeletionTimestamp = &start
	want := []string{podName(p, 0), podName(p, 3)}
	if diff := cmp.Diff(want, decide(t, phase.Observation{Phase: p, Pods: pods}, now).DeletePods); diff != "" {
		t.Errorf("of a run that has ended (-want +got)\n%s", diff)
	}
	p.Status.State = v1alpha1.PhaseFailed
	if diff := cmp.Diff(want, decide(t, phase.Observation{Phase: p, RunActive: true, Pods: pods}, now).DeletePods); diff != "" {
		t.Errorf("of a phase that has ended (-want +got)\n%s", diff)
	}
}
