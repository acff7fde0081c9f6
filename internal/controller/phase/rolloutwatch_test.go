package phase

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

const patience = 10 * time.Second

var (
	deploy   = types.NamespacedName{Namespace: "d-taskrunner", Name: "run-1-deploy"}
	api      = target{namespace: "d-taskrunner", pods: "app=api"}
	db       = target{namespace: "d-taskrunner", pods: "app=db"}
	failures = target{namespace: "d-taskrunner", eventsOf: "uid-of-db"}
)

// apiServer opens watches and hands them to the test.
type apiServer struct {
	corev1client.CoreV1Interface
	opened chan opened
	fail   atomic.Int32 // how many of the next watches cannot be opened
}

// opened is a watch that is open, and what it is about.
type opened struct {
	*watch.FakeWatcher
	of  string
	ctx context.Context
}

func (s *apiServer) Pods(namespace string) corev1client.PodInterface {
	return podServer{s: s, namespace: namespace}
}

func (s *apiServer) Events(namespace string) corev1client.EventInterface {
	return eventServer{s: s, namespace: namespace}
}

type podServer struct {
	corev1client.PodInterface
	s         *apiServer
	namespace string
}

func (p podServer) Watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return p.s.watch(ctx, "pods of "+p.namespace+": "+options.LabelSelector+options.FieldSelector)
}

type eventServer struct {
	corev1client.EventInterface
	s         *apiServer
	namespace string
}

func (e eventServer) Watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return e.s.watch(ctx, "events of "+e.namespace+": "+options.LabelSelector+options.FieldSelector)
}

func (s *apiServer) watch(ctx context.Context, of string) (watch.Interface, error) {
	if s.fail.Add(-1) >= 0 {
		return nil, errors.New("connection refused")
	}
	w := opened{watch.NewFake(), of, ctx}
	s.opened <- w
	return w, nil
}

// newWatches makes watches whose looks the test receives.
func newWatches(t *testing.T) (*rolloutWatches, *apiServer, chan types.NamespacedName, context.CancelFunc) {
	t.Helper()
	server := &apiServer{opened: make(chan opened, 16)}
	looks := make(chan types.NamespacedName, 16)
	life, end := context.WithCancel(t.Context())
	w := &rolloutWatches{core: server}
	w.begin(life, func(phase types.NamespacedName) { looks <- phase })
	return w, server, looks, end
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(patience):
		t.Fatalf("waited %s for %s", patience, what)
		panic("unreachable")
	}
}

func TestAWatchLooksAtThePhase(t *testing.T) {
	w, server, looks, _ := newWatches(t)
	w.keep(deploy, []target{api, failures})
	streams := map[string]opened{}
	for range 2 {
		stream := receive(t, server.opened, "a watch")
		streams[stream.of] = stream
	}
	for of, stream := range streams {
		stream.Add(&corev1.Pod{})
		if got := receive(t, looks, "a look for "+of); got != deploy {
			t.Errorf("looked at %s", got)
		}
	}
	for _, of := range []string{"pods of d-taskrunner: app=api", "events of d-taskrunner: involvedObject.uid=uid-of-db,reason=FailedCreate"} {
		if _, found := streams[of]; !found {
			t.Errorf("no watch %q, but %v", of, streams)
		}
	}
	pods := streams["pods of d-taskrunner: app=api"]
	pods.Action(watch.Bookmark, &corev1.Pod{}) // tells nothing
	pods.Modify(&corev1.Pod{})
	pods.Delete(&corev1.Pod{})
	receive(t, looks, "a look for the change")
	receive(t, looks, "a look for the deletion")
	pods.Action(watch.Bookmark, &corev1.Pod{}) // is taken when all before is done
	if len(looks) != 0 {
		t.Errorf("%d more looks", len(looks))
	}
}

func TestAWatchIsOpenedOnce(t *testing.T) {
	w, server, _, _ := newWatches(t)
	w.keep(deploy, []target{api, api})
	first := receive(t, server.opened, "a watch")
	w.keep(deploy, []target{api})
	w.keep(deploy, []target{api, db})
	if second := receive(t, server.opened, "the watch of the second"); second.of != "pods of d-taskrunner: app=db" {
		t.Errorf("opened again: %s", second.of)
	}
	if first.ctx.Err() != nil {
		t.Error("the first has ended")
	}
}

func TestAWatchEnds(t *testing.T) {
	other := types.NamespacedName{Namespace: "d-taskrunner", Name: "run-2-deploy"}
	for name, end := range map[string]func(w *rolloutWatches, manager context.CancelFunc){
		"when its service is rolled out":      func(w *rolloutWatches, _ context.CancelFunc) { w.keep(deploy, []target{db}) },
		"when its Phase waits for no rollout": func(w *rolloutWatches, _ context.CancelFunc) { w.keep(deploy, nil) },
		"with the manager":                    func(_ *rolloutWatches, manager context.CancelFunc) { manager() },
	} {
		t.Run(name, func(t *testing.T) {
			w, server, _, manager := newWatches(t)
			w.keep(deploy, []target{api})
			mine := receive(t, server.opened, "a watch")
			w.keep(other, []target{api})
			others := receive(t, server.opened, "the other Phase's watch")
			end(w, manager)
			receive(t, mine.ctx.Done(), "its end")
			if others.ctx.Err() != nil && name != "with the manager" {
				t.Error("the other Phase's watch has ended as well")
			}
		})
	}
}

func TestNothingIsKeptOfAPhaseThatWaitsForNothing(t *testing.T) {
	w, server, _, _ := newWatches(t)
	w.keep(deploy, []target{api, db})
	for range 2 {
		receive(t, server.opened, "a watch")
	}
	w.keep(deploy, nil)
	w.keep(deploy, nil)
	if diff := cmp.Diff(0, len(w.open)); diff != "" {
		t.Errorf("Phases with watches (-want +got)\n%s", diff)
	}
}

func TestAWatchIsOpenedAgain(t *testing.T) {
	for name, lose := range map[string]func(*apiServer, opened){
		"when the API server ends it":    func(_ *apiServer, w opened) { w.Stop() },
		"when it reports an error":       func(_ *apiServer, w opened) { w.Error(&metav1.Status{Message: "too old resource version"}) },
		"when it cannot be opened again": func(s *apiServer, w opened) { s.fail.Store(1); w.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, server, looks, _ := newWatches(t)
			w.keep(deploy, []target{api})
			lose(server, receive(t, server.opened, "a watch"))
			again := receive(t, server.opened, "the watch to be opened again")
			again.Add(&corev1.Pod{})
			receive(t, looks, "a look")
		})
	}
}
