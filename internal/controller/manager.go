// Package controller puts the controllers together into a manager. cmd/manager calls it, and so do the tests
// that need the whole of Katkit against a real API server.
package controller

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/controller/link"
	"katkit.dev/katkit/internal/controller/phase"
	"katkit.dev/katkit/internal/controller/reporting"
	"katkit.dev/katkit/internal/controller/run"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/internal/source"
	"katkit.dev/katkit/internal/turn"
	"katkit.dev/katkit/internal/workload"
)

// Scheme knows the kinds that Katkit works with: Kubernetes' own and those of api/v1alpha1.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering Kubernetes' kinds: %w", err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering Katkit's kinds: %w", err)
	}
	return scheme, nil
}

// Limits say how much is done at once.
type Limits struct {
	// Workers is how many objects of a kind are worked on at once.
	Workers int
	// Builders is how many builder Pods the cluster may have at once; 0: any number.
	Builders int
}

// NewManager makes a manager with all controllers. options are those of controller-runtime; scheme, cache and
// client are set here. GitHub is asked through factory. agent is how builder images get the agent; "": as the API server's version
// allows. The logs of builder Pods go to logs; nil: they are not stored.
func NewManager(config *rest.Config, options ctrl.Options, factory *github.Factory, limits Limits, agent v1alpha1.AgentDelivery, logs *buildpod.LogStore) (ctrl.Manager, error) {
	agent, err := chooseDelivery(config, agent)
	if err != nil {
		return nil, err
	}
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	options.Scheme = scheme
	options.Cache = cacheOptions()
	// A reconciliation never acts on a state that is older than its own last write.
	options.Client = client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}}
	mgr, err := ctrl.NewManager(config, options)
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	if err := addControllers(mgr, factory, limits, agent, logs); err != nil {
		return nil, err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding the health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding the readiness check: %w", err)
	}
	return mgr, nil
}

// cacheOptions keep the memory small: of all Pods only the builder Pods, and of no object who manages which
// of its fields.
func cacheOptions() cache.Options {
	builders := labels.SelectorFromSet(labels.Set{v1alpha1.LabelComponent: v1alpha1.ComponentBuilder})
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject:         map[client.Object]cache.ByObject{&corev1.Pod{}: {Label: builders}},
	}
}

func addControllers(mgr ctrl.Manager, factory *github.Factory, limits Limits, agent v1alpha1.AgentDelivery, logs *buildpod.LogStore) error {
	core, err := corev1client.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("making the client for logs: %w", err)
	}
	recorder := mgr.GetEventRecorder(v1alpha1.ManagedBy)
	turns := &turn.Keeper{Reader: mgr.GetClient(), Builders: limits.Builders}
	opener := &source.Opener{Secrets: mgr.GetAPIReader(), GitHub: factory}
	links := &link.Controller{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Source: opener, Recorder: recorder, Clock: clock.RealClock{}, Workers: limits.Workers,
	}
	runs := &run.Controller{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Pods: core, Source: opener, Turns: turns,
		Recorder: recorder, Clock: clock.RealClock{}, Workers: limits.Workers,
	}
	phases := &phase.Controller{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Core: core, Source: opener, Turns: turns,
		Deployer: &workload.Deployer{Config: mgr.GetConfig(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()},
		Recorder: recorder, Clock: clock.RealClock{}, Workers: limits.Workers, AgentDelivery: agent, LogStore: logs,
	}
	reports := &reporting.Controller{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Source: opener,
		Recorder: recorder, Clock: clock.RealClock{}, Workers: limits.Workers,
	}
	for _, controller := range []interface{ SetupWithManager(ctrl.Manager) error }{links, runs, phases, reports} {
		if err := controller.SetupWithManager(mgr); err != nil {
			return fmt.Errorf("adding a controller: %w", err)
		}
	}
	return nil
}
