package phase_test

import (
	"slices"
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
)

// shippers are the names of the container that ships, by how the agent comes into the build container.
var shippers = map[v1alpha1.AgentDelivery]string{
	v1alpha1.AgentByImageVolume: contract.CheckoutContainer, v1alpha1.AgentByInitContainer: contract.CheckoutContainer,
	v1alpha1.AgentInBuilderImage: contract.LogContainer,
}

// shipping is a phase that has begun where there is a log store, with its only Pod.
func shipping(t *testing.T, delivery v1alpha1.AgentDelivery) (*v1alpha1.Phase, *corev1.Pod) {
	t.Helper()
	p := newExecution(1)
	by := madeBy("1")
	by.Status.AgentDelivery = delivery
	plan := decide(t, phase.Observation{Phase: p, RunActive: true, Builder: by, LogStore: &buildpod.LogStore{URL: "http://logs"}}, start.Time)
	if len(plan.CreatePods) != 1 || len(plan.CreatePods[0].Spec.Containers) != 2 {
		t.Fatalf("makes %+v", plan.CreatePods)
	}
	p.Status = plan.Status
	return p, plan.CreatePods[0]
}

// logIs gives a Pod whose ci.sh has ended the state of its container that ships.
func logIs(pod *corev1.Pod, build, log corev1.ContainerState) *corev1.Pod {
	name := pod.Spec.Containers[0].Name
	if name == contract.BuildContainer {
		name = pod.Spec.Containers[1].Name
	}
	if name == contract.CheckoutContainer {
		return is(pod, log, build)
	}
	pod = is(pod, done, build)
	pod.Status.InitContainerStatuses = pod.Status.ContainerStatuses[1:]
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{pod.Status.ContainerStatuses[0], {Name: name, State: log}}
	return pod
}

func observed(p *v1alpha1.Phase, pod *corev1.Pod) phase.Observation {
	o := phase.Observation{Phase: p, RunActive: !p.Status.State.Terminal(), RunEnded: p.Status.State.Terminal(), Pods: map[string]*corev1.Pod{}}
	if pod != nil {
		o.Pods[pod.Name] = pod
	}
	return o
}

func storedLog(p v1alpha1.PhaseStatus) *v1alpha1.StoredLog {
	return p.Attempts[0].Replicas[0].Log.Stored
}

// eachShipper tells a story once for each container that may ship.
func eachShipper(t *testing.T, tell func(t *testing.T, delivery v1alpha1.AgentDelivery, name string)) {
	t.Helper()
	for delivery, name := range shippers {
		t.Run(string(delivery), func(t *testing.T) { tell(t, delivery, name) })
	}
}

func TestWhatNeverRanHasNoLog(t *testing.T) {
	unstarted := terminated(128, "no such file")
	unstarted.Terminated.Reason = "StartError"
	eachShipper(t, func(t *testing.T, delivery v1alpha1.AgentDelivery, _ string) {
		t.Helper()
		p, pod := shipping(t, delivery)
		told := reported(contract.Report{Class: contract.ClassInfra, Reason: contract.ReasonTerminated, Message: "told to stop", ExitCode: contract.ExitTerminated})
		for why, build := range map[string]corev1.ContainerState{"it could not be started": unstarted, "it was told to stop before": told} {
			plan := decide(t, observed(p, logIs(pod, build, running)), now)
			if log := plan.Status.Attempts[0].Replicas[0].Log; log != nil && log.Stored != nil {
				t.Errorf("%s, and a log is waited for: %+v", why, log.Stored)
			}
			if !slices.Contains(plan.DeletePods, pod.Name) {
				t.Errorf("%s, and what ships nothing stays", why)
			}
		}
	})
}

func TestACheckoutThatFailedLeavesNoLogToWaitFor(t *testing.T) {
	p, pod := shipping(t, v1alpha1.AgentByImageVolume)
	checkout := reported(contract.Report{Class: contract.ClassConfig, Reason: contract.ReasonCommitNotFound, Message: "no such commit", ExitCode: contract.ExitConfig})
	build := reported(contract.Report{Class: contract.ClassInfra, Reason: contract.ReasonCheckoutFailed, Message: "?", ExitCode: contract.ExitCheckoutFailed})
	plan := decide(t, observed(p, is(pod, checkout, build)), now)
	replica := plan.Status.Attempts[0].Replicas[0]
	if plan.Status.State != v1alpha1.PhaseFailed || replica.Reason != string(contract.ReasonCommitNotFound) || replica.Log == nil || replica.Log.Stored != nil {
		t.Errorf("%s, %+v", plan.Status.State, replica)
	}
}

// TestABuildGoesOnWithoutItsShipper: whatever became of what ships, once the checkout was done.
func TestABuildGoesOnWithoutItsShipper(t *testing.T) {
	for name, shipper := range map[string]corev1.ContainerState{"it was killed": unheard, "it gave up": unshipped, "it ended": shipped} {
		t.Run(name, func(t *testing.T) {
			p, pod := shipping(t, v1alpha1.AgentByImageVolume)
			for _, build := range []corev1.ContainerState{creating, running} {
				if plan := decide(t, observed(p, is(pod, shipper, build)), now); plan.Status.State != v1alpha1.PhaseRunning || len(plan.DeletePods)+len(plan.StopPods) > 0 {
					t.Errorf("%+v", plan)
				}
			}
			if plan := decide(t, observed(p, is(pod, shipper, succeeded)), now); plan.Status.State != v1alpha1.PhaseSucceeded {
				t.Errorf("%+v", plan.Status)
			}
		})
	}
}

func TestAVerdictDoesNotWaitForTheLog(t *testing.T) {
	eachShipper(t, verdictDoesNotWait)
}

func verdictDoesNotWait(t *testing.T, delivery v1alpha1.AgentDelivery, _ string) {
	t.Helper()
	for name, build := range map[string]corev1.ContainerState{"a success": succeeded, "a failure": failed, "a build without a report": terminated(137, "")} {
		t.Run(name, func(t *testing.T) {
			p, pod := shipping(t, delivery)
			plan := decide(t, observed(p, logIs(pod, build, running)), now)
			if !plan.Status.State.Terminal() || storedLog(plan.Status).State != v1alpha1.StoredLogDelivering {
				t.Errorf("%s, %+v", plan.Status.State, storedLog(plan.Status))
			}
			if len(plan.DeletePods)+len(plan.StopPods)+len(plan.KillPods) > 0 || plan.RequeueAfter <= 0 {
				t.Errorf("Pods end: %v, looks again after %s", plan.DeletePods, plan.RequeueAfter)
			}
		})
	}
}

func TestWhatBecameOfALog(t *testing.T) {
	eachShipper(t, whatBecameOfALog)
}

func whatBecameOfALog(t *testing.T, delivery v1alpha1.AgentDelivery, name string) {
	t.Helper()
	killed := terminated(137, "")
	if name == contract.CheckoutContainer {
		killed = unheard
	}
	gone := "removed before it could tell"
	for name, c := range map[string]struct {
		log     corev1.ContainerState
		change  func(*corev1.Pod) *corev1.Pod
		after   time.Duration
		want    v1alpha1.StoredLog // its message has to begin like this one
		removed bool
	}{
		"it is on its way":            {log: running, want: v1alpha1.StoredLog{State: v1alpha1.StoredLogDelivering}},
		"its container is not there":  {log: creating, want: v1alpha1.StoredLog{State: v1alpha1.StoredLogDelivering}},
		"it is stored":                {log: shipped, want: v1alpha1.StoredLog{State: v1alpha1.StoredLogComplete, Bytes: 6}},
		"it is stored, just too late": {log: shipped, after: time.Hour, want: v1alpha1.StoredLog{State: v1alpha1.StoredLogComplete, Bytes: 6}},
		"it was given up":             {log: unshipped, want: v1alpha1.StoredLog{State: v1alpha1.StoredLogIncomplete, Bytes: 2, Message: "there is no more time"}},
		"its container was killed": {log: killed, want: v1alpha1.StoredLog{State: v1alpha1.StoredLogIncomplete,
			Message: "its container " + name + " ended with code 137 (): the container"}},
		"its container never ends": {log: running, after: time.Hour, removed: true, want: v1alpha1.StoredLog{State: v1alpha1.StoredLogIncomplete,
			Message: "its container " + name + " was not done within 20m0s"}},
		"its Pod is gone": {change: func(*corev1.Pod) *corev1.Pod { return nil },
			want: v1alpha1.StoredLog{State: v1alpha1.StoredLogIncomplete, Message: "the builder Pod was " + gone}},
		"its Pod is being deleted": {log: running, change: func(pod *corev1.Pod) *corev1.Pod { pod.DeletionTimestamp = &start; return pod },
			want: v1alpha1.StoredLog{State: v1alpha1.StoredLogDelivering}},
		"its Pod was evicted": {log: running, change: func(pod *corev1.Pod) *corev1.Pod { pod.Status.Phase = corev1.PodFailed; return pod },
			want: v1alpha1.StoredLog{State: v1alpha1.StoredLogIncomplete, Message: "its container " + name + " did not come to its end"}},
		"an older cache has the Pod as it was": {change: func(pod *corev1.Pod) *corev1.Pod { return logIs(pod, running, running) },
			want: v1alpha1.StoredLog{State: v1alpha1.StoredLogDelivering}},
	} {
		t.Run(name, func(t *testing.T) {
			p, pod := shipping(t, delivery)
			p.Status = decide(t, observed(p, logIs(pod, succeeded, running)), now).Status
			later := logIs(pod, succeeded, c.log)
			if c.change != nil {
				later = c.change(later)
			}
			plan := decide(t, observed(p, later), now.Add(c.after))
			got := *storedLog(plan.Status)
			if !strings.HasPrefix(got.Message, c.want.Message) || c.want.Message == "" && got.Message != "" {
				t.Errorf("%q, want %q", got.Message, c.want.Message)
			}
			c.want.Message, got.Message = "", ""
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if removed := len(plan.DeletePods) > 0; removed != c.removed {
				t.Errorf("removed: %v", plan.DeletePods)
			}
			if waits := got.State == v1alpha1.StoredLogDelivering; waits != (plan.RequeueAfter > 0) || plan.RequeueAfter > 20*time.Minute {
				t.Errorf("looks again after %s", plan.RequeueAfter)
			}
		})
	}
}

// A first attempt's log may be stored while the second is under way.
func TestTheLogOfAnEarlierAttempt(t *testing.T) {
	p, pod := shipping(t, v1alpha1.AgentByImageVolume)
	p.Spec.Execution.RetryOnInfra = true
	plan := decide(t, observed(p, logIs(pod, terminated(137, ""), running)), now)
	if plan.Status.State != v1alpha1.PhaseRunning || plan.Status.Attempts[0].RetryTime == nil || len(plan.DeletePods) > 0 {
		t.Fatalf("%+v", plan.Status)
	}
	p.Status = plan.Status
	plan = decide(t, observed(p, logIs(pod, terminated(137, ""), shipped)), now.Add(time.Second))
	if storedLog(plan.Status).State != v1alpha1.StoredLogComplete {
		t.Errorf("%+v", storedLog(plan.Status))
	}
}

// Who waits for room in a quota is told of the Pods that take some though their builds have ended.
func TestPodsThatStillDeliver(t *testing.T) {
	pod := func(name string, age time.Duration, build, log corev1.ContainerState) corev1.Pod {
		_, pod := shipping(t, v1alpha1.AgentByImageVolume)
		pod = logIs(pod, build, log)
		pod.Name, pod.CreationTimestamp = name, metav1.NewTime(now.Add(-age))
		return *pod
	}
	without := is(buildpod.Build(newExecution(1), madeBy("1").Status, 1, 0, nil, ""), done, succeeded)
	killed := pod("killed", 0, succeeded, running)
	killed.Status.Phase = corev1.PodFailed
	others := []corev1.Pod{*without, killed, pod("builds", time.Hour, running, running), pod("delivered", time.Hour, succeeded, terminated(0, ""))}
	if said := phase.StillDelivering(others); said != "" {
		t.Errorf("without one: %q", said)
	}
	said := phase.StillDelivering(append(others, pod("newer", 0, failed, running), pod("older", time.Minute, succeeded, running)))
	if !strings.HasPrefix(said, "builder Pods whose builds have ended (2) still bring their logs to the log store, and count until then, for 20m0s at most: ") || !strings.HasSuffix(said, "kubectl logs older -n d-taskrunner -c checkout tells what the store answers") {
		t.Errorf("got %q", said)
	}
}
