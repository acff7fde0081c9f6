package reporting

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	domain "katkit.dev/katkit/internal/domain/reporting"
	domainrun "katkit.dev/katkit/internal/domain/run"
)

// observe reads what GitHub shall be told of a run; nil when there is nothing to tell: the link or the tenant is gone, the link
// has no token, or all was told.
func (c *Controller) observe(ctx context.Context, run *v1alpha1.CIRun) (*domain.Observation, error) {
	link, err := c.link(ctx, run)
	if link == nil || err != nil || !domain.Due(run, link, c.began) {
		return nil, err
	}
	observation := &domain.Observation{Run: run, Link: link, Phases: map[string]*v1alpha1.Phase{}}
	if observation.Tenant, err = c.tenant(ctx, run.Namespace); observation.Tenant.Name == "" || err != nil {
		return nil, err
	}
	for _, entry := range run.Status.Phases {
		if !domain.NeedsPhase(entry) {
			continue
		}
		phase, err := c.phase(ctx, run, entry.PhaseName)
		if err != nil {
			return nil, err
		}
		if phase != nil {
			observation.Phases[entry.PhaseName] = phase
		}
	}
	observation.Others, err = c.others(ctx, run, link)
	return observation, err
}

// link is the run's, if it has a token to report with.
func (c *Controller) link(ctx context.Context, run *v1alpha1.CIRun) (*v1alpha1.TenantRepoLink, error) {
	var link v1alpha1.TenantRepoLink
	err := c.Client.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Link.Name}, &link)
	switch {
	case apierrors.IsNotFound(err), err == nil && (!link.DeletionTimestamp.IsZero() || link.Spec.SecretRef == nil):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading its link: %w", err)
	}
	return &link, nil
}

// tenant is that of a namespace; without name when it is none, or is going.
func (c *Controller) tenant(ctx context.Context, name string) (domainrun.Tenant, error) {
	var namespace metav1.PartialObjectMetadata
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	err := c.Client.Get(ctx, types.NamespacedName{Name: name}, &namespace)
	if apierrors.IsNotFound(err) || (err == nil && !namespace.DeletionTimestamp.IsZero()) {
		return domainrun.Tenant{}, nil
	}
	if err != nil {
		return domainrun.Tenant{}, fmt.Errorf("reading namespace %s: %w", name, err)
	}
	return domainrun.Tenant{Name: namespace.Labels[v1alpha1.LabelTenant], Env: namespace.Annotations[v1alpha1.AnnotationEnv]}, nil
}

// phase is one of the run's that has ended; nil when it is gone. It is read live where the cache is behind the run, as it may be
// after a restart.
func (c *Controller) phase(ctx context.Context, run *v1alpha1.CIRun, name string) (*v1alpha1.Phase, error) {
	key := types.NamespacedName{Namespace: run.Namespace, Name: name}
	for _, reader := range []client.Reader{c.Client, c.Live} {
		var phase v1alpha1.Phase
		err := reader.Get(ctx, key, &phase)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading Phase %s: %w", name, err)
		}
		if err == nil && phase.Status.State.Terminal() && metav1.IsControlledBy(&phase, run) {
			return &phase, nil
		}
	}
	return nil, nil
}

// others are the other runs of the commit in the tenant that report to the same contexts: those of the link, and of links that
// are about the same folder of the same repository.
func (c *Controller) others(ctx context.Context, run *v1alpha1.CIRun, link *v1alpha1.TenantRepoLink) ([]*v1alpha1.CIRun, error) {
	var runs v1alpha1.CIRunList
	err := c.Client.List(ctx, &runs, client.InNamespace(run.Namespace), client.MatchingFields{indexCommit: domain.Commit(run)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("listing the runs of its commit: %w", err)
	}
	alike := map[string]bool{link.Name: true}
	var others []*v1alpha1.CIRun
	for i := range runs.Items {
		other := &runs.Items[i]
		name := other.Spec.Link.Name
		if _, known := alike[name]; !known {
			var another v1alpha1.TenantRepoLink
			err := c.Client.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: name}, &another)
			if client.IgnoreNotFound(err) != nil {
				return nil, fmt.Errorf("reading link %s: %w", name, err)
			}
			alike[name] = err == nil && sameContexts(&link.Spec, &another.Spec)
		}
		if alike[name] && other.UID != run.UID {
			others = append(others, other)
		}
	}
	return others, nil
}

func sameContexts(a, b *v1alpha1.TenantRepoLinkSpec) bool {
	return strings.EqualFold(a.Host, b.Host) && strings.EqualFold(a.Repository, b.Repository) && strings.EqualFold(a.Folder(), b.Folder())
}
