// Package fairqueue is the work queue of the controllers. Tenants take turns in it: however many objects of one tenant wait to
// be worked on, an object of another one is next when each tenant ahead of it had one. Within a tenant it is first come, first
// served.
//
// What always holds: all that a work queue of client-go does (an object waits once, and is worked on by one worker), since it is
// one, with another order.
package fairqueue

import (
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// New makes the queue of a controller, with its name for the metrics. It is a controller.Options.NewQueue.
func New(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	queue := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[reconcile.Request]{Name: name, Queue: &turns{}})
	delaying := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[reconcile.Request]{Name: name, Queue: queue})
	return workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[reconcile.Request]{
		Name: name, DelayingQueue: delaying,
	})
}

// turns is the order: the tenants that have something waiting, in turn, and what waits in each. The zero value is empty.
type turns struct {
	tenants workqueue.Queue[string]
	waiting map[string]workqueue.Queue[reconcile.Request]
	length  int
}

// Push adds a request behind those of its tenant.
func (t *turns) Push(request reconcile.Request) {
	if t.waiting == nil {
		t.tenants, t.waiting = workqueue.DefaultQueue[string](), map[string]workqueue.Queue[reconcile.Request]{}
	}
	own := t.waiting[request.Namespace]
	if own == nil {
		own = workqueue.DefaultQueue[reconcile.Request]()
		t.waiting[request.Namespace] = own
		t.tenants.Push(request.Namespace)
	}
	own.Push(request)
	t.length++
}

// Touch: what waits already keeps its place.
func (*turns) Touch(reconcile.Request) {}

// Len is how many wait, in all tenants.
func (t *turns) Len() int { return t.length }

// Pop takes the first request of the tenant whose turn it is. One must be there.
func (t *turns) Pop() reconcile.Request {
	tenant := t.tenants.Pop()
	own := t.waiting[tenant]
	request := own.Pop()
	if own.Len() > 0 {
		t.tenants.Push(tenant)
	} else {
		delete(t.waiting, tenant)
	}
	t.length--
	return request
}
