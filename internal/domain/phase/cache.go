package phase

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// cachePatience is how long the claim of a cache may be missing: it may be applied together with what needs it.
const cachePatience = 20 * time.Second

// judgeCache ends a Pod that the scheduler says waits for a PersistentVolumeClaim that is not there: no node will come of waiting.
func judgeCache(pod *corev1.Pod, now time.Time) (verdict, bool) {
	waited := unscheduled(pod, now)
	if waited == 0 {
		return verdict{}, false
	}
	why := unschedulable(pod)
	for _, volume := range pod.Spec.Volumes {
		claim := volume.PersistentVolumeClaim
		if claim == nil || !strings.Contains(why, fmt.Sprintf("persistentvolumeclaim %q not found", claim.ClaimName)) {
			continue
		}
		if waited < cachePatience {
			return verdict{waitingFor: waitingFor(pod, corev1.ContainerState{}), unscheduled: waited, recheck: cachePatience - waited}, true
		}
		return ended(v1alpha1.FailureConfig, v1alpha1.ReasonCacheNotFound, fmt.Sprintf(
			"PersistentVolumeClaim %s/%s, the cache, is not there: make it, or take builder.cache out of the link, and run the commit again",
			pod.Namespace, claim.ClaimName)), true
	}
	return verdict{}, false
}

// unschedulable is why the scheduler has no node for a Pod; "" where it has, or has not looked.
func unschedulable(pod *corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return condition.Message
		}
	}
	return ""
}
