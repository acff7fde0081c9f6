package github

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// refusalPause is how long a permission that was missing is taken to be missing.
	refusalPause = 10 * time.Minute
	// rejectionPause is that of a token that was not accepted. Another token is another client.
	rejectionPause = time.Minute
)

// refusals keep the changes of a token back for some time that GitHub refused it, so that what may not be told does not cost a
// call each time.
type refusals struct {
	mu    sync.Mutex
	known map[refusalKey]refusal
}

type refusalKey struct {
	repository string
	area       area
}

type refusal struct {
	cause *Error
	until time.Time
}

// Refused is the error of writing commit statuses to a repository that GitHub refused lately; nil when it did not. GitHub is not
// asked.
func (c *Client) Refused(repository string) error {
	statuses := change{repository: repository, what: "commit statuses", area: areaStatuses}
	if err := c.refusals.check(statuses, time.Now()); err != nil {
		return c.failure(repository, statuses.what, err)
	}
	return nil
}

func (c change) refusalKey() refusalKey {
	return refusalKey{repository: strings.ToLower(c.repository), area: c.area}
}

// check is the error of a change that was refused lately.
func (r *refusals) check(change change, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, found := r.known[change.refusalKey()]; found && now.Before(known.until) {
		return new(*known.cause)
	}
	return nil
}

// note remembers a refusal.
func (r *refusals) note(change change, err error, now time.Time) {
	refused, failed := errors.AsType[*Error](err)
	if !failed || !slices.Contains(change.refuses, refused.Kind) {
		return
	}
	pause := refusalPause
	if refused.Kind == KindUnauthorized {
		pause = rejectionPause
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.known, func(_ refusalKey, known refusal) bool { return !now.Before(known.until) })
	if r.known == nil {
		r.known = map[refusalKey]refusal{}
	}
	r.known[change.refusalKey()] = refusal{cause: new(*refused), until: now.Add(pause)}
}
