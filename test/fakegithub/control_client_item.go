package fakegithub

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Fork makes a copy of a repository under another owner/name.
func (c *Control) Fork(ctx context.Context, from, to string) error {
	return c.call(ctx, http.MethodPost, "repositories/"+from+"/forks", createRepository{Name: to}, nil)
}

// DeleteRepository removes a repository.
func (c *Control) DeleteRepository(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "repositories/"+name, nil, nil)
}

// AddUser makes a person known.
func (c *Control) AddUser(ctx context.Context, login string) error {
	return c.call(ctx, http.MethodPut, "users", setUser{Login: login}, nil)
}

// SetRole says what a person may do with a repository.
func (c *Control) SetRole(ctx context.Context, repository, login string, role Role) error {
	return c.call(ctx, http.MethodPut, "repositories/"+repository+"/roles", setUser{Login: login, Role: role}, nil)
}

// ClosePullRequest closes a pull request.
func (c *Control) ClosePullRequest(ctx context.Context, repository string, number int) error {
	return c.call(ctx, http.MethodPatch, pullPath(repository, number), changePull{State: "closed"}, nil)
}

// ReopenPullRequest opens a closed pull request again.
func (c *Control) ReopenPullRequest(ctx context.Context, repository string, number int) error {
	return c.call(ctx, http.MethodPatch, pullPath(repository, number), changePull{State: "open"}, nil)
}

// LabelPullRequest replaces the labels of a pull request.
func (c *Control) LabelPullRequest(ctx context.Context, repository string, number int, labels ...string) error {
	list := append([]string{}, labels...)
	return c.call(ctx, http.MethodPatch, pullPath(repository, number), changePull{Labels: &list}, nil)
}

// Comment adds a comment of a login to a pull request and returns its ID.
func (c *Control) Comment(ctx context.Context, repository string, number int, login, body string) (id int64, err error) {
	var out created
	err = c.call(ctx, http.MethodPost, pullPath(repository, number)+"/comments", addComment{Login: login, Body: body}, &out)
	return out.ID, err
}

// PressRerun presses the button Re-run of a check run as a person.
func (c *Control) PressRerun(ctx context.Context, repository, login string, checkRun int64) error {
	return c.call(ctx, http.MethodPost, fmt.Sprintf("repositories/%s/check-runs/%d/press", repository, checkRun), setUser{Login: login}, nil)
}

// PressRerunAll presses the button Re-run all checks of a check suite as a person.
func (c *Control) PressRerunAll(ctx context.Context, repository, login string, checkSuite int64) error {
	return c.call(ctx, http.MethodPost, fmt.Sprintf("repositories/%s/check-suites/%d/press", repository, checkSuite), setUser{Login: login}, nil)
}

// Sent returns what a repository was told so far.
func (c *Control) Sent(ctx context.Context, repository string) (sent Sent, err error) {
	err = c.call(ctx, http.MethodGet, "repositories/"+repository+"/sent", nil, &sent)
	return sent, err
}

// AddApp makes an App known, or changes it.
func (c *Control) AddApp(ctx context.Context, app App) error {
	return c.call(ctx, http.MethodPut, "apps", app, nil)
}

// AdvanceClock makes it later for the server.
func (c *Control) AdvanceClock(ctx context.Context, by time.Duration) error {
	return c.call(ctx, http.MethodPost, "clock", advanceClock{By: by}, nil)
}

func pullPath(repository string, number int) string {
	return fmt.Sprintf("repositories/%s/pulls/%d", repository, number)
}
