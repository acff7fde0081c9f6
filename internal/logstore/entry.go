package logstore

import (
	"sync"
	"time"

	"katkit.dev/katkit/internal/contract"
)

// maxIdleEntries bounds what is remembered of logs that nobody writes or follows at the moment. What is forgotten is listed again.
const maxIdleEntries = 4096

// tail is the object at a log's end, while this process may make it longer: it made it, and knows all of it to be stored.
type tail struct {
	key          string
	offset, size int64
	since        time.Time // it was made
	written      time.Time // for the last time
}

// entry is what this process knows of a log.
type entry struct {
	// lock holds who writes.
	lock chan struct{}
	// The next are of who holds the lock. known is false where the bucket has to be asked.
	known bool
	state contract.LogState
	tail  tail

	mu        sync.Mutex
	changed   chan struct{} // closed when there is more
	followers int
}

// watch returns a channel that is closed at the next change.
func (e *entry) watch() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changed
}

// announce wakes who watches.
func (e *entry) announce() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.changed)
	e.changed = make(chan struct{})
}

// follow counts a follower in, unless there are as many as may be.
func (e *entry) follow(most int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.followers >= most {
		return false
	}
	e.followers++
	return true
}

func (e *entry) unfollow() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.followers--
}

// entries are the logs that somebody writes or follows, and some that somebody did lately.
type entries struct {
	mu  sync.Mutex
	all map[Log]*held
}

// held counts who uses an entry.
type held struct {
	entry
	users int
}

// use returns a log's entry, and what to call when it is needed no longer.
func (s *entries) use(log Log) (*entry, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.all[log]
	if h == nil {
		h = &held{entry: entry{lock: make(chan struct{}, 1), changed: make(chan struct{})}}
		s.all[log] = h
	}
	h.users++
	return &h.entry, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		h.users--
		if h.users == 0 && (h.state.Complete || len(s.all) > maxIdleEntries) {
			delete(s.all, log)
		}
	}
}
