package logstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

const (
	// maxConnections is how many are served at once; more wait until one ends. connectionsOfOne is how many of them one address has.
	maxConnections    = 4096
	connectionsOfOne  = maxConnections / 8
	maxHeaderBytes    = 64 << 10
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	// shutdownTimeout is the time that writes under way have when the store ends.
	shutdownTimeout = 20 * time.Second
)

// Settings say what a log store keeps where, and for how long.
type Settings struct {
	// Bucket is where the logs are. The caller closes it, after the manager has ended.
	Bucket *Bucket
	// Listener is where it is served. The manager closes it.
	Listener net.Listener
	// CertFile and KeyFile are the server's certificate and key in PEM, read again when they change; "": plain HTTP.
	CertFile, KeyFile string
	// Retention is how long a log is kept after its newest byte; 0: for ever.
	Retention time.Duration
	// Limits are what is taken of logs.
	Limits Limits
	// MaxWrites is how many writes are served at once.
	MaxWrites int
	// Registerer is where metrics go.
	Registerer prometheus.Registerer
}

// NewManager makes a manager that runs the log store. options are those of controller-runtime.
func NewManager(config *rest.Config, options ctrl.Options, settings Settings) (ctrl.Manager, error) {
	log := ctrl.Log.WithName("logstore")
	metrics, err := NewMetrics(settings.Registerer)
	if err != nil {
		return nil, err
	}
	reviewer, err := NewReviewer(config)
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(config, options)
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	listener := netutil.LimitListener(newPerAddress(settings.Listener, connectionsOfOne), maxConnections)
	if settings.CertFile != "" {
		watcher, err := certwatcher.New(settings.CertFile, settings.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading the server's certificate and key: %w", err)
		}
		if err := mgr.Add(watcher); err != nil {
			return nil, fmt.Errorf("watching the server's certificate: %w", err)
		}
		listener = tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: watcher.GetCertificate})
	}
	store := NewStore(settings.Bucket, clock.RealClock{}, settings.Limits)
	if err := settings.Registerer.Register(store.budget); err != nil {
		return nil, fmt.Errorf("registering the metrics: %w", err)
	}
	stopping := make(chan struct{})
	s := &server{
		bucket: settings.Bucket, listener: listener, stopping: stopping, log: log,
		sweeper: &Sweeper{Store: store, Keep: settings.Retention, Metrics: metrics, Log: log},
		handler: NewHandler(store, NewGuard(reviewer, clock.RealClock{}, metrics, log), metrics, clock.RealClock{}, log, settings.MaxWrites, stopping),
	}
	if err := mgr.Add(s); err != nil {
		return nil, fmt.Errorf("adding the server: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding the health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("serving", s.Ready); err != nil {
		return nil, fmt.Errorf("adding the readiness check: %w", err)
	}
	return mgr, nil
}

// server serves logs, and removes old ones.
type server struct {
	bucket   *Bucket
	listener net.Listener
	handler  http.Handler
	sweeper  *Sweeper
	stopping chan struct{}
	log      logr.Logger
	serving  atomic.Bool
}

var errNotServing = errors.New("the bucket was not reached yet, or the log store is ending")

// Ready is a readiness check. A bucket that fails later does not make the store unready: its answers tell more than none.
func (s *server) Ready(*http.Request) error {
	if !s.serving.Load() {
		return errNotServing
	}
	return nil
}

// NeedLeaderElection lets all replicas serve.
func (*server) NeedLeaderElection() bool { return false }

// Start serves until ctx ends, then lets writes under way come to their end. It is an error if there is no such bucket.
func (s *server) Start(ctx context.Context) error {
	defer s.listener.Close()
	if err := s.bucket.Reach(ctx); err != nil {
		return err
	}
	var sweeping sync.WaitGroup
	defer sweeping.Wait()
	sweep, stopSweeping := context.WithCancel(ctx)
	defer stopSweeping()
	sweeping.Go(func() { s.sweeper.Run(sweep) })

	web := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logr.ToSlogHandler(s.log), slog.LevelError),
	}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(s.listener) }()
	s.serving.Store(true)
	defer s.serving.Store(false)
	select {
	case err := <-failed:
		return fmt.Errorf("serving logs at %s: %w", s.listener.Addr(), err)
	case <-ctx.Done():
	}
	s.serving.Store(false)
	close(s.stopping)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := web.Shutdown(ending); err != nil {
		return fmt.Errorf("ending writes under way: %w", err)
	}
	return nil
}
