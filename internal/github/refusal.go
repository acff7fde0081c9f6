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
// call each time. A token that was not accepted is none for any change, until it is.
type refusals struct {
	mu    sync.Mutex
	known map[refusalKey]refusal
}

// refusalKey is what was refused; empty: the token itself.
type refusalKey struct {
	repository string
	area       area
}

type refusal struct {
	cause *Error
	until time.Time
}

// Refused is the error of writing commit statuses, or check runs, to a repository that GitHub refused lately; nil when it did not.
// GitHub is not asked.
func (c *Client) Refused(repository string, checkRuns bool) error {
	wanted := change{repository: repository, what: "commit statuses", area: areaStatuses}
	if checkRuns {
		wanted.what, wanted.area = "check runs", areaChecks
	}
	if err := c.refusals.check(wanted, time.Now()); err != nil {
		return c.failure(repository, wanted.what, err)
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
	for _, key := range []refusalKey{{}, change.refusalKey()} {
		if known, found := r.known[key]; found && now.Before(known.until) {
			return new(*known.cause)
		}
	}
	return nil
}

// note remembers a refusal.
func (r *refusals) note(change change, err error, now time.Time) {
	refused, failed := errors.AsType[*Error](err)
	if !failed || !slices.Contains(change.refuses, refused.Kind) {
		return
	}
	key, pause, cause := change.refusalKey(), refusalPause, *refused
	if refused.Kind == KindUnauthorized {
		key, pause = refusalKey{}, rejectionPause
	}
	if refused.Kind == KindNotFound {
		cause.Kind = KindForbidden // it says nothing about what is asked for next
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.known, func(_ refusalKey, known refusal) bool { return !now.Before(known.until) })
	if r.known == nil {
		r.known = map[refusalKey]refusal{}
	}
	r.known[key] = refusal{cause: &cause, until: now.Add(pause)}
}

// accept forgets that the token was not accepted.
func (r *refusals) accept() {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, refusalKey{})
}

// credited notes whether GitHub accepts the token of a request, by the request's error; nil: it does.
func (c *Client) credited(err error) {
	if err == nil {
		c.refusals.accept()
		return
	}
	if e := own(tokenless(err)); e.Kind == KindUnauthorized {
		c.refusals.note(change{refuses: []Kind{KindUnauthorized}}, c.failure("", "", e), time.Now())
	}
}

// tokenless makes of the error of an App that got no token what it is to a change: not a permission that is missing, but a credential
// that is not accepted.
func tokenless(err error) error {
	e, ours := errors.AsType[*Error](err)
	if !ours || e.About == "" || e.Kind != KindForbidden {
		return err
	}
	e = new(*e)
	e.Kind = KindUnauthorized
	return e
}
