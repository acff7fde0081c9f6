package phase

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/text"
)

// maxMessage is the bound of a status message in the API, in bytes.
const maxMessage = 4096

// Fail ends a phase in the status for a problem; one without a class is no failure, but what somebody wanted. A status that
// is terminal stays as it is.
func Fail(p *v1alpha1.Phase, status *v1alpha1.PhaseStatus, cause *problem.Problem, now time.Time) {
	if status.State.Terminal() {
		return
	}
	status.State = v1alpha1.PhaseFailed
	if cause.Class == "" {
		status.State = v1alpha1.PhaseCancelled
	}
	status.FailureClass = cause.Class
	status.Message = text.Cut(cause.Message, maxMessage)
	status.CompletionTime = timestamp(now)
	if status.StartTime == nil {
		status.StartTime = timestamp(now)
	}
	setSucceeded(status, p.Generation, metav1.ConditionFalse, cause.Reason, status.Message, now)
}

// Wait tells in the status what a phase that has not begun waits for.
func Wait(p *v1alpha1.Phase, status *v1alpha1.PhaseStatus, reason, message string, now time.Time) {
	status.Message = text.Cut(message, maxMessage)
	setSucceeded(status, p.Generation, metav1.ConditionUnknown, reason, status.Message, now)
}

// Hold tells in the status what a phase waits for that has some of its builder Pods, and so has begun.
func Hold(p *v1alpha1.Phase, status *v1alpha1.PhaseStatus, cause *problem.Problem, now time.Time) {
	if status.StartTime == nil {
		status.StartTime = timestamp(now)
	}
	status.State = v1alpha1.PhaseRunning
	Wait(p, status, cause.Reason, cause.Message, now)
}

// Queue tells in the status what a phase that is ready to begin waits for, and since when.
func Queue(p *v1alpha1.Phase, status *v1alpha1.PhaseStatus, reason, why string, now time.Time) {
	status.State = v1alpha1.PhasePending
	if status.QueueTime == nil {
		status.QueueTime = timestamp(now)
	}
	Wait(p, status, reason, fmt.Sprintf("waits since %s: %s", status.QueueTime.UTC().Format(time.RFC3339), why), now)
}

// queueTimeLeft is how long a phase that waits may still do so; 0 when that is not bounded.
func queueTimeLeft(spec v1alpha1.PhaseSpec, status v1alpha1.PhaseStatus, now time.Time) time.Duration {
	if spec.QueueTimeout == nil {
		return 0
	}
	return status.QueueTime.Add(spec.QueueTimeout.Duration).Sub(now)
}

func queuedTooLong(p *v1alpha1.Phase, now time.Time) bool {
	return p.Spec.QueueTimeout != nil && p.Status.QueueTime != nil && queueTimeLeft(p.Spec, p.Status, now) <= 0
}

func queueTimedOut(o Observation) *problem.Problem {
	return &problem.Problem{Class: v1alpha1.FailureInfra, Reason: v1alpha1.ReasonQueueTimedOut, Message: fmt.Sprintf(
		"its turn did not come within its queueTimeout of %s; at the end it was: %s", o.Phase.Spec.QueueTimeout.Duration, o.Phase.Status.Message)}
}

func succeed(p *v1alpha1.Phase, status *v1alpha1.PhaseStatus, message string, now time.Time) {
	status.State = v1alpha1.PhaseSucceeded
	status.Message = text.Cut(message, maxMessage)
	status.CompletionTime = timestamp(now)
	setSucceeded(status, p.Generation, metav1.ConditionTrue, v1alpha1.ReasonSucceeded, status.Message, now)
}

func run(p *v1alpha1.Phase, status *v1alpha1.PhaseStatus, message string, now time.Time) {
	status.State = v1alpha1.PhaseRunning
	status.Message = text.Cut(message, maxMessage)
	status.StartTime = timestamp(now)
	setSucceeded(status, p.Generation, metav1.ConditionUnknown, v1alpha1.ReasonRunning, status.Message, now)
}

// tell says what goes on in a phase that runs; "" when there is nothing to say.
func tell(p *v1alpha1.Phase, status *v1alpha1.PhaseStatus, message string, now time.Time) {
	status.Message = text.Cut(message, maxMessage)
	setSucceeded(status, p.Generation, metav1.ConditionUnknown, v1alpha1.ReasonRunning, status.Message, now)
}

func setSucceeded(status *v1alpha1.PhaseStatus, generation int64, is metav1.ConditionStatus, reason, message string, now time.Time) {
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionSucceeded, Status: is, Reason: reason, Message: message,
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
	})
}

// timestamp cuts to the second, as the API does.
func timestamp(t time.Time) *metav1.Time {
	return new(metav1.NewTime(t.Truncate(time.Second)))
}
