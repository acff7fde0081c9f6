package phase

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/text"
)

// deliveryTimeout is how long a builder Pod is kept after its build for its log to be stored: longer than it is tried.
const deliveryTimeout = contract.DefaultLogPatienceSeconds*time.Second + 5*time.Minute

// expectLog notes of a replica that has ended that its log is on its way to the log store.
func expectLog(replica *v1alpha1.ReplicaStatus, pod *corev1.Pod) {
	if pod == nil || buildpod.ShipperOf(pod) == "" || !ran(pod) {
		return
	}
	if replica.Log == nil {
		replica.Log = &v1alpha1.LogStatus{}
	}
	replica.Log.Stored = &v1alpha1.StoredLog{State: v1alpha1.StoredLogDelivering}
}

// ran tells whether ci.sh ran in a Pod whose build container has ended, as far as that is known. Where it did not, the agent's few lines are
// all that there is, and are in the report.
func ran(pod *corev1.Pod) bool {
	build := buildpod.StateOf(pod, contract.BuildContainer).Terminated
	if build == nil || build.Reason == "StartError" || build.Reason == "ContainerCannotRun" || failedCheckout(pod) != nil {
		return false
	}
	report, err := contract.ParseReport([]byte(build.Message))
	return err != nil || !report.StartTime.IsZero()
}

// followLogs records what became of the logs that are on their way to the store, whatever the phase has come to. Until then their
// Pods stay, but for those that take too long about it.
func followLogs(o Observation, plan *Plan, now time.Time) {
	for i := range plan.Status.Attempts {
		for j := range plan.Status.Attempts[i].Replicas {
			replica := &plan.Status.Attempts[i].Replicas[j]
			if !Delivering(replica) {
				continue
			}
			pod := o.Pods[replica.Pod]
			if stored := delivered(pod); stored != nil {
				replica.Log.Stored = stored
				continue
			}
			left := endOf(o.Phase, replica, pod).Add(deliveryTimeout).Sub(now)
			switch {
			case left > 0:
				plan.recheck(left)
				plan.DeletePods = slices.DeleteFunc(plan.DeletePods, func(name string) bool { return name == pod.Name })
			case pod.DeletionTimestamp.IsZero() && !slices.Contains(plan.DeletePods, pod.Name):
				plan.DeletePods = append(plan.DeletePods, pod.Name)
				fallthrough
			default:
				replica.Log.Stored = incomplete(0, fmt.Sprintf("its container %s was not done within %s", buildpod.ShipperOf(pod), deliveryTimeout))
			}
		}
	}
}

// endOf is when a replica ended, as far as that is known.
func endOf(p *v1alpha1.Phase, replica *v1alpha1.ReplicaStatus, pod *corev1.Pod) time.Time {
	if build := buildpod.StateOf(pod, contract.BuildContainer).Terminated; build != nil && !build.FinishedAt.IsZero() {
		return build.FinishedAt.Time
	}
	for _, at := range []*metav1.Time{replica.CompletionTime, p.Status.CompletionTime, p.Status.StartTime} {
		if at != nil {
			return at.Time
		}
	}
	return p.CreationTimestamp.Time
}

// Delivering tells whether the log of a replica is on its way to the log store, so that its Pod has to stay.
func Delivering(replica *v1alpha1.ReplicaStatus) bool {
	return replica.Log != nil && replica.Log.Stored != nil && replica.Log.Stored.State == v1alpha1.StoredLogDelivering
}

// StillDelivering tells of builder Pods of a namespace whose builds have ended, and that stay until their logs are in the store: a quota counts
// them, and storage of one node is theirs. It is "" where there are none.
func StillDelivering(pods []corev1.Pod) string {
	count, oldest := 0, (*corev1.Pod)(nil)
	for i := range pods {
		pod := &pods[i]
		if buildpod.ShipperOf(pod) == "" || !finished(pod) || delivered(pod) != nil {
			continue
		}
		if count++; oldest == nil || pod.CreationTimestamp.Before(&oldest.CreationTimestamp) {
			oldest = pod
		}
	}
	if count == 0 {
		return ""
	}
	return fmt.Sprintf("builder Pods whose builds have ended (%d) still bring their logs to the log store, and count until then, for %s at most: kubectl logs %s -n %s -c %s tells what the store answers",
		count, deliveryTimeout, oldest.Name, oldest.Namespace, buildpod.ShipperOf(oldest))
}

// delivered is what the container of a Pod that ships the log has come to; nil while it is at it. A Pod that is gone is nil.
func delivered(pod *corev1.Pod) *v1alpha1.StoredLog {
	if pod == nil {
		return incomplete(0, "the builder Pod was removed before it could tell what is stored; that can be read all the same")
	}
	name := buildpod.ShipperOf(pod)
	ended := buildpod.StateOf(pod, name).Terminated
	switch {
	case ended == nil && (pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded):
		return incomplete(0, "its container "+name+" did not come to its end; what is stored can be read all the same: "+podFailure(pod))
	case ended == nil:
		return nil
	}
	report, err := contract.ParseLogReport([]byte(ended.Message))
	switch {
	case err != nil:
		return incomplete(0, fmt.Sprintf("its container %s ended with code %d (%s): %v", name, ended.ExitCode, ended.Reason, err))
	case !report.Complete:
		return incomplete(report.Bytes, report.Message)
	}
	return &v1alpha1.StoredLog{State: v1alpha1.StoredLogComplete, Bytes: report.Bytes}
}

func incomplete(bytes int64, why string) *v1alpha1.StoredLog {
	return &v1alpha1.StoredLog{State: v1alpha1.StoredLogIncomplete, Bytes: bytes, Message: text.Cut(why, maxReplicaMessage)}
}

// recheck has the phase looked at again after a delay, if not sooner.
func (p *Plan) recheck(after time.Duration) {
	if p.RequeueAfter == 0 || after < p.RequeueAfter {
		p.RequeueAfter = after
	}
}
