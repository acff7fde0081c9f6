package phase

import (
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
)

// Builder is what the builder Pods of a phase are made by, or why its BuilderClass makes none.
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
	return Ready(o) && (o.Wait == nil || len(o.Pods) > 0)
}

// builder is what the Pods of a phase are made by: what the first ones were, else the class as it is now.
func builder(o Observation) (*v1alpha1.BuilderStatus, *problem.Problem) {
	switch {
	case o.Phase.Status.Builder != nil:
		return o.Phase.Status.Builder, nil
	case o.Builder != nil:
		return o.Builder.Status, o.Builder.Problem
	}
	return nil, nil
}

// postpone tells what an attempt waits for, and looks again after a while.
func postpone(o Observation, plan *Plan, cause *problem.Problem, again time.Duration, now time.Time) {
	if o.Phase.Status.StartTime != nil {
		Hold(o.Phase, &plan.Status, cause, now)
		plan.RequeueAfter = sooner(again, deadline(o, now))
		return
	}
	Queue(o.Phase, &plan.Status, cause.Reason, cause.Message, now)
	plan.RequeueAfter = sooner(again, queueTimeLeft(o.Phase.Spec, plan.Status, now))
}
