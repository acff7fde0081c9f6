package rollout_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"katkit.dev/katkit/internal/domain/rollout"
)

func ofName(name string, generation int64) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: "d-taskrunner", Generation: generation, ResourceVersion: "7"}
}

func goesOn(message string) rollout.Progress { return rollout.Progress{Message: message} }
func isDone(message string) rollout.Progress { return rollout.Progress{Done: true, Message: message} }

func TestDeploymentProgress(t *testing.T) {
	deadline := appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded"}
	quota := appsv1.DeploymentCondition{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota: pods"}
	for name, c := range map[string]struct {
		replicas *int32
		paused   bool
		status   appsv1.DeploymentStatus
		want     rollout.Progress
	}{
		"its controller has not seen the change, whatever the old status says": {replicas: new(int32(3)),
			status: appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 3, UpdatedReplicas: 3, AvailableReplicas: 3, Conditions: []appsv1.DeploymentCondition{deadline}},
			want:   goesOn("the new image is not observed yet")},
		"some are updated": {replicas: new(int32(3)), status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 4, UpdatedReplicas: 1, AvailableReplicas: 3},
			want: goesOn("1 of 3 replicas updated")},
		"none can be made": {replicas: new(int32(3)),
			status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 3, AvailableReplicas: 3, Conditions: []appsv1.DeploymentCondition{quota}},
			want:   goesOn("0 of 3 replicas updated: exceeded quota: pods")},
		"it is paused": {replicas: new(int32(3)), paused: true, status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 3, AvailableReplicas: 3},
			want: goesOn("its rollouts are paused: kubectl rollout resume deployment/api -n d-taskrunner")},
		"old ones still run": {replicas: new(int32(3)), status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 4, UpdatedReplicas: 3, AvailableReplicas: 3},
			want: goesOn("1 old replicas not gone yet")},
		"new ones are not available": {replicas: new(int32(3)), status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 3, AvailableReplicas: 2},
			want: goesOn("2 of 3 replicas available")},
		"all are available": {replicas: new(int32(3)), status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 3, AvailableReplicas: 3},
			want: isDone("3 of 3 replicas available")},
		"replicas are one by default": {status: appsv1.DeploymentStatus{ObservedGeneration: 2}, want: goesOn("0 of 1 replicas updated")},
		"it is scaled to none":        {replicas: new(int32(0)), status: appsv1.DeploymentStatus{ObservedGeneration: 2}, want: isDone("0 of 0 replicas available")},
		"its deadline is exceeded": {replicas: new(int32(3)),
			status: appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 4, UpdatedReplicas: 1, AvailableReplicas: 3, Conditions: []appsv1.DeploymentCondition{quota, deadline}},
			want:   rollout.Progress{Failed: true, Message: "progress deadline exceeded with 3 of 3 replicas available"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := &appsv1.Deployment{ObjectMeta: ofName("api", 2), Spec: appsv1.DeploymentSpec{Replicas: c.replicas, Paused: c.paused}, Status: c.status}
			if diff := cmp.Diff(c.want, rollout.FromDeployment(d).Progress); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestStatefulSetProgress(t *testing.T) {
	partition := func(n int32) appsv1.StatefulSetUpdateStrategy {
		return appsv1.StatefulSetUpdateStrategy{Type: appsv1.RollingUpdateStatefulSetStrategyType, RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: &n}}
	}
	for name, c := range map[string]struct {
		strategy appsv1.StatefulSetUpdateStrategy
		status   appsv1.StatefulSetStatus
		want     rollout.Progress
	}{
		"not seen yet":  {status: appsv1.StatefulSetStatus{ObservedGeneration: 1, UpdatedReplicas: 3, AvailableReplicas: 3}, want: goesOn("the new image is not observed yet")},
		"some updated":  {status: appsv1.StatefulSetStatus{ObservedGeneration: 2, UpdatedReplicas: 1, AvailableReplicas: 2}, want: goesOn("1 of 3 replicas updated")},
		"not available": {status: appsv1.StatefulSetStatus{ObservedGeneration: 2, UpdatedReplicas: 3, AvailableReplicas: 2}, want: goesOn("2 of 3 replicas available")},
		"all available": {status: appsv1.StatefulSetStatus{ObservedGeneration: 2, UpdatedReplicas: 3, AvailableReplicas: 3}, want: isDone("3 of 3 replicas available")},
		"those above its partition": {strategy: partition(2),
			status: appsv1.StatefulSetStatus{ObservedGeneration: 2, UpdatedReplicas: 1, AvailableReplicas: 3}, want: isDone("3 of 3 replicas available")},
		"none is above its partition": {strategy: partition(9),
			status: appsv1.StatefulSetStatus{ObservedGeneration: 2, AvailableReplicas: 3}, want: isDone("3 of 3 replicas available")},
		"only when its Pods are deleted": {strategy: appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType},
			status: appsv1.StatefulSetStatus{ObservedGeneration: 2, AvailableReplicas: 3},
			want:   rollout.Progress{Done: true, OnDelete: true, Message: "its update strategy is OnDelete: Pods take the new image when they are deleted"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &appsv1.StatefulSet{ObjectMeta: ofName("api", 2), Spec: appsv1.StatefulSetSpec{Replicas: new(int32(3)), UpdateStrategy: c.strategy}, Status: c.status}
			if diff := cmp.Diff(c.want, rollout.FromStatefulSet(s).Progress); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestDaemonSetProgress(t *testing.T) {
	for name, c := range map[string]struct {
		strategy appsv1.DaemonSetUpdateStrategyType
		status   appsv1.DaemonSetStatus
		want     rollout.Progress
	}{
		"not seen yet":  {status: appsv1.DaemonSetStatus{ObservedGeneration: 1}, want: goesOn("the new image is not observed yet")},
		"some updated":  {status: appsv1.DaemonSetStatus{ObservedGeneration: 2, DesiredNumberScheduled: 2, UpdatedNumberScheduled: 1, NumberAvailable: 2}, want: goesOn("1 of 2 replicas updated")},
		"not available": {status: appsv1.DaemonSetStatus{ObservedGeneration: 2, DesiredNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberAvailable: 1}, want: goesOn("1 of 2 replicas available")},
		"all available": {status: appsv1.DaemonSetStatus{ObservedGeneration: 2, DesiredNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberAvailable: 2}, want: isDone("2 of 2 replicas available")},
		"no node fits":  {status: appsv1.DaemonSetStatus{ObservedGeneration: 2}, want: isDone("0 of 0 replicas available")},
		"only when its Pods are deleted": {strategy: appsv1.OnDeleteDaemonSetStrategyType, status: appsv1.DaemonSetStatus{ObservedGeneration: 2, DesiredNumberScheduled: 2},
			want: rollout.Progress{Done: true, OnDelete: true, Message: "its update strategy is OnDelete: Pods take the new image when they are deleted"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := &appsv1.DaemonSet{ObjectMeta: ofName("api", 2), Spec: appsv1.DaemonSetSpec{UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: c.strategy}}, Status: c.status}
			if diff := cmp.Diff(c.want, rollout.FromDaemonSet(d).Progress); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// FuzzProgress: no numbers make a rollout both done and failed, or done before it was observed.
func FuzzProgress(f *testing.F) {
	f.Add(int64(2), int64(2), int32(3), int32(3), int32(3), int32(3), int32(1), true)
	f.Add(int64(1), int64(2), int32(-1), int32(1<<31-1), int32(-1<<31), int32(0), int32(-5), false)
	f.Fuzz(func(t *testing.T, observed, generation int64, replicas, have, updated, available, partition int32, exceeded bool) {
		d := &appsv1.Deployment{ObjectMeta: ofName("api", generation), Spec: appsv1.DeploymentSpec{Replicas: &replicas},
			Status: appsv1.DeploymentStatus{ObservedGeneration: observed, Replicas: have, UpdatedReplicas: updated, AvailableReplicas: available}}
		if exceeded {
			d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Reason: "ProgressDeadlineExceeded"}}
		}
		s := &appsv1.StatefulSet{ObjectMeta: ofName("api", generation), Spec: appsv1.StatefulSetSpec{Replicas: &replicas,
			UpdateStrategy: appsv1.StatefulSetUpdateStrategy{RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: &partition}}},
			Status: appsv1.StatefulSetStatus{ObservedGeneration: observed, UpdatedReplicas: updated, AvailableReplicas: available}}
		n := &appsv1.DaemonSet{ObjectMeta: ofName("api", generation),
			Status: appsv1.DaemonSetStatus{ObservedGeneration: observed, DesiredNumberScheduled: replicas, UpdatedNumberScheduled: updated, NumberAvailable: available}}
		for _, service := range []rollout.Service{rollout.FromDeployment(d), rollout.FromStatefulSet(s), rollout.FromDaemonSet(n)} {
			p := service.Progress
			if p.Done && p.Failed || (p.Done || p.Failed) && observed < generation || strings.TrimSpace(p.Message) == "" {
				t.Errorf("%s: %+v", service.Kind, p)
			}
		}
	})
}
