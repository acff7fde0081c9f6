package run

import (
	"cmp"
	"slices"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/builderclass"
	"katkit.dev/katkit/internal/domain/problem"
)

// NeedsServiceHosts tells whether the Phases are to be scheduled as a service of the tenant is: its own hosts are asked for, and the
// BuilderClass does not say which those are.
func (m Material) NeedsServiceHosts() bool {
	executes := slices.ContainsFunc(m.Workflow.Phases, func(p v1alpha1.PhaseTemplate) bool { return p.Type == v1alpha1.PhaseExecution })
	return executes && m.fleet() == v1alpha1.FleetTenant && m.Class.Spec.TenantFleet == nil
}

// fleet is the one of all execution phases.
func (m Material) fleet() v1alpha1.Fleet {
	if m.Workflow.LocalFleet {
		return v1alpha1.FleetTenant
	}
	return cmp.Or(m.Link.Spec.Builder.Fleet, v1alpha1.FleetBuilder)
}

// ServiceAccount names the one whose token ci.sh gets; "" for none. What a stranger wrote gets none.
func (m Material) ServiceAccount() string {
	if m.Commit.Fork {
		return ""
	}
	return m.Link.Spec.Builder.ServiceAccountName
}

// request is what an execution phase asks of its builder Pods.
func request(m Material, template v1alpha1.PhaseTemplate) v1alpha1.BuilderRequest {
	builder := m.Link.Spec.Builder
	asked := v1alpha1.BuilderRequest{
		ClassName:     builder.ClassName,
		Image:         cmp.Or(template.Image, builder.Image),
		AgentInImage:  builder.AgentInImage,
		Fleet:         m.fleet(),
		ServiceHosts:  m.ServiceHosts.DeepCopy(),
		AllocationTag: template.AllocationTag,
		Resources:     builder.Resources.DeepCopy(),
	}
	if asked.ClassName == "" {
		asked.DefaultClassName = m.Class.Name
	}
	return asked
}

// CheckBuilders finds the first execution phase that asks for what the class does not allow: a builder image, or an allocation tag. It looks
// at ServiceHosts, too.
func CheckBuilders(m Material) *problem.Problem {
	for _, template := range m.Workflow.Phases {
		if template.Type != v1alpha1.PhaseExecution {
			continue
		}
		phase := "phase " + template.Name + " (" + m.Workflow.Source + ")"
		who := builderclass.Askers{Phase: phase, Image: phase}
		if template.Image == "" {
			who.Image = "builder.image of TenantRepoLink " + m.Link.Name
		}
		if _, cause := builderclass.Resolve(m.Class, request(m, template), "", who); cause != nil {
			return cause
		}
	}
	return nil
}
