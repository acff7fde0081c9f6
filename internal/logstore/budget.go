package logstore

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// objectCost is what an object counts beside its bytes: about what a file system has an inode for, so that nobody can use those up with
// objects of a byte each.
const objectCost = 16 << 10

// budget counts what each namespace has in the bucket, and bounds it. Between two sweeps it counts what this process stores and removes;
// a sweep counts anew what there is, with what other replicas stored. Of a namespace that no sweep has counted since the process
// began, only what it stored itself is known.
type budget struct {
	most int64 // bytes of a namespace; 0: any number

	mu   sync.Mutex
	held map[string]int64
}

// take counts n more bytes of a namespace, unless they are too many.
func (b *budget) take(namespace string, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.most > 0 && b.held[namespace]+n > b.most {
		return false
	}
	b.held[namespace] += n
	return true
}

// add counts n more bytes of a namespace, or fewer, however many there are then.
func (b *budget) add(namespace string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held[namespace] += n; b.held[namespace] <= 0 {
		delete(b.held, namespace)
	}
}

// of returns what is counted of a namespace.
func (b *budget) of(namespace string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held[namespace]
}

// all returns what is counted of each namespace that has something.
func (b *budget) all() map[string]int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.held)
}

// shownNamespaces is how many namespaces the metric names, those that have most; the others are one, so that it has so many series
// and one more, however many namespaces there are.
const (
	shownNamespaces = 20
	otherNamespaces = "(others)" // no namespace has that name
)

var heldBytes = prometheus.NewDesc("katkit_logstore_held_bytes",
	"Bytes in the bucket by namespace, as they count for --max-namespace-bytes: of the 20 that have most, and of all others together.",
	[]string{"namespace"}, nil)

// Describe implements prometheus.Collector.
func (*budget) Describe(to chan<- *prometheus.Desc) { to <- heldBytes }

// Collect implements prometheus.Collector.
func (b *budget) Collect(to chan<- prometheus.Metric) {
	held := b.all()
	names := slices.SortedFunc(maps.Keys(held), func(x, y string) int {
		return cmp.Or(-cmp.Compare(held[x], held[y]), cmp.Compare(x, y))
	})
	others := int64(0)
	for i, name := range names {
		if i < shownNamespaces {
			to <- prometheus.MustNewConstMetric(heldBytes, prometheus.GaugeValue, float64(held[name]), name)
		} else {
			others += held[name]
		}
	}
	to <- prometheus.MustNewConstMetric(heldBytes, prometheus.GaugeValue, float64(others), otherNamespaces)
}

// admission counts what one write stores, and refuses what is too much.
type admission struct {
	budget    *budget
	namespace string
	room      int64 // bytes that the log may still have
	beyond    int64 // bytes that it may have where there is no room
	admitted  int64
}

// admit tells whether n more bytes of the write may be stored.
func (a *admission) admit(n int64) error {
	total := a.admitted + n
	switch {
	case total > max(a.room, a.beyond):
		return ErrTooLong
	case total <= a.beyond:
		a.budget.add(a.namespace, n)
	case !a.budget.take(a.namespace, n):
		return ErrNoRoom
	}
	a.admitted = total
	return nil
}

// revoke takes back what was admitted, since it is not stored.
func (a *admission) revoke() {
	a.budget.add(a.namespace, -a.admitted)
	a.admitted = 0
}
