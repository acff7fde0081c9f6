package phase

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
)

// Builder is what the builder Pods of a phase are made by, or why that cannot be told.
type Builder struct {
	Status  *v1alpha1.BuilderStatus
	Problem *problem.Problem
}

// NeedsBuilder tells whether Decide will look at Builder: the phase is about to begin. What it began with stays.
func NeedsBuilder(o Observation) bool { return o.Phase.Status.Builder == nil && attemptAhead(o) }

// attemptAhead tells whether an attempt of an execution phase is about to begin, now or after a wait.
func attemptAhead(o Observation) bool {
	if o.Phase.Spec.Execution == nil || o.Phase.Status.State.Terminal() || !o.RunActive {
		return false
	}
	if begun(o.Phase) {
		return o.Phase.Status.Attempts[len(o.Phase.Status.Attempts)-1].RetryTime != nil
	}
	return Ready(o)
}

// builder is what the Pods of an attempt are made by. Without a BuilderClass the phase waits: a cluster admin may be about to make another
// one the default, in two steps. What its class does not allow fails it.
func builder(o Observation, plan *Plan, now time.Time) (made *v1alpha1.BuilderStatus, ok bool) {
	switch {
	case o.Phase.Status.Builder != nil:
		return o.Phase.Status.Builder, true
	case o.Builder == nil: // it became time meanwhile
		plan.RequeueAfter = askAgainAtOnce
	case o.Builder.Problem == nil:
		return o.Builder.Status, true
	case comes(o.Builder.Problem.Reason):
		postpone(o, plan, o.Builder.Problem, 0, now)
	default:
		Fail(o.Phase, &plan.Status, o.Builder.Problem, now)
	}
	return nil, false
}

// comes tells whether a BuilderClass that is missing may yet be there.
func comes(reason string) bool {
	return reason == v1alpha1.ReasonNoBuilderClass || reason == v1alpha1.ReasonSeveralDefaultClasses
}

// WaitsForClass tells whether a phase with this status waits for a BuilderClass.
func WaitsForClass(status v1alpha1.PhaseStatus) bool {
	return !status.State.Terminal() && slices.ContainsFunc(status.Conditions, func(c metav1.Condition) bool {
		return c.Type == v1alpha1.ConditionSucceeded && comes(c.Reason)
	})
}

// postpone tells what an attempt waits for, and looks again after a while; 0: when something happens.
func postpone(o Observation, plan *Plan, cause *problem.Problem, again time.Duration, now time.Time) {
	var left time.Duration
	if o.Phase.Status.StartTime != nil {
		Hold(o.Phase, &plan.Status, cause, now)
		left = deadline(o, now)
	} else {
		Queue(o.Phase, &plan.Status, cause.Reason, cause.Message, now)
		left = queueTimeLeft(o.Phase.Spec, plan.Status, now)
	}
	plan.RequeueAfter = left
	if again > 0 {
		plan.RequeueAfter = sooner(again, left)
	}
}
