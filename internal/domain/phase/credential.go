package phase

import (
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/problem"
)

// askAgain is when a phase is looked at again whose credential could not be had, or was not asked for yet.
const (
	askAgain       = 15 * time.Second
	askAgainAtOnce = time.Second
)

// Credential is a token to clone with, or why there is none.
type Credential struct {
	Token   string
	Problem *problem.Problem
}

// NeedsCredential tells whether Decide will look at Credential: an attempt is about to begin.
func NeedsCredential(o Observation, now time.Time) bool {
	if !buildpod.NeedsCredential(o.Phase) || o.Phase.Status.State.Terminal() || !o.RunActive || o.RunStop != nil {
		return false
	}
	if begun(o.Phase) {
		retry := o.Phase.Status.Attempts[len(o.Phase.Status.Attempts)-1].RetryTime
		return retry != nil && !now.Before(retry.Time)
	}
	return Ready(o) && (o.Wait == nil || len(o.Pods) > 0)
}

// NeedsAccount tells whether Decide will look at Account: an attempt is about to begin, now or after a wait.
func NeedsAccount(o Observation) bool {
	execution := o.Phase.Spec.Execution
	return execution != nil && execution.ServiceAccountName != "" && attemptAhead(o)
}

// credential plans the Secret that the builder Pods of an attempt clone with. Without a token the attempt does not begin, and
// the status tells why.
func credential(o Observation, plan *Plan, attempt int32, now time.Time) (ok bool) {
	switch had := o.Credential; {
	case !buildpod.NeedsCredential(o.Phase):
		return true
	case had == nil: // it became time meanwhile
		plan.RequeueAfter = askAgainAtOnce
		return false
	case had.Problem == nil:
		plan.CreateCredential = buildpod.BuildCredential(o.Phase, attempt, had.Token)
		return true
	case !had.Problem.Transient:
		Fail(o.Phase, &plan.Status, had.Problem, now)
		return false
	default:
		postpone(o, plan, had.Problem, askLater(had.Problem), now)
	}
	return false
}

func askLater(cause *problem.Problem) time.Duration { return max(cause.RetryAfter, askAgain) }

// sooner is the lesser of two times, of which the second may be 0 for none.
func sooner(first, second time.Duration) time.Duration {
	if second > 0 {
		return min(first, second)
	}
	return first
}

// removeCredentials has the Secret of the last attempt removed, and that of the next one: it may be there before the status
// tells of its attempt.
func (p *Plan) removeCredentials(phase *v1alpha1.Phase) {
	if !buildpod.NeedsCredential(phase) {
		return
	}
	recorded := int32(len(p.Status.Attempts)) //nolint:gosec // a few
	p.RemoveCredentials = nil
	for attempt := max(recorded, 1); attempt <= min(recorded+1, maxAttempts); attempt++ {
		p.RemoveCredentials = append(p.RemoveCredentials, buildpod.CredentialName(phase, attempt))
	}
}
