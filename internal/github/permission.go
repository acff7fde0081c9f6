package github

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"time"

	gogithub "github.com/google/go-github/v57/github"
)

// The levels of a [Permission]. GitHub tells maintain as write, triage as read, and of a role of an organization's own the one
// that it is based on.
const (
	LevelNone  = "none"
	LevelRead  = "read"
	LevelWrite = "write"
	LevelAdmin = "admin"
)

// Permission is what somebody may do with a repository.
type Permission struct {
	// UserID stays the same when the login changes; 0 when there is nobody of that login.
	UserID int64
	// Bot: the account is an App's.
	Bot bool
	// Level is admin, write, read or none.
	Level string
}

// areaPermissions is what people may do.
const areaPermissions area = "permissions"

// loginName allows what GitHub does: letters, digits, "-" and (managed users) "_"; an App's ends in [bot].
var loginName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}(\[bot\])?$`)

// needsWriteAccess is what GitHub asks of those who read permissions.
const needsWriteAccess = `GitHub tells what people may do only to who may write: give the token's account write access to the repository ` +
	`(as a collaborator, or in a team), and "Metadata: read" to the token where its permissions are set one by one`

// Permission returns what the account of a login may do with a repository, from all that it was granted. A login that nobody
// has may do nothing, which is no error. A token that may not write to the repository may not ask: an error of kind Forbidden, after which
// GitHub is not asked again for some minutes, about anybody.
func (c *Client) Permission(ctx context.Context, repository, login string) (Permission, error) {
	what := "the permission of " + oneLine(login, maxNameLength)
	if !loginName.MatchString(login) {
		return Permission{}, c.malformed(repository, what, "it is not a login")
	}
	asked := change{repository: repository, what: what, area: areaPermissions, refuses: []Kind{KindForbidden}}
	if err := c.refusals.check(asked, time.Now()); err != nil {
		return Permission{}, err
	}
	var answer gogithub.RepositoryPermissionLevel
	err := c.get(ctx, repository, what, "/collaborators/"+url.PathEscape(login)+"/permission", &answer)
	if e, failed := errors.AsType[*Error](err); failed {
		permission, err := c.withoutPermission(ctx, repository, e)
		c.refusals.note(asked, err, time.Now())
		return permission, err
	}
	user, level := answer.GetUser(), answer.GetPermission()
	// Without ID it could be anybody's, a deleted account's as well.
	if user.GetID() < 1 || !slices.Contains([]string{LevelNone, LevelRead, LevelWrite, LevelAdmin}, level) {
		return Permission{}, c.incomplete(repository, what)
	}
	return Permission{UserID: user.GetID(), Bot: user.GetType() == typeBot, Level: level}, nil
}

// withoutPermission tells nobody of a login from a repository that is not there, which GitHub answers in the same way.
func (c *Client) withoutPermission(ctx context.Context, repository string, e *Error) (Permission, error) {
	if e.Kind == KindForbidden {
		e.need = needsWriteAccess
	}
	if e.Kind != KindNotFound {
		return Permission{}, e
	}
	if _, err := c.Repository(ctx, repository); err != nil {
		return Permission{}, err
	}
	return Permission{Level: LevelNone}, nil
}
