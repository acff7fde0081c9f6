package logstore

import (
	"context"
	"sync"
)

// shares are places for what is done at once. Who asks for many of them has a share at most, and waits for more at a place of their
// own: those of all others are as near as if there were only one of them.
type shares struct {
	places chan struct{}
	share  int

	mu   sync.Mutex
	own  map[string]chan struct{} // by who asks; each holds a share
	uses map[string]int
}

func newShares(places, share int) *shares {
	return &shares{places: make(chan struct{}, places), share: max(share, 1), own: map[string]chan struct{}{}, uses: map[string]int{}}
}

// enter waits for a place, and returns what gives it back. The error is the context's.
func (s *shares) enter(ctx context.Context, who string) (leave func(), err error) {
	own := s.use(who)
	if err := take(ctx, own); err != nil {
		s.unuse(who)
		return nil, err
	}
	back := func() {
		<-own
		s.unuse(who)
	}
	if err := take(ctx, s.places); err != nil {
		back()
		return nil, err
	}
	return func() {
		<-s.places
		back()
	}, nil
}

func (s *shares) use(who string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own[who] == nil {
		s.own[who] = make(chan struct{}, s.share)
	}
	s.uses[who]++
	return s.own[who]
}

func (s *shares) unuse(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uses[who]--; s.uses[who] == 0 {
		delete(s.uses, who)
		delete(s.own, who)
	}
}

// take takes one of the places, when one is free. Those who wait have it in the order in which they came.
func take(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	default:
	}
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
