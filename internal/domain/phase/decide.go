package phase

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/queue"
	"katkit.dev/katkit/internal/domain/rollout"
)

// Observation is all that Decide looks at.
type Observation struct {
	Phase *v1alpha1.Phase
	// RunActive: the run is there, is not being deleted and has not ended.
	RunActive bool
	// RunEnded: the run is there and has ended, so that nothing of it goes on.
	RunEnded bool
	// RunStop tells why the run is being stopped; nil when it is not.
	RunStop *v1alpha1.StopStatus
	// Deleted: the Phase is being deleted, and kept by its finalizer. NamespaceGone: together with its whole namespace.
	Deleted, NamespaceGone bool
	// NotATenant says that a cluster admin took the tenant's label away; nil while it is there.
	NotATenant *problem.Problem
	// Before are the Phases that spec.after names, by name; one that is not there has no entry.
	Before map[string]v1alpha1.PhaseState
	// Wait tells why it is not the phase's turn; nil when it is, or when it was not asked (see Ready).
	Wait *queue.Wait
	// Outputs are those of the phases before this one, the later ones winning.
	Outputs []v1alpha1.Output
	// Builder is what the builder Pods of the phase are made by; nil when that is known, or when it was not asked for (see NeedsBuilder).
	Builder *Builder
	// Credential is what the builder Pods of an attempt that is about to begin clone with; nil when they need none made, or when
	// it was not asked for (see NeedsCredential).
	Credential *Credential
	// Account says that the builder Pods of an attempt that is about to begin may not have the token of their ServiceAccount; nil when
	// they may, when they have none, or when it was not asked (see NeedsAccount).
	Account *problem.Problem
	// CABundle are the certificates that a checkout trusts beside those of its image, in PEM.
	CABundle string
	// LogStore is where the logs of builder Pods go that are made now; nil where there is none.
	LogStore *buildpod.LogStore
	// Pods are the builder Pods of an execution phase, by name. One that is not in it does not exist: that
	// was read from the API server, not only from a cache, where the status says that it is under way.
	Pods map[string]*corev1.Pod
	// Services are the workloads of a deployment phase as they are now, by role. A role without a
	// workload has no entry.
	Services map[string]rollout.Service
	// DryRun is what stands in the way of changing the services as the deployer, for good; nil when nothing
	// does, or when it was not asked, since the receipts are written already.
	DryRun *problem.Problem
	// Older says that the commit is older than the live one of a service, or that this cannot be told yet; nil when it is
	// not, when the phase may go back, or when it was not asked.
	Older *problem.Problem
}

// Plan is what is to be done, in the order of the fields.
type Plan struct {
	// CreateCredential is the Secret that CreatePods clone with, to be made before them; nil: they need none made.
	CreateCredential *corev1.Secret
	// CreatePods are builder Pods to be made before the status says that they run.
	CreatePods []*corev1.Pod
	// KeepLogs are the replicas whose log has to be stored before the status says that they ended.
	KeepLogs []KeepLog
	// RemoveCredentials name Secrets of CreateCredential's that are not needed any more, to be removed before the status says so.
	// They need not be there.
	RemoveCredentials []string
	// Status is what the Phase's status shall be.
	Status v1alpha1.PhaseStatus
	// StopPods are builder Pods that are told to end (TERM, and KILL after their grace period) and stay, with result and log.
	StopPods []string
	// DeletePods are builder Pods that shall not go on.
	DeletePods []string
	// KillPods are builder Pods that did not end in time, to be removed at once.
	KillPods []string
	// PatchImages are the services to be changed now, as the deployer.
	PatchImages []PatchImage
	// RemovePods are Pods of services that stand in the way of their rollback, to be deleted as the deployer.
	RemovePods []RemovePod
	// Release: the Phase's finalizer is to be removed.
	Release bool
	// RequeueAfter is when to look again if nothing happens before; 0: only when something happens.
	RequeueAfter time.Duration
}

// KeepLog asks for the end of a replica's log to be stored in a ConfigMap, whose name goes into the status.
type KeepLog struct {
	Attempt, Replica int32
	Pod              string
	// TailLines is the number of lines that hold the last 64 KiB, as the agent counted; 0: not known.
	TailLines int64
}

// Decide tells what to do next with a phase. It is total: every observation has a plan, and an observation
// of a phase that has ended keeps its status, but for what became of its logs.
func Decide(o Observation, now time.Time) Plan {
	plan := Plan{Status: *o.Phase.Status.DeepCopy()}
	switch {
	case plan.Status.State.Terminal():
		plan.DeletePods = unfinishedPods(o)
	case o.Deleted:
		withdraw(o, &plan, now)
	case o.RunEnded:
		plan.DeletePods = unfinishedPods(o)
		stop(o, &plan, now)
	case !o.RunActive:
		plan.DeletePods = unfinishedPods(o)
	case begun(o.Phase):
		proceed(o, &plan, now)
	case o.RunStop != nil && o.Phase.Status.StartTime != nil: // it has some of its Pods
		Fail(o.Phase, &plan.Status, causeOf(o.RunStop), now)
	case o.RunStop != nil:
		skip(o, &plan, o.RunStop.Message, now)
	default:
		begin(o, &plan, now)
	}
	if plan.Status.State.Terminal() && !o.Phase.Status.State.Terminal() {
		plan.removeCredentials(o.Phase)
	}
	followLogs(o, &plan, now)
	plan.Release = slices.Contains(o.Phase.Finalizers, v1alpha1.FinalizerDeployment) && (plan.Release || plan.Status.State.Terminal())
	return plan
}

// Ready tells whether nothing but its turn keeps a phase from beginning, so that Decide will look at Wait.
func Ready(o Observation) bool {
	return o.RunActive && o.RunStop == nil && !o.Deleted && !o.Phase.Status.State.Terminal() && !begun(o.Phase) &&
		o.NotATenant == nil && gate(o) == nil && !waitsForApproval(o.Phase)
}

// NeedsSiblings tells whether Decide will look at Before and Outputs.
func NeedsSiblings(p *v1alpha1.Phase) bool {
	if p.Status.State.Terminal() {
		return false
	}
	last := len(p.Status.Attempts) - 1
	return !begun(p) || last >= 0 && p.Status.Attempts[last].RetryTime != nil
}

// NeedsServices tells whether Decide will look at the services of the phase, and whether a dry run of their
// change shall be part of the observation.
func NeedsServices(o Observation) (needed, dryRun bool) {
	status := o.Phase.Status
	if o.Phase.Spec.Type != v1alpha1.PhaseDeployment || status.State.Terminal() || o.NamespaceGone {
		return false, false
	}
	if begun(o.Phase) {
		return o.RunActive || o.RunEnded || o.Deleted, false // without its run, to take the deployment back
	}
	ready := Ready(o) && o.Wait == nil
	return ready, ready
}

// begin starts a phase whose turn it is, or tells why it does not start.
func begin(o Observation, plan *Plan, now time.Time) {
	if blocked := gate(o); blocked != nil {
		blocked(plan, now)
		return
	}
	if o.NotATenant != nil {
		Fail(o.Phase, &plan.Status, o.NotATenant, now)
		return
	}
	noteApproval(o.Phase, &plan.Status, now)
	switch {
	case waitsForApproval(o.Phase):
		plan.Status.State = v1alpha1.PhaseWaitingForApproval
		Wait(o.Phase, &plan.Status, v1alpha1.ReasonWaitingForApproval,
			fmt.Sprintf("waits for approval: kubectl patch phase %s -n %s --type=merge -p '{\"spec\":{\"approved\":true}}'", o.Phase.Name, o.Phase.Namespace), now)
	case o.Phase.Status.StartTime != nil && deadline(o, now) <= 0: // it has had some of its Pods all the time
		Fail(o.Phase, &plan.Status, timedOut(o, o.Phase.Status.Message), now)
	case queuedTooLong(o.Phase, now):
		Fail(o.Phase, &plan.Status, queueTimedOut(o), now)
	case o.Wait != nil && len(o.Pods) == 0: // with Pods it had its turn, and the status that says so was not stored
		Queue(o.Phase, &plan.Status, v1alpha1.ReasonQueued, o.Wait.String(), now)
		plan.RequeueAfter = queueTimeLeft(o.Phase.Spec, plan.Status, now)
	case o.Phase.Spec.Type == v1alpha1.PhaseDeployment:
		beginDeployment(o, plan, now)
	default:
		beginExecution(o, plan, now)
	}
}

// noteApproval records that a phase waits for its approval, and who gave it.
func noteApproval(p *v1alpha1.Phase, status *v1alpha1.PhaseStatus, now time.Time) {
	if p.Spec.Approval != v1alpha1.ApprovalManual {
		return
	}
	if status.Approval == nil {
		status.Approval = &v1alpha1.ApprovalStatus{RequestTime: *timestamp(now)}
	}
	if p.Spec.Approved && status.Approval.Time == nil {
		status.Approval.By, status.Approval.Time = p.Spec.ApprovedBy, timestamp(now)
	}
}

// begun tells whether the status records what the phase does. One that does not is begun, again if need be:
// what was done before is found by its name.
func begun(p *v1alpha1.Phase) bool {
	recorded := len(p.Status.Receipts)
	if p.Spec.Type == v1alpha1.PhaseExecution {
		recorded = 0
		if last := len(p.Status.Attempts); last > 0 {
			recorded = len(p.Status.Attempts[last-1].Replicas)
		}
	}
	return p.Status.StartTime != nil && recorded > 0
}

func proceed(o Observation, plan *Plan, now time.Time) {
	if o.Phase.Spec.Type == v1alpha1.PhaseDeployment {
		proceedDeployment(o, plan, now)
		return
	}
	proceedExecution(o, plan, now)
}

func waitsForApproval(p *v1alpha1.Phase) bool {
	return p.Spec.Approval == v1alpha1.ApprovalManual && !p.Spec.Approved
}

// gate is nil when every phase before this one succeeded; otherwise it returns what becomes of the plan.
func gate(o Observation) func(*Plan, time.Time) {
	pending := false
	for _, name := range o.Phase.Spec.After {
		state, found := o.Before[name]
		switch {
		case !found:
			return failing(o, problem.Config(v1alpha1.ReasonPhaseGone,
				"Phase %s, which comes before this one, is gone; start a new run of the commit", name))
		case state != v1alpha1.PhaseSucceeded && state.Terminal():
			return func(plan *Plan, now time.Time) {
				skip(o, plan, fmt.Sprintf("Phase %s did not succeed", name), now)
			}
		case state != v1alpha1.PhaseSucceeded:
			pending = true
		}
	}
	if pending {
		return func(*Plan, time.Time) {}
	}
	return nil
}

func failing(o Observation, p *problem.Problem) func(*Plan, time.Time) {
	return func(plan *Plan, now time.Time) { Fail(o.Phase, &plan.Status, p, now) }
}

func skip(o Observation, plan *Plan, why string, now time.Time) {
	message := "not started: " + why
	plan.Status.State = v1alpha1.PhaseSkipped
	plan.Status.Message = message
	plan.Status.CompletionTime = timestamp(now)
	setSucceeded(&plan.Status, o.Phase.Generation, metav1.ConditionFalse, v1alpha1.ReasonSkipped, message, now)
}

// deadline is when the phase times out; the second result is how long that is from now, above zero while
// it has not come.
func deadline(o Observation, now time.Time) time.Duration {
	return o.Phase.Status.StartTime.Add(o.Phase.Spec.Timeout.Duration).Sub(now)
}

// timedOut is the problem of a phase that takes too long.
func timedOut(o Observation, waitingFor string) *problem.Problem {
	message := fmt.Sprintf("took longer than its timeout of %s", o.Phase.Spec.Timeout.Duration)
	if waitingFor != "" {
		message += "; at the end: " + waitingFor
	}
	return &problem.Problem{Class: v1alpha1.FailureUser, Reason: v1alpha1.ReasonTimedOut, Message: message}
}
