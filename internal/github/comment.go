package github

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	gogithub "github.com/google/go-github/v57/github"
)

const (
	commentsPerPage = 30
	// maxCommentsBytes bounds a page of comments, each of 64 Ki characters at most.
	maxCommentsBytes = 16 << 20
	// MaxCommentBody is how much of a comment's text is kept, in bytes.
	MaxCommentBody = 4 << 10
	// maxOwnPages bounds the search for one comment of a pull request.
	maxOwnPages = 34
)

// Comment is a comment on a pull request, or on another issue: GitHub lists them together.
type Comment struct {
	ID int64
	// Number of the pull request or issue.
	Number int
	// AuthorID stays the same when the login changes; 0 when the account was deleted. AuthorBot: it is an App's.
	AuthorID    int64
	AuthorLogin string
	AuthorBot   bool
	// Body is the beginning of the text, at most [MaxCommentBody] bytes, in valid UTF-8.
	Body string
	// Created is when it was written, in UTC.
	Created time.Time
}

// Comments returns the comments of a repository that are newer than the one of a number (0: all), the oldest first: the newest ones,
// about limit at most. complete tells whether they are all. since is when that comment was written, or zero; it keeps GitHub from
// listing all of them. A list that has not changed since it was last asked for costs no rate limit.
func (c *Client) Comments(ctx context.Context, repository string, since time.Time, after int64, limit int) (comments []Comment, complete bool, err error) {
	query := url.Values{"sort": {"created"}, "direction": {"desc"}, "per_page": {strconv.Itoa(commentsPerPage)}}
	if !since.IsZero() {
		query.Set("since", since.UTC().Format(time.RFC3339))
	}
	listed := map[int64]bool{} // one that is written meanwhile moves the others to the next page
	for number := 1; !complete && len(comments) < limit && number <= limit/commentsPerPage+2; number++ {
		query.Set("page", strconv.Itoa(number))
		page, err := c.commentPage(ctx, repository, query.Encode())
		if err != nil {
			return nil, false, err
		}
		complete = !page.more
		for _, comment := range page.comments {
			switch {
			case comment.ID <= after:
				complete = true
			case !listed[comment.ID]:
				listed[comment.ID] = true
				comments = append(comments, comment)
			}
		}
	}
	slices.SortFunc(comments, func(a, b Comment) int { return int(min(max(a.ID-b.ID, -1), 1)) })
	return comments, complete, nil
}

// commentPage is a page of comments as it is remembered.
type commentPage struct {
	etag     string
	comments []Comment
	more     bool
}

const whatComments = "the comments"

func (c *Client) commentPage(ctx context.Context, repository, query string) (commentPage, error) {
	key := keyOf(c.account, "comments", c.host.Name, repository, query)
	value, _ := c.cache.entries.get(key)
	known, remembered := value.(commentPage)
	response, err := c.send(bounded(immutable(ctx), maxCommentsBytes), repository, "/issues/comments?"+query, func(request *http.Request) {
		if remembered {
			request.Header.Set("If-None-Match", known.etag)
		}
	})
	if answered, failed := errors.AsType[*gogithub.ErrorResponse](err); failed && remembered && statusOf(answered.Response) == http.StatusNotModified {
		return known, nil
	}
	if err != nil {
		return commentPage{}, c.failure(repository, whatComments, err)
	}
	defer response.Body.Close()
	page := commentPage{etag: response.Header.Get("ETag"), more: response.NextPage != 0}
	cost := int64(entryOverhead)
	err = c.eachComment(response.Body, repository, whatComments, func(comment Comment) bool {
		comment.Body = beginning(comment.Body, MaxCommentBody)
		page.comments = append(page.comments, comment)
		cost += int64(len(comment.Body)+len(comment.AuthorLogin)) + entryOverhead
		return true
	})
	if err != nil {
		return commentPage{}, c.failure(repository, whatComments, err)
	}
	if page.etag != "" {
		c.cache.entries.put(key, page, cost)
	}
	return page, nil
}

// FindComment returns the first comment of a pull request that is wanted, with its whole text. complete is false when it was not found
// among the first thousand, and there are more.
func (c *Client) FindComment(ctx context.Context, repository string, number int, wanted func(Comment) bool) (comment Comment, found, complete bool, err error) {
	what := "the comments of pull request #" + strconv.Itoa(number)
	for page := 1; page <= maxOwnPages; page++ {
		path := "/issues/" + strconv.Itoa(number) + "/comments?per_page=" + strconv.Itoa(commentsPerPage) + "&page=" + strconv.Itoa(page)
		response, err := c.send(bounded(immutable(ctx), maxCommentsBytes), repository, path)
		if err != nil {
			return Comment{}, false, false, c.failure(repository, what, err)
		}
		err = c.eachComment(response.Body, repository, what, func(one Comment) bool {
			if found = wanted(one); found {
				comment = one
			}
			return !found
		})
		response.Body.Close()
		if err != nil {
			return Comment{}, false, false, c.failure(repository, what, err)
		}
		if found || response.NextPage == 0 {
			return comment, found, true, nil
		}
	}
	return Comment{}, false, false, nil
}

// eachComment holds one of GitHub's comments in memory at a time. It ends when do returns false.
func (c *Client) eachComment(body io.Reader, repository, what string, do func(Comment) bool) error {
	decoder := json.NewDecoder(body)
	if start, err := decoder.Token(); err != nil || start != json.Delim('[') {
		return errors.Join(c.incomplete(repository, what), err)
	}
	for decoder.More() {
		var answer gogithub.IssueComment
		if err := decoder.Decode(&answer); err != nil {
			return err
		}
		comment, err := c.comment(repository, what, &answer)
		if err != nil {
			return err
		}
		if !do(comment) {
			return nil
		}
	}
	_, err := decoder.Token() // an answer that was cut off has no end
	return err
}

func (c *Client) comment(repository, what string, answer *gogithub.IssueComment) (Comment, error) {
	issue := answer.GetIssueURL()
	number, err := strconv.Atoi(issue[strings.LastIndexByte(issue, '/')+1:])
	if err != nil || number < 1 || number > math.MaxInt32 || answer.GetID() < 1 || answer.GetCreatedAt().IsZero() {
		return Comment{}, c.incomplete(repository, what)
	}
	user := answer.GetUser()
	return Comment{
		ID: answer.GetID(), Number: number, Created: answer.GetCreatedAt().UTC(), Body: strings.ToValidUTF8(answer.GetBody(), "\uFFFD"),
		AuthorID: max(user.GetID(), 0), AuthorLogin: oneLine(user.GetLogin(), maxNameLength), AuthorBot: user.GetType() == typeBot,
	}, nil
}

// beginning cuts a text between characters.
func beginning(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && text[limit]&0xC0 == 0x80 {
		limit--
	}
	return strings.Clone(text[:limit])
}
