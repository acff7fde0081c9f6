package run

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/builderclass"
	"katkit.dev/katkit/internal/domain/problem"
)

// Limits of a builder Pod that neither BuilderClass nor link sets.
var (
	defaultMemoryLimit           = resource.MustParse("4Gi")
	defaultEphemeralStorageLimit = resource.MustParse("20Gi")
)

// onTenantFleet tells whether execution phases run on the tenant's own hosts.
func (m Material) onTenantFleet() bool {
	return m.Link.Spec.Builder.Fleet == v1alpha1.FleetTenant || m.Workflow.LocalFleet
}

// NeedsServiceHosts tells whether the Phases are to be scheduled as a service of the tenant is: its own hosts are asked for, and the
// BuilderClass does not say which those are.
func (m Material) NeedsServiceHosts() bool {
	executes := slices.ContainsFunc(m.Workflow.Phases, func(p v1alpha1.PhaseTemplate) bool { return p.Type == v1alpha1.PhaseExecution })
	return executes && m.onTenantFleet() && m.Class.Spec.TenantFleet == nil
}

// ServiceAccount names the one whose token ci.sh gets; "" for none. What a stranger wrote gets none.
func (m Material) ServiceAccount() string {
	if m.Commit.Fork {
		return ""
	}
	return m.Link.Spec.Builder.ServiceAccountName
}

// scheduling says on which hosts the builder Pods of a phase run.
func scheduling(m Material, tag string) v1alpha1.Scheduling {
	hosts := &m.Class.Spec.Scheduling
	if m.onTenantFleet() {
		hosts = cmp.Or(m.Class.Spec.TenantFleet, m.ServiceHosts, &v1alpha1.Scheduling{})
	}
	result := *hosts.DeepCopy()
	if tag != "" {
		if result.NodeSelector == nil {
			result.NodeSelector = map[string]string{}
		}
		result.NodeSelector[v1alpha1.LabelAllocationTag] = tag
	}
	return result
}

// resources are the link's, and the class's where the link says nothing of one. Memory and disk always have a limit.
func resources(link *corev1.ResourceRequirements, class v1alpha1.BuilderClassSpec) *corev1.ResourceRequirements {
	result := &corev1.ResourceRequirements{Limits: corev1.ResourceList{}, Requests: corev1.ResourceList{}}
	for _, from := range []*corev1.ResourceRequirements{class.Resources, link} { // the link's over the class's
		if from != nil {
			takeOver(result, *from.DeepCopy())
		}
	}
	if limit, set := result.Limits[corev1.ResourceMemory]; !set || limit.IsZero() {
		setLimit(result, corev1.ResourceMemory, larger(defaultMemoryLimit, result.Requests[corev1.ResourceMemory]))
	}
	limit := storageLimit(class)
	if asked, set := result.Limits[corev1.ResourceEphemeralStorage]; set && !asked.IsZero() {
		limit = smaller(limit, asked)
	}
	setLimit(result, corev1.ResourceEphemeralStorage, limit)
	return result
}

// takeOver sets each resource that is named, request and limit together: those of different people need not fit.
func takeOver(result *corev1.ResourceRequirements, from corev1.ResourceRequirements) {
	for _, list := range []corev1.ResourceList{from.Requests, from.Limits} {
		for name := range list {
			delete(result.Requests, name)
			delete(result.Limits, name)
		}
	}
	maps.Copy(result.Requests, from.Requests)
	maps.Copy(result.Limits, from.Limits)
}

// setLimit sets a limit that nobody asked for. Without a request the API server would have the node set all of it aside.
func setLimit(result *corev1.ResourceRequirements, name corev1.ResourceName, limit resource.Quantity) {
	result.Limits[name] = limit.DeepCopy()
	result.Requests[name] = smaller(result.Requests[name], limit).DeepCopy()
}

func storageLimit(class v1alpha1.BuilderClassSpec) resource.Quantity {
	if class.EphemeralStorageLimit != nil {
		return *class.EphemeralStorageLimit
	}
	return defaultEphemeralStorageLimit
}

func larger(a, b resource.Quantity) resource.Quantity {
	if a.Cmp(b) < 0 {
		return b
	}
	return a
}

func smaller(a, b resource.Quantity) resource.Quantity {
	if a.Cmp(b) > 0 {
		return b
	}
	return a
}

// checkImages finds the first execution phase whose builder image the class does not allow.
func checkImages(m Material) *problem.Problem {
	for _, phase := range m.Workflow.Phases {
		image, who := phase.Image, "phase "+phase.Name+" ("+m.Workflow.Source+")"
		if image == "" {
			image, who = m.Link.Spec.Builder.Image, "builder.image of TenantRepoLink "+m.Link.Name
		}
		if phase.Type != v1alpha1.PhaseExecution || image == "" {
			continue
		}
		if cause := builderclass.CheckImage(m.Class, image, who); cause != nil {
			return cause
		}
	}
	return nil
}
