package github

import (
	"sync"
	"time"

	gogithub "github.com/google/go-github/v57/github"
)

const (
	// pauseWithoutTime is how long GitHub asks to wait after a secondary rate limit that says no time.
	// https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
	pauseWithoutTime = time.Minute
	// longestPause bounds what a host may ask for; GitHub's limits are by the hour.
	longestPause = 2 * time.Hour
)

// RateLimit is what a token may ask of GitHub in an hour, and what was left when GitHub answered last. The zero value: it has
// not said, or has no limit.
type RateLimit struct{ Limit, Remaining int }

// budget keeps the requests of a token back while a rate limit is used up, whoever of those that share it found that out.
type budget struct {
	mu    sync.Mutex
	rate  RateLimit
	until time.Time
}

// check is the error of a request that would come too early.
func (b *budget) check(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !now.Before(b.until) {
		return nil
	}
	return &Error{Kind: KindRateLimited, ResetTime: b.until, Message: "GitHub was not asked again"}
}

// note remembers what an answer, or the lack of one, says about the limits.
func (b *budget) note(response *gogithub.Response, err error, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if response != nil && response.Rate.Limit > 0 {
		b.rate = RateLimit{Limit: response.Rate.Limit, Remaining: response.Rate.Remaining}
	}
	if err == nil {
		return
	}
	if limited := classify(err); limited.Kind == KindRateLimited {
		until := limited.ResetTime
		if until.IsZero() {
			until = now.Add(pauseWithoutTime)
		}
		if latest := now.Add(longestPause); until.After(latest) {
			until = latest
		}
		b.until = until
	}
}

func (b *budget) left() RateLimit {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rate
}
