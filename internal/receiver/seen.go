package receiver

import (
	"sync"

	"k8s.io/utils/lru"
)

// rememberedDeliveries is how many deliveries a replay is known of.
const rememberedDeliveries = 10_000

// seen remembers deliveries, the newest ones up to a number.
type seen struct {
	mu     sync.Mutex
	recent *lru.Cache
}

func newSeen(size int) *seen { return &seen{recent: lru.New(2 * size)} }

// guid and signed are what a delivery is known by. GitHub's GUID is not signed, so a stranger may put another one before a
// delivery that was listened to; its signature stays.
type (
	guid   string
	signed string
)

// maxGUID bounds what is kept of a GUID, which has 36 characters.
const maxGUID = 64

// first tells whether a delivery comes for the first time, and remembers it.
func (s *seen) first(delivery string, signature []byte) bool {
	id, signedAs := guid(delivery[:min(len(delivery), maxGUID)]), signed(signature)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, replayed := s.recent.Get(signedAs)
	s.recent.Add(signedAs, nil)
	if id == "" {
		return !replayed
	}
	_, repeated := s.recent.Get(id)
	s.recent.Add(id, nil)
	return !replayed && !repeated
}
