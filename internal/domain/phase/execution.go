package phase

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/text"
)

// Bounds of the API.
const (
	maxOutputs        = 128
	maxReplicaMessage = 1024 // bytes
)

// beginExecution makes the builder Pods and records them.
func beginExecution(o Observation, plan *Plan, now time.Time) {
	indexes := make([]int32, 0, o.Phase.Spec.Execution.Parallelism)
	for replica := range o.Phase.Spec.Execution.Parallelism {
		indexes = append(indexes, replica)
	}
	plan.Status.Attempts = nil
	if !attempt(o, plan, 1, indexes, now) {
		return
	}
	run(o.Phase, &plan.Status, "", now)
	plan.RequeueAfter = o.Phase.Spec.Timeout.Duration
}

// attempt makes the builder Pods of a number of replicas, as far as they are not there, and records them.
func attempt(o Observation, plan *Plan, number int32, indexes []int32, now time.Time) (ok bool) {
	record := v1alpha1.AttemptStatus{Number: number}
	var missing []int32
	for _, replica := range indexes {
		name := buildpod.Name(o.Phase, number, replica)
		record.Replicas = append(record.Replicas, v1alpha1.ReplicaStatus{Index: replica, Pod: name})
		if o.Pods[name] == nil {
			missing = append(missing, replica)
		}
	}
	if !makePods(o, plan, number, missing, now) {
		return false
	}
	plan.Status.Attempts = append(plan.Status.Attempts, record)
	return true
}

// makePods makes builder Pods. It does not without a BuilderClass that allows them, nor without what they clone with, nor with a
// ServiceAccount that is not for them; none of which counts for those that are there.
func makePods(o Observation, plan *Plan, attempt int32, replicas []int32, now time.Time) (ok bool) {
	by, cause := builder(o)
	switch {
	case len(replicas) == 0:
	case o.Account != nil:
		Fail(o.Phase, &plan.Status, o.Account, now)
		return false
	case cause != nil:
		Fail(o.Phase, &plan.Status, cause, now)
		return false
	case by == nil: // nobody asked
		plan.RequeueAfter = askAgainAtOnce
		return false
	case !credential(o, plan, attempt, now):
		return false
	}
	for _, replica := range replicas {
		pod := buildpod.Build(o.Phase, by, attempt, replica, o.Outputs, o.CABundle)
		if o.LogStore != nil {
			buildpod.ShipLog(pod, by, *o.LogStore)
		}
		plan.CreatePods = append(plan.CreatePods, pod)
	}
	plan.Status.Builder = by
	return true
}

// proceedExecution follows the builder Pods of the last attempt to their end.
func proceedExecution(o Observation, plan *Plan, now time.Time) {
	last := &plan.Status.Attempts[len(plan.Status.Attempts)-1]
	if last.RetryTime != nil {
		awaitRetry(o, plan, last, now)
		return
	}
	seen := examine(o, plan, last, now)
	if len(seen.waiting) == 0 {
		concludeAttempt(o, plan, last, seen, now)
		return
	}
	if plan.Status.Stop == nil {
		cause := stopCause(o, seen, now)
		if cause == nil {
			plan.RequeueAfter = min(seen.recheck, deadline(o, now))
			return
		}
		stopFor(o.Phase, &plan.Status, cause, now)
	}
	halt(o, plan, now)
}

// sight is what the builder Pods of an attempt have come to.
type sight struct {
	// waiting names in words what each replica that has not ended is about.
	waiting []string
	// failures of those that have ended.
	failures []failure
	// unscheduled is how long a Pod waits for a node.
	unscheduled time.Duration
	// recheck is when to look again if nothing happens.
	recheck time.Duration
}

// failure is a replica that failed.
type failure struct {
	replica int32
	problem *problem.Problem
	// started: ci.sh had, or that cannot be told.
	started bool
}

// examine judges the builder Pods of an attempt, and records those that have ended: one may be gone before the others have.
func examine(o Observation, plan *Plan, attempt *v1alpha1.AttemptStatus, now time.Time) sight {
	seen := sight{recheck: o.Phase.Spec.Timeout.Duration}
	for i := range attempt.Replicas {
		replica := &attempt.Replicas[i]
		if replica.Reason != "" {
			seen.recall(replica)
			plan.removeLeftover(o.Pods[replica.Pod])
			continue
		}
		v := judge(o.Pods[replica.Pod], now)
		if !v.ended {
			seen.waiting = append(seen.waiting, v.waitingFor)
			if v.recheck > 0 {
				seen.recheck = min(seen.recheck, v.recheck)
			}
			seen.awaitNode(o, v)
			continue
		}
		record(replica, v)
		expectLog(replica, o.Pods[replica.Pod])
		plan.removeLeftover(o.Pods[replica.Pod])
		if v.keepLog {
			plan.KeepLogs = append(plan.KeepLogs, KeepLog{Attempt: attempt.Number, Replica: replica.Index, Pod: replica.Pod, TailLines: v.tailLines})
		}
		plan.Status.Outputs = keep(plan.Status.Outputs, v.outputs)
		if v.problem != nil {
			seen.failures = append(seen.failures, failure{replica.Index, v.problem, v.started})
		}
	}
	return seen
}

// removeLeftover has a Pod removed that is judged, but for whose containers it is not over: an image may yet be pulled, and
// ci.sh run for nobody.
func (p *Plan) removeLeftover(pod *corev1.Pod) {
	if pod != nil && pod.DeletionTimestamp.IsZero() && !finished(pod) {
		p.DeletePods = append(p.DeletePods, pod.Name)
	}
}

// recall notes what was recorded of a replica.
func (s *sight) recall(replica *v1alpha1.ReplicaStatus) {
	if replica.FailureClass != "" {
		cause := &problem.Problem{Class: replica.FailureClass, Reason: replica.Reason, Message: replica.Message}
		s.failures = append(s.failures, failure{replica.Index, cause, replica.Started})
	}
}

// awaitNode notes a Pod that waits for a node, and when that is too long.
func (s *sight) awaitNode(o Observation, v verdict) {
	s.unscheduled = max(s.unscheduled, v.unscheduled)
	if limit := o.Phase.Spec.Execution.UnscheduledTimeout; limit != nil && v.unscheduled > 0 && v.unscheduled < limit.Duration {
		s.recheck = min(s.recheck, limit.Duration-v.unscheduled)
	}
}

// concludeAttempt ends a phase whose builder Pods have all ended, or has what failed tried again.
func concludeAttempt(o Observation, plan *Plan, attempt *v1alpha1.AttemptStatus, seen sight, now time.Time) {
	plan.DeletePods = unfinishedPods(o)
	plan.removeCredentials(o.Phase)
	switch {
	case len(seen.failures) == 0:
		succeed(o.Phase, &plan.Status, "", now)
	case plan.Status.Stop != nil:
		Fail(o.Phase, &plan.Status, causeOf(plan.Status.Stop), now)
	case worthRetrying(o.Phase, attempt.Number, seen.failures):
		retryLater(o, plan, attempt, seen.failures, now)
	default:
		Fail(o.Phase, &plan.Status, combine(o.Phase, seen.failures), now)
	}
}

// keep adds the outputs of replicas. Of equal names the first one counts.
func keep(outputs []v1alpha1.Output, more []contract.Output) []v1alpha1.Output {
	for _, output := range more {
		there := slices.ContainsFunc(outputs, func(o v1alpha1.Output) bool { return o.Name == output.Name })
		if !there && len(outputs) < maxOutputs {
			outputs = append(outputs, v1alpha1.Output{Name: output.Name, Value: output.Value})
		}
	}
	return outputs
}

// combine makes one problem of those of the replicas: the first one's, with the number of the others.
func combine(p *v1alpha1.Phase, failures []failure) *problem.Problem {
	first := *failures[0].problem
	if replicas := int(p.Spec.Execution.Parallelism); replicas > 1 {
		first.Message = fmt.Sprintf("replica %d: %s", failures[0].replica, first.Message)
		if len(failures) > 1 {
			first.Message += fmt.Sprintf(" (%d of %d replicas failed)", len(failures), replicas)
		}
	}
	if first.Class == v1alpha1.FailureInfra && failures[0].started && !p.Spec.Execution.RetryOnInfra {
		first.Message += "; it was not tried again, since ci.sh may have started: builder.retry.onInfra of the link allows that"
	}
	return &first
}

func record(replica *v1alpha1.ReplicaStatus, v verdict) {
	replica.ExitCode = v.exitCode
	replica.Reason = v.reason
	if v.problem != nil {
		replica.FailureClass, replica.Message = v.problem.Class, text.Cut(v.problem.Message, maxReplicaMessage)
	}
	replica.Started = v.started
	replica.StartTime = v.startTime
	replica.CompletionTime = v.completionTime
	replica.Log = v.log
}

// unfinishedPods names the builder Pods in which something of the build may still run.
func unfinishedPods(o Observation) []string {
	var names []string
	for name, pod := range o.Pods {
		if pod.DeletionTimestamp.IsZero() && !finished(pod) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// finished tells whether nothing of a build runs in its Pod any more. Its log may still be on its way to the store.
func finished(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return true
	}
	if buildpod.StateOf(pod, contract.BuildContainer).Terminated == nil {
		return false
	}
	ships, over := buildpod.ShipperOf(pod), buildpod.StateOf(pod, contract.CheckoutContainer).Terminated != nil
	if ships != "" && buildpod.StateOf(pod, ships).Terminated == nil {
		return ran(pod) && (over || ships == contract.CheckoutContainer)
	}
	return over
}

// each joins different words of the replicas.
func each(waiting []string) string { return strings.Join(slices.Compact(waiting), "; ") }
