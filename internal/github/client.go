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

	gogithub "github.com/google/go-github/v57/github"
)

// mediaTypeRaw asks the contents API for a file's bytes instead of JSON that holds them in base64.
const mediaTypeRaw = "application/vnd.github.raw+json"

// Client reads the repositories of one host with one credential, and tells them of runs. It may be used concurrently. Every method
// takes a repository as owner/name and returns an [Error] when it fails.
type Client struct {
	host    Host
	app     *App // nil: none
	tokens  tokens
	clone   *installation // of an App
	account fingerprint
	rest    *gogithub.Client
	cache   *answerCache
	budget  *budget
	// refusals are what the credential may not write.
	refusals refusals
}

// RateLimit is what is left of the calls of the token, or the App's installation, for all that use it.
func (c *Client) RateLimit() RateLimit { return c.budget.left() }

// Repository is what GitHub says about a repository.
type Repository struct {
	// ID stays the same when the repository is renamed or moved.
	ID int64
	// FullName is owner/name as it is now; it differs from what was asked for after a rename.
	FullName      string
	DefaultBranch string
	Private       bool
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
	return c.repository(repository, &answer)
}

// RepositoryByID reads what GitHub says about the repository of a number, whatever it is called now.
func (c *Client) RepositoryByID(ctx context.Context, id int64) (Repository, error) {
	what := "number " + strconv.FormatInt(id, 10)
	response, err := c.request(ctx, http.MethodGet, "repositories/"+strconv.FormatInt(id, 10), nil)
	if err != nil {
		return Repository{}, c.failure(what, "", err)
	}
	var answer gogithub.Repository
	if err := c.decode(response, what, "", &answer); err != nil {
		return Repository{}, err
	}
	if answer.GetID() != id {
		return Repository{}, c.incomplete(what, "")
	}
	return c.repository(what, &answer)
}

func (c *Client) repository(repository string, answer *gogithub.Repository) (Repository, error) {
	if !validRepository(answer.GetFullName()) || answer.GetID() < 1 {
		return Repository{}, c.incomplete(repository, "")
	}
	return Repository{
		ID:            answer.GetID(),
		FullName:      answer.GetFullName(),
		DefaultBranch: answer.GetDefaultBranch(),
		Private:       answer.GetPrivate(),
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
	return c.decode(response, repository, what, into)
}

// decode reads the JSON of an answer, and closes it.
func (c *Client) decode(response *gogithub.Response, repository, what string, into any) error {
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

// send asks for repos/<repository><path> and returns an answer 2xx; the caller closes its body.
func (c *Client) send(ctx context.Context, repository, path string, options ...gogithub.RequestOption) (*gogithub.Response, error) {
	if !validRepository(repository) {
		return nil, &Error{Kind: KindUnprocessable, Message: "a repository is named owner/name"}
	}
	return c.request(ctx, http.MethodGet, "repos/"+repository+path, nil, options...)
}

func (c *Client) malformed(repository, what, message string) error {
	return &Error{Kind: KindUnprocessable, Host: c.host.Name, Repository: repository, What: what, Message: message}
}

func (c *Client) incomplete(repository, what string) error {
	return &Error{Kind: KindUnavailable, Host: c.host.Name, Repository: repository, What: what, Status: http.StatusOK,
		Message: "the answer lacks what it should say; is this address a GitHub API?"}
}
