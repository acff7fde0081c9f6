package source

import (
	"context"
	"strings"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/comment"
	"katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/github"
)

// maxComments bounds the comments that are read in one look. Of more the newest are.
const maxComments = 600

// Comments reads the comments that are newer than a cursor, the oldest first. complete is false when there are more than are read.
func (r *Repository) Comments(ctx context.Context, cursor comment.Cursor) (comments []comment.Comment, complete bool, cause *problem.Problem) {
	limit := maxComments
	if !cursor.Active {
		limit = 1 // none of them is obeyed
	}
	answers, complete, err := r.client.Comments(ctx, r.name, cursor.Time, cursor.ID, limit)
	if err != nil {
		return nil, false, describe(r.link, err, v1alpha1.ReasonRepositoryNotFound)
	}
	comments = make([]comment.Comment, 0, len(answers))
	for _, answer := range answers {
		comments = append(comments, comment.Comment{
			ID: answer.ID, Author: link.Actor{ID: answer.AuthorID, Bot: answer.AuthorBot}, Login: answer.AuthorLogin, Created: answer.Created,
			Number: int32(answer.Number), Body: answer.Body, //nolint:gosec // the client refuses greater ones
		})
	}
	return comments, complete, nil
}

// Pull reads a pull request that may be closed, or into any branch. It is not found where the number is of another issue.
func (r *Repository) Pull(ctx context.Context, number int32) (pull comment.Pull, found bool, cause *problem.Problem) {
	answer, err := r.client.PullRequest(ctx, r.name, int(number))
	switch {
	case github.KindOf(err) == github.KindNotFound:
		return comment.Pull{}, false, nil
	case err != nil:
		return comment.Pull{}, false, describe(r.link, err, v1alpha1.ReasonRepositoryNotFound)
	}
	return comment.Pull{PullRequest: pullRequest(answer), Base: answer.BaseRef, Open: answer.State == "open"}, true, nil
}

// React adds a reaction to a comment. self is the number of the account that the link's token is of.
func (r *Repository) React(ctx context.Context, to int64, reaction comment.Reaction) (self int64, cause *problem.Problem) {
	cause = r.twice(func() (err error) {
		self, err = r.client.React(ctx, r.name, to, string(reaction))
		return err
	})
	return self, cause
}

// Answer writes the one comment of the link on a pull request: text makes its new text of the one that is there, "" when there is none. It
// is known by its marker and its author, self. When it cannot be found among very many, none is written.
func (r *Repository) Answer(ctx context.Context, number int32, self int64, text func(known string) string) *problem.Problem {
	marker := comment.Marker(r.link.Namespace, r.link.Name)
	known, found, complete, err := r.client.FindComment(ctx, r.name, int(number), func(c github.Comment) bool {
		return c.AuthorID == self && strings.HasPrefix(c.Body, marker)
	})
	body := text(known.Body)
	switch {
	case err != nil:
		return describe(r.link, err, v1alpha1.ReasonCommentNotAnswered)
	case !found && !complete:
		return problem.Config(v1alpha1.ReasonCommentNotAnswered, "pull request #%d has too many comments to find Katkit's among them", number)
	case found && sameText(body, known.Body):
		return nil
	case found:
		return r.twice(func() error { return r.client.EditComment(ctx, r.name, known.ID, body) })
	}
	// Once: where the answer was lost, the comment may have been written, and is found at the next look.
	if err := r.client.CreateComment(ctx, r.name, int(number), body); err != nil {
		return describe(r.link, err, v1alpha1.ReasonCommentNotAnswered)
	}
	return nil
}

// sameText compares what was sent with what GitHub made of it.
func sameText(sent, kept string) bool {
	return strings.TrimSpace(sent) == strings.TrimSpace(strings.ReplaceAll(kept, "\r\n", "\n"))
}

// twice writes once more, as reads are, what may be written again when GitHub has no answer.
func (r *Repository) twice(write func() error) *problem.Problem {
	err := write()
	if github.KindOf(err) == github.KindUnavailable {
		err = write()
	}
	if err != nil {
		return describe(r.link, err, v1alpha1.ReasonCommentNotAnswered)
	}
	return nil
}
