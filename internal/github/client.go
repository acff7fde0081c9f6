package github

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	gogithub "github.com/google/go-github/v57/github"
)

// mediaTypeRaw asks the contents API for a file's bytes instead of JSON that holds them in base64.
const mediaTypeRaw = "application/vnd.github.raw+json"

// Client reads the repositories of one host with one token. It may be used concurrently. Every method
// takes a repository as owner/name and returns an [Error] when it fails.
type Client struct {
	host    Host
	token   string
	account fingerprint
	rest    *gogithub.Client
	cache   *answerCache
}

// Repository is what GitHub says about a repository.
type Repository struct {
	// ID stays the same when the repository is renamed or moved.
	ID int64
	// FullName is owner/name as it is now; it differs from what was asked for after a rename.
	FullName      string
	DefaultBranch string
	Private       bool
}

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
}

// PullRequest is one pull request as it is now.
type PullRequest struct {
	Number int
	// Title is at most [MaxMessageLength] characters.
	Title string
	// Author is a GitHub login.
	Author string
	// HeadRef is the branch that is to be merged, HeadSHA its newest commit.
	HeadRef, HeadSHA string
	// HeadRepo is the owner/name that HeadRef is in; empty when that repository was deleted.
	HeadRepo string
	// BaseRef is the branch that it is to be merged into.
	BaseRef string
	// Fork: the head is in another repository than the pull request, or in a deleted one.
	Fork  bool
	Draft bool
	// State is "open" or "closed".
	State string
	// URL is the page for people.
	URL string
}

// CloneURL is where git fetches the repository (owner/name) from, without credentials.
func (c *Client) CloneURL(repository string) string {
	return c.host.CloneURL + repository + ".git"
}

// Repository reads what GitHub says about a repository; a renamed one is found under its old name, too.
func (c *Client) Repository(ctx context.Context, repository string) (Repository, error) {
	var answer gogithub.Repository
	if err := c.get(ctx, repository, "", "", &answer); err != nil {
		return Repository{}, err
	}
	if answer.GetFullName() == "" {
		return Repository{}, c.incomplete(repository, "")
	}
	return Repository{
		ID:            answer.GetID(),
		FullName:      answer.GetFullName(),
		DefaultBranch: answer.GetDefaultBranch(),
		Private:       answer.GetPrivate(),
	}, nil
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
	return c.commit(repository, what, answer.GetCommit())
}

// Commit returns the commit of a full sha (40 hex digits). A commit that the repository has not is an
// error of kind NotFound. The answer never changes and is not asked for again while the cache holds it.
func (c *Client) Commit(ctx context.Context, repository, sha string) (Commit, error) {
	what := "commit " + oneLine(sha, maxNameLength)
	if !validSHA(sha) {
		return Commit{}, c.malformed(repository, what, "a commit is named by its full sha of 40 hex digits in lower case")
	}
	key := keyOf(c.account, "commit", c.host.Name, repository, sha)
	if known, ok := c.cache.entries.get(key); ok {
		return known.(Commit), nil
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
	c.cache.entries.put(key, commit, int64(len(commit.Message)+len(commit.Author)+len(commit.URL))+entryOverhead)
	return commit, nil
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
	head, base := answer.GetHead(), answer.GetBase()
	if !validSHA(head.GetSHA()) || base.GetRepo().GetID() == 0 {
		return PullRequest{}, c.incomplete(repository, what)
	}
	return PullRequest{
		Number:   answer.GetNumber(),
		Title:    oneLine(answer.GetTitle(), MaxMessageLength),
		Author:   oneLine(answer.GetUser().GetLogin(), maxNameLength),
		HeadRef:  head.GetRef(),
		HeadSHA:  head.GetSHA(),
		HeadRepo: head.GetRepo().GetFullName(),
		BaseRef:  base.GetRef(),
		Fork:     head.GetRepo().GetID() != base.GetRepo().GetID(),
		Draft:    answer.GetDraft(),
		State:    answer.GetState(),
		URL:      answer.GetHTMLURL(),
	}, nil
}

// File returns the bytes of the file at a path (relative to the repository's root, "/" between its parts)
// in the commit of a full sha. More than limit bytes are an error of kind TooLarge, which says the size
// when GitHub did; a directory or submodule is NotFound like nothing at all. The content never
// changes and is not asked for again while the cache holds it.
func (c *Client) File(ctx context.Context, repository, path, sha string, limit int64) ([]byte, error) {
	what := "file " + oneLine(path, maxNameLength) + " at " + oneLine(sha, maxNameLength)
	if !validSHA(sha) {
		return nil, c.malformed(repository, what, "a commit is named by its full sha of 40 hex digits in lower case")
	}
	if !validPath(path) {
		return nil, c.malformed(repository, what, `a path is relative and has no empty, "." or ".." part`)
	}
	key := keyOf(c.account, "file", c.host.Name, repository, sha, path)
	if known, ok := c.cache.entries.get(key); ok {
		return c.within(limit, known.([]byte), repository, what)
	}
	content, err := c.readFile(immutable(ctx), repository, path, sha, limit)
	if err != nil {
		return nil, c.failure(repository, what, err)
	}
	if int64(len(content)) <= c.cache.maxEntry() {
		c.cache.entries.put(key, content, int64(len(content))+entryOverhead)
	}
	return c.within(limit, content, repository, what)
}

// readFile reads at most one byte more than limit.
func (c *Client) readFile(ctx context.Context, repository, path, sha string, limit int64) ([]byte, error) {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	response, err := c.send(ctx, repository, "/contents/"+strings.Join(parts, "/")+"?ref="+sha, func(request *http.Request) {
		request.Header.Set("Accept", mediaTypeRaw)
		request.Header.Set("Accept-Encoding", "identity") // so that the answer says its length
	})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		return nil, &Error{Kind: KindNotFound, Message: "it is a directory or a submodule, not a file"}
	}
	if response.ContentLength > limit {
		return nil, &Error{Kind: KindTooLarge, Size: response.ContentLength, Limit: limit}
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, &Error{Kind: KindTooLarge, Limit: limit}
	}
	return content, nil
}

// within returns a copy of content, which the cache may hold, when it fits the limit.
func (c *Client) within(limit int64, content []byte, repository, what string) ([]byte, error) {
	if size := int64(len(content)); size > limit {
		return nil, &Error{Kind: KindTooLarge, Host: c.host.Name, Repository: repository, What: what, Size: size, Limit: limit}
	}
	return bytes.Clone(content), nil
}

// get reads the JSON answer of repos/<repository><path>.
func (c *Client) get(ctx context.Context, repository, what, path string, into any) error {
	response, err := c.send(ctx, repository, path)
	if err != nil {
		return c.failure(repository, what, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return c.failure(repository, what, err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return c.failure(repository, what, fmt.Errorf("the answer is not the expected JSON: %w", err))
	}
	return nil
}

// send returns an answer 2xx; the caller closes its body.
func (c *Client) send(ctx context.Context, repository, path string, options ...gogithub.RequestOption) (*gogithub.Response, error) {
	if !validRepository(repository) {
		return nil, &Error{Kind: KindUnprocessable, Message: "a repository is named owner/name"}
	}
	request, err := c.rest.NewRequest(http.MethodGet, "repos/"+repository+path, nil, options...)
	if err != nil {
		return nil, err
	}
	return c.rest.BareDo(ctx, request)
}

func (c *Client) commit(repository, what string, answer *gogithub.RepositoryCommit) (Commit, error) {
	if !validSHA(answer.GetSHA()) {
		return Commit{}, c.incomplete(repository, what)
	}
	author := answer.GetAuthor().GetLogin()
	if author == "" {
		author = answer.GetCommit().GetAuthor().GetName()
	}
	return Commit{
		SHA:     answer.GetSHA(),
		Message: oneLine(firstLine(answer.GetCommit().GetMessage()), MaxMessageLength),
		Author:  oneLine(author, maxNameLength),
		Time:    answer.GetCommit().GetCommitter().GetDate().UTC(),
		URL:     answer.GetHTMLURL(),
	}, nil
}

func (c *Client) malformed(repository, what, message string) error {
	return &Error{Kind: KindUnprocessable, Host: c.host.Name, Repository: repository, What: what, Message: message}
}

func (c *Client) incomplete(repository, what string) error {
	return &Error{Kind: KindUnavailable, Host: c.host.Name, Repository: repository, What: what, Status: http.StatusOK,
		Message: "the answer lacks what it should say; is this address a GitHub API?"}
}
