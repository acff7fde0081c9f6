package run

import (
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

// fleet is what selects the hosts of the builder Pods, and who says so.
func (m Material) fleet() (hosts v1alpha1.Scheduling, whose string) {
	switch class := m.Class.Spec; {
	case !m.onTenantFleet():
		return class.Scheduling, "nodeSelector of BuilderClass " + m.Class.Name
	case class.TenantFleet != nil:
		return *class.TenantFleet, "tenantFleet of BuilderClass " + m.Class.Name
	case m.ServiceHosts != nil:
		return *m.ServiceHosts, "nodeSelector of the tenant's service"
	}
	return v1alpha1.Scheduling{}, ""
}

// CheckTags finds the first execution phase whose allocation tag is of other hosts than those of its fleet, which it may narrow down and not
// leave. It looks at ServiceHosts, too.
func CheckTags(m Material) *problem.Problem {
	hosts, whose := m.fleet()
	own, tagged := hosts.NodeSelector[v1alpha1.LabelAllocationTag]
	for _, phase := range m.Workflow.Phases {
		if tag := phase.AllocationTag; tagged && phase.Type == v1alpha1.PhaseExecution && tag != "" && tag != own {
			return problem.Config(v1alpha1.ReasonAllocationTagNotAllowed,
				"phase %s (%s) asks for hosts with the label %s=%s (AllocationTags), and its builder Pods run on those with %q alone, by the %s: leave AllocationTags out, "+
					"or ask a cluster admin for a BuilderClass with such hosts", phase.Name, m.Workflow.Source, v1alpha1.LabelAllocationTag, tag, own, whose)
		}
	}
	return nil
}

// scheduling says on which hosts the builder Pods of a phase run: those of its fleet and, of them, those with the tag. What the fleet says
// itself of tags holds.
func scheduling(m Material, tag string) v1alpha1.Scheduling {
	hosts, _ := m.fleet()
	result := *hosts.DeepCopy()
	if _, tagged := result.NodeSelector[v1alpha1.LabelAllocationTag]; tag != "" && !tagged {
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
