// Package phase is the controller of Phases. It observes a Phase with its builder Pods or the services that
// it deploys to, lets internal/domain/phase decide, and carries out the plan: it makes builder Pods, stores
// their logs, changes images as the tenant's deployer, and writes the Phase's status.
//
// What always holds: a reconciliation writes the status once at most, and remembers nothing; a workload is
// changed only after the status that says so is stored.
package phase

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	appsv1 "k8s.io/api/apps/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/buildpod"
	domain "katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/fairqueue"
	"katkit.dev/katkit/internal/source"
	"katkit.dev/katkit/internal/turn"
	"katkit.dev/katkit/internal/workload"
)

// +kubebuilder:rbac:groups=katkit.dev,resources=phases;ciruns,verbs=get;list;watch
// +kubebuilder:rbac:groups=katkit.dev,resources=phases/status,verbs=patch
// +kubebuilder:rbac:groups=katkit.dev,resources=phases,verbs=patch
// +kubebuilder:rbac:groups=katkit.dev,resources=phases/finalizers,verbs=update
// +kubebuilder:rbac:groups=katkit.dev,resources=builderclasses,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=get
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;create;delete;patch
// +kubebuilder:rbac:groups="",resources=pods/log,verbs=get
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=create
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;delete
// +kubebuilder:rbac:groups=apps,resources=deployments;statefulsets;daemonsets,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=serviceaccounts,resourceNames=katkit-deployer,verbs=impersonate
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
//
// Why a rollout fails is read from the service's newest Pods, their logs, and what could not be created:
// +kubebuilder:rbac:groups=apps,resources=replicasets;controllerrevisions,verbs=list
// +kubebuilder:rbac:groups="",resources=events,verbs=list;watch

// Controller reconciles Phases. All fields are needed but LogStore.
type Controller struct {
	// Client reads from the cache, and waits for it to have seen what this client wrote.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Core reads logs and stores them.
	Core corev1client.CoreV1Interface
	// Source asks GitHub which of two commits is the older one, and for tokens to clone with.
	Source *source.Opener
	// Turns tells whose turn it is.
	Turns *turn.Keeper
	// Deployer changes images.
	Deployer *workload.Deployer
	// Recorder writes events.
	Recorder events.EventRecorder
	Clock    clock.PassiveClock
	// AgentDelivery is how the cluster brings the agent to builder images.
	AgentDelivery v1alpha1.AgentDelivery
	// LogStore is where the logs of builder Pods go; nil where there is none.
	LogStore *buildpod.LogStore
	// Workers is how many Phases are reconciled at once.
	Workers int

	// watches of the rollouts that Phases wait for. SetupWithManager makes it.
	watches *rolloutWatches
}

// lookAgainForRun is when a Phase is looked at again whose run was stopped or deleted while it was about to begin.
const lookAgainForRun = time.Second

const (
	indexOwner   = "katkit.phase.owner"
	indexRun     = "katkit.phase.run"
	indexService = "katkit.phase.service"
	indexQueued  = "katkit.phase.queued"
)

// SetupWithManager registers the controller with a manager.
func (c *Controller) SetupWithManager(mgr ctrl.Manager) error {
	if err := indexFields(mgr.GetFieldIndexer()); err != nil {
		return err
	}
	c.watches = &rolloutWatches{core: c.Core}
	deploying := handler.EnqueueRequestsFromMapFunc(c.phasesDeploying)
	return ctrl.NewControllerManagedBy(mgr).
		Named("phase").
		For(&v1alpha1.Phase{}).
		Owns(&corev1.Pod{}).
		Watches(&v1alpha1.Phase{}, handler.EnqueueRequestsFromMapFunc(c.phasesAfter)).
		Watches(&v1alpha1.Phase{}, c.roomMade()).
		Watches(&v1alpha1.CIRun{}, handler.EnqueueRequestsFromMapFunc(c.phasesLeft)).
		Watches(&v1alpha1.CIRun{}, c.roomMade()).
		Watches(&appsv1.Deployment{}, deploying, builder.OnlyMetadata).
		Watches(&appsv1.StatefulSet{}, deploying, builder.OnlyMetadata).
		Watches(&appsv1.DaemonSet{}, deploying, builder.OnlyMetadata).
		WatchesRawSource(c.watches.source()).
		WithOptions(controller.Options{MaxConcurrentReconciles: c.Workers, NewQueue: fairqueue.New(c.Workers)}).
		Complete(c)
}

// Reconcile brings one Phase forward.
func (c *Controller) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var phase v1alpha1.Phase
	switch err := c.Client.Get(ctx, request.NamespacedName, &phase); {
	case apierrors.IsNotFound(err), err == nil && !phase.DeletionTimestamp.IsZero() && !controllerutil.ContainsFinalizer(&phase, v1alpha1.FinalizerDeployment):
		c.watches.keep(request.NamespacedName, nil) // what it owns goes with it
		return ctrl.Result{}, nil
	case err != nil:
		return ctrl.Result{}, err
	}
	observation, look, err := c.observe(ctx, &phase)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("observing: %w", err)
	}
	c.watches.keep(request.NamespacedName, look.targets)
	if domain.Ready(observation) && observation.Wait == nil {
		defer c.Turns.Lock(phase.Namespace)()
		wait, begins, err := c.Turns.Confirm(ctx, &phase) // again, now that nobody else begins
		if err != nil {
			return ctrl.Result{}, err
		}
		if wait == nil && !begins {
			return ctrl.Result{RequeueAfter: lookAgainForRun}, nil
		}
		observation.Wait = wait
	}
	plan := domain.Decide(observation, c.Clock.Now())
	if err := c.act(ctx, &phase, plan); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: sooner(plan.RequeueAfter, look.recheck)}, nil
}
