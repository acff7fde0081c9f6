package github

import (
	"context"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// renewBefore is how long before its end a token is replaced.
	renewBefore = 5 * time.Minute
	// CloneTokenLifetime is how long a token of [Client.CloneToken] is good for at least.
	CloneTokenLifetime = 50 * time.Minute
	// longestToken bounds what is believed of a token's end; GitHub's last an hour.
	longestToken = time.Hour
)

// token is one that GitHub made for an installation.
type token struct {
	secret  string
	expires time.Time
	// permissions are those that it was given, as GitHub names them.
	permissions map[string]string
}

// goodFor tells whether the token can be used for some time.
func (t token) goodFor(d time.Duration, now time.Time) bool {
	return t.secret != "" && now.Add(d).Before(t.expires)
}

// installation holds the present token of an App for one repository and one set of permissions.
type installation struct {
	api   *appAPI
	scope Scope
	// wanted are the permissions to ask for, as far as they are granted.
	wanted map[string]string
	// atLeast is how long a token that is given out has to be good for.
	atLeast time.Duration
	now     func() time.Time

	renewal singleflight.Group

	mu                sync.Mutex
	current, previous token
}

// get returns the present token, or a new one. Callers who come together wait for one renewal, which goes on when one of
// them gives up.
func (i *installation) get(ctx context.Context) (string, error) {
	renewed, err := i.token(ctx)
	return renewed.secret, err
}

func (i *installation) token(ctx context.Context) (token, error) {
	known := i.known()
	if known.goodFor(i.atLeast, i.now()) {
		return known, nil
	}
	detached := context.WithoutCancel(ctx)
	renewal := i.renewal.DoChan("", func() (any, error) { return i.renew(detached) })
	select {
	case <-ctx.Done():
		return token{}, ctx.Err()
	case result := <-renewal:
		if result.Err == nil {
			return result.Val.(token), nil
		}
		if i.atLeast == renewBefore && known.goodFor(0, i.now()) { // GitHub is out of reach, say
			return known, nil
		}
		return token{}, own(result.Err)
	}
}

// renew gets a new token unless another caller has just done so.
func (i *installation) renew(ctx context.Context) (token, error) {
	if known := i.known(); known.goodFor(i.atLeast, i.now()) {
		return known, nil
	}
	renewed, err := i.api.mint(ctx, i.scope, i.wanted)
	if err != nil {
		return token{}, err
	}
	if latest := i.now().Add(longestToken); renewed.expires.After(latest) {
		renewed.expires = latest
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.current.secret != "" { // else it was rejected, and is the previous one already
		i.previous = i.current
	}
	i.current = renewed
	return renewed, nil
}

func (i *installation) known() token {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.current
}

// reject drops a token that was revoked before its end.
func (i *installation) reject(secret string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.current.secret == secret {
		i.previous, i.current = i.current, token{}
	}
	return true
}

func (i *installation) secrets() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return []string{i.current.secret, i.previous.secret}
}

// own is an error that its receiver may change: those of a renewal are shared.
func own(err error) *Error {
	e := *classify(err)
	return &e
}

// wantedPermissions are all that Katkit has a use for.
func wantedPermissions() map[string]string {
	return map[string]string{"metadata": "read", "contents": "read", "pull_requests": "write", "issues": "write",
		"statuses": "write", "checks": "write", "deployments": "write"}
}

// clonePermissions are those to fetch a commit with git.
func clonePermissions() map[string]string {
	return map[string]string{"metadata": "read", "contents": "read"}
}

// levels of a permission, from the least.
var levels = map[string]int{"read": 1, "write": 2, "admin": 3}

// intersect is as much of the wanted permissions as is granted.
func intersect(wanted, granted map[string]string) map[string]string {
	both := map[string]string{}
	for name, level := range wanted {
		has := granted[name]
		switch {
		case levels[has] >= levels[level]:
			both[name] = level
		case levels[has] > 0:
			both[name] = has
		}
	}
	return both
}

// installationPath is where the API tells of an installation.
func installationPath(id int64) string { return "app/installations/" + strconv.FormatInt(id, 10) }
