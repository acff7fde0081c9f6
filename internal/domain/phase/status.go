package phase

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/text"
)

// maxMessage is the bound of a status message in the API, in bytes.
const maxMessage = 4096

// Fail ends a phase in the status for a problem. A status that is terminal stays as it is.
func Fail(p *v1alpha1.Phase, status *v1alpha1.PhaseStatus, cause *problem.Problem, now time.Time) {
	if status.State.Terminal() {
		return
	}
	status.State = v1alpha1.PhaseFailed
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
