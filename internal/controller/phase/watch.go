package phase

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

func indexFields(indexer client.FieldIndexer) error {
	ctx := context.Background()
	owner := func(o client.Object) []string {
		if controller := metav1.GetControllerOf(o); controller != nil {
			return []string{string(controller.UID)}
		}
		return nil
	}
	if err := indexer.IndexField(ctx, &corev1.Pod{}, indexOwner, owner); err != nil {
		return fmt.Errorf("indexing builder Pods by Phase: %w", err)
	}
	if err := indexer.IndexField(ctx, &v1alpha1.Phase{}, indexRun, owner); err != nil {
		return fmt.Errorf("indexing Phases by run: %w", err)
	}
	if err := indexer.IndexField(ctx, &v1alpha1.Phase{}, indexService, servicesBeingDeployed); err != nil {
		return fmt.Errorf("indexing Phases by service: %w", err)
	}
	return nil
}

// servicesBeingDeployed names the workloads whose rollout a Phase waits for.
func servicesBeingDeployed(o client.Object) []string {
	phase, isPhase := o.(*v1alpha1.Phase)
	if !isPhase || phase.Status.State != v1alpha1.PhaseRunning {
		return nil
	}
	names := make([]string, 0, len(phase.Status.Receipts))
	for _, receipt := range phase.Status.Receipts {
		names = append(names, receipt.Name)
	}
	return names
}

// phasesAfter finds the Phases that wait for one that has ended.
func (c *Controller) phasesAfter(ctx context.Context, o client.Object) []ctrl.Request {
	phase, isPhase := o.(*v1alpha1.Phase)
	owner := metav1.GetControllerOf(o)
	if !isPhase || owner == nil || !phase.Status.State.Terminal() {
		return nil
	}
	return c.requests(ctx, o.GetNamespace(), client.MatchingFields{indexRun: string(owner.UID)},
		func(p *v1alpha1.Phase) bool {
			return !p.Status.State.Terminal() && slices.Contains(p.Spec.After, phase.Name)
		})
}

// phasesLeft finds the Phases that have not ended with their run.
func (c *Controller) phasesLeft(ctx context.Context, o client.Object) []ctrl.Request {
	run, isRun := o.(*v1alpha1.CIRun)
	if !isRun || !run.Status.State.Terminal() {
		return nil
	}
	return c.requests(ctx, o.GetNamespace(), client.MatchingFields{indexRun: string(run.UID)},
		func(p *v1alpha1.Phase) bool { return !p.Status.State.Terminal() })
}

// phasesDeploying finds the Phases that wait for the rollout of a workload.
func (c *Controller) phasesDeploying(ctx context.Context, o client.Object) []ctrl.Request {
	return c.requests(ctx, o.GetNamespace(), client.MatchingFields{indexService: o.GetName()},
		func(*v1alpha1.Phase) bool { return true })
}

func (c *Controller) requests(ctx context.Context, namespace string, fields client.MatchingFields, wanted func(*v1alpha1.Phase) bool) []ctrl.Request {
	var phases v1alpha1.PhaseList
	if err := c.Client.List(ctx, &phases, client.InNamespace(namespace), fields); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Phases could not be listed", "namespace", namespace)
		return nil
	}
	var requests []ctrl.Request
	for i := range phases.Items {
		if wanted(&phases.Items[i]) {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&phases.Items[i])})
		}
	}
	return requests
}
