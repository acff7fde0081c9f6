package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/net/netutil"
)

const (
	// maxConnections is how many are served at once; more wait until one ends.
	maxConnections = 1024
	maxHeaderBytes = 16 << 10
	// A delivery has to be there within 10 seconds, after which GitHub gives up, too.
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 15 * time.Second
	idleTimeout       = time.Minute
	// shutdownTimeout is the time that deliveries under way have when the receiver ends.
	shutdownTimeout = 15 * time.Second
)

// server serves deliveries, and annotates what they are about.
type server struct {
	listener  net.Listener
	handler   http.Handler
	requester *Requester
	log       logr.Logger
	serving   atomic.Bool
}

var errNotServing = errors.New("links are not known yet, or the receiver is ending")

// Ready is a readiness check: deliveries are taken once the links are known.
func (s *server) Ready(*http.Request) error {
	if !s.serving.Load() {
		return errNotServing
	}
	return nil
}

// NeedLeaderElection lets all replicas take deliveries.
func (*server) NeedLeaderElection() bool { return false }

// Start serves until ctx ends, then lets deliveries under way come to their end, and their links be annotated. The manager
// calls it when the cache has the links.
func (s *server) Start(ctx context.Context) error {
	background := context.WithoutCancel(ctx)
	working, stopWorking := context.WithCancel(background)
	worked := make(chan struct{})
	go func() {
		defer close(worked)
		s.requester.Run(working)
	}()
	defer func() {
		stopWorking()
		<-worked
	}()

	web := s.web()
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(netutil.LimitListener(s.listener, maxConnections)) }()
	s.serving.Store(true)
	defer s.serving.Store(false)
	select {
	case err := <-failed:
		return fmt.Errorf("serving deliveries at %s: %w", s.listener.Addr(), err)
	case <-ctx.Done():
	}
	s.serving.Store(false)
	ending, cancel := context.WithTimeout(background, shutdownTimeout)
	defer cancel()
	if err := web.Shutdown(ending); err != nil {
		return fmt.Errorf("ending deliveries under way: %w", err)
	}
	return nil
}

func (s *server) web() *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logr.ToSlogHandler(s.log), slog.LevelError),
	}
}
