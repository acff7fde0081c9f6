package github

import (
	"context"
	"math"
	"net/url"
	"slices"
	"strconv"

	gogithub "github.com/google/go-github/v57/github"
)

const (
	pullsPerPage = 30
	// maxPullsBytes bounds a page of pull requests. GitHub lists each with its description, of 64 Ki characters at most, and
	// anybody may write one.
	maxPullsBytes = 16 << 20
	// maxLabels and maxLabelLength, in characters, are GitHub's own bounds.
	maxLabels      = 100
	maxLabelLength = 50
	// typeBot is the type of an App's account.
	typeBot = "Bot"
)

// PullRequest is one pull request as it is now.
type PullRequest struct {
	Number int
	// Title is at most [MaxMessageLength] characters.
	Title string
	// Author is a GitHub login.
	Author string
	// AuthorID stays the same when the login changes; 0 when the account was deleted. AuthorBot: it is an App's.
	AuthorID  int64
	AuthorBot bool
	// HeadRef is the branch that is to be merged, HeadSHA its newest commit.
	HeadRef, HeadSHA string
	// HeadRepo is the owner/name that HeadRef is in; empty when that repository was deleted.
	HeadRepo string
	// BaseRef is the branch that it is to be merged into.
	BaseRef string
	// Fork: the head is in another repository than the pull request, or in a deleted one.
	Fork  bool
	Draft bool
	// Labels are at most 100, of 50 characters at most; nil when there are none.
	Labels []string
	// State is "open" or "closed".
	State string
	// URL is the page for people.
	URL string
}

// PullRequest returns the pull request of a number, open or closed.
func (c *Client) PullRequest(ctx context.Context, repository string, number int) (PullRequest, error) {
	what := "pull request #" + strconv.Itoa(number)
	if number < 1 {
		return PullRequest{}, c.malformed(repository, what, "pull requests are numbered from 1")
	}
	var answer gogithub.PullRequest
	if err := c.get(ctx, repository, what, "/pulls/"+strconv.Itoa(number), &answer); err != nil {
		return PullRequest{}, err
	}
	return c.pull(repository, what, &answer)
}

// OpenPullRequests returns the open pull requests into a branch, those first that were updated last; limit at most, and
// whether there are more. What has not changed since it was last asked for costs no rate limit.
func (c *Client) OpenPullRequests(ctx context.Context, repository, base string, limit int) (pulls []PullRequest, more bool, err error) {
	what := "the pull requests into " + oneLine(base, maxNameLength)
	if !validBranch(base) {
		return nil, false, c.malformed(repository, what, "it is not a branch name")
	}
	listed := map[int]bool{} // one that is updated meanwhile moves from a page to another
	for number := 1; len(pulls) < limit && number <= limit/pullsPerPage+2; number++ {
		page, err := c.pullPage(ctx, repository, what, base, number)
		if err != nil {
			return nil, false, err
		}
		for _, pull := range page.items {
			if !listed[pull.Number] {
				listed[pull.Number] = true
				pull.Labels = slices.Clone(pull.Labels) // the cache's are its own
				pulls = append(pulls, pull)
			}
		}
		if more = page.more; !more {
			break
		}
	}
	if len(pulls) > limit {
		return pulls[:limit], true, nil
	}
	return pulls, more, nil
}

func (c *Client) pullPage(ctx context.Context, repository, what, base string, number int) (page[PullRequest], error) {
	query := url.Values{
		"state": {"open"}, "base": {base}, "sort": {"updated"}, "direction": {"desc"},
		"per_page": {strconv.Itoa(pullsPerPage)}, "page": {strconv.Itoa(number)},
	}.Encode()
	return readPage(ctx, c, listing[gogithub.PullRequest, PullRequest]{
		repository: repository, path: "/pulls?" + query, what: what, maxBytes: maxPullsBytes, cost: PullRequest.cost,
		item: func(answer *gogithub.PullRequest) (PullRequest, error) { return c.pull(repository, what, answer) },
	})
}

func (c *Client) pull(repository, what string, answer *gogithub.PullRequest) (PullRequest, error) {
	head, base := answer.GetHead(), answer.GetBase()
	if !validSHA(head.GetSHA()) || base.GetRepo().GetID() == 0 || answer.GetNumber() < 1 || answer.GetNumber() > math.MaxInt32 {
		return PullRequest{}, c.incomplete(repository, what)
	}
	return PullRequest{
		Number:   answer.GetNumber(),
		Title:    oneLine(answer.GetTitle(), MaxMessageLength),
		Author:   oneLine(answer.GetUser().GetLogin(), maxNameLength),
		AuthorID: max(answer.GetUser().GetID(), 0), AuthorBot: answer.GetUser().GetType() == typeBot,
		Labels:   labels(answer.Labels),
		HeadRef:  oneLine(head.GetRef(), maxNameLength),
		HeadSHA:  head.GetSHA(),
		HeadRepo: oneLine(head.GetRepo().GetFullName(), maxNameLength),
		BaseRef:  oneLine(base.GetRef(), maxNameLength),
		Fork:     head.GetRepo().GetID() != base.GetRepo().GetID(),
		Draft:    answer.GetDraft(),
		State:    answer.GetState(),
		URL:      oneLine(answer.GetHTMLURL(), MaxMessageLength),
	}, nil
}

// labels leaves out what GitHub would not take for one: cut to a label's length, it could be taken for another.
func labels(answer []*gogithub.Label) []string {
	var names []string
	for _, label := range answer {
		if name := label.GetName(); name != "" && name == oneLine(name, maxLabelLength) && len(names) < maxLabels {
			names = append(names, name)
		}
	}
	return names
}

// cost is about what a pull request takes in memory, in bytes.
func (p PullRequest) cost() int64 {
	cost := int64(len(p.Title)+len(p.Author)+len(p.HeadRef)+len(p.HeadSHA)+len(p.HeadRepo)+len(p.BaseRef)+len(p.URL)) + entryOverhead
	for _, label := range p.Labels {
		cost += int64(len(label)) + stringOverhead
	}
	return cost
}
