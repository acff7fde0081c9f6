// Package rollout knows the tenant's services: which workload a role of the service description names,
// which of its containers is upgraded, and how far a rollout is. It is pure; the controllers read the
// workloads.
package rollout

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/servicedesc"
)

// Kinds are the kinds of workload that a role can name, in the order in which they are looked for
// (design: Deployment, then StatefulSet, then DaemonSet).
var Kinds = []string{"Deployment", "StatefulSet", "DaemonSet"}

// Service is a workload of the tenant, reduced to what a deployment looks at.
type Service struct {
	Kind            string
	Namespace, Name string
	ResourceVersion string
	// Mark tells of Katkit's last change.
	Mark Mark
	// Replicas that the workload asks for; for a DaemonSet, the nodes it shall run on.
	Replicas int32
	// Containers are the workload's own containers; init containers are never upgraded.
	Containers []corev1.Container
	// Owners are the other controllers that may bring an image of their own back, by container.
	Owners map[string]string
	// Hosts are those that its Pods are scheduled to.
	Hosts v1alpha1.Scheduling
	// Progress of the newest rollout, as the workload's own controller sees it.
	Progress Progress
	// Trouble is what its newest Pods have; nil when there is none, or when nobody looked.
	Trouble *Trouble
}

// FromDeployment reduces a Deployment.
func FromDeployment(d *appsv1.Deployment) Service {
	return reduce("Deployment", d.ObjectMeta, orOne(d.Spec.Replicas), d.Spec.Template, deploymentProgress(d))
}

// FromStatefulSet reduces a StatefulSet.
func FromStatefulSet(s *appsv1.StatefulSet) Service {
	return reduce("StatefulSet", s.ObjectMeta, orOne(s.Spec.Replicas), s.Spec.Template, statefulSetProgress(s))
}

// FromDaemonSet reduces a DaemonSet.
func FromDaemonSet(d *appsv1.DaemonSet) Service {
	return reduce("DaemonSet", d.ObjectMeta, d.Status.DesiredNumberScheduled, d.Spec.Template, daemonSetProgress(d))
}

func reduce(kind string, meta metav1.ObjectMeta, replicas int32, template corev1.PodTemplateSpec, progress Progress) Service {
	return Service{
		Kind: kind, Namespace: meta.Namespace, Name: meta.Name, ResourceVersion: meta.ResourceVersion,
		Mark:     Mark{RunUID: meta.Annotations[v1alpha1.AnnotationRunUID], SHA: meta.Annotations[v1alpha1.AnnotationSHA]},
		Replicas: replicas, Containers: template.Spec.Containers, Progress: progress,
		Owners: owners(meta, template.Spec.Containers), Hosts: hosts(template.Spec),
	}
}

// hosts are the nodes that a Pod may run on. With which other Pods it shares one, or does not, is its own.
func hosts(spec corev1.PodSpec) v1alpha1.Scheduling {
	result := v1alpha1.Scheduling{NodeSelector: spec.NodeSelector, Tolerations: spec.Tolerations}
	if spec.Affinity != nil && spec.Affinity.NodeAffinity != nil {
		result.Affinity = &corev1.Affinity{NodeAffinity: spec.Affinity.NodeAffinity}
	}
	return *result.DeepCopy()
}

// Receipt plans the upgrade of a service: its container is chosen and its image now is recorded. The
// problem says which containers there are when none can be chosen.
func (s Service) Receipt(want v1alpha1.ServiceImage) (v1alpha1.Receipt, *problem.Problem) {
	candidates := make([]servicedesc.Container, 0, len(s.Containers))
	for _, container := range s.Containers {
		candidates = append(candidates, servicedesc.Container{Name: container.Name, Image: container.Image})
	}
	name, err := servicedesc.PickContainer(want.Role, want.Image, candidates)
	if err != nil {
		return v1alpha1.Receipt{}, problem.Config(v1alpha1.ReasonServiceNotFound, "%s %s/%s: %v", s.Kind, s.Namespace, s.Name, err)
	}
	container := s.container(name)
	return v1alpha1.Receipt{
		Role: want.Role, Kind: s.Kind, Name: s.Name, Container: name,
		PreviousImage: container.Image, PreviousSHA: s.LiveSHA(name), Image: want.Image, Owner: s.Owners[name], Result: v1alpha1.ReceiptPlanned,
		Env: int32(len(container.Env)), Replicas: s.Replicas, //nolint:gosec // far below 2^31: an object has 3 MiB at most
	}, nil
}

// Image returns the image of a container; "" when there is no such container.
func (s Service) Image(container string) string {
	if c := s.container(container); c != nil {
		return c.Image
	}
	return ""
}

func (s Service) container(name string) *corev1.Container {
	for i := range s.Containers {
		if s.Containers[i].Name == name {
			return &s.Containers[i]
		}
	}
	return nil
}

// NotFound is the problem of a role that no workload is named like.
func NotFound(namespace, role string) *problem.Problem {
	return problem.Config(v1alpha1.ReasonServiceNotFound,
		"role %q of servicedescription.js: namespace %s has no Deployment, StatefulSet or DaemonSet of this name. "+
			"Deploy the service once before Katkit upgrades it, or correct the role's Name", role, namespace)
}

func orOne(replicas *int32) int32 {
	if replicas == nil {
		return 1
	}
	return *replicas
}

func counts(have, want int32, what string) string {
	return fmt.Sprintf("%d of %d replicas %s", have, want, what)
}
