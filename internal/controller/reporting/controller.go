// Package reporting is the controller that tells GitHub of runs: a commit status for each phase, and a deployment. It observes a
// run with its link and its tenant, lets internal/domain/reporting decide, and sends what GitHub does not show yet.
//
// What always holds: GitHub's own list is the record of what was sent, and what is remembered of it here is only so that it
// need not be asked again; a run's status is written once, when GitHub shows its end or refuses to; the controllers that carry
// a run out never wait for this one.
package reporting

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	domain "katkit.dev/katkit/internal/domain/reporting"
	"katkit.dev/katkit/internal/fairqueue"
	"katkit.dev/katkit/internal/report"
	"katkit.dev/katkit/internal/source"
)

// +kubebuilder:rbac:groups=katkit.dev,resources=ciruns;phases;tenantrepolinks,verbs=get;list;watch
// +kubebuilder:rbac:groups=katkit.dev,resources=ciruns/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

const (
	// firstRetry and lastRetry bound the time between attempts while GitHub gives no answer; it doubles each time.
	firstRetry = 500 * time.Millisecond
	lastRetry  = 5 * time.Minute
	// maxRecords is of how many runs it is remembered what GitHub shows.
	maxRecords = 4096
)

// Controller reports CIRuns to GitHub. All exported fields are needed.
type Controller struct {
	// Client reads from the cache, and waits for it to have seen what this client wrote.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Source opens the repositories of links.
	Source *source.Opener
	// Recorder writes events.
	Recorder events.EventRecorder
	Clock    clock.PassiveClock
	// Workers is how many runs are reported at once.
	Workers int

	// records are what GitHub shows of runs, *record by UID. A run is worked on by one worker at a time.
	records *lru.Cache
	// began is when this controller was set up.
	began time.Time
}

// SetupWithManager registers the controller with a manager.
func (c *Controller) SetupWithManager(mgr ctrl.Manager) error {
	if err := indexFields(mgr.GetFieldIndexer()); err != nil {
		return err
	}
	c.records, c.began = lru.New(maxRecords), c.Clock.Now()
	return ctrl.NewControllerManagedBy(mgr).
		Named("reporting").
		For(&v1alpha1.CIRun{}).
		Watches(&v1alpha1.TenantRepoLink{}, handler.EnqueueRequestsFromMapFunc(c.runsOf), builder.WithPredicates(becameReady())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: c.Workers, NewQueue: fairqueue.New(c.Workers),
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		}).
		Complete(c)
}

// Reconcile tells GitHub what it does not show yet of one run.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var run v1alpha1.CIRun
	if err := c.Client.Get(ctx, request.NamespacedName, &run); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !run.DeletionTimestamp.IsZero() || meta.IsStatusConditionTrue(run.Status.Conditions, v1alpha1.ConditionReported) {
		return ctrl.Result{}, nil
	}
	observation, err := c.observe(ctx, &run)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("observing: %w", err)
	}
	if observation == nil {
		return ctrl.Result{}, nil
	}
	desired := domain.Desire(*observation)
	if desired.Empty() && !domain.Superseded(&run) {
		c.expect(&run)
		return ctrl.Result{}, nil
	}
	cause, progress := c.tell(ctx, observation, desired)
	conclusion := domain.Conclude(&run, cause, c.Clock.Now())
	if err := c.write(ctx, &run, conclusion.Condition); err != nil {
		return ctrl.Result{}, err
	}
	switch {
	case conclusion.Retry != nil && progress:
		return ctrl.Result{RequeueAfter: firstRetry}, nil
	case conclusion.Retry != nil:
		return ctrl.Result{}, conclusion.Retry // with the queue's backoff
	}
	return ctrl.Result{RequeueAfter: conclusion.RequeueAfter}, nil
}

// write notes at the run's end how the reports went, and tells of a refusal.
func (c *Controller) write(ctx context.Context, run *v1alpha1.CIRun, condition *metav1.Condition) error {
	if condition == nil {
		return nil
	}
	after := run.DeepCopy()
	if meta.SetStatusCondition(&after.Status.Conditions, *condition) {
		news, err := c.news(ctx, run, condition)
		if err != nil {
			return err
		}
		if err := report.Status(ctx, c.Client, run, after); err != nil {
			return err
		}
		report.Events(c.Recorder, after, news)
	}
	c.records.Remove(run.UID)
	return nil
}

// news tells of a refusal, unless an earlier run of the link told of it: then it is the same one. That all went well is nothing
// to tell of.
func (c *Controller) news(ctx context.Context, run *v1alpha1.CIRun, is *metav1.Condition) ([]report.Event, error) {
	if is.Status == metav1.ConditionTrue {
		return nil, nil
	}
	var runs v1alpha1.CIRunList
	if err := c.Client.List(ctx, &runs, client.InNamespace(run.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the runs of its link: %w", err)
	}
	for i := range runs.Items {
		told := meta.FindStatusCondition(runs.Items[i].Status.Conditions, is.Type)
		if told != nil && told.Status == is.Status && told.Reason == is.Reason && runs.Items[i].Spec.Link == run.Spec.Link {
			return nil, nil
		}
	}
	return []report.Event{{Warning: true, Reason: is.Reason, Action: "Report", Note: is.Message}}, nil
}
