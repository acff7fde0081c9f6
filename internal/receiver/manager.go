package receiver

import (
	"context"
	"fmt"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// Settings say where a receiver listens and what it trusts. All fields are needed.
type Settings struct {
	// SecretFile is a file for ParseSecrets.
	SecretFile string
	// Listener is where deliveries come in, in plain HTTP. The manager closes it.
	Listener net.Listener
	// Registerer is where metrics go.
	Registerer prometheus.Registerer
}

// NewManager makes a manager that runs the receiver. options are those of controller-runtime; scheme and cache are set
// here. It is an error if the file of secrets cannot be used.
func NewManager(ctx context.Context, config *rest.Config, options ctrl.Options, settings Settings) (ctrl.Manager, error) {
	log := ctrl.Log.WithName("receiver")
	secrets, err := OpenSecrets(settings.SecretFile, clock.RealClock{}, log)
	if err != nil {
		return nil, err
	}
	metrics, err := NewMetrics(settings.Registerer)
	if err != nil {
		return nil, err
	}
	options.Scheme = runtime.NewScheme()
	if err := v1alpha1.AddToScheme(options.Scheme); err != nil {
		return nil, fmt.Errorf("registering Katkit's kinds: %w", err)
	}
	options.Cache = cache.Options{ByObject: map[client.Object]cache.ByObject{&v1alpha1.TenantRepoLink{}: {Transform: onlyRepository}}}
	mgr, err := ctrl.NewManager(config, options)
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	if err := indexLinks(ctx, mgr.GetFieldIndexer()); err != nil {
		return nil, err
	}
	links := &Links{Client: mgr.GetClient()}
	requester := NewRequester(links, clock.RealClock{}, metrics, log)
	s := &server{
		listener: settings.Listener, requester: requester, log: log,
		handler: NewHandler(secrets, links, requester, metrics, log),
	}
	if err := mgr.Add(s); err != nil {
		return nil, fmt.Errorf("adding the server: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding the health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("deliveries", s.Ready); err != nil {
		return nil, fmt.Errorf("adding the readiness check: %w", err)
	}
	return mgr, nil
}
