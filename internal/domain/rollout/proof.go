package rollout

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// proofTime is how long a container without a readiness probe has to run before it counts. Kubernetes takes it for ready
// as soon as it runs, also when it crashes the moment after, which the kubelet tells a second later at most. Times in a
// status are cut to the second, so it is a second less in truth.
const proofTime = 3 * time.Second

// Unproven tells after which time the Pods of a revision that is rolled out will have shown that they go on running; 0
// when they have. A container with a readiness probe has shown it by that.
func Unproven(pods []corev1.Pod, now time.Time) time.Duration {
	var left time.Duration
	for i := range pods {
		pod := &pods[i]
		if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		for j := range pod.Status.ContainerStatuses {
			c := view(pod, &pod.Status.ContainerStatuses[j], pod.Spec.Containers, false)
			left = max(left, unprovenFor(c, now))
		}
	}
	return left
}

func unprovenFor(c container, now time.Time) time.Duration {
	switch state := c.status.State; {
	case c.spec.ReadinessProbe != nil:
		return 0
	case state.Running != nil:
		return min(state.Running.StartedAt.Add(proofTime).Sub(now), proofTime)
	case state.Terminated != nil && state.Terminated.ExitCode == 0 && endsOnce(c.spec):
		return 0
	default: // it runs no more, or the Pod's status is behind the workload's
		return proofTime
	}
}
