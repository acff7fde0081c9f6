package fakegithub

import (
	"net/http"
	"strconv"
	"time"
)

// anonymousRateLimit is GitHub's, per hour.
const anonymousRateLimit = 60

// rateLimit is the primary rate limit of one token.
type rateLimit struct {
	limit, remaining int
	reset            time.Time
}

// SetRateLimit sets what a token ("" for the anonymous one) may still do until reset; afterwards it has
// limit requests an hour.
func (s *Server) SetRateLimit(token string, limit, remaining int, reset time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits[token] = &rateLimit{limit: limit, remaining: remaining, reset: reset}
}

// current returns the token's limit in the present hour; s.mu is held.
func (s *Server) current(token string) *rateLimit {
	limit, ok := s.limits[token]
	if !ok {
		limit = &rateLimit{limit: s.options.RateLimit}
		if token == "" {
			limit.limit = anonymousRateLimit
		}
		s.limits[token] = limit
	}
	if !s.now().Before(limit.reset) {
		limit.remaining, limit.reset = limit.limit, s.now().Add(time.Hour)
	}
	return limit
}

// spend takes one request off the token's limit and returns what is left; ok is false when nothing was.
func (s *Server) spend(token string) (left rateLimit, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.current(token)
	if ok = limit.remaining > 0; ok {
		limit.remaining--
	}
	return *limit, ok
}

// refund gives back what a request spent that turned out not to count.
func (s *Server) refund(token string) rateLimit {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.current(token)
	limit.remaining = min(limit.remaining+1, limit.limit)
	return *limit
}

func (l rateLimit) writeTo(header http.Header) {
	header.Set("X-RateLimit-Limit", strconv.Itoa(l.limit))
	header.Set("X-RateLimit-Remaining", strconv.Itoa(l.remaining))
	header.Set("X-RateLimit-Used", strconv.Itoa(l.limit-l.remaining))
	header.Set("X-RateLimit-Reset", strconv.FormatInt(l.reset.Unix(), 10))
	header.Set("X-RateLimit-Resource", "core")
}
