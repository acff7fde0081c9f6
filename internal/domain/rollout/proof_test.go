package rollout_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"katkit.dev/katkit/internal/domain/rollout"
)

func TestUnproven(t *testing.T) {
	probeless := func(changes ...func(*corev1.Pod)) corev1.Pod {
		return newPod(append(changes, func(pod *corev1.Pod) { pod.Spec.Containers[0].ReadinessProbe = nil })...)
	}
	for name, c := range map[string]struct {
		pods []corev1.Pod
		want time.Duration
	}{
		"there is no Pod":                        {nil, 0},
		"it has run for some time":               {[]corev1.Pod{probeless(runsSince(3 * time.Second))}, 0},
		"the youngest counts":                    {[]corev1.Pod{probeless(runsSince(2 * time.Second)), probeless(runsSince(time.Second)), probeless(runsSince(time.Hour))}, 2 * time.Second},
		"a readiness probe is a proof":           {[]corev1.Pod{newPod(runsSince(0))}, 0},
		"it has crashed":                         {[]corev1.Pod{probeless(waits("CrashLoopBackOff", ""), crashed(1, end(3, "Error", 0)))}, 3 * time.Second},
		"its node's clock is ahead":              {[]corev1.Pod{probeless(runsSince(-time.Hour))}, 3 * time.Second},
		"one that is being deleted is not asked": {[]corev1.Pod{probeless(runsSince(0), func(pod *corev1.Pod) { pod.DeletionTimestamp = new(ago(0)) })}, 0},
		"nor one that was evicted":               {[]corev1.Pod{probeless(func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodFailed })}, 0},
	} {
		if got := rollout.Unproven(c.pods, noon); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}
