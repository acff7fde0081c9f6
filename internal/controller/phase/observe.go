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
	domainrun "katkit.dev/katkit/internal/domain/run"
	"katkit.dev/katkit/internal/workload"
)

// observe reads all that the decision needs and nothing more. The outlook tells how its next change will be noticed.
func (c *Controller) observe(ctx context.Context, phase *v1alpha1.Phase) (domain.Observation, outlook, error) {
	observation := domain.Observation{Phase: phase, Deleted: !phase.DeletionTimestamp.IsZero()}
	owner := metav1.GetControllerOf(phase)
	if owner == nil {
		return observation, outlook{}, nil // not made by Katkit: no run, so nothing begins
	}
	err := c.run(ctx, owner, &observation)
	if err != nil {
		return observation, outlook{}, err
	}
	if err := c.siblings(ctx, owner.UID, &observation); err != nil {
		return observation, outlook{}, err
	}
	if err := c.namespace(ctx, &observation); err != nil {
		return observation, outlook{}, err
	}
	if domain.Ready(observation) {
		waits, err := c.Turns.Waits(ctx, phase.Namespace)
		if err != nil {
			return observation, outlook{}, err
		}
		observation.Wait = waits[client.ObjectKeyFromObject(phase)]
	}
	if phase.Spec.Type == v1alpha1.PhaseExecution {
		observation.Pods, err = c.pods(ctx, phase)
		if err == nil && domain.NeedsBuilder(observation) {
			observation.Builder, err = c.builder(ctx, phase)
		}
		if err == nil && domain.NeedsCredential(observation, c.Clock.Now()) {
			observation.Credential = c.credential(ctx, phase)
		}
		if err == nil && domain.NeedsAccount(observation) {
			observation.Account, err = workload.CheckBuilderAccount(ctx, c.Live, phase.Namespace, phase.Spec.Execution.ServiceAccountName)
		}
		observation.CABundle, observation.LogStore = c.Source.CABundle(), c.LogStore
		return observation, outlook{}, err
	}
	return c.observeDeployment(ctx, phase, observation)
}

// observeDeployment reads the services, and before any is changed what stands in the way of that.
func (c *Controller) observeDeployment(ctx context.Context, phase *v1alpha1.Phase, observation domain.Observation) (domain.Observation, outlook, error) {
	var err error
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

// run tells whether the run that owns the Phase goes on, is being stopped, or has ended. It may do neither.
func (c *Controller) run(ctx context.Context, owner *metav1.OwnerReference, observation *domain.Observation) error {
	var run v1alpha1.CIRun
	if err := c.Client.Get(ctx, types.NamespacedName{Namespace: observation.Phase.Namespace, Name: owner.Name}, &run); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil
		}
		return fmt.Errorf("reading its run: %w", err)
	}
	if run.UID != owner.UID || !run.DeletionTimestamp.IsZero() {
		return nil
	}
	observation.RunEnded = run.Status.State.Terminal()
	observation.RunActive = !observation.RunEnded
	observation.RunStop = run.Status.Stop
	return nil
}

// namespace tells of a phase that has not begun whether its namespace is a tenant still, and of one that is deleted whether
// the whole namespace is.
func (c *Controller) namespace(ctx context.Context, observation *domain.Observation) error {
	phase := observation.Phase
	if phase.Status.StartTime != nil && !observation.Deleted {
		return nil
	}
	namespace, err := c.readNamespace(ctx, phase.Namespace)
	if err != nil {
		return err
	}
	observation.NamespaceGone = !namespace.DeletionTimestamp.IsZero()
	if phase.Status.StartTime == nil && namespace.Labels[v1alpha1.LabelTenant] == "" {
		observation.NotATenant = link.NotATenant(phase.Namespace)
	}
	return nil
}

func (c *Controller) readNamespace(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := c.Client.Get(ctx, types.NamespacedName{Name: name}, namespace); err != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", name, err)
	}
	return namespace, nil
}

// siblings reads the states of the Phases that this one waits for, and what those before it left for its ci.sh.
func (c *Controller) siblings(ctx context.Context, run types.UID, observation *domain.Observation) error {
	phase := observation.Phase
	if !domain.NeedsSiblings(phase) {
		return nil
	}
	var list v1alpha1.PhaseList
	if err := c.Client.List(ctx, &list, client.InNamespace(phase.Namespace), client.MatchingFields{indexRun: string(run)}); err != nil {
		return fmt.Errorf("listing the Phases of its run: %w", err)
	}
	observation.Before = make(map[string]v1alpha1.PhaseState, len(list.Items))
	var earlier []*v1alpha1.Phase
	for i := range list.Items {
		sibling := &list.Items[i]
		observation.Before[sibling.Name] = sibling.Status.State
		if sibling.Spec.Order < phase.Spec.Order && sibling.Status.State == v1alpha1.PhaseSucceeded {
			earlier = append(earlier, sibling)
		}
	}
	if phase.Spec.Execution != nil {
		observation.Outputs = domainrun.MergeOutputs(phase.Spec.Execution.CarriedOutputs, earlier)
	}
	return nil
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

// missing reads the Pods live that are under way by the status, or bring their logs to the store, and that the cache has not:
// after a restart it may be behind.
func (c *Controller) missing(ctx context.Context, phase *v1alpha1.Phase, pods map[string]*corev1.Pod) error {
	last := len(phase.Status.Attempts) - 1
	for i := range phase.Status.Attempts {
		for j := range phase.Status.Attempts[i].Replicas {
			replica := &phase.Status.Attempts[i].Replicas[j]
			underWay := i == last && !phase.Status.State.Terminal() && replica.Reason == ""
			if pods[replica.Pod] != nil || !underWay && !domain.Delivering(replica) {
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
