package run

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	domain "katkit.dev/katkit/internal/domain/run"
)

// observe reads all that the decision needs and nothing more.
func (c *Controller) observe(ctx context.Context, run *v1alpha1.CIRun) (domain.Observation, error) {
	observation := domain.Observation{Run: run}
	phases, err := c.phases(ctx, run)
	if err != nil {
		return observation, err
	}
	observation.Phases = phases
	if domain.NeedsMaterial(run) {
		material, cause, err := c.material(ctx, run, phases)
		if cause != nil || err != nil {
			observation.Problem, observation.Commit = cause, material.Commit
			return observation, err
		}
		observation.Material = material
		observation.Queued, err = c.queued(ctx, run, domain.BuildPhases(run, *observation.Material)...)
		return observation, err
	}
	if err := c.surroundings(ctx, run, &observation); err != nil {
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
		if phases[entry.PhaseName] != nil || entry.CarriedFrom != "" {
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

// surroundings reads what a run that is under way has to heed: its link, runs of newer commits, and whose turn it is.
func (c *Controller) surroundings(ctx context.Context, run *v1alpha1.CIRun, observation *domain.Observation) error {
	if run.Status.State.Terminal() || run.Status.Stop != nil {
		return nil
	}
	var link v1alpha1.TenantRepoLink
	err := c.Client.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Link.Name}, &link)
	switch {
	case apierrors.IsNotFound(err), err == nil && !link.DeletionTimestamp.IsZero():
		observation.LinkGone, err = c.linkGone(ctx, client.ObjectKey{Namespace: run.Namespace, Name: run.Spec.Link.Name})
	case err == nil && link.Spec.Concurrency.Policy == v1alpha1.ConcurrencyCancelOlder:
		observation.NewerRun, err = c.newer(ctx, run)
	}
	if err != nil || !domain.AboutToBegin(observation.Phases) {
		return err
	}
	observation.Queued, err = c.queued(ctx, run)
	return err
}

// linkGone reads a link live: after a restart the cache may be behind, and what it says stops runs.
func (c *Controller) linkGone(ctx context.Context, key types.NamespacedName) (bool, error) {
	var link v1alpha1.TenantRepoLink
	err := c.Client.Get(ctx, key, &link)
	if err == nil && link.DeletionTimestamp.IsZero() {
		return false, nil
	}
	switch err = c.Live.Get(ctx, key, &link); {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("reading its link: %w", err)
	}
	return !link.DeletionTimestamp.IsZero(), nil
}

// newer finds the run of a newer commit that takes a run's place.
func (c *Controller) newer(ctx context.Context, run *v1alpha1.CIRun) (string, error) {
	var runs v1alpha1.CIRunList
	if err := c.Client.List(ctx, &runs, client.InNamespace(run.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return "", fmt.Errorf("listing runs of its link: %w", err)
	}
	return domain.Newer(run, runs.Items), nil
}

// queued names the Phases of a run that are ready to begin and have to wait for their turn. planned are those that are yet to
// be made.
func (c *Controller) queued(ctx context.Context, run *v1alpha1.CIRun, planned ...*v1alpha1.Phase) (map[string]bool, error) {
	waits, err := c.Turns.Waits(ctx, run.Namespace, planned...)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for key, wait := range waits {
		if wait != nil && key.Namespace == run.Namespace {
			names[key.Name] = true
		}
	}
	return names, nil
}
