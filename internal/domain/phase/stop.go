package phase

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/text"
)

const (
	// stopSlack is how much longer than its grace period a builder Pod may take to end before it is given up.
	stopSlack = 5 * time.Second
	// withdrawTimeout bounds how long a Phase that is deleted is kept to take its deployment back.
	withdrawTimeout = 30 * time.Second
	// maxStopMessage is a bound of the API, in bytes.
	maxStopMessage = 2048
)

// stop ends a phase whose run is over without it. What a deployment has changed it takes back.
func stop(o Observation, plan *Plan, now time.Time) {
	if !begun(o.Phase) {
		skip(o, plan, fmt.Sprintf("run %s ended before its turn came", o.Phase.Spec.Run.Name), now)
		return
	}
	cause := problem.Config(v1alpha1.ReasonRunEnded, "stopped: run %s ended without it", o.Phase.Spec.Run.Name)
	switch {
	case o.Phase.Spec.Type != v1alpha1.PhaseDeployment:
		Fail(o.Phase, &plan.Status, cause, now)
	case o.Phase.Status.Rollback != nil:
		rollBack(o, plan, now)
	default:
		takeBack(o, plan, cause, now)
	}
}

// stopCause is why an execution that goes on has to be stopped; nil while it may go on.
func stopCause(o Observation, seen sight, now time.Time) *problem.Problem {
	if o.RunStop != nil {
		return causeOf(o.RunStop)
	}
	if deadline(o, now) <= 0 {
		return timedOut(o, each(seen.waiting))
	}
	if limit := o.Phase.Spec.Execution.UnscheduledTimeout; limit != nil && seen.unscheduled >= limit.Duration {
		return &problem.Problem{Class: v1alpha1.FailureInfra, Reason: v1alpha1.ReasonUnscheduledTimedOut,
			Message: fmt.Sprintf("no node took a builder Pod within the unscheduledTimeout of %s: %s", limit.Duration, each(seen.waiting))}
	}
	attempt := o.Phase.Status.Attempts[len(o.Phase.Status.Attempts)-1].Number
	for _, f := range seen.failures {
		if o.Phase.Spec.Execution.FailFast && !retryable(o.Phase, attempt, f) {
			cause := *combine(o.Phase, []failure{f})
			cause.Message += "; the other replicas were stopped"
			return &cause
		}
	}
	return nil
}

// stopFor writes down why a phase is stopped, before it is.
func stopFor(p *v1alpha1.Phase, status *v1alpha1.PhaseStatus, cause *problem.Problem, now time.Time) {
	status.Stop = &v1alpha1.StopStatus{
		Reason: cause.Reason, FailureClass: cause.Class, Message: text.Cut(cause.Message, maxStopMessage), StartTime: *timestamp(now),
	}
	tell(p, status, "stopping: "+status.Stop.Message, now)
}

// causeOf is the problem that a stop was for.
func causeOf(stop *v1alpha1.StopStatus) *problem.Problem {
	return &problem.Problem{Class: stop.FailureClass, Reason: stop.Reason, Message: stop.Message}
}

// halt has the builder Pods of the last attempt end: those that have started get TERM and their grace period, and keep their
// results and logs. What does not end in time is given up.
func halt(o Observation, plan *Plan, now time.Time) {
	last := &plan.Status.Attempts[len(plan.Status.Attempts)-1]
	left := plan.Status.Stop.StartTime.Add(buildpod.GracePeriod + stopSlack).Sub(now)
	if left <= 0 {
		giveUpPods(o, plan, last, now)
		return
	}
	plan.RequeueAfter = left
	for _, replica := range last.Replicas {
		if replica.Reason != "" {
			continue
		}
		switch pod := o.Pods[replica.Pod]; {
		case pod == nil || !pod.DeletionTimestamp.IsZero() || finished(pod):
		case !started(pod):
			plan.DeletePods = append(plan.DeletePods, pod.Name)
		case pod.Spec.ActiveDeadlineSeconds == nil:
			plan.StopPods = append(plan.StopPods, pod.Name)
		}
	}
}

// giveUpPods ends the phase without the builder Pods that did not end in time.
func giveUpPods(o Observation, plan *Plan, attempt *v1alpha1.AttemptStatus, now time.Time) {
	examine(o, plan, attempt, now)
	for i := range attempt.Replicas {
		if replica := &attempt.Replicas[i]; replica.Reason == "" {
			replica.Reason = v1alpha1.ReasonNotStopped
			plan.KillPods = append(plan.KillPods, replica.Pod)
		}
	}
	cause := causeOf(plan.Status.Stop)
	cause.Message += fmt.Sprintf("; builder Pods did not end within %s and were removed: is their node lost?", buildpod.GracePeriod+stopSlack)
	Fail(o.Phase, &plan.Status, cause, now)
}

// started tells whether a container of a builder Pod has run.
func started(pod *corev1.Pod) bool {
	for _, name := range []string{contract.BuildContainer, contract.CheckoutContainer} {
		if state := buildpod.StateOf(pod, name); state.Running != nil || state.Terminated != nil {
			return true
		}
	}
	return false
}

// withdraw lets go of a deployment phase that is deleted. What it has changed is changed back first; for the rollouts nobody
// waits any more.
func withdraw(o Observation, plan *Plan, now time.Time) {
	if !begun(o.Phase) || o.NamespaceGone || o.Phase.Spec.Type != v1alpha1.PhaseDeployment {
		plan.Release = true
		return
	}
	if o.Phase.Status.Rollback == nil {
		takeBack(o, plan, &problem.Problem{Reason: v1alpha1.ReasonCancelled, Message: "its run was deleted"}, now)
		return
	}
	rollBack(o, plan, now)
	waited := now.Sub(o.Phase.Status.Rollback.StartTime.Time)
	if waited >= withdrawTimeout { // what cannot be changed back does not hold up the deletion
		plan.PatchImages, plan.RemovePods = nil, nil
	}
	plan.Release = len(plan.PatchImages)+len(plan.RemovePods) == 0
	plan.RequeueAfter = max(withdrawTimeout-waited, 0)
}
