package phase

import (
	"fmt"
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/text"
)

const (
	// maxAttempts is how often an execution phase is tried at most: what the cluster fails three times it is not likely to mend by itself.
	maxAttempts = int32(3)
	// retryBackoff is the pause before the second attempt; before the third it is four times as long.
	retryBackoff = 10 * time.Second
	// maxAttemptMessage is a bound of the API, in bytes.
	maxAttemptMessage = 1024
)

// worthRetrying tells whether everything that failed may be tried again: the cluster failed it, and ci.sh had not started or
// may be run twice.
func worthRetrying(p *v1alpha1.Phase, attempt int32, failures []failure) bool {
	for _, f := range failures {
		if !retryable(p, attempt, f) {
			return false
		}
	}
	return true
}

func retryable(p *v1alpha1.Phase, attempt int32, f failure) bool {
	return attempt < maxAttempts && f.problem.Class == v1alpha1.FailureInfra && (!f.started || p.Spec.Execution.RetryOnInfra)
}

// retryLater records the attempt, and when the next one begins.
func retryLater(o Observation, plan *Plan, attempt *v1alpha1.AttemptStatus, failures []failure, now time.Time) {
	backoff := retryBackoff
	for range attempt.Number - 1 {
		backoff *= 4
	}
	attempt.Message = text.Cut(combine(o.Phase, failures).Message, maxAttemptMessage)
	attempt.RetryTime = timestamp(now.Add(backoff + time.Second - 1)) // cut to the second, and not earlier
	tell(o.Phase, &plan.Status, fmt.Sprintf("attempt %d of %d failed, the next one begins at %s: %s",
		attempt.Number, maxAttempts, attempt.RetryTime.UTC().Format(time.TimeOnly), attempt.Message), now)
	plan.RequeueAfter = attempt.RetryTime.Sub(now)
}

// awaitRetry begins the next attempt, of the replicas that failed, when it is time.
func awaitRetry(o Observation, plan *Plan, attempt *v1alpha1.AttemptStatus, now time.Time) {
	switch left := attempt.RetryTime.Sub(now); {
	case o.RunStop != nil:
		stopFor(o.Phase, &plan.Status, causeOf(o.RunStop), now)
		Fail(o.Phase, &plan.Status, causeOf(o.RunStop), now)
	case deadline(o, now) <= 0:
		Fail(o.Phase, &plan.Status, timedOut(o, attempt.Message), now)
	case left > 0:
		plan.RequeueAfter = min(left, deadline(o, now))
	default:
		var again []int32
		for _, replica := range attempt.Replicas {
			if replica.Reason != string(contract.ReasonCompleted) {
				again = append(again, replica.Index)
			}
		}
		beginAgain(o, plan, attempt.Number+1, again, now)
	}
}

func beginAgain(o Observation, plan *Plan, number int32, replicas []int32, now time.Time) {
	if !attempt(o, plan, number, replicas, now) {
		return
	}
	tell(o.Phase, &plan.Status, fmt.Sprintf("attempt %d of %d", number, maxAttempts), now)
	plan.RequeueAfter = deadline(o, now)
}
