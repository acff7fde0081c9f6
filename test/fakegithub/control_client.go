package fakegithub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Control is the client of a server's control API, for tests whose server runs elsewhere. Its methods do
// what those of [Server] and [Repository] do; errors hold the server's explanation.
type Control struct {
	// URL of the server, and its admin token.
	URL, AdminToken string
	// HTTP carries the requests; nil: http.DefaultClient.
	HTTP *http.Client
}

// CreateRepository makes an empty repository. The error wraps [ErrExists] when it is there already.
func (c *Control) CreateRepository(ctx context.Context, name string, options RepositoryOptions) error {
	return c.call(ctx, http.MethodPost, "repositories", createRepository{Name: name, RepositoryOptions: options}, nil)
}

// Rename gives a repository a new owner/name.
func (c *Control) Rename(ctx context.Context, from, to string) error {
	return c.call(ctx, http.MethodPatch, "repositories/"+from, renameRepository{Name: to}, nil)
}

// Commit adds a commit to a repository and returns its sha.
func (c *Control) Commit(ctx context.Context, repository string, commit Commit) (sha string, err error) {
	var out created
	err = c.call(ctx, http.MethodPost, "repositories/"+repository+"/commits", commit, &out)
	return out.SHA, err
}

// OpenPullRequest opens a pull request and returns its number.
func (c *Control) OpenPullRequest(ctx context.Context, repository string, request PullRequest) (number int, err error) {
	var out created
	err = c.call(ctx, http.MethodPost, "repositories/"+repository+"/pulls", request, &out)
	return out.Number, err
}

// AddToken accepts a token from now on, or changes what it may do.
func (c *Control) AddToken(ctx context.Context, token string, account Account) error {
	return c.call(ctx, http.MethodPut, "tokens", setToken{Token: token, Account: account}, nil)
}

// RevokeToken stops accepting a token.
func (c *Control) RevokeToken(ctx context.Context, token string) error {
	return c.call(ctx, http.MethodDelete, "tokens", setToken{Token: token}, nil)
}

// SetRateLimit sets what a token may still do until reset.
func (c *Control) SetRateLimit(ctx context.Context, token string, limit, remaining int, reset time.Time) error {
	return c.call(ctx, http.MethodPut, "rate-limits", setRateLimit{Token: token, Limit: limit, Remaining: remaining, Reset: reset}, nil)
}

// Inject adds a fault.
func (c *Control) Inject(ctx context.Context, fault Fault) error {
	return c.call(ctx, http.MethodPost, "faults", fault, nil)
}

// ForgetFaults drops all faults that are left.
func (c *Control) ForgetFaults(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "faults", nil, nil)
}

// Requests returns the record of requests, oldest first.
func (c *Control) Requests(ctx context.Context) (requests []Request, err error) {
	err = c.call(ctx, http.MethodGet, "requests", nil, &requests)
	return requests, err
}

// ForgetRequests empties the record.
func (c *Control) ForgetRequests(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "requests", nil, nil)
}

func (c *Control) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.URL, "/")+"/_control/"+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.AdminToken)
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		var explained problem
		err := json.NewDecoder(response.Body).Decode(&explained)
		if response.StatusCode == http.StatusConflict {
			return fmt.Errorf("%s %s: %w", method, path, ErrExists)
		}
		return errors.Join(fmt.Errorf("%s %s: %s: %s", method, path, response.Status, explained.Message), err)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(out)
}
