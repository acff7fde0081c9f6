package workload

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"katkit.dev/katkit/internal/domain/rollout"
)

const (
	// maxPods is how many Pods of a revision are looked at.
	maxPods = 50
	// pageSize and maxPages bound the revisions of a workload that are looked through.
	pageSize, maxPages = 100, 10
)

// Rollout is what is to be seen of a service's newest revision beside the workload's own progress.
type Rollout struct {
	// Workload is the UID of the Deployment, StatefulSet or DaemonSet.
	Workload types.UID
	// Selector is the label selector of all its Pods, of every revision.
	Selector string
	// Pods of the newest revision, 50 at most. There are none while the workload's controller has not made the revision.
	Pods []corev1.Pod
	// Blocking are Pods of other revisions that are not ready, 50 at most, where the workload waits for them to become ready
	// instead of replacing them: StatefulSets of podManagementPolicy OrderedReady do.
	Blocking []corev1.Pod
	// FailedCreate says why a Pod cannot be created; "" when nothing stands in the way.
	FailedCreate string
}

// Look reads what is to be seen of the newest revision of a service. What happened before since (when its image was
// changed) does not count. When the workload is gone or another by now, nothing is seen.
func Look(ctx context.Context, live client.Reader, service rollout.Service, since time.Time) (Rollout, error) {
	var seen Rollout
	var err error
	switch service.Kind {
	case "Deployment":
		seen, err = lookAtDeployment(ctx, live, service)
	case "StatefulSet":
		seen, err = lookAtStatefulSet(ctx, live, service, since)
	case "DaemonSet":
		seen, err = lookAtDaemonSet(ctx, live, service, since)
	default:
		err = fmt.Errorf("no workload is of kind %q", service.Kind)
	}
	if client.IgnoreNotFound(err) != nil {
		return Rollout{}, fmt.Errorf("looking at the rollout of %s %s/%s: %w", service.Kind, service.Namespace, service.Name, err)
	}
	return seen, nil
}

func lookAtDeployment(ctx context.Context, live client.Reader, service rollout.Service) (Rollout, error) {
	var d appsv1.Deployment
	seen, selector, err := read(ctx, live, service, &d, func() (*metav1.LabelSelector, corev1.PodTemplateSpec) {
		return d.Spec.Selector, d.Spec.Template
	})
	if err != nil || selector == nil || d.Status.ObservedGeneration < d.Generation {
		return seen, err
	}
	seen.FailedCreate = replicaFailure(&d)
	newest, err := newestReplicaSet(ctx, live, &d, selector)
	if err != nil || newest == nil {
		return seen, err
	}
	seen.Pods, err = pods(ctx, live, newest, selector, appsv1.DefaultDeploymentUniqueLabelKey, selection.Equals, newest.Labels[appsv1.DefaultDeploymentUniqueLabelKey])
	return seen, err
}

// replicaFailure is what the Deployment's controller says of Pods, or of a ReplicaSet, that cannot be created.
func replicaFailure(d *appsv1.Deployment) string {
	for _, condition := range d.Status.Conditions {
		if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
			return condition.Message
		}
		if condition.Type == appsv1.DeploymentProgressing && condition.Reason == "ReplicaSetCreateError" {
			return condition.Message
		}
	}
	return ""
}

// newestReplicaSet finds the Deployment's ReplicaSet of its present template, as the Deployment's own controller does; nil
// when that is not made yet.
func newestReplicaSet(ctx context.Context, live client.Reader, d *appsv1.Deployment, selector labels.Selector) (*appsv1.ReplicaSet, error) {
	page := &client.ListOptions{Namespace: d.Namespace, LabelSelector: selector, Limit: pageSize}
	for range maxPages {
		var list appsv1.ReplicaSetList
		if err := live.List(ctx, &list, page); err != nil {
			return nil, err
		}
		for i := range list.Items {
			template := list.Items[i].Spec.Template.DeepCopy()
			delete(template.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
			if metav1.IsControlledBy(&list.Items[i], d) && equality.Semantic.DeepEqual(*template, d.Spec.Template) {
				return &list.Items[i], nil
			}
		}
		if page.Continue = list.Continue; page.Continue == "" {
			break
		}
	}
	return nil, nil
}

func lookAtStatefulSet(ctx context.Context, live client.Reader, service rollout.Service, since time.Time) (Rollout, error) {
	var s appsv1.StatefulSet
	seen, selector, err := read(ctx, live, service, &s, func() (*metav1.LabelSelector, corev1.PodTemplateSpec) {
		return s.Spec.Selector, s.Spec.Template
	})
	if err != nil || selector == nil || s.Status.ObservedGeneration < s.Generation || s.Status.UpdateRevision == "" {
		return seen, err
	}
	const revision = appsv1.ControllerRevisionHashLabelKey
	if seen.Pods, err = pods(ctx, live, &s, selector, revision, selection.Equals, s.Status.UpdateRevision); err != nil {
		return seen, err
	}
	if s.Spec.PodManagementPolicy != appsv1.ParallelPodManagement {
		others, err := pods(ctx, live, &s, selector, revision, selection.NotEquals, s.Status.UpdateRevision)
		if err != nil {
			return seen, err
		}
		seen.Blocking = slices.DeleteFunc(others, ready)
	}
	seen.FailedCreate, err = failedCreate(ctx, live, seen, service.Namespace, since)
	return seen, err
}

func lookAtDaemonSet(ctx context.Context, live client.Reader, service rollout.Service, since time.Time) (Rollout, error) {
	var d appsv1.DaemonSet
	seen, selector, err := read(ctx, live, service, &d, func() (*metav1.LabelSelector, corev1.PodTemplateSpec) {
		return d.Spec.Selector, d.Spec.Template
	})
	if err != nil || selector == nil || d.Status.ObservedGeneration < d.Generation {
		return seen, err
	}
	hash, err := newestHash(ctx, live, &d, selector)
	if err != nil || hash == "" {
		return seen, err
	}
	if seen.Pods, err = pods(ctx, live, &d, selector, appsv1.ControllerRevisionHashLabelKey, selection.Equals, hash); err != nil {
		return seen, err
	}
	seen.FailedCreate, err = failedCreate(ctx, live, seen, service.Namespace, since)
	return seen, err
}

// newestHash is the label value of the Pods of a DaemonSet's newest ControllerRevision; "" when there is none.
func newestHash(ctx context.Context, live client.Reader, d *appsv1.DaemonSet, selector labels.Selector) (string, error) {
	page := &client.ListOptions{Namespace: d.Namespace, LabelSelector: selector, Limit: pageSize}
	revision, hash := int64(-1), ""
	for range maxPages {
		var list appsv1.ControllerRevisionList
		if err := live.List(ctx, &list, page); err != nil {
			return "", err
		}
		for i := range list.Items {
			if item := &list.Items[i]; metav1.IsControlledBy(item, d) && item.Revision > revision {
				revision, hash = item.Revision, item.Labels[appsv1.ControllerRevisionHashLabelKey]
			}
		}
		if page.Continue = list.Continue; page.Continue == "" {
			break
		}
	}
	return hash, nil
}

// read reads the workload again. The selector is nil when its containers are not those of the service any more.
func read(ctx context.Context, live client.Reader, service rollout.Service, into client.Object,
	parts func() (*metav1.LabelSelector, corev1.PodTemplateSpec),
) (Rollout, labels.Selector, error) {
	if err := live.Get(ctx, types.NamespacedName{Namespace: service.Namespace, Name: service.Name}, into); err != nil {
		return Rollout{}, nil, err
	}
	of, template := parts()
	selector, err := metav1.LabelSelectorAsSelector(of)
	if err != nil {
		return Rollout{}, nil, fmt.Errorf("its selector: %w", err)
	}
	seen := Rollout{Workload: into.GetUID(), Selector: selector.String()}
	if !equality.Semantic.DeepEqual(template.Spec.Containers, service.Containers) {
		selector = nil
	}
	return seen, selector, nil
}

// pods lists an owner's Pods of one revision, or of all others, as a label tells them.
func pods(ctx context.Context, live client.Reader, owner client.Object, selector labels.Selector,
	label string, is selection.Operator, revision string,
) ([]corev1.Pod, error) {
	of, err := labels.NewRequirement(label, is, []string{revision})
	if err != nil {
		return nil, fmt.Errorf("its revision %q: %w", revision, err)
	}
	var list corev1.PodList
	err = live.List(ctx, &list, &client.ListOptions{Namespace: owner.GetNamespace(), LabelSelector: selector.Add(*of), Limit: maxPods})
	if err != nil {
		return nil, err
	}
	var owned []corev1.Pod
	for i := range list.Items {
		if metav1.IsControlledBy(&list.Items[i], owner) {
			owned = append(owned, list.Items[i])
		}
	}
	return owned, nil
}

func ready(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
