// Package fairqueue is the work queue of the controllers, which tenants share fairly:
//
//   - They take turns. However many objects of one tenant wait to be worked on, an object of another one is next when each
//     tenant ahead of it had one. Within a tenant it is first come, first served.
//   - None has more than its share of the workers, so that a tenant whose GitHub gives no answer holds up its own alone.
//
// What always holds: all that a work queue of client-go does (an object waits once, and is worked on by one worker), since it is
// one, with another order.
package fairqueue

import (
	"sync"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// tenantsToBlock is how many tenants it takes at least to keep all workers busy.
const tenantsToBlock = 4

// New tells how to make the queue of a controller with so many workers, as a controller.Options.NewQueue.
func New(workers int) func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	return func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
		inOrder := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[reconcile.Request]{Name: name, Queue: &turns{}})
		delaying := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[reconcile.Request]{Name: name, Queue: inOrder})
		return &queue{
			TypedRateLimitingInterface: workqueue.NewTypedRateLimitingQueueWithConfig(limiter,
				workqueue.TypedRateLimitingQueueConfig[reconcile.Request]{Name: name, DelayingQueue: delaying}),
			share: max(workers/tenantsToBlock, 1), busy: map[string]int{},
			parked: map[string][]reconcile.Request{}, isParked: map[reconcile.Request]bool{}, promised: map[reconcile.Request]bool{},
		}
	}
}

// queue holds back what is over its tenant's share: it is parked until one of the tenant's is done, whose worker it gets.
// While something of a tenant is parked, the tenant has its whole share.
type queue struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	// share is how many workers a tenant has at most.
	share int

	mu       sync.Mutex
	busy     map[string]int // workers by tenant, those included that are promised
	parked   map[string][]reconcile.Request
	isParked map[reconcile.Request]bool
	promised map[reconcile.Request]bool // a worker, whatever comes meanwhile
}

// Get waits for a request whose tenant has not its share of the workers.
func (q *queue) Get() (request reconcile.Request, shutdown bool) {
	for {
		request, shutdown = q.TypedRateLimitingInterface.Get()
		if shutdown || q.admit(request) {
			return request, shutdown
		}
		q.TypedRateLimitingInterface.Done(request)
	}
}

// admit gives a request to a worker, or parks it.
func (q *queue) admit(request reconcile.Request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	tenant := request.Namespace
	switch {
	case q.promised[request]:
		delete(q.promised, request)
		return true
	case q.busy[tenant] < q.share:
		q.busy[tenant]++
		return true
	case !q.isParked[request]:
		q.isParked[request] = true
		q.parked[tenant] = append(q.parked[tenant], request)
	}
	return false
}

// Done gives the worker back, or promises it to the request of the tenant that was parked first.
func (q *queue) Done(request reconcile.Request) {
	next, found := q.release(request.Namespace)
	if found {
		q.Add(next)
	}
	q.TypedRateLimitingInterface.Done(request)
}

func (q *queue) release(tenant string) (next reconcile.Request, found bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if waiting := q.parked[tenant]; len(waiting) > 0 {
		next, q.parked[tenant] = waiting[0], waiting[1:]
		delete(q.isParked, next)
		q.promised[next] = true
		return next, true
	}
	delete(q.parked, tenant)
	if q.busy[tenant]--; q.busy[tenant] == 0 {
		delete(q.busy, tenant)
	}
	return next, false
}
