package github

import (
	"context"
	"strconv"

	gogithub "github.com/google/go-github/v57/github"
)

// GitHub keeps the commits of a repository and of all its forks together, and answers for any of them under each one's name. What follows
// tells whether a commit is on branches of the repository itself.

// IsBranchHead tells whether a commit (40 hex digits) is the newest one of a branch of the repository.
func (c *Client) IsBranchHead(ctx context.Context, repository, sha string) (bool, error) {
	what := "the branches of commit " + oneLine(sha, maxNameLength)
	if !validSHA(sha) {
		return false, c.malformed(repository, what, "a commit is named by its full sha of 40 hex digits in lower case")
	}
	var answer []*gogithub.BranchCommit
	if err := c.get(ctx, repository, what, "/commits/"+sha+"/branches-where-head", &answer); err != nil {
		return false, unknownCommit(err)
	}
	for _, branch := range answer {
		if branch.GetName() == "" || branch.GetCommit().GetSHA() != sha {
			return false, c.incomplete(repository, what)
		}
	}
	return len(answer) > 0, nil
}

// PullRequestsOf returns the pull requests that GitHub associates with a commit (40 hex digits), 30 at most: open and merged ones that have
// it among their commits. They may come from forks, and need not be into this repository.
func (c *Client) PullRequestsOf(ctx context.Context, repository, sha string) ([]PullRequest, error) {
	what := "the pull requests of commit " + oneLine(sha, maxNameLength)
	if !validSHA(sha) {
		return nil, c.malformed(repository, what, "a commit is named by its full sha of 40 hex digits in lower case")
	}
	page, err := readPage(ctx, c, listing[gogithub.PullRequest, PullRequest]{
		repository: repository, path: "/commits/" + sha + "/pulls?per_page=" + strconv.Itoa(pullsPerPage), what: what,
		maxBytes: maxPullsBytes, cost: PullRequest.cost,
		item: func(answer *gogithub.PullRequest) (PullRequest, error) { return c.pull(repository, what, answer) },
	})
	return page.items, unknownCommit(err)
}
