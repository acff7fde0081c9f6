package phase

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/problem"
)

// firstAttempt is the number of a phase's first and only attempt.
const firstAttempt = int32(1)

// beginExecution makes the builder Pods and records them.
func beginExecution(o Observation, plan *Plan, now time.Time) {
	attempt := v1alpha1.AttemptStatus{Number: firstAttempt}
	for replica := range o.Phase.Spec.Execution.Parallelism {
		pod := buildpod.Build(o.Phase, attempt.Number, replica)
		if o.Pods[pod.Name] == nil {
			plan.CreatePods = append(plan.CreatePods, pod)
		}
		attempt.Replicas = append(attempt.Replicas, v1alpha1.ReplicaStatus{Index: replica, Pod: pod.Name})
	}
	plan.Status.Attempts = []v1alpha1.AttemptStatus{attempt}
	run(o.Phase, &plan.Status, "", now)
	plan.RequeueAfter = o.Phase.Spec.Timeout.Duration
}

// proceedExecution follows the builder Pods to their end.
func proceedExecution(o Observation, plan *Plan, now time.Time) {
	attempt := &plan.Status.Attempts[len(plan.Status.Attempts)-1]
	var waiting []string
	var failures []failure
	next := deadline(o, now)
	for i := range attempt.Replicas {
		replica := &attempt.Replicas[i]
		v := judge(o.Pods[replica.Pod], now)
		if !v.ended {
			waiting = append(waiting, v.waitingFor)
			if v.recheck > 0 {
				next = min(next, v.recheck)
			}
			continue
		}
		record(replica, v)
		if v.keepLog {
			plan.KeepLogs = append(plan.KeepLogs, KeepLog{Attempt: attempt.Number, Replica: replica.Index, Pod: replica.Pod, TailLines: v.tailLines})
		}
		if v.problem != nil {
			failures = append(failures, failure{replica.Index, v.problem})
		}
	}
	switch {
	case len(waiting) == 0 && len(failures) == 0:
		succeed(o.Phase, &plan.Status, "", now)
	case len(waiting) == 0:
		Fail(o.Phase, &plan.Status, combine(failures, len(attempt.Replicas)), now)
	case deadline(o, now) <= 0:
		plan.KeepLogs = append(plan.KeepLogs, runningLogs(o, attempt)...)
		Fail(o.Phase, &plan.Status, timedOut(o, strings.Join(slices.Compact(waiting), "; ")), now)
	default:
		// The results of single replicas are written with the phase's end, all at once.
		plan.Status = *o.Phase.Status.DeepCopy()
		plan.KeepLogs = nil
		plan.RequeueAfter = next
		return
	}
	plan.DeletePods = unfinishedPods(o)
}

type failure struct {
	replica int32
	problem *problem.Problem
}

// combine makes one problem of those of the replicas: the first one's, with the number of the others.
func combine(failures []failure, replicas int) *problem.Problem {
	first := *failures[0].problem
	if replicas > 1 {
		first.Message = fmt.Sprintf("replica %d: %s", failures[0].replica, first.Message)
	}
	if more := len(failures) - 1; more > 0 {
		first.Message += fmt.Sprintf(" (%d of %d replicas failed)", len(failures), replicas)
	}
	return &first
}

func record(replica *v1alpha1.ReplicaStatus, v verdict) {
	replica.ExitCode = v.exitCode
	replica.Reason = v.reason
	replica.StartTime = v.startTime
	replica.CompletionTime = v.completionTime
	replica.Log = v.log
}

// runningLogs asks for the logs of replicas that are about to be stopped.
func runningLogs(o Observation, attempt *v1alpha1.AttemptStatus) []KeepLog {
	var keep []KeepLog
	for _, replica := range attempt.Replicas {
		if pod := o.Pods[replica.Pod]; pod != nil && buildRuns(pod) {
			keep = append(keep, KeepLog{Attempt: attempt.Number, Replica: replica.Index, Pod: replica.Pod})
		}
	}
	return keep
}

// unfinishedPods names the builder Pods with a container that may still run.
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

func finished(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return true
	}
	if len(pod.Status.ContainerStatuses) < len(pod.Spec.Containers) {
		return false
	}
	for _, status := range pod.Status.ContainerStatuses {
		if status.State.Terminated == nil {
			return false
		}
	}
	return true
}
