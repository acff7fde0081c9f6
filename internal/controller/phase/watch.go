package phase

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/queue"
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
	if err := indexer.IndexField(ctx, &v1alpha1.Phase{}, indexQueued, isQueued); err != nil {
		return fmt.Errorf("indexing Phases that wait for their turn: %w", err)
	}
	return nil
}

// isQueued marks the Phases that said that they wait for their turn.
func isQueued(o client.Object) []string {
	phase, isPhase := o.(*v1alpha1.Phase)
	if !isPhase || phase.Status.QueueTime == nil || phase.Status.State != v1alpha1.PhasePending {
		return nil
	}
	return []string{"true"}
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

// roomMade wakes the Phases whose place in the queue has changed when somebody is done with the tenant, or with a builder.
// Whoever is deleted is done, whatever was last seen of it.
func (c *Controller) roomMade() handler.EventHandler {
	wake := func(ctx context.Context, o client.Object, requests workqueue.TypedRateLimitingInterface[ctrl.Request]) {
		for _, request := range c.phasesQueued(ctx, o.GetNamespace()) {
			requests.Add(request)
		}
	}
	return handler.Funcs{
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, requests workqueue.TypedRateLimitingInterface[ctrl.Request]) {
			if makesRoom(e.ObjectNew) {
				wake(ctx, e.ObjectNew, requests)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, requests workqueue.TypedRateLimitingInterface[ctrl.Request]) {
			wake(ctx, e.Object, requests)
		},
	}
}

// phasesQueued finds the Phases that wait, and have said another thing than they would now.
func (c *Controller) phasesQueued(ctx context.Context, namespace string) []ctrl.Request {
	scope := []client.ListOption{client.MatchingFields{indexQueued: "true"}, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency}
	if c.Turns.Builders == 0 {
		scope = append(scope, client.InNamespace(namespace))
	}
	var queued v1alpha1.PhaseList
	if err := c.Client.List(ctx, &queued, scope...); err != nil || len(queued.Items) == 0 {
		return c.nobody(ctx, err)
	}
	waits, err := c.Turns.Waits(ctx, namespace)
	if err != nil {
		return c.nobody(ctx, err)
	}
	var requests []ctrl.Request
	for i := range queued.Items {
		key := client.ObjectKeyFromObject(&queued.Items[i])
		if wait := waits[key]; wait == nil || !strings.HasSuffix(queued.Items[i].Status.Message, wait.String()) {
			requests = append(requests, ctrl.Request{NamespacedName: key})
		}
	}
	return requests
}

func (c *Controller) nobody(ctx context.Context, err error) []ctrl.Request {
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "the queue could not be read")
	}
	return nil
}

// makesRoom tells whether others may move up in the queue for what is to be seen of a Phase or a run: it is done, or waits for
// something else than its turn.
func makesRoom(o client.Object) bool {
	if !o.GetDeletionTimestamp().IsZero() {
		return true
	}
	switch o := o.(type) {
	case *v1alpha1.Phase:
		return o.Status.State.Terminal() || queue.Stuck(o.Status.Conditions)
	case *v1alpha1.CIRun:
		return o.Status.State.Terminal() || o.Status.State == v1alpha1.RunWaitingForApproval || o.Status.Stop != nil || queue.Stuck(o.Status.Conditions)
	}
	return false
}

// phasesLeft finds the Phases that have not ended with their run, or that are to be stopped with it.
func (c *Controller) phasesLeft(ctx context.Context, o client.Object) []ctrl.Request {
	run, isRun := o.(*v1alpha1.CIRun)
	if !isRun || !run.Status.State.Terminal() && run.Status.Stop == nil {
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
