// Package run is the controller of CIRuns. It observes a run with its link, its repository and its Phases,
// lets internal/domain/run decide, and carries out the plan: it makes the Phases, keeps the run's status
// true to them, and removes the builder Pods when the run is over, and the run itself when its link does not keep it any
// more. The Phases are carried out by their own controller.
//
// What always holds: a reconciliation writes the run's status once at most, and remembers nothing.
package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	domain "katkit.dev/katkit/internal/domain/run"
	"katkit.dev/katkit/internal/fairqueue"
	"katkit.dev/katkit/internal/report"
	"katkit.dev/katkit/internal/source"
	"katkit.dev/katkit/internal/turn"
)

// +kubebuilder:rbac:groups=katkit.dev,resources=ciruns,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=katkit.dev,resources=ciruns/status,verbs=patch
// +kubebuilder:rbac:groups=katkit.dev,resources=ciruns/finalizers,verbs=update
// +kubebuilder:rbac:groups=katkit.dev,resources=phases,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups=katkit.dev,resources=tenantrepolinks;builderclasses,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=get
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;deletecollection
// +kubebuilder:rbac:groups=apps,resources=deployments;statefulsets;daemonsets,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Controller reconciles CIRuns. All fields are needed.
type Controller struct {
	// Client reads from the cache, and waits for it to have seen what this client wrote.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Pods removes builder Pods.
	Pods corev1client.PodsGetter
	// Source opens the repositories of links.
	Source *source.Opener
	// Turns tells whose turn it is.
	Turns *turn.Keeper
	// Recorder writes events.
	Recorder events.EventRecorder
	Clock    clock.PassiveClock
	// Workers is how many runs are reconciled at once.
	Workers int
}

const (
	indexOwner  = "katkit.run.owner"
	indexLink   = "katkit.run.link"
	indexEnded  = "katkit.run.ended"
	indexRunUID = "katkit.run.uid"
)

// SetupWithManager registers the controller with a manager.
func (c *Controller) SetupWithManager(mgr ctrl.Manager) error {
	if err := indexFields(mgr.GetFieldIndexer()); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("cirun").
		For(&v1alpha1.CIRun{}).
		Owns(&v1alpha1.Phase{}).
		Watches(&v1alpha1.TenantRepoLink{}, handler.EnqueueRequestsFromMapFunc(c.runsOf)).
		Watches(&v1alpha1.CIRun{}, handler.EnqueueRequestsFromMapFunc(c.runsSuperseded)).
		Watches(&v1alpha1.CIRun{}, handler.EnqueueRequestsFromMapFunc(c.runsExpired)).
		WithOptions(controller.Options{MaxConcurrentReconciles: c.Workers, NewQueue: fairqueue.New(c.Workers)}).
		Complete(c)
}

// Reconcile brings one run forward.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (result ctrl.Result, err error) {
	var run v1alpha1.CIRun
	if err := c.Client.Get(ctx, request.NamespacedName, &run); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !run.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil // what it owns goes with it
	}
	if run.Status.State.Terminal() {
		if gone, next, err := c.retain(ctx, &run); gone || err != nil {
			return ctrl.Result{}, err
		} else if next > 0 {
			result.RequeueAfter = next
		}
	}
	observation, err := c.observe(ctx, &run)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("observing: %w", err)
	}
	plan := domain.Decide(observation, c.Clock.Now())
	if err := c.act(ctx, &run, plan); err != nil {
		return ctrl.Result{}, err
	}
	switch {
	case plan.Retry == nil:
		result.RequeueAfter = cmp.Or(plan.RequeueAfter, result.RequeueAfter)
	case plan.Retry.RetryAfter == 0:
		return ctrl.Result{}, plan.Retry // with the queue's backoff
	default:
		result.RequeueAfter = plan.Retry.RetryAfter
	}
	return result, nil
}

// act carries out a plan. Each step may have been done before.
func (c *Controller) act(ctx context.Context, run *v1alpha1.CIRun, plan domain.Plan) error {
	for _, phase := range plan.CreatePhases {
		err := c.create(ctx, run, phase)
		if cause, refused := errors.AsType[*problem.Problem](err); refused {
			return c.write(ctx, run, domain.Decide(domain.Observation{Run: run, Problem: cause}, c.Clock.Now()).Status)
		}
		if err != nil {
			return err
		}
	}
	if err := c.write(ctx, run, plan.Status); err != nil {
		return err
	}
	if plan.DeletePods {
		return c.deletePods(ctx, run)
	}
	return nil
}

// write stores the status, if it is another, and tells of what changed.
func (c *Controller) write(ctx context.Context, run *v1alpha1.CIRun, status v1alpha1.CIRunStatus) error {
	if equality.Semantic.DeepEqual(run.Status, status) {
		return nil
	}
	after := run.DeepCopy()
	after.Status = status
	if err := report.Status(ctx, c.Client, run, after); err != nil {
		return err
	}
	report.Events(c.Recorder, after, happened(run.Status, status))
	return nil
}
