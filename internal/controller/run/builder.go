package run

import (
	"context"
	"fmt"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	domain "katkit.dev/katkit/internal/domain/run"
	"katkit.dev/katkit/internal/source"
	"katkit.dev/katkit/internal/workload"
)

// builder reads what of the tenant builder Pods take over: the ServiceAccount that the link names, and the hosts of a service.
func (c *Controller) builder(ctx context.Context, repository *source.Repository, m *domain.Material) (*problem.Problem, error) {
	if name := m.ServiceAccount(); name != "" {
		if cause, err := workload.CheckBuilderAccount(ctx, c.Live, m.Link.Namespace, name); cause != nil || err != nil {
			return cause, err
		}
	}
	if !m.NeedsServiceHosts() {
		return nil, nil
	}
	roles, cause := c.roles(ctx, repository, m)
	if cause != nil {
		return cause, nil
	}
	for _, role := range roles {
		hosts, err := workload.Hosts(ctx, c.Live, m.Link.Namespace, role)
		if hosts != nil || err != nil {
			m.ServiceHosts = hosts
			return nil, err
		}
	}
	m.ServiceHosts = &v1alpha1.Scheduling{}
	m.Warnings = append(m.Warnings, fmt.Sprintf("builder Pods run on any host: the tenant's own are asked for, %s names no service that is there, and BuilderClass %s has no tenantFleet",
		domain.DescriptionPath(m.Link.Spec.Folder()), m.Class.Name))
	return nil, nil
}

// roles are the services that the description names: that of the home branch, for a commit of a stranger, who is not to choose.
func (c *Controller) roles(ctx context.Context, repository *source.Repository, m *domain.Material) ([]string, *problem.Problem) {
	sha := m.Commit.SHA
	if m.Commit.Fork {
		home, cause := repository.Resolve(ctx, v1alpha1.CommitSelector{Branch: m.Link.Spec.HomeBranch})
		if cause != nil {
			return nil, cause
		}
		sha = home.SHA
	}
	description, cause := repository.File(ctx, domain.DescriptionPath(m.Link.Spec.Folder()), sha, v1alpha1.ReasonInvalidServiceDescription)
	if cause != nil {
		return nil, cause
	}
	return domain.Roles(description), nil
}
