package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	gogithub "github.com/google/go-github/v57/github"
)

// area is a part of a repository that a token may write or not.
type area string

const (
	areaStatuses    area = "statuses"
	areaChecks      area = "checks"
	areaDeployments area = "deployments"
)

// change is a request that changes something in a repository, or is only made to know what to change.
type change struct {
	method     string
	repository string
	// path below repos/<repository>, what it is in words, and the JSON body; nil: none.
	path, what string
	body       any
	area       area
	// refuses are the kinds of error that say the token may not write there.
	refuses []Kind
}

// do sends a change, and reads its answer into a value; nil: it does not matter. What was refused for want of a permission is
// not sent again for some time. Nothing is sent twice: whether a change without an answer was made, its caller finds out.
func (c *Client) do(ctx context.Context, change change, into any) error {
	_, err := c.attempt(ctx, change, into)
	return err
}

// list reads what is there already of what is to be changed. It returns the number of the next page; 0: there is none.
func (c *Client) list(ctx context.Context, wanted change, into any) (nextPage int, err error) {
	wanted.method, wanted.refuses = http.MethodGet, []Kind{KindUnauthorized, KindForbidden}
	return c.attempt(ctx, wanted, into)
}

func (c *Client) attempt(ctx context.Context, change change, into any) (nextPage int, err error) {
	if err := c.refusals.check(change, time.Now()); err != nil {
		return 0, c.failure(change.repository, change.what, err)
	}
	nextPage, err = c.exchange(ctx, change, into)
	c.refusals.note(change, err, time.Now())
	return nextPage, err
}

func (c *Client) exchange(ctx context.Context, change change, into any) (nextPage int, err error) {
	if !validRepository(change.repository) {
		return 0, c.malformed(change.repository, change.what, "a repository is named owner/name")
	}
	response, err := c.request(immutable(ctx), change.method, "repos/"+change.repository+change.path, change.body)
	if _, moved := errors.AsType[*redirectError](err); moved && change.method != http.MethodGet {
		err = &Error{Kind: KindUnavailable, Message: "the repository was renamed or moved; it goes on under its new name, as soon as that is known"}
	}
	if err != nil {
		return 0, c.failure(change.repository, change.what, tokenless(err))
	}
	defer response.Body.Close()
	if into == nil {
		_, _ = io.Copy(io.Discard, response.Body) // it was taken, whatever else is said; and the connection is used again
		return 0, nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, c.failure(change.repository, change.what, err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return 0, c.failure(change.repository, change.what, fmt.Errorf("the answer is not the expected JSON: %w", err))
	}
	return response.NextPage, nil
}

// request sends a request for a path of the API, and returns an answer 2xx; the caller closes its body.
func (c *Client) request(ctx context.Context, method, path string, body any, options ...gogithub.RequestOption) (*gogithub.Response, error) {
	request, err := c.rest.NewRequest(method, path, body, options...)
	if err != nil {
		return nil, err
	}
	if err := c.budget.check(time.Now()); err != nil {
		return nil, err
	}
	response, err := c.rest.BareDo(ctx, request)
	c.budget.note(response, err, time.Now())
	c.credited(err)
	return response, err
}
