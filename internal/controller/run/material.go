package run

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/builderclass"
	domainlink "katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rollout"
	domain "katkit.dev/katkit/internal/domain/run"
	"katkit.dev/katkit/internal/source"
	"katkit.dev/katkit/internal/workload"
)

// material reads what the Phases are made of: tenant, link, class, commit and files; as far as it came, where a problem or an error
// is in the way. An error is one of the API server's; everything that a person can mend is a problem.
func (c *Controller) material(ctx context.Context, run *v1alpha1.CIRun, phases map[string]*v1alpha1.Phase) (*domain.Material, *problem.Problem, error) {
	m := &domain.Material{}
	cause, err := c.tenancy(ctx, run, m)
	if cause != nil || err != nil {
		return m, cause, err
	}
	repeated, cause, err := c.repeated(ctx, run)
	if cause != nil || err != nil {
		return m, cause, err
	}
	asked := domain.Ask(run, repeated)
	m.Env = asked.Env
	repository, cause := c.Source.Open(ctx, m.Link)
	if cause != nil {
		return m, cause, nil
	}
	m.CloneURL, m.CredentialKind = repository.CloneURL(), repository.CredentialKind()
	asked.Commit = pinned(asked.Commit, phases)
	if cause := c.files(ctx, asked, repository, m); cause != nil {
		return m, cause, nil
	}
	m.Commit.Ref = cmp.Or(m.Commit.Ref, asked.Ref)
	m.Commit.PullRequest = asked.PullRequest
	m.Warnings = append(m.Warnings, domain.Withheld(*m)...)
	warnings, cause := domain.Limits(run, *m)
	if cause != nil {
		return m, cause, nil
	}
	m.Warnings = append(m.Warnings, warnings...)
	if cause, err := c.builder(ctx, repository, m); cause != nil || err != nil {
		return m, cause, err
	}
	if cause := domain.CheckBuilders(*m); cause != nil {
		return m, cause, nil
	}
	if cause, err := c.carry(ctx, run, repeated, m); cause != nil || err != nil {
		return m, cause, err
	}
	receipts, cause, err := c.services(ctx, run.Namespace, m.Services)
	if cause != nil || err != nil {
		return m, cause, err
	}
	if len(repeated) > 0 {
		if cause := domain.StillLive(repeated[0], m.Carried, receipts); cause != nil {
			return m, cause, nil
		}
	}
	if !run.Spec.AllowOlder {
		if cause := repository.Older(ctx, rollout.ToCompare(receipts, m.Commit.SHA), m.Commit.SHA); cause != nil {
			return m, cause, nil
		}
	}
	return m, nil, nil
}

// pinned is what the run asks for, or the commit of the Phases that were made of it already.
func pinned(asked v1alpha1.CommitSelector, phases map[string]*v1alpha1.Phase) v1alpha1.CommitSelector {
	for _, phase := range phases {
		return v1alpha1.CommitSelector{SHA: phase.Spec.SHA, Branch: asked.Branch, PullRequest: asked.PullRequest}
	}
	return asked
}

// tenancy reads what the cluster says: namespace, link and builder class.
func (c *Controller) tenancy(ctx context.Context, run *v1alpha1.CIRun, m *domain.Material) (*problem.Problem, error) {
	namespace := metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := c.Client.Get(ctx, types.NamespacedName{Name: run.Namespace}, &namespace); err != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", run.Namespace, err)
	}
	m.Tenant = domain.Tenant{Name: namespace.Labels[v1alpha1.LabelTenant], Env: namespace.Annotations[v1alpha1.AnnotationEnv]}
	if m.Tenant.Name == "" {
		return domainlink.NotATenant(run.Namespace), nil
	}
	m.Link = &v1alpha1.TenantRepoLink{}
	err := c.Client.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Link.Name}, m.Link)
	if apierrors.IsNotFound(err) {
		return domain.LinkNotFound(run), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading its link: %w", err)
	}
	var links v1alpha1.TenantRepoLinkList
	if err := c.Client.List(ctx, &links, client.InNamespace(run.Namespace)); err != nil {
		return nil, fmt.Errorf("listing the tenant's links: %w", err)
	}
	if cause := domain.Exposes(m.Link, links.Items); cause != nil {
		return cause, nil
	}
	var classes v1alpha1.BuilderClassList
	if err := c.Client.List(ctx, &classes); err != nil {
		return nil, fmt.Errorf("listing builder classes: %w", err)
	}
	class, cause := builderclass.Choose(builderclass.AskOf(m.Link, namespace.Labels), classes.Items)
	m.Class = class
	return cause, nil
}

// files reads the commit and its files, side by side where one does not wait for the other.
func (c *Controller) files(ctx context.Context, asked domain.Request, repository *source.Repository, m *domain.Material) *problem.Problem {
	folder, selector := m.Link.Spec.Folder(), asked.Commit
	var configs []domain.File
	var identityCause, commitCause, configCause *problem.Problem
	var group sync.WaitGroup
	group.Go(func() { identityCause = repository.Identify(ctx) })
	if itsOwnConfig(asked, m.Link) {
		group.Go(func() { m.Commit, commitCause = commitOf(ctx, asked, repository) })
		group.Go(func() { configs, configCause = readConfigs(ctx, asked, repository, folder, selector.SHA) })
	} else if m.Commit, commitCause = commitOf(ctx, asked, repository); commitCause == nil {
		asked.HomeConfig = asked.HomeConfig || m.Commit.Fork
		configs, configCause = configsOf(ctx, asked, repository, m)
	}
	group.Wait()
	for _, cause := range []*problem.Problem{identityCause, commitCause, configCause} {
		if cause != nil {
			return cause
		}
	}
	all, cause := domain.ChooseWorkflow(asked, m.Link, m.Tenant.EnvOf(m.Link), configs)
	if cause != nil {
		return cause
	}
	if m.Workflow, cause = domain.Select(asked, m.Commit, all); cause != nil {
		return cause
	}
	m.Warnings = m.Workflow.Warnings
	if !m.Workflow.Deploys() {
		return nil
	}
	description, cause := repository.File(ctx, domain.DescriptionPath(folder), m.Commit.SHA, v1alpha1.ReasonInvalidServiceDescription)
	if cause != nil {
		return cause
	}
	services, warnings, cause := domain.Services(description, m.Commit.SHA)
	m.Services, m.Warnings = services, append(m.Warnings, warnings...)
	return cause
}

// itsOwnConfig tells whether it is known, without asking GitHub, that the katkitconfig.js of a commit that is known counts.
func itsOwnConfig(asked domain.Request, link *v1alpha1.TenantRepoLink) bool {
	selector := asked.Commit
	own := asked.Judged && !asked.Fork || selector.PullRequest == 0 && domainlink.Owns(link, selector.SHA)
	return selector.SHA != "" && own && !asked.HomeConfig
}

// commitOf finds the commit that is asked for. Whose it is need not be asked again for a run that is repeated.
func commitOf(ctx context.Context, asked domain.Request, repository *source.Repository) (domain.Commit, *problem.Problem) {
	if !asked.Judged {
		return repository.Resolve(ctx, asked.Commit)
	}
	commit, cause := repository.Commit(ctx, asked.Commit.SHA)
	if cause != nil {
		return domain.Commit{}, cause
	}
	commit.Ref, commit.PullRequest, commit.Fork = asked.Ref, asked.PullRequest, asked.Fork
	return commit, nil
}

// configsOf reads the katkitconfig.js that counts for a commit.
func configsOf(ctx context.Context, asked domain.Request, repository *source.Repository, m *domain.Material) ([]domain.File, *problem.Problem) {
	sha := m.Commit.SHA
	if asked.HomeConfig {
		home, cause := repository.Resolve(ctx, v1alpha1.CommitSelector{Branch: m.Link.Spec.HomeBranch})
		if cause != nil {
			return nil, cause
		}
		sha = home.SHA
	}
	return readConfigs(ctx, asked, repository, m.Link.Spec.Folder(), sha)
}

// readConfigs reads katkitconfig.js where it may be, at once; a run with phases of its own needs none.
func readConfigs(ctx context.Context, asked domain.Request, repository *source.Repository, folder, sha string) ([]domain.File, *problem.Problem) {
	if len(asked.Phases) > 0 {
		return nil, nil
	}
	paths := domain.ConfigPaths(folder)
	files := make([]domain.File, len(paths))
	causes := make([]*problem.Problem, len(paths))
	var group sync.WaitGroup
	for i, path := range paths {
		group.Go(func() { files[i], causes[i] = repository.File(ctx, path, sha, v1alpha1.ReasonInvalidConfig) })
	}
	group.Wait()
	for i := range files {
		if causes[i] != nil {
			return nil, causes[i]
		}
		if files[i].Found {
			break // what is wrong with a file that does not count is of no interest
		}
	}
	return files, nil
}

// services checks, before anything is built, that what shall be deployed to is there, and tells what would be changed.
func (c *Controller) services(ctx context.Context, namespace string, services []v1alpha1.ServiceImage) ([]v1alpha1.Receipt, *problem.Problem, error) {
	receipts := make([]v1alpha1.Receipt, 0, len(services))
	for _, want := range services {
		service, found, err := workload.Find(ctx, c.Live, namespace, want.Role)
		if err != nil {
			return nil, nil, err
		}
		if !found {
			return nil, rollout.NotFound(namespace, want.Role), nil
		}
		receipt, cause := service.Receipt(want)
		if cause != nil {
			return nil, cause, nil
		}
		receipts = append(receipts, receipt)
	}
	return receipts, nil, nil
}
