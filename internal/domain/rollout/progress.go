package rollout

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Progress of a rollout. Exactly one of Done and Failed, or neither while it goes on.
type Progress struct {
	Done   bool
	Failed bool
	// FailedAt is when it failed, to the second. One before the image was changed is of an older rollout, whose
	// condition stays until the new one moves.
	FailedAt metav1.Time
	// OnDelete: it is done as far as Kubernetes goes; Pods take the new image when somebody deletes them.
	OnDelete bool
	// Message tells how far it is, or why it failed.
	Message string
}

// deploymentProgress follows the rules of `kubectl rollout status`: the controller has seen the newest
// spec, and updated = desired = available with no old replica left.
func deploymentProgress(d *appsv1.Deployment) Progress {
	want := orOne(d.Spec.Replicas)
	switch {
	case d.Status.ObservedGeneration < d.Generation:
		return Progress{Message: "the new image is not observed yet"}
	case exceeded(d) != nil:
		return Progress{Failed: true, FailedAt: exceeded(d).LastUpdateTime, Message: "progress deadline exceeded with " +
			counts(d.Status.AvailableReplicas, want, "available")}
	case d.Status.UpdatedReplicas < want && d.Spec.Paused:
		return Progress{Message: fmt.Sprintf("its rollouts are paused: kubectl rollout resume deployment/%s -n %s", d.Name, d.Namespace)}
	case d.Status.UpdatedReplicas < want:
		return Progress{Message: counts(d.Status.UpdatedReplicas, want, "updated") + replicaFailure(d)}
	case d.Status.Replicas > d.Status.UpdatedReplicas:
		return Progress{Message: fmt.Sprintf("%d old replicas not gone yet", d.Status.Replicas-d.Status.UpdatedReplicas)}
	case d.Status.AvailableReplicas < d.Status.UpdatedReplicas:
		return Progress{Message: counts(d.Status.AvailableReplicas, want, "available")}
	}
	return Progress{Done: true, Message: counts(want, want, "available")}
}

// exceeded is the condition that says that the progress deadline is over; nil when it is not.
func exceeded(d *appsv1.Deployment) *appsv1.DeploymentCondition {
	for i := range d.Status.Conditions {
		if condition := &d.Status.Conditions[i]; condition.Type == appsv1.DeploymentProgressing && condition.Reason == "ProgressDeadlineExceeded" {
			return condition
		}
	}
	return nil
}

func replicaFailure(d *appsv1.Deployment) string {
	for _, condition := range d.Status.Conditions {
		if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
			return ": " + condition.Message
		}
	}
	return ""
}

func statefulSetProgress(s *appsv1.StatefulSet) Progress {
	want := orOne(s.Spec.Replicas)
	update := s.Spec.UpdateStrategy
	if update.RollingUpdate != nil && update.RollingUpdate.Partition != nil {
		want -= min(*update.RollingUpdate.Partition, want)
	}
	switch {
	case s.Status.ObservedGeneration < s.Generation:
		return Progress{Message: "the new image is not observed yet"}
	case update.Type == appsv1.OnDeleteStatefulSetStrategyType:
		return Progress{Done: true, OnDelete: true, Message: "its update strategy is OnDelete: Pods take the new image when they are deleted"}
	case s.Status.UpdatedReplicas < want:
		return Progress{Message: counts(s.Status.UpdatedReplicas, want, "updated")}
	case s.Status.AvailableReplicas < orOne(s.Spec.Replicas):
		return Progress{Message: counts(s.Status.AvailableReplicas, orOne(s.Spec.Replicas), "available")}
	}
	return Progress{Done: true, Message: counts(s.Status.AvailableReplicas, orOne(s.Spec.Replicas), "available")}
}

func daemonSetProgress(d *appsv1.DaemonSet) Progress {
	want := d.Status.DesiredNumberScheduled
	switch {
	case d.Status.ObservedGeneration < d.Generation:
		return Progress{Message: "the new image is not observed yet"}
	case d.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType:
		return Progress{Done: true, OnDelete: true, Message: "its update strategy is OnDelete: Pods take the new image when they are deleted"}
	case d.Status.UpdatedNumberScheduled < want:
		return Progress{Message: counts(d.Status.UpdatedNumberScheduled, want, "updated")}
	case d.Status.NumberAvailable < want:
		return Progress{Message: counts(d.Status.NumberAvailable, want, "available")}
	}
	return Progress{Done: true, Message: counts(want, want, "available")}
}
