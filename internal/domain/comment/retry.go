package comment

import (
	"fmt"
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
)

// patience is how long after it was written a comment is tried again, while the later ones wait.
const patience = 10 * time.Minute

// TriedAgain tells whether a comment is looked at again after a problem of GitHub's with it or its pull request. One that is not is passed
// over, so that the others' turn comes. A rate limit is of all of them, and passes.
func (c Comment) TriedAgain(cause *problem.Problem, now time.Time) bool {
	return cause.Transient && (cause.Reason == v1alpha1.ReasonRateLimited || now.Sub(c.Created) < patience)
}

// PassedOver tells of a comment that is not tried again, in an event.
func PassedOver(comment Comment, cause *problem.Problem) string {
	return fmt.Sprintf("comment %d on pull request #%d is older than %d minutes, and passed over without an answer; it may have been obeyed: %s",
		comment.ID, comment.Number, int(patience.Minutes()), cause.Message)
}
