package github

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	gogithub "github.com/google/go-github/v57/github"
)

const (
	statusesPerPage = 100
	// maxStatusPages bounds how far back is looked for the statuses of a commit, which many may have written.
	maxStatusPages = 10
)

// Status is what a commit shows for a context.
type Status struct {
	// Context names who says it, without regard to letter case.
	Context string
	// State is "pending", "success", "failure" or "error".
	State string
	// Description is one line of 140 characters at most.
	Description string
}

// Statuses returns the newest status of each of the contexts that the commit of a full sha has; those that it has not are left
// out. A caller who may not write statuses is told so without a call for some time.
func (c *Client) Statuses(ctx context.Context, repository, sha string, contexts []string) ([]Status, error) {
	what := "the statuses of " + oneLine(sha, maxNameLength)
	if !validSHA(sha) {
		return nil, c.malformed(repository, what, "a commit is named by its full sha of 40 hex digits in lower case")
	}
	wanted := map[string]bool{}
	for _, context := range contexts {
		wanted[strings.ToLower(context)] = true
	}
	var found []Status
	for page := 1; page <= maxStatusPages && len(wanted) > 0; {
		var answer []*gogithub.RepoStatus
		next, err := c.list(ctx, change{
			repository: repository, what: what, area: areaStatuses,
			path: "/commits/" + sha + "/statuses?per_page=" + strconv.Itoa(statusesPerPage) + "&page=" + strconv.Itoa(page),
		}, &answer)
		if err != nil {
			return nil, err
		}
		for _, status := range answer { // the newest first
			if key := strings.ToLower(status.GetContext()); wanted[key] {
				delete(wanted, key)
				found = append(found, Status{Context: status.GetContext(), State: status.GetState(), Description: oneLine(status.GetDescription(), MaxMessageLength)})
			}
		}
		if page = next; next == 0 {
			break
		}
	}
	return found, nil
}

// CreateStatus sets what the commit of a full sha shows for a context.
func (c *Client) CreateStatus(ctx context.Context, repository, sha string, status Status) error {
	what := "status " + oneLine(status.Context, maxNameLength) + " of " + oneLine(sha, maxNameLength)
	if !validSHA(sha) {
		return c.malformed(repository, what, "a commit is named by its full sha of 40 hex digits in lower case")
	}
	return c.do(ctx, change{
		method: http.MethodPost, repository: repository, what: what, area: areaStatuses, path: "/statuses/" + sha,
		body: gogithub.RepoStatus{Context: &status.Context, State: &status.State, Description: &status.Description},
		// GitHub hides from some tokens that there is something to write; a commit that is not there is 422.
		refuses: []Kind{KindUnauthorized, KindForbidden, KindNotFound},
	}, nil)
}
