package reporting

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
)

const (
	// rotation is how long a run that has ended waits for another token, when GitHub does not accept the one there is: the new
	// one may be on its way.
	rotation = 2 * time.Minute
	// rotationInterval is how often it looks for it. The old one is not sent again.
	rotationInterval = 10 * time.Second
	// A run that is under way looks now and then whether GitHub still refuses, and sooner whether there is another token.
	refusalInterval   = 10 * time.Minute
	rejectionInterval = time.Minute
	// longestWait bounds the wait for a rate limit: another token need not wait for it, and asking too early asks nobody.
	longestWait = time.Minute
	// tooOld is how long before the manager began a run has ended that is not reported any more. A manager that could not report may
	// have left a thousand of them, and GitHub limits what is written in a minute.
	tooOld = time.Hour
)

// Conclusion is what follows from an attempt to tell GitHub.
type Conclusion struct {
	// Condition to be written; nil: none.
	Condition *metav1.Condition
	// Retry is the problem to come back for with the caller's backoff; nil when RequeueAfter says when, or all is done.
	Retry *problem.Problem
	// RequeueAfter is when to try again; 0: when something happens.
	RequeueAfter time.Duration
}

// Conclude tells what follows from an attempt that ended with a problem, or with none.
func Conclude(run *v1alpha1.CIRun, cause *problem.Problem, now time.Time) Conclusion {
	ended := run.Status.State.Terminal()
	switch {
	case cause == nil && !ended:
		return Conclusion{}
	case cause == nil:
		return Conclusion{Condition: condition(run, metav1.ConditionTrue, v1alpha1.ReasonReported, "GitHub shows how the run ended", now)}
	case cause.Transient && cause.RetryAfter == 0:
		return Conclusion{Retry: cause}
	case cause.Transient:
		return Conclusion{RequeueAfter: min(cause.RetryAfter, longestWait)}
	case !ended && aboutTheToken(cause.Reason):
		return Conclusion{RequeueAfter: rejectionInterval}
	case !ended:
		return Conclusion{RequeueAfter: refusalInterval}
	case aboutTheToken(cause.Reason) && run.Status.CompletionTime != nil && now.Before(run.Status.CompletionTime.Add(rotation)):
		return Conclusion{RequeueAfter: rotationInterval}
	default:
		return Conclusion{Condition: condition(run, metav1.ConditionFalse, cause.Reason, cause.Message, now)}
	}
}

// Due tells whether there is still something to be reported of a run: until it has ended and says how that went, unless that was long
// before the manager began; later once more if its link works again that did not.
func Due(run *v1alpha1.CIRun, link *v1alpha1.TenantRepoLink, began time.Time) bool {
	told := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReported)
	if told == nil {
		ended := run.Status.CompletionTime
		return ended == nil || !ended.Time.Before(began.Add(-tooOld))
	}
	ready := meta.FindStatusCondition(link.Status.Conditions, v1alpha1.ConditionReady)
	return told.Status == metav1.ConditionFalse && aboutTheToken(told.Reason) &&
		ready != nil && ready.Status == metav1.ConditionTrue && !ready.LastTransitionTime.Before(&told.LastTransitionTime)
}

// aboutTheToken tells whether a problem is one of a link that does not work, and that another token ends.
func aboutTheToken(reason string) bool {
	return reason == v1alpha1.ReasonTokenRejected || reason == v1alpha1.ReasonTokenMissing || reason == v1alpha1.ReasonCredentialInvalid
}

func condition(run *v1alpha1.CIRun, is metav1.ConditionStatus, reason, message string, now time.Time) *metav1.Condition {
	return &metav1.Condition{
		Type: v1alpha1.ConditionReported, Status: is, Reason: reason, Message: message,
		ObservedGeneration: run.Generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
	}
}
