package phase

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/link"
	domain "katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rollout"
	"katkit.dev/katkit/internal/workload"
)

// observe reads all that the decision needs and nothing more. The outlook tells how its next change will be noticed.
func (c *Controller) observe(ctx context.Context, phase *v1alpha1.Phase) (domain.Observation, outlook, error) {
	observation := domain.Observation{Phase: phase}
	owner := metav1.GetControllerOf(phase)
	if owner == nil {
		return observation, outlook{}, nil // not made by Katkit: no run, so nothing begins
	}
	var err error
	if observation.RunActive, observation.RunEnded, err = c.run(ctx, phase.Namespace, owner); err != nil {
		return observation, outlook{}, err
	}
	if observation.Before, err = c.before(ctx, phase, owner.UID); err != nil {
		return observation, outlook{}, err
	}
	if observation.NotATenant, err = c.consent(ctx, phase); err != nil {
		return observation, outlook{}, err
	}
	if phase.Spec.Type == v1alpha1.PhaseExecution {
		observation.Pods, err = c.pods(ctx, phase)
		return observation, outlook{}, err
	}
	needed, dryRun := domain.NeedsServices(observation)
	if !needed {
		return observation, outlook{}, nil
	}
	if observation.Services, err = c.services(ctx, phase); err != nil {
		return observation, outlook{}, err
	}
	if !dryRun {
		return observation, c.diagnose(ctx, phase, observation.Services), nil
	}
	if observation.DryRun, err = c.dryRun(ctx, phase, observation.Services); err != nil {
		return observation, outlook{}, err
	}
	observation.Older, err = c.older(ctx, phase, observation.Services)
	return observation, outlook{}, err
}

// run tells whether the run that owns the Phase goes on, and whether it has ended. It may do neither.
func (c *Controller) run(ctx context.Context, namespace string, owner *metav1.OwnerReference) (active, ended bool, err error) {
	var run v1alpha1.CIRun
	if err := c.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: owner.Name}, &run); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return false, false, nil
		}
		return false, false, fmt.Errorf("reading its run: %w", err)
	}
	if run.UID != owner.UID || !run.DeletionTimestamp.IsZero() {
		return false, false, nil
	}
	ended = run.Status.State.Terminal()
	return !ended, ended, nil
}

// consent tells whether the namespace of a phase that has not begun is a tenant still.
func (c *Controller) consent(ctx context.Context, phase *v1alpha1.Phase) (*problem.Problem, error) {
	if phase.Status.StartTime != nil {
		return nil, nil
	}
	var namespace metav1.PartialObjectMetadata
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := c.Client.Get(ctx, types.NamespacedName{Name: phase.Namespace}, &namespace); err != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", phase.Namespace, err)
	}
	if namespace.Labels[v1alpha1.LabelTenant] == "" {
		return link.NotATenant(phase.Namespace), nil
	}
	return nil, nil
}

// before reads the states of the Phases that this one waits for.
func (c *Controller) before(ctx context.Context, phase *v1alpha1.Phase, run types.UID) (map[string]v1alpha1.PhaseState, error) {
	if len(phase.Spec.After) == 0 || phase.Status.StartTime != nil {
		return nil, nil
	}
	var siblings v1alpha1.PhaseList
	if err := c.Client.List(ctx, &siblings, client.InNamespace(phase.Namespace), client.MatchingFields{indexRun: string(run)}); err != nil {
		return nil, fmt.Errorf("listing the Phases of its run: %w", err)
	}
	states := make(map[string]v1alpha1.PhaseState, len(siblings.Items))
	for i := range siblings.Items {
		states[siblings.Items[i].Name] = siblings.Items[i].Status.State
	}
	return states, nil
}

func (c *Controller) pods(ctx context.Context, phase *v1alpha1.Phase) (map[string]*corev1.Pod, error) {
	var list corev1.PodList
	if err := c.Client.List(ctx, &list, client.InNamespace(phase.Namespace), client.MatchingFields{indexOwner: string(phase.UID)}); err != nil {
		return nil, fmt.Errorf("listing its builder Pods: %w", err)
	}
	pods := make(map[string]*corev1.Pod, len(list.Items))
	for i := range list.Items {
		pods[list.Items[i].Name] = &list.Items[i]
	}
	return pods, c.missing(ctx, phase, pods)
}

// missing reads the Pods live that the status names and the cache has not: after a restart it may be behind.
func (c *Controller) missing(ctx context.Context, phase *v1alpha1.Phase, pods map[string]*corev1.Pod) error {
	if phase.Status.State.Terminal() {
		return nil
	}
	for _, attempt := range phase.Status.Attempts {
		for _, replica := range attempt.Replicas {
			if pods[replica.Pod] != nil {
				continue
			}
			var pod corev1.Pod
			err := c.Live.Get(ctx, types.NamespacedName{Namespace: phase.Namespace, Name: replica.Pod}, &pod)
			if client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("reading builder Pod %s: %w", replica.Pod, err)
			}
			if err == nil && metav1.IsControlledBy(&pod, phase) {
				pods[replica.Pod] = &pod
			}
		}
	}
	return nil
}

// services reads the workloads live: by the receipts where they are written, else by the roles.
func (c *Controller) services(ctx context.Context, phase *v1alpha1.Phase) (map[string]rollout.Service, error) {
	services := map[string]rollout.Service{}
	kinds := map[string]string{}
	for _, receipt := range phase.Status.Receipts {
		kinds[receipt.Role] = receipt.Kind
	}
	for _, want := range phase.Spec.Deployment.Services {
		var service rollout.Service
		var found bool
		var err error
		if kind := kinds[want.Role]; kind != "" {
			service, found, err = workload.Get(ctx, c.Live, kind, phase.Namespace, want.Role)
		} else {
			service, found, err = workload.Find(ctx, c.Live, phase.Namespace, want.Role)
		}
		if err != nil {
			return nil, err
		}
		if found {
			services[want.Role] = service
		}
	}
	return services, nil
}

// dryRun asks the API server whether the deployer could change all services.
func (c *Controller) dryRun(ctx context.Context, phase *v1alpha1.Phase, services map[string]rollout.Service) (*problem.Problem, error) {
	receipts, cause := domain.Receipts(phase, services)
	if cause != nil {
		return cause, nil
	}
	for _, receipt := range receipts {
		change := changeOf(phase, domain.PatchImage{Receipt: receipt, Image: receipt.Image})
		err := c.Deployer.DryRun(ctx, change)
		if err == nil {
			continue
		}
		if cause := workload.Explain(change, err); cause != nil {
			return cause, nil
		}
		return nil, err
	}
	return nil, nil
}
