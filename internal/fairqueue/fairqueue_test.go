package fairqueue_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"katkit.dev/katkit/internal/fairqueue"
)

func newQueue(t *testing.T) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	t.Helper()
	queue := fairqueue.New("", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(queue.ShutDown)
	return queue
}

func request(name string) reconcile.Request {
	tenant, object, _ := strings.Cut(name, "/")
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: tenant, Name: object}}
}

func add(queue workqueue.TypedRateLimitingInterface[reconcile.Request], names ...string) {
	for _, name := range names {
		queue.Add(request(name))
	}
}

// take works off so many requests and tells their order.
func take(queue workqueue.TypedRateLimitingInterface[reconcile.Request], n int) string {
	var names []string
	for range n {
		got, _ := queue.Get()
		queue.Done(got)
		names = append(names, got.String())
	}
	return strings.Join(names, " ")
}

func TestTenantsTakeTurns(t *testing.T) {
	queue := newQueue(t)
	add(queue, "a/1", "a/2", "a/3", "a/1", "b/1", "c/1", "c/2") // a/1 again: it waits once
	if got, want := take(queue, 3), "a/1 b/1 c/1"; got != want {
		t.Errorf("first %s, want %s", got, want)
	}
	add(queue, "b/2", "a/1")
	if got, want := take(queue, queue.Len()), "a/2 c/2 b/2 a/3 a/1"; got != want {
		t.Errorf("then %s, want %s", got, want)
	}
	if queue.Len() != 0 {
		t.Errorf("%d are left", queue.Len())
	}
}

func TestASingleOneDoesNotWaitForAThousandOfAnotherTenant(t *testing.T) {
	queue := newQueue(t)
	for i := range 1000 {
		add(queue, fmt.Sprintf("big/%d", i))
	}
	add(queue, "small/1")
	if got, want := take(queue, 2), "big/0 small/1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := queue.Len(); got != 999 {
		t.Errorf("%d wait", got)
	}
}

// TestAnObjectIsWorkedOnByOne: what is added while it is worked on comes again when that is done, and not before.
func TestAnObjectIsWorkedOnByOne(t *testing.T) {
	queue := newQueue(t)
	add(queue, "a/1")
	working, _ := queue.Get()
	add(queue, "a/1", "a/2")
	if got := take(queue, 1); got != "a/2" {
		t.Errorf("got %s while a/1 is worked on", got)
	}
	if queue.Len() != 0 {
		t.Fatalf("%d wait", queue.Len())
	}
	queue.Done(working)
	if got := take(queue, 1); got != "a/1" {
		t.Errorf("got %s", got)
	}
}
