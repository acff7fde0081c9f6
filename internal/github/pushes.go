package github

import (
	"context"
	"net/url"
	"strconv"
	"time"
)

// Push is one change of a branch that left it with a commit.
type Push struct {
	// Before is the branch's newest commit before it; empty when the branch was made by it. After is the newest commit since.
	// Both are 40 hex digits in lower case.
	Before, After string
	// Time is when GitHub took it, in UTC.
	Time time.Time
	// Type is GitHub's word: push, force_push, branch_creation, pr_merge or merge_queue_merge. There may be others one day.
	Type string
}

// noSHA stands where there is no commit: before a branch was made, and after it was deleted.
const noSHA = "0000000000000000000000000000000000000000"

// maxPushes is how many GitHub lists at once.
const maxPushes = 100

// Pushes returns what changed a branch, given without "refs/heads/", the newest first: of the last limit (1 to 100) changes
// all but deletions of the branch, which leave no commit. A host that has no list of activities (an older Enterprise Server)
// answers like a repository that is not there: an error of kind NotFound. What has not changed costs no rate limit.
func (c *Client) Pushes(ctx context.Context, repository, branch string, limit int) ([]Push, error) {
	what := "the pushes to branch " + oneLine(branch, maxNameLength)
	if !validBranch(branch) {
		return nil, c.malformed(repository, what, "it is not a branch name")
	}
	ref, limit := "refs/heads/"+branch, max(1, min(limit, maxPushes))
	query := url.Values{"ref": {ref}, "direction": {"desc"}, "per_page": {strconv.Itoa(limit)}}.Encode()
	var answer []activity
	if err := c.get(ctx, repository, what, "/activity?"+query, &answer); err != nil {
		return nil, err
	}
	pushes := make([]Push, 0, min(len(answer), limit))
	for _, one := range answer[:min(len(answer), limit)] {
		if !one.complete(ref) {
			return nil, c.incomplete(repository, what)
		}
		if one.After == noSHA {
			continue
		}
		push := Push{Before: one.Before, After: one.After, Time: one.Timestamp.UTC(), Type: oneLine(one.Type, maxNameLength)}
		if push.Before == noSHA {
			push.Before = ""
		}
		pushes = append(pushes, push)
	}
	return pushes, nil
}

// activity is what is read of GitHub's "Activity", which go-github does not have.
type activity struct {
	Before    string    `json:"before"`
	After     string    `json:"after"`
	Ref       string    `json:"ref"`
	Timestamp time.Time `json:"timestamp"`
	Type      string    `json:"activity_type"`
}

func (a activity) complete(ref string) bool {
	return validSHA(a.Before) && validSHA(a.After) && a.Ref == ref && !a.Timestamp.IsZero() && a.Type != ""
}
