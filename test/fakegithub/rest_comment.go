package fakegithub

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxCommentLength is GitHub's, in characters.
const maxCommentLength = 65536

// Comment is a comment on a pull request, which is an issue for GitHub.
type Comment struct {
	Item
	// Number of the pull request.
	Number    int        `json:"number"`
	Body      string     `json:"body"`
	Reactions []Reaction `json:"reactions"`
}

// Comment adds a comment of a login to a pull request and returns its ID.
func (r *Repository) Comment(number int, login, body string) (id int64, err error) {
	comment := Comment{Number: number, Body: body}
	err = r.changePull(number, func(*pull, time.Time) {
		comment.Item = r.server.item(login)
		r.state.Comments = append(r.state.Comments, comment)
	})
	return comment.ID, err
}

func createComment(c *call) reply {
	number, err := strconv.Atoi(c.PathValue("number"))
	if err != nil || number < 1 || number > len(c.state.Pulls) {
		return notFound("Not Found", c.doc)
	}
	in, refused, taken := c.commentBody()
	if !taken {
		return refused
	}
	id, err := c.repository.Comment(number, c.account.Login, in)
	if err != nil {
		return c.broken(err)
	}
	c.state = c.repository.snapshot()
	return made(c.commentJSON(c.state.Comments[indexOf(c.state.Comments, id)]))
}

func updateComment(c *call) reply {
	at, found := c.comment()
	if !found {
		return notFound("Not Found", c.doc)
	}
	in, refused, taken := c.commentBody()
	if !taken {
		return refused
	}
	var comment Comment
	err := c.write(func(state *storedRepository) {
		changing := &state.Comments[at]
		changing.Body, changing.Updated = in, c.server.now().UTC()
		comment = *changing
	})
	if err != nil {
		return c.broken(err)
	}
	return ok(c.commentJSON(comment))
}

// commentBody reads the text of a comment; not taken, it is refused with an answer.
func (c *call) commentBody() (text string, refused reply, taken bool) {
	in, refused, taken := decode[struct {
		Body string `json:"body"`
	}](c)
	switch {
	case !taken:
		return "", refused, false
	case in.Body == "":
		return "", c.invalid("IssueComment", "body", "missing_field", ""), false
	case utf8.RuneCountInString(in.Body) > maxCommentLength:
		return "", c.invalid("IssueComment", "body", "custom", fmt.Sprintf("body is too long (maximum is %d characters)", maxCommentLength)), false
	}
	return in.Body, reply{}, true
}

// getCommentOrList serves two paths that http.ServeMux takes for one: /issues/comments/ID and /issues/NUMBER/comments.
func getCommentOrList(c *call) reply {
	if c.PathValue("number") != "comments" {
		number, err := strconv.Atoi(c.PathValue("number"))
		if err != nil || c.PathValue("id") != "comments" || number < 1 || number > len(c.state.Pulls) {
			return notFound("Not Found", c.doc)
		}
		return c.comments(func(comment Comment) bool { return comment.Number == number })
	}
	at, found := c.comment()
	if !found {
		return notFound("Not Found", c.doc)
	}
	return ok(c.commentJSON(c.state.Comments[at]))
}

func listComments(c *call) reply {
	return c.comments(func(Comment) bool { return true })
}

// comments lists comments, oldest first, and those only that were changed since a time.
func (c *call) comments(wanted func(Comment) bool) reply {
	query := c.URL.Query()
	since, err := time.Parse(time.RFC3339, query.Get("since"))
	if err != nil && query.Has("since") {
		return c.invalid("IssueComment", "since", "invalid", errors.Unwrap(err).Error())
	}
	comments := selected(c.state.Comments, func(comment Comment) bool { return wanted(comment) && !comment.Updated.Before(since) })
	if query.Get("sort") == "updated" {
		slices.SortStableFunc(comments, func(a, b Comment) int { return a.Updated.Compare(b.Updated) })
	}
	if query.Get("direction") == "desc" {
		slices.Reverse(comments)
	}
	return listed(c, comments, c.commentJSON)
}

func (c *call) comment() (at int, found bool) {
	id, err := strconv.ParseInt(c.PathValue("id"), 10, 64)
	at = indexOf(c.state.Comments, id)
	return at, err == nil && at >= 0
}

func (c *call) commentJSON(comment Comment) jsonObject {
	id, number := strconv.FormatInt(comment.ID, 10), strconv.Itoa(comment.Number)
	self := c.api() + "/issues/comments/" + id
	return jsonObject{
		"id": comment.ID, "node_id": nodeID("IC", comment.ID), "url": self, "html_url": c.page() + "/pull/" + number + "#issuecomment-" + id,
		"issue_url": c.api() + "/issues/" + number, "user": c.userJSON(comment.By), "body": comment.Body,
		"created_at": comment.Created.Format(time.RFC3339), "updated_at": comment.Updated.Format(time.RFC3339),
		"author_association": association(c.state, comment.By), "performed_via_github_app": nil, "reactions": reactionCounts(self, comment.Reactions),
	}
}
