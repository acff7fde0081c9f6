package builderclass

import (
	"cmp"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/problem"
)

// Askers are who asks a class for something, in words for a problem's message.
type Askers struct {
	// Phase is the phase, Image who brings its builder image.
	Phase, Image string
}

// Resolve says what the builder Pods of a phase are made by: the class, and what is asked of it. delivery is how the cluster brings the
// agent to an image that has none. The result shares nothing with what it was made of. A class that does not allow what is asked is a
// problem of reason ImageNotAllowed, AllocationTagNotAllowed or TenantFleetGone.
func Resolve(class *v1alpha1.BuilderClass, asked v1alpha1.BuilderRequest, delivery v1alpha1.AgentDelivery, who Askers) (*v1alpha1.BuilderStatus, *problem.Problem) {
	if cause := check(class, asked, who); cause != nil {
		return nil, cause
	}
	spec := class.DeepCopy().Spec
	if asked.AgentInImage {
		delivery = v1alpha1.AgentInBuilderImage
	}
	return &v1alpha1.BuilderStatus{
		ClassName:        class.Name,
		Image:            cmp.Or(asked.Image, spec.Image),
		AgentImage:       spec.AgentImage,
		AgentDelivery:    delivery,
		Env:              contract.MergeVariables(spec.Env, func(v v1alpha1.EnvVar) string { return v.Name }),
		Resources:        resources(asked.Resources, spec),
		AgentResources:   spec.AgentResources,
		Scheduling:       scheduling(class, asked),
		RuntimeClassName: spec.RuntimeClassName,
		ImagePullSecrets: spec.ImagePullSecrets,
		PodSecurity:      spec.PodSecurity,
		Capabilities:     spec.Capabilities,
		SeccompProfile:   spec.SeccompProfile,
	}, nil
}

func check(class *v1alpha1.BuilderClass, asked v1alpha1.BuilderRequest, who Askers) *problem.Problem {
	if asked.Image != "" {
		if cause := CheckImage(class, asked.Image, who.Image); cause != nil {
			return cause
		}
	}
	if asked.Fleet == v1alpha1.FleetTenant && class.Spec.TenantFleet == nil && asked.ServiceHosts == nil {
		return problem.Config(v1alpha1.ReasonTenantFleetGone,
			"%s is for the tenant's own hosts, which a BuilderClass named when the run began (tenantFleet), and BuilderClass %s, which counts now, does not: "+
				"run the commit again, which then is for the hosts of the tenant's service", who.Phase, class.Name)
	}
	return checkTag(class, asked, who.Phase)
}

// checkTag refuses a tag of other hosts than those of the fleet, which it may narrow down and not leave.
func checkTag(class *v1alpha1.BuilderClass, asked v1alpha1.BuilderRequest, who string) *problem.Problem {
	hosts, whose := fleet(class, asked)
	own, tagged := hosts.NodeSelector[v1alpha1.LabelAllocationTag]
	if !tagged || asked.AllocationTag == "" || asked.AllocationTag == own {
		return nil
	}
	return problem.Config(v1alpha1.ReasonAllocationTagNotAllowed,
		"%s asks for hosts with the label %s=%s (AllocationTags), and its builder Pods run on those with %q alone, by the %s: leave AllocationTags out, "+
			"or ask a cluster admin for a BuilderClass with such hosts", who, v1alpha1.LabelAllocationTag, asked.AllocationTag, own, whose)
}

// fleet is what selects the hosts of the builder Pods, and who says so. The service's are any host where there is no service.
func fleet(class *v1alpha1.BuilderClass, asked v1alpha1.BuilderRequest) (hosts v1alpha1.Scheduling, whose string) {
	switch {
	case asked.Fleet != v1alpha1.FleetTenant:
		return class.Spec.Scheduling, "nodeSelector of BuilderClass " + class.Name
	case class.Spec.TenantFleet != nil:
		return *class.Spec.TenantFleet, "tenantFleet of BuilderClass " + class.Name
	case asked.ServiceHosts != nil:
		return *asked.ServiceHosts, "nodeSelector of the tenant's service"
	}
	return v1alpha1.Scheduling{}, ""
}

// scheduling says on which hosts the builder Pods run: those of the fleet and, of them, those with the tag. What the fleet says itself of
// tags holds.
func scheduling(class *v1alpha1.BuilderClass, asked v1alpha1.BuilderRequest) v1alpha1.Scheduling {
	hosts, _ := fleet(class, asked)
	result := *hosts.DeepCopy()
	if _, tagged := result.NodeSelector[v1alpha1.LabelAllocationTag]; asked.AllocationTag != "" && !tagged {
		if result.NodeSelector == nil {
			result.NodeSelector = map[string]string{}
		}
		result.NodeSelector[v1alpha1.LabelAllocationTag] = asked.AllocationTag
	}
	return result
}
