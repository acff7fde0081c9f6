package github

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	gogithub "github.com/google/go-github/v57/github"
)

// Commit is one commit, made fit for showing.
type Commit struct {
	// SHA is 40 hex digits in lower case.
	SHA string
	// Message is the first line, at most [MaxMessageLength] characters.
	Message string
	// Author is the GitHub login, else the name in the commit.
	Author string
	// Time is when it was committed, in UTC.
	Time time.Time
	// URL is the page for people.
	URL string
	// Parent is the sha of the one commit that it comes from; empty when there is none, or more than one.
	Parent string
}

// Branch returns the newest commit of a branch, given without "refs/heads/".
func (c *Client) Branch(ctx context.Context, repository, branch string) (Commit, error) {
	what := "branch " + oneLine(branch, maxNameLength)
	if !validBranch(branch) {
		return Commit{}, c.malformed(repository, what, "it is not a branch name")
	}
	var answer gogithub.Branch
	if err := c.get(ctx, repository, what, "/branches/"+url.PathEscape(branch), &answer); err != nil {
		return Commit{}, err
	}
	commit, err := c.commit(repository, what, answer.GetCommit())
	if err == nil {
		c.keep(repository, commit)
	}
	return commit, err
}

// keep remembers a commit, which never changes.
func (c *Client) keep(repository string, commit Commit) {
	c.cache.entries.put(keyOf(c.account, "commit", c.host.Name, repository, commit.SHA), commit, commit.cost())
}

// kept is a commit that is remembered.
func (c *Client) kept(repository, sha string) (Commit, bool) {
	value, _ := c.cache.entries.get(keyOf(c.account, "commit", c.host.Name, repository, sha))
	commit, ok := value.(Commit)
	return commit, ok
}

// Commit returns the commit of a full sha (40 hex digits). A commit that the repository has not is an
// error of kind NotFound. The answer never changes and is not asked for again while the cache holds it.
func (c *Client) Commit(ctx context.Context, repository, sha string) (Commit, error) {
	what := "commit " + oneLine(sha, maxNameLength)
	if !validSHA(sha) {
		return Commit{}, c.malformed(repository, what, "a commit is named by its full sha of 40 hex digits in lower case")
	}
	if known, ok := c.kept(repository, sha); ok {
		return known, nil
	}
	var answer gogithub.RepositoryCommit
	// The changed files come in pages; one is enough, since none is wanted.
	if err := c.get(immutable(ctx), repository, what, "/commits/"+sha+"?per_page=1", &answer); err != nil {
		return Commit{}, unknownCommit(err)
	}
	commit, err := c.commit(repository, what, &answer)
	if err != nil {
		return Commit{}, err
	}
	c.keep(repository, commit)
	return commit, nil
}

// History returns up to n (1 to 100) commits, the newest first: that of a full sha, and what it comes from. The answer never
// changes and is not asked for again while the cache holds it, nor when it holds the commit and the history of its one parent.
func (c *Client) History(ctx context.Context, repository, sha string, n int) ([]Commit, error) {
	what := "the commits before " + oneLine(sha, maxNameLength)
	if !validSHA(sha) {
		return nil, c.malformed(repository, what, "a commit is named by its full sha of 40 hex digits in lower case")
	}
	key := c.historyKey(repository, sha, n)
	if known, ok := c.cache.entries.get(key); ok {
		return slices.Clone(known.([]Commit)), nil
	}
	commits := c.historyOfParent(repository, sha, n)
	if commits == nil {
		var err error
		if commits, err = c.askHistory(ctx, repository, what, sha, n); err != nil {
			return nil, err
		}
	}
	cost := int64(entryOverhead)
	for _, commit := range commits {
		cost += commit.cost()
	}
	c.cache.entries.put(key, slices.Clone(commits), cost)
	return commits, nil
}

func (c *Client) historyKey(repository, sha string, n int) cacheKey {
	return keyOf(c.account, "history", c.host.Name, repository, sha, strconv.Itoa(n))
}

// historyOfParent is the history of a commit by that of its one parent; nil when they are not remembered.
func (c *Client) historyOfParent(repository, sha string, n int) []Commit {
	commit, ok := c.kept(repository, sha)
	if !ok || commit.Parent == "" {
		return nil
	}
	before, ok := c.cache.entries.get(c.historyKey(repository, commit.Parent, n))
	if !ok {
		return nil
	}
	older := before.([]Commit)
	return append([]Commit{commit}, older[:min(len(older), n-1)]...)
}

func (c *Client) askHistory(ctx context.Context, repository, what, sha string, n int) ([]Commit, error) {
	var answer []*gogithub.RepositoryCommit
	if err := c.get(immutable(ctx), repository, what, "/commits?sha="+sha+"&per_page="+strconv.Itoa(n), &answer); err != nil {
		return nil, unknownCommit(err)
	}
	commits := make([]Commit, 0, len(answer))
	for _, one := range answer {
		commit, err := c.commit(repository, what, one)
		if err != nil {
			return nil, err
		}
		commits = append(commits, commit)
		c.keep(repository, commit)
	}
	return commits, nil
}

// IsAncestor tells whether a commit is one that another comes from, as GitHub compares them; both are full shas. It is
// not when they are the same. When the repository has not both, the error is of kind NotFound.
func (c *Client) IsAncestor(ctx context.Context, repository, sha, of string) (bool, error) {
	what := "the comparison of " + oneLine(of, maxNameLength) + " and " + oneLine(sha, maxNameLength)
	if !validSHA(sha) || !validSHA(of) {
		return false, c.malformed(repository, what, "commits are named by their full shas of 40 hex digits in lower case")
	}
	var answer gogithub.CommitsComparison
	// GitHub lists the changed files, which nobody wants here, on the first page only.
	if err := c.get(ctx, repository, what, "/compare/"+of+"..."+sha+"?per_page=1&page=2", &answer); err != nil {
		return false, err
	}
	switch answer.GetStatus() {
	case "behind":
		return true, nil
	case "ahead", "identical", "diverged":
		return false, nil
	}
	return false, c.incomplete(repository, what)
}

func (c *Client) commit(repository, what string, answer *gogithub.RepositoryCommit) (Commit, error) {
	if !validSHA(answer.GetSHA()) {
		return Commit{}, c.incomplete(repository, what)
	}
	author := answer.GetAuthor().GetLogin()
	if author == "" {
		author = answer.GetCommit().GetAuthor().GetName()
	}
	parent := ""
	if len(answer.Parents) == 1 && validSHA(answer.Parents[0].GetSHA()) {
		parent = answer.Parents[0].GetSHA()
	}
	return Commit{
		SHA:     answer.GetSHA(),
		Message: oneLine(firstLine(answer.GetCommit().GetMessage()), MaxMessageLength),
		Author:  oneLine(author, maxNameLength),
		Time:    answer.GetCommit().GetCommitter().GetDate().UTC(),
		URL:     answer.GetHTMLURL(),
		Parent:  parent,
	}, nil
}

// cost is about what a commit takes in memory, in bytes.
func (c Commit) cost() int64 {
	return int64(len(c.Message)+len(c.Author)+len(c.URL)+len(c.Parent)) + entryOverhead
}
