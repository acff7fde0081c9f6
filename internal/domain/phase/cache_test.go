package phase_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

func TestACacheThatIsNotThere(t *testing.T) {
	with := func(claim, message string) func(*corev1.Pod) *corev1.Pod {
		return func(pod *corev1.Pod) *corev1.Pod {
			pod = pod.DeepCopy()
			pod.CreationTimestamp = start
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "cache", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}})
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: message}}
			return pod
		}
	}
	const missing = `0/3 nodes are available: persistentvolumeclaim "modules" not found. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.`
	for name, c := range map[string]struct {
		claim, message string
		after          time.Duration
		fails          bool
		recheck        time.Duration
	}{
		"for a while":      {"modules", missing, 20 * time.Second, true, 0},
		"it may yet come":  {"modules", missing, 5 * time.Second, false, 15 * time.Second},
		"another's claim":  {"odules", missing, time.Minute, false, 0},
		"it is not bound":  {"modules", "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.", time.Minute, false, 0},
		"no node has room": {"modules", "0/3 nodes are available: 3 Insufficient cpu.", time.Minute, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p, plan := follow(t, with(c.claim, c.message), start.Add(c.after))
			if !c.fails {
				if diff := cmp.Diff(p.Status, plan.Status); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				if c.recheck > 0 && plan.RequeueAfter != c.recheck {
					t.Errorf("looks again after %s", plan.RequeueAfter)
				}
				return
			}
			if s := plan.Status; s.State != v1alpha1.PhaseFailed || s.FailureClass != v1alpha1.FailureConfig || reason(s) != v1alpha1.ReasonCacheNotFound ||
				s.Message != "PersistentVolumeClaim d-taskrunner/modules, the cache, is not there: make it, or take builder.cache out of the link, and run the commit again" {
				t.Errorf("got %s, %s, %s, %q", s.State, s.FailureClass, reason(s), s.Message)
			}
			if len(plan.DeletePods) != 1 {
				t.Errorf("to be removed: %v", plan.DeletePods)
			}
		})
	}
}
