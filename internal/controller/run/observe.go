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
	domainlink "katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rollout"
	domain "katkit.dev/katkit/internal/domain/run"
	"katkit.dev/katkit/internal/source"
	"katkit.dev/katkit/internal/workload"
)

func indexFields(indexer client.FieldIndexer) error {
	ctx := context.Background()
	owner := func(o client.Object) []string {
		if controller := metav1.GetControllerOf(o); controller != nil {
			return []string{string(controller.UID)}
		}
		return nil
	}
	if err := indexer.IndexField(ctx, &v1alpha1.Phase{}, indexOwner, owner); err != nil {
		return fmt.Errorf("indexing Phases by run: %w", err)
	}
	runUID := func(o client.Object) []string { return []string{o.GetLabels()[v1alpha1.LabelRunUID]} }
	if err := indexer.IndexField(ctx, &corev1.Pod{}, indexRunUID, runUID); err != nil {
		return fmt.Errorf("indexing builder Pods by run: %w", err)
	}
	waiting := func(o client.Object) []string {
		run, isRun := o.(*v1alpha1.CIRun)
		if !isRun || !domain.NeedsMaterial(run) {
			return nil
		}
		return []string{run.Spec.Link.Name}
	}
	if err := indexer.IndexField(ctx, &v1alpha1.CIRun{}, indexLink, waiting); err != nil {
		return fmt.Errorf("indexing runs by link: %w", err)
	}
	return nil
}

// observe reads all that the decision needs and nothing more.
func (c *Controller) observe(ctx context.Context, run *v1alpha1.CIRun) (domain.Observation, error) {
	observation := domain.Observation{Run: run}
	phases, err := c.phases(ctx, run)
	if err != nil {
		return observation, err
	}
	observation.Phases = phases
	if domain.NeedsMaterial(run) {
		observation.Material, observation.Problem, err = c.material(ctx, run, phases)
		return observation, err
	}
	observation.BuilderPods, err = builderPods(ctx, c.Client, run, client.MatchingFields{indexRunUID: string(run.UID)})
	if observation.BuilderPods && run.Status.State.Terminal() {
		// They were removed with the last status; the cache may not know yet, and a read costs less than a write.
		observation.BuilderPods, err = builderPods(ctx, c.Live, run, client.MatchingLabels{v1alpha1.LabelRunUID: string(run.UID)})
	}
	return observation, err
}

func (c *Controller) phases(ctx context.Context, run *v1alpha1.CIRun) (map[string]*v1alpha1.Phase, error) {
	var list v1alpha1.PhaseList
	if err := c.Client.List(ctx, &list, client.InNamespace(run.Namespace), client.MatchingFields{indexOwner: string(run.UID)}); err != nil {
		return nil, fmt.Errorf("listing its Phases: %w", err)
	}
	phases := make(map[string]*v1alpha1.Phase, len(list.Items))
	for i := range list.Items {
		phases[list.Items[i].Name] = &list.Items[i]
	}
	return phases, c.missing(ctx, run, phases)
}

// missing reads the Phases live that the status names and the cache has not: after a restart it may be behind.
func (c *Controller) missing(ctx context.Context, run *v1alpha1.CIRun, phases map[string]*v1alpha1.Phase) error {
	if run.Status.State.Terminal() {
		return nil
	}
	for _, entry := range run.Status.Phases {
		if phases[entry.PhaseName] != nil {
			continue
		}
		var phase v1alpha1.Phase
		err := c.Live.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: entry.PhaseName}, &phase)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading Phase %s: %w", entry.PhaseName, err)
		}
		if err == nil && metav1.IsControlledBy(&phase, run) {
			phases[entry.PhaseName] = &phase
		}
	}
	return nil
}

// builderPods tells whether builder Pods are left that nobody is deleting yet.
func builderPods(ctx context.Context, reader client.Reader, run *v1alpha1.CIRun, selected client.ListOption) (bool, error) {
	var pods corev1.PodList
	if err := reader.List(ctx, &pods, client.InNamespace(run.Namespace), selected); err != nil {
		return false, fmt.Errorf("listing its builder Pods: %w", err)
	}
	for i := range pods.Items {
		if pods.Items[i].DeletionTimestamp.IsZero() {
			return true, nil
		}
	}
	return false, nil
}

// material reads what the Phases are made of: tenant, link, class, commit and files. An error is one of the
// API server's; everything that a person can mend is a problem.
func (c *Controller) material(ctx context.Context, run *v1alpha1.CIRun, phases map[string]*v1alpha1.Phase) (*domain.Material, *problem.Problem, error) {
	m := &domain.Material{}
	cause, err := c.tenancy(ctx, run, m)
	if cause != nil || err != nil {
		return nil, cause, err
	}
	repository, cause := c.Source.Open(ctx, m.Link)
	if cause != nil {
		return nil, cause, nil
	}
	m.CloneURL = repository.CloneURL()
	if cause := c.files(ctx, run, pinned(run, phases), repository, m); cause != nil {
		return nil, cause, nil
	}
	m.Commit.Ref = cmp.Or(m.Commit.Ref, run.Spec.Commit.Branch)
	m.Commit.PullRequest = run.Spec.Commit.PullRequest
	receipts, cause, err := c.services(ctx, run.Namespace, m.Services)
	if cause != nil || err != nil {
		return nil, cause, err
	}
	if !run.Spec.AllowOlder {
		if cause := repository.Older(ctx, rollout.ToCompare(receipts, m.Commit.SHA), m.Commit.SHA); cause != nil {
			return nil, cause, nil
		}
	}
	return m, nil, nil
}

// pinned is what the run asks for, or the commit of the Phases that were made of it already.
func pinned(run *v1alpha1.CIRun, phases map[string]*v1alpha1.Phase) v1alpha1.CommitSelector {
	for _, phase := range phases {
		return v1alpha1.CommitSelector{SHA: phase.Spec.SHA}
	}
	return run.Spec.Commit
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
	var classes v1alpha1.BuilderClassList
	if err := c.Client.List(ctx, &classes); err != nil {
		return nil, fmt.Errorf("listing builder classes: %w", err)
	}
	class, cause := domain.ChooseClass(m.Link, classes.Items)
	m.Class = class
	return cause, nil
}

// files reads the commit and its files, side by side where one does not wait for the other.
func (c *Controller) files(ctx context.Context, run *v1alpha1.CIRun, selector v1alpha1.CommitSelector, repository *source.Repository, m *domain.Material) *problem.Problem {
	folder := m.Link.Spec.Folder()
	var configs []domain.File
	var commitCause, configCause *problem.Problem
	if selector.SHA == "" {
		if m.Commit, commitCause = repository.Resolve(ctx, selector); commitCause != nil {
			return commitCause
		}
		configs, configCause = readConfigs(ctx, run, repository, folder, m.Commit.SHA)
	} else {
		var group sync.WaitGroup
		group.Go(func() { m.Commit, commitCause = repository.Resolve(ctx, selector) })
		group.Go(func() { configs, configCause = readConfigs(ctx, run, repository, folder, selector.SHA) })
		group.Wait()
	}
	for _, cause := range []*problem.Problem{commitCause, configCause} {
		if cause != nil {
			return cause
		}
	}
	var cause *problem.Problem
	if m.Workflow, cause = domain.ChooseWorkflow(run, m.Link, m.Tenant.EnvOf(m.Link), configs); cause != nil {
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

// readConfigs reads katkitconfig.js where it may be, at once; a run with phases of its own needs none.
func readConfigs(ctx context.Context, run *v1alpha1.CIRun, repository *source.Repository, folder, sha string) ([]domain.File, *problem.Problem) {
	if len(run.Spec.Phases) > 0 {
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
