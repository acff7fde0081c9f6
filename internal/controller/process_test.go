package controller_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/controller"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/github"
)

// process is one life of the manager.
type process struct {
	wire   *wire
	cancel context.CancelFunc
	ended  chan error
}

// startManager starts the manager as its own ServiceAccount. Like a new process it remembers nothing.
func startManager() *process { return startManagerWith("", nil) }

// startManagerWith starts a manager whose flag --agent-delivery says how builder images get the agent, and that has a log store.
func startManagerWith(agent v1alpha1.AgentDelivery, logs *buildpod.LogStore) *process {
	GinkgoHelper()
	factory, err := github.NewFactory(github.Options{Hosts: []github.Host{host}, CABundle: []byte(caBundle())})
	Expect(err).NotTo(HaveOccurred())
	p := &process{wire: &wire{}, ended: make(chan error, 1)}
	settings := rest.CopyConfig(managerConfig)
	settings.Wrap(p.wire.wrap)
	mgr, err := controller.NewManager(settings, ctrl.Options{
		Metrics:                server.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
		// The names of controllers are unique in a process; here one process has several lives.
		Controller:              config.Controller{SkipNameValidation: new(true)},
		GracefulShutdownTimeout: new(10 * time.Second),
	}, factory, controller.Limits{Workers: 4}, agent, logs)
	Expect(err).NotTo(HaveOccurred())
	life, cancel := context.WithCancel(ctx)
	p.cancel = cancel
	go func() { p.ended <- mgr.Start(life) }()
	return p
}

// stop ends the manager as a TERM does, and returns when nothing of it runs any more.
func (p *process) stop() {
	GinkgoHelper()
	p.cancel()
	Eventually(p.ended).Should(Receive())
}

// write is one request of the manager's that changes something.
type write struct {
	Verb, Path string
	Query      url.Values
	// As is whom the manager impersonated; "" when it was itself.
	As     string
	Status int
}

// is tells whether the write was of this verb and to a resource, as in "POST pods".
func (w write) is(verb, resource string) bool {
	return w.Verb == verb && slices.Contains(strings.Split(w.Path, "/"), resource)
}

// event tells whether the write was only of an event.
func (w write) event() bool { return strings.HasPrefix(w.Path, "/apis/events.k8s.io/") }

// dry tells whether the write was only tried.
func (w write) dry() bool { return w.Query.Get("dryRun") != "" }

// wire is the manager's connection to the API server. It records what is written, lets a story step in, and can
// be cut.
type wire struct {
	mu     sync.Mutex
	writes []write
	before func(write) // called before a write is sent
	cutAt  int         // the number of the write at which the wire is cut; 0: never
	within string      // the namespace whose writes count for cutAt
	cut    bool
}

var errCut = errors.New("the manager was killed")

func (w *wire) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) { return w.send(next, r) })
}

func (w *wire) send(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		if w.isCut() {
			return nil, errCut
		}
		return next.RoundTrip(r)
	}
	sent := write{Verb: r.Method, Path: r.URL.Path, Query: r.URL.Query(), As: r.Header.Get(transport.ImpersonateUserHeader)}
	deliver, answer := w.decide(sent)
	if !deliver {
		return nil, errCut
	}
	if !answer { // it is on its way, whatever becomes of the manager
		r = r.WithContext(context.WithoutCancel(r.Context()))
	}
	response, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	sent.Status = response.StatusCode
	w.mu.Lock()
	w.writes = append(w.writes, sent)
	w.mu.Unlock()
	if !answer {
		response.Body.Close()
		return nil, errCut
	}
	return response, nil
}

// decide tells whether a write is sent, and whether its answer comes back.
func (w *wire) decide(sent write) (deliver, answer bool) {
	w.mu.Lock()
	before := w.before
	w.mu.Unlock()
	if before != nil {
		before(sent)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return false, false
	}
	if w.cutAt == 0 || sent.event() || !strings.Contains(sent.Path, "/namespaces/"+w.within+"/") {
		return true, true
	}
	w.cutAt--
	w.cut = w.cutAt == 0
	return true, !w.cut
}

// killAt makes the manager die at its n-th write in a namespace (from 1, events apart): the API server gets the
// write, the manager never hears of it. For the one that comes after it this is the same as dying before the next.
// One that did not come to its n-th write in this story lives on.
func (w *wire) killAt(namespace string, n int) {
	set := func(n int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.within, w.cutAt = namespace, n
	}
	set(n)
	DeferCleanup(func() {
		set(0)
		if w.isCut() && katkit.wire == w {
			restart()
		}
	})
}

func (w *wire) isCut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut
}

// stepIn calls a function before each write, until the story ends.
func (w *wire) stepIn(before func(write)) {
	set := func(f func(write)) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.before = f
	}
	set(before)
	DeferCleanup(set, (func(write))(nil))
}

// in returns the writes in a namespace, those of events apart.
func (w *wire) in(namespace string) []write {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []write
	for _, sent := range w.writes {
		if strings.Contains(sent.Path, "/namespaces/"+namespace+"/") && !sent.event() {
			found = append(found, sent)
		}
	}
	return found
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
