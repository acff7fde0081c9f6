// Package link is the controller of TenantRepoLinks. It checks, again and again, that a link's namespace is a
// tenant, that GitHub answers for its repository, and that its home branch is there, and says so in the
// condition Ready. It makes the runs of the commits that the link's triggers run, and obeys comments on pull requests.
//
// A change of the annotation katkit.dev/sync-requested or katkit.dev/rerun-requested makes the next look come now; the latter names buttons
// on GitHub that may have been pressed.
//
// What always holds: a status is written only when it changes; an unchanged repository costs no rate limit; a run is made before
// the status says that its commit was handled, and its name makes that it is made once.
package link

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	domain "katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/fairqueue"
	"katkit.dev/katkit/internal/report"
	"katkit.dev/katkit/internal/source"
)

// +kubebuilder:rbac:groups=katkit.dev,resources=tenantrepolinks;builderclasses,verbs=get;list;watch
// +kubebuilder:rbac:groups=katkit.dev,resources=tenantrepolinks/status,verbs=patch
// +kubebuilder:rbac:groups=katkit.dev,resources=ciruns,verbs=get;list;watch;create
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Controller reconciles TenantRepoLinks. All fields are needed.
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
	// Workers is how many links are checked at once.
	Workers int
}

// SetupWithManager registers the controller with a manager.
func (c *Controller) SetupWithManager(mgr ctrl.Manager) error {
	if err := registerMetrics(); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("tenantrepolink").
		For(&v1alpha1.TenantRepoLink{}, builder.WithPredicates(predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, asked()))).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(c.linksIn), builder.OnlyMetadata,
			builder.WithPredicates(predicate.LabelChangedPredicate{})).
		Watches(&v1alpha1.BuilderClass{}, handler.EnqueueRequestsFromMapFunc(c.linksOf),
			builder.WithPredicates(predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		WithOptions(controller.Options{MaxConcurrentReconciles: c.Workers, NewQueue: fairqueue.New(c.Workers)}).
		Complete(c)
}

// asked lets updates through that ask for a link to be looked at now.
func asked() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		DeleteFunc:  func(event.DeleteEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, is := e.ObjectOld.GetAnnotations(), e.ObjectNew.GetAnnotations()
			return was[v1alpha1.AnnotationSyncRequested] != is[v1alpha1.AnnotationSyncRequested] ||
				was[v1alpha1.AnnotationRerunRequested] != is[v1alpha1.AnnotationRerunRequested]
		},
	}
}

// Reconcile checks one link.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var link v1alpha1.TenantRepoLink
	if err := c.Client.Get(ctx, request.NamespacedName, &link); err != nil {
		if apierrors.IsNotFound(err) {
			forgetRemaining(request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !link.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	observation, repository, err := c.observe(ctx, &link)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("observing: %w", err)
	}
	plan := domain.Decide(observation, c.Clock.Now())
	// Before the runs of this look are made, which nobody has seen yet who wrote a comment.
	heard := c.obey(ctx, observation, repository)
	pressed := c.repeat(ctx, observation, repository)
	refused, err := c.create(ctx, &link, plan.CreateRuns)
	if err != nil {
		return ctrl.Result{}, errors.Join(err, heard.err, pressed.err)
	}
	if refused != nil {
		observation.Problem = refused
		plan = domain.Decide(observation, c.Clock.Now())
	}
	c.note(&link, heard, &plan)
	pressed.note(&link, &plan)
	if err := errors.Join(c.write(ctx, &link, plan.Status), heard.err, pressed.err); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: plan.RequeueAfter}, nil
}

// observe reads what a link is about. The repository is nil when it could not be opened.
func (c *Controller) observe(ctx context.Context, link *v1alpha1.TenantRepoLink) (domain.Observation, *source.Repository, error) {
	observation := domain.Observation{Link: link}
	namespace, err := c.namespace(ctx, link.Namespace)
	if err != nil {
		return observation, nil, err
	}
	if namespace.Labels[v1alpha1.LabelTenant] == "" {
		observation.Problem = domain.NotATenant(link.Namespace)
		return observation, nil, nil
	}
	if cause, err := c.class(ctx, link, namespace.Labels); cause != nil || err != nil {
		observation.Problem = cause
		return observation, nil, err
	}
	repository, cause := c.Source.Open(ctx, link)
	if cause == nil {
		observation.Findings, cause = repository.Look(ctx)
		if cause == nil {
			cause = c.investigate(ctx, repository, &observation)
		}
		observation.RateLimit = repository.RateLimit()
	}
	tellRemaining(link, observation.RateLimit)
	observation.Problem = cause
	return observation, repository, nil
}

func (c *Controller) namespace(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := c.Client.Get(ctx, types.NamespacedName{Name: name}, namespace); err != nil {
		return nil, fmt.Errorf("reading namespace %s: %w", name, err)
	}
	return namespace, nil
}

func (c *Controller) write(ctx context.Context, link *v1alpha1.TenantRepoLink, status v1alpha1.TenantRepoLinkStatus) error {
	if equality.Semantic.DeepEqual(link.Status, status) {
		return nil
	}
	after := link.DeepCopy()
	after.Status = status
	err := report.Status(ctx, c.Client, link, after)
	if apierrors.IsConflict(err) {
		after, err = c.writeAgain(ctx, link, status)
	}
	if err != nil {
		return err
	}
	report.Events(c.Recorder, after, happened(link.Status, status))
	return nil
}

// writeAgain stores a status where nothing of the link has changed that it was made of: a webhook's annotation, say, which would have
// GitHub asked for all of it again.
func (c *Controller) writeAgain(ctx context.Context, link *v1alpha1.TenantRepoLink, status v1alpha1.TenantRepoLinkStatus) (*v1alpha1.TenantRepoLink, error) {
	var now v1alpha1.TenantRepoLink
	if err := c.Live.Get(ctx, client.ObjectKeyFromObject(link), &now); err != nil {
		return nil, fmt.Errorf("reading the link again: %w", err)
	}
	if now.UID != link.UID || now.Generation != link.Generation || !equality.Semantic.DeepEqual(now.Status, link.Status) {
		return nil, errChanged
	}
	after := now.DeepCopy()
	after.Status = status
	return after, report.Status(ctx, c.Client, &now, after)
}

// errChanged has a link looked at again.
var errChanged = errors.New("the link was changed while it was looked at")

// happened tells of a Ready that became another.
func happened(before, after v1alpha1.TenantRepoLinkStatus) []report.Event {
	was, is := meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionReady), meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionReady)
	if is == nil || (was != nil && was.Status == is.Status && was.Reason == is.Reason) {
		return nil
	}
	return []report.Event{{Warning: is.Status != metav1.ConditionTrue, Reason: is.Reason, Action: "Check", Note: is.Message}}
}

// linksIn finds the links of a namespace.
func (c *Controller) linksIn(ctx context.Context, namespace client.Object) []ctrl.Request {
	return c.requests(ctx, func(*v1alpha1.TenantRepoLink) bool { return true }, client.InNamespace(namespace.GetName()))
}

func (c *Controller) requests(ctx context.Context, wanted func(*v1alpha1.TenantRepoLink) bool, options ...client.ListOption) []ctrl.Request {
	var links v1alpha1.TenantRepoLinkList
	if err := c.Client.List(ctx, &links, append(options, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "links could not be listed")
		return nil
	}
	requests := make([]ctrl.Request, 0, len(links.Items))
	for i := range links.Items {
		if wanted(&links.Items[i]) {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&links.Items[i])})
		}
	}
	return requests
}
