package run

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/text"
)

const (
	// maxWarnings and maxWarning are the bounds of status.warnings in the API.
	maxWarnings = 10
	maxWarning  = 512
	// maxConfigSource is the bound of status.configSource in the API.
	maxConfigSource = 512
	// maxPhaseMessage is the bound of a phase's message in the run's status.
	maxPhaseMessage = 1024
	// maxWaitingFor is the bound of status.waitingFor in the API.
	maxWaitingFor = 1024
	// linkPatience is when a run looks for its link again, should it have missed its creation.
	linkPatience = 5 * time.Minute
)

// Observation is all that Decide looks at.
type Observation struct {
	Run *v1alpha1.CIRun
	// Material is what the Phases are made of; nil when they are made, or when Problem is set.
	Material *Material
	// Problem stands in the way of making the Phases; nil when they are made.
	Problem *problem.Problem
	// Commit is the one that was found before the Problem was, if it was.
	Commit Commit
	// Phases are the run's own, by name. One that the status names and is not among them does not exist.
	Phases map[string]*v1alpha1.Phase
	// Queued are the names of the Phases that are ready to begin and have to wait for their turn.
	Queued map[string]bool
	// LinkGone: the link is not there any more.
	LinkGone bool
	// NewerRun names the run that takes this one's place under the policy CancelOlder; "" when there is none.
	NewerRun string
	// BuilderPods tells whether builder Pods of the run are left that nobody is deleting yet.
	BuilderPods bool
}

// Plan is what is to be done, in the order of the fields.
type Plan struct {
	// CreatePhases are to be made in this order, before the status names them.
	CreatePhases []*v1alpha1.Phase
	// Status is what the run's status shall be.
	Status v1alpha1.CIRunStatus
	// DeletePods: the builder Pods of the run are to be removed, since their logs are delivered.
	DeletePods bool
	// Retry is the problem to come back for, after its RetryAfter or the caller's backoff.
	Retry *problem.Problem
	// RequeueAfter is when to look again if nothing happens before; 0: only when something happens.
	RequeueAfter time.Duration
}

// NeedsMaterial tells whether Decide needs Material (or the Problem that stands in the way of it).
func NeedsMaterial(run *v1alpha1.CIRun) bool {
	return !run.Status.State.Terminal() && len(run.Status.Phases) == 0 && !run.Spec.Cancelled
}

// Decide tells what to do next with a run. It is total: every observation has a plan, and an observation
// of a run that has ended keeps its status.
func Decide(o Observation, now time.Time) Plan {
	plan := Plan{Status: *o.Run.Status.DeepCopy()}
	switch {
	case plan.Status.State.Terminal():
		plan.DeletePods = o.BuilderPods && !Delivering(o.Phases)
	case len(plan.Status.Phases) > 0:
		follow(o, &plan, now)
	case o.Run.Spec.Cancelled:
		finish(o.Run, &plan.Status, v1alpha1.RunCancelled, v1alpha1.ReasonCancelled, "cancelled before it began", now)
	case o.Problem != nil:
		blocked(o, &plan, now)
	case o.Material != nil:
		begin(o, &plan, now)
	}
	return plan
}

// blocked tells why a run does not begin: it fails, or it waits if that passes by itself.
func blocked(o Observation, plan *Plan, now time.Time) {
	if !o.Problem.Transient {
		pin(&plan.Status, o.Commit)
		finish(o.Run, &plan.Status, v1alpha1.RunFailed, o.Problem.Reason, o.Problem.Message, now)
		return
	}
	limit := timeout(o.Run.Spec.Timeout, defaultRunTimeout, nil).Duration
	if created := o.Run.CreationTimestamp; !created.IsZero() && now.Sub(created.Time) >= limit {
		finish(o.Run, &plan.Status, v1alpha1.RunFailed, v1alpha1.ReasonRunTimedOut,
			fmt.Sprintf("the run could not begin within its timeout of %s: %s", limit, o.Problem.Message), now)
		return
	}
	plan.Status.State = v1alpha1.RunPending
	setSucceeded(o.Run, &plan.Status, metav1.ConditionUnknown, o.Problem.Reason, o.Problem.Message, now)
	plan.Retry = o.Problem
}

// pin notes which commit is run, or could not be.
func pin(status *v1alpha1.CIRunStatus, commit Commit) {
	status.SHA, status.Ref, status.PullRequest = commit.SHA, commit.Ref, commit.PullRequest
	status.Message, status.Author, status.Fork = commit.Message, commit.Author, commit.Fork
}

// begin makes the Phases and pins the commit.
func begin(o Observation, plan *Plan, now time.Time) {
	m := o.Material
	pin(&plan.Status, m.Commit)
	plan.Status.ConfigSource = text.Cut(m.Workflow.Source, maxConfigSource)
	plan.Status.Warnings = limit(m.Warnings)
	plan.Status.StartTime = timestamp(now)
	plan.Status.Timeout = timeout(o.Run.Spec.Timeout, defaultRunTimeout, m.Class.Spec.MaxRunTimeout)
	phases := maps.Clone(o.Phases)
	if phases == nil {
		phases = map[string]*v1alpha1.Phase{}
	}
	made := map[string]*v1alpha1.Phase{}
	for _, phase := range BuildPhases(o.Run, *m) {
		if phases[phase.Name] == nil {
			phases[phase.Name] = phase
			plan.CreatePhases = append(plan.CreatePhases, phase)
		}
		made[phase.Spec.Name] = phase
	}
	for _, template := range m.Workflow.Phases {
		entry, carried := m.Carried[template.Name]
		if phase := made[template.Name]; !carried {
			entry = v1alpha1.RunPhaseStatus{Name: phase.Spec.Name, PhaseName: phase.Name, Type: phase.Spec.Type, Order: phase.Spec.Order}
		}
		plan.Status.Phases = append(plan.Status.Phases, entry)
	}
	project(o, &plan.Status, phases, now)
	stopping(o, plan, now)
	summarize(o.Run, &plan.Status, phases, now)
}

// follow keeps the status true to the Phases, and ends the run when they all have ended.
func follow(o Observation, plan *Plan, now time.Time) {
	for _, phase := range plan.Status.Phases {
		if phase.CarriedFrom == "" && o.Phases[phase.PhaseName] == nil {
			abandon(&plan.Status, now)
			finish(o.Run, &plan.Status, v1alpha1.RunFailed, v1alpha1.ReasonPhaseGone,
				fmt.Sprintf("Phase %s was deleted before the run had ended; start a new run of the commit", phase.PhaseName), now)
			plan.DeletePods = o.BuilderPods && !Delivering(o.Phases)
			return
		}
	}
	project(o, &plan.Status, o.Phases, now)
	stopping(o, plan, now)
	summarize(o.Run, &plan.Status, o.Phases, now)
	plan.DeletePods = plan.Status.State.Terminal() && o.BuilderPods && !Delivering(o.Phases)
}

// Delivering tells whether a builder Pod of the run, whose Phases these are, brings its log to the store yet. The Phase bounds that: it
// gives a log up that takes too long.
func Delivering(phases map[string]*v1alpha1.Phase) bool {
	for _, phase := range phases {
		for i := range phase.Status.Attempts {
			for _, replica := range phase.Status.Attempts[i].Replicas {
				if replica.Log != nil && replica.Log.Stored != nil && replica.Log.Stored.State == v1alpha1.StoredLogDelivering {
					return true
				}
			}
		}
	}
	return false
}

// abandon ends the phases that have not ended with their run, as they do themselves when they see it.
func abandon(status *v1alpha1.CIRunStatus, now time.Time) {
	for i := range status.Phases {
		entry := &status.Phases[i]
		if entry.State.Terminal() {
			continue
		}
		entry.State = v1alpha1.PhaseSkipped
		if entry.StartTime != nil {
			entry.State = v1alpha1.PhaseFailed
		}
		entry.CompletionTime = timestamp(now)
	}
}

// project writes the state of each Phase into the run's status. A Phase whose turn it is counts as begun
// even before it says so itself, so that one write tells of the end of a phase and the begin of the next.
func project(o Observation, status *v1alpha1.CIRunStatus, phases map[string]*v1alpha1.Phase, now time.Time) {
	var succeeded []*v1alpha1.Phase
	var carried []v1alpha1.Output
	for i := range status.Phases {
		entry := &status.Phases[i]
		if entry.CarriedFrom != "" {
			continue
		}
		phase := phases[entry.PhaseName]
		entry.State = stateOf(phase)
		if entry.State == v1alpha1.PhasePending && turn(phase, phases) && !o.Queued[phase.Name] && status.Stop == nil {
			entry.State = v1alpha1.PhaseRunning
		}
		entry.Message = text.Cut(phase.Status.Message, maxPhaseMessage)
		entry.CompletionTime = phase.Status.CompletionTime
		if entry.State != v1alpha1.PhasePending && entry.State != v1alpha1.PhaseSkipped && entry.StartTime == nil {
			entry.StartTime = timestamp(now)
		}
		if entry.State == v1alpha1.PhaseSucceeded {
			succeeded = append(succeeded, phase)
		}
		if phase.Spec.Execution != nil {
			carried = phase.Spec.Execution.CarriedOutputs
		}
	}
	status.Outputs = MergeOutputs(carried, succeeded)
}

// turn tells whether a pending Phase begins now.
func turn(phase *v1alpha1.Phase, phases map[string]*v1alpha1.Phase) bool {
	if phase.Spec.Approval == v1alpha1.ApprovalManual && !phase.Spec.Approved {
		return false
	}
	for _, name := range phase.Spec.After {
		if before := phases[name]; before == nil || stateOf(before) != v1alpha1.PhaseSucceeded {
			return false
		}
	}
	return true
}

// AboutToBegin tells whether one of the Phases begins unless it has to wait for its turn, so that Decide will look at Queued.
func AboutToBegin(phases map[string]*v1alpha1.Phase) bool {
	for _, phase := range phases {
		if stateOf(phase) == v1alpha1.PhasePending && turn(phase, phases) {
			return true
		}
	}
	return false
}

// summarize makes the run's own state of those of its phases.
func summarize(run *v1alpha1.CIRun, status *v1alpha1.CIRunStatus, phases map[string]*v1alpha1.Phase, now time.Time) {
	count := map[v1alpha1.PhaseState]int{}
	var failed, current []string
	status.WaitingFor = ""
	for _, entry := range status.Phases {
		count[entry.State]++
		switch entry.State {
		case v1alpha1.PhaseFailed:
			failed = append(failed, fmt.Sprintf("phase %s failed: %s", entry.Name, entry.Message))
		case v1alpha1.PhaseRunning, v1alpha1.PhaseWaitingForApproval:
			current = append(current, entry.Name)
		case v1alpha1.PhasePending:
			if status.WaitingFor == "" && queued(phases[entry.PhaseName]) {
				status.WaitingFor = text.Cut(fmt.Sprintf("phase %s %s", entry.Name, entry.Message), maxWaitingFor)
			}
		default: // counted, that is all
		}
	}
	total := len(status.Phases)
	tell := func(state v1alpha1.RunState, reason, message string) {
		status.State = state
		setSucceeded(run, status, metav1.ConditionUnknown, reason, message, now)
	}
	switch {
	case count[v1alpha1.PhaseSucceeded] == total:
		finish(run, status, v1alpha1.RunSucceeded, v1alpha1.ReasonSucceeded, fmt.Sprintf("all %d phases succeeded", total), now)
	case allEnded(status.Phases):
		conclude(run, status, failed, now)
	case status.Stop != nil:
		tell(v1alpha1.RunRunning, v1alpha1.ReasonRunning, "stopping: "+status.Stop.Message)
	case count[v1alpha1.PhaseRunning] == 0 && status.WaitingFor != "":
		tell(v1alpha1.RunQueued, v1alpha1.ReasonQueued, status.WaitingFor)
	case count[v1alpha1.PhaseRunning] == 0 && count[v1alpha1.PhaseWaitingForApproval] > 0:
		tell(v1alpha1.RunWaitingForApproval, v1alpha1.ReasonWaitingForApproval, "waiting for approval: "+strings.Join(current, ", "))
	default:
		tell(v1alpha1.RunRunning, v1alpha1.ReasonRunning, fmt.Sprintf("%d of %d phases done%s", count[v1alpha1.PhaseSucceeded], total, running(current)))
	}
}

// queued tells whether a pending Phase says that it waits for its turn, or for room.
func queued(phase *v1alpha1.Phase) bool {
	return phase != nil && phase.Status.QueueTime != nil && phase.Status.State == v1alpha1.PhasePending
}

// conclude ends a run that did not succeed.
func conclude(run *v1alpha1.CIRun, status *v1alpha1.CIRunStatus, failed []string, now time.Time) {
	state, reason, said := v1alpha1.RunFailed, v1alpha1.ReasonPhaseFailed, failed
	if stop := status.Stop; stop != nil {
		reason, said = stop.Reason, append([]string{stop.Message}, failed...)
		if stop.FailureClass == "" {
			state = v1alpha1.RunCancelled
		}
	}
	finish(run, status, state, reason, text.Cut(strings.Join(said, "; "), 4*maxPhaseMessage), now)
}

func running(current []string) string {
	if len(current) == 0 {
		return ""
	}
	return ", now " + strings.Join(current, ", ")
}

func finish(run *v1alpha1.CIRun, status *v1alpha1.CIRunStatus, state v1alpha1.RunState, reason, message string, now time.Time) {
	status.State = state
	status.CompletionTime = timestamp(now)
	is := metav1.ConditionFalse
	if state == v1alpha1.RunSucceeded {
		is = metav1.ConditionTrue
	}
	setSucceeded(run, status, is, reason, message, now)
}

func setSucceeded(run *v1alpha1.CIRun, status *v1alpha1.CIRunStatus, is metav1.ConditionStatus, reason, message string, now time.Time) {
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionSucceeded, Status: is, Reason: reason, Message: message,
		ObservedGeneration: run.Generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
	})
}

// stateOf is the state of a Phase; one that says nothing yet is pending.
func stateOf(phase *v1alpha1.Phase) v1alpha1.PhaseState {
	return cmp.Or(phase.Status.State, v1alpha1.PhasePending)
}

// timestamp cuts to the second, as the API does.
func timestamp(t time.Time) *metav1.Time {
	return new(metav1.NewTime(t.Truncate(time.Second)))
}

func limit(warnings []string) []string {
	result := make([]string, 0, min(len(warnings), maxWarnings))
	for i, warning := range warnings {
		if i == maxWarnings-1 && len(warnings) > maxWarnings {
			return append(result, fmt.Sprintf("and %d more", len(warnings)-i))
		}
		result = append(result, text.Cut(warning, maxWarning))
	}
	return result
}

// LinkNotFound is the problem of a run whose link is not there (yet): it waits for it.
func LinkNotFound(run *v1alpha1.CIRun) *problem.Problem {
	return &problem.Problem{
		Class: v1alpha1.FailureConfig, Reason: v1alpha1.ReasonLinkNotFound, Transient: true, RetryAfter: linkPatience,
		Message: fmt.Sprintf("waiting for TenantRepoLink %s/%s, which is not there: apply it, or delete this run",
			run.Namespace, run.Spec.Link.Name),
	}
}
