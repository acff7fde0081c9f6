package github

import (
	"context"
	"math"
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
		for _, comment := range page.items {
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

const whatComments = "the comments"

func (c *Client) commentPage(ctx context.Context, repository, query string) (page[Comment], error) {
	return readPage(ctx, c, listing[gogithub.IssueComment, Comment]{
		repository: repository, path: "/issues/comments?" + query, what: whatComments, maxBytes: maxCommentsBytes,
		item: func(answer *gogithub.IssueComment) (Comment, error) {
			comment, err := c.comment(repository, whatComments, answer)
			comment.Body = beginning(comment.Body, MaxCommentBody)
			return comment, err
		},
		cost: func(comment Comment) int64 { return int64(len(comment.Body)+len(comment.AuthorLogin)) + entryOverhead },
	})
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
		err = decodeEach(c, response.Body, repository, what, func(answer *gogithub.IssueComment) (more bool, err error) {
			one, err := c.comment(repository, what, answer)
			if found = err == nil && wanted(one); found {
				comment = one
			}
			return !found, err
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
