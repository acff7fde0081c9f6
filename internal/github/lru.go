package github

import (
	"container/list"
	"sync"
)

// lru keeps the most recently used values up to a total cost. It may be used concurrently.
type lru[K comparable, V any] struct {
	mu      sync.Mutex
	max     int64
	cost    int64
	order   *list.List // of *lruEntry[K, V], most recently used first
	entries map[K]*list.Element
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
	cost  int64
}

func newLRU[K comparable, V any](maxCost int64) *lru[K, V] {
	return &lru[K, V]{max: maxCost, order: list.New(), entries: map[K]*list.Element{}}
}

func (c *lru[K, V]) get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[key]
	if !ok {
		var none V
		return none, false
	}
	c.order.MoveToFront(element)
	return element.Value.(*lruEntry[K, V]).value, true
}

// put replaces the key's value. A value that costs more than the whole cache is not kept.
func (c *lru[K, V]) put(key K, value V, cost int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[key]; ok {
		c.remove(element)
	}
	if cost > c.max {
		return
	}
	c.entries[key] = c.order.PushFront(&lruEntry[K, V]{key: key, value: value, cost: cost})
	c.cost += cost
	for c.cost > c.max {
		c.remove(c.order.Back())
	}
}

func (c *lru[K, V]) remove(element *list.Element) {
	entry := c.order.Remove(element).(*lruEntry[K, V])
	delete(c.entries, entry.key)
	c.cost -= entry.cost
}
