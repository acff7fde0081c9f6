package github

import (
	"context"
	"net/http"
	"strconv"

	gogithub "github.com/google/go-github/v57/github"
)

// React adds a reaction to a comment: "+1", "-1", "confused" or another of GitHub's. One that is there already stays. self is the
// number of the account that the token is of.
func (c *Client) React(ctx context.Context, repository string, comment int64, content string) (self int64, err error) {
	what := "the reaction to comment " + strconv.FormatInt(comment, 10)
	var answer gogithub.Reaction
	err = c.write(ctx, http.MethodPost, repository, what, "/issues/comments/"+strconv.FormatInt(comment, 10)+"/reactions",
		map[string]string{"content": content}, &answer)
	if err != nil {
		return 0, err
	}
	if answer.GetUser().GetID() < 1 {
		return 0, c.incomplete(repository, what)
	}
	return answer.GetUser().GetID(), nil
}

// CreateComment writes a comment on a pull request.
func (c *Client) CreateComment(ctx context.Context, repository string, number int, body string) error {
	what := "a comment on pull request #" + strconv.Itoa(number)
	return c.write(ctx, http.MethodPost, repository, what, "/issues/"+strconv.Itoa(number)+"/comments", map[string]string{"body": body}, nil)
}

// EditComment replaces the text of a comment.
func (c *Client) EditComment(ctx context.Context, repository string, comment int64, body string) error {
	id := strconv.FormatInt(comment, 10)
	return c.write(ctx, http.MethodPatch, repository, "comment "+id, "/issues/comments/"+id, map[string]string{"body": body}, nil)
}

// write sends in as JSON to repos/<repository><path>, and reads the answer into out unless that is nil. It follows no redirect.
func (c *Client) write(ctx context.Context, method, repository, what, path string, in, out any) error {
	_, err := c.exchange(ctx, change{method: method, repository: repository, path: path, what: what, body: in}, out)
	return err
}
