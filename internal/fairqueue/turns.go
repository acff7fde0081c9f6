package fairqueue

import (
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

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
