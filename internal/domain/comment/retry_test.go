package comment_test

import (
	"strings"
	"testing"
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/comment"
	"katkit.dev/katkit/internal/domain/problem"
)

func TestACommentIsTriedAgainForTenMinutes(t *testing.T) {
	down, limited := problem.Transient(v1alpha1.ReasonGitHubUnavailable, "502"), problem.Transient(v1alpha1.ReasonRateLimited, "wait")
	for name, c := range map[string]struct {
		cause *problem.Problem
		age   time.Duration
		want  bool
	}{
		"GitHub fails":                          {down, 0, true},
		"GitHub's clock is ahead":               {down, -time.Minute, true},
		"GitHub still fails":                    {down, 10*time.Minute - time.Second, true},
		"GitHub fails for good":                 {down, 10 * time.Minute, false},
		"a rate limit passes, however late":     {limited, time.Hour, true},
		"what does not pass is not tried again": {problem.Config(v1alpha1.ReasonTokenRejected, "403"), 0, false},
	} {
		if got := (comment.Comment{Created: written}).TriedAgain(c.cause, written.Add(c.age)); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	told := comment.PassedOver(comment.Comment{ID: 42, Number: 7}, down)
	if !strings.HasPrefix(told, "comment 42 on pull request #7 is older than 10 minutes") || !strings.HasSuffix(told, ": 502") {
		t.Error(told)
	}
}
