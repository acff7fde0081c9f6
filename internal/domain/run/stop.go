package run

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/text"
)

// maxStopMessage is a bound of the API, in bytes.
const maxStopMessage = 2048

// stopping writes down why a run is to be stopped; its Phases see it and act on it.
func stopping(o Observation, plan *Plan, now time.Time) {
	status := &plan.Status
	if status.Stop != nil || allEnded(status.Phases) {
		return
	}
	left, running := timeLeft(*status, o.Phases, now)
	switch {
	case o.Run.Spec.Cancelled:
		status.Stop = &v1alpha1.StopStatus{Reason: v1alpha1.ReasonCancelled, Message: fmt.Sprintf("run %s was cancelled", o.Run.Name)}
	case o.LinkGone:
		status.Stop = &v1alpha1.StopStatus{Reason: v1alpha1.ReasonLinkDeleted, Message: fmt.Sprintf("TenantRepoLink %s was deleted", o.Run.Spec.Link.Name)}
	case o.NewerRun != "":
		status.Stop = &v1alpha1.StopStatus{Reason: v1alpha1.ReasonSuperseded, Message: fmt.Sprintf("run %s of a newer commit takes its place", o.NewerRun)}
	case running && left <= 0:
		status.Stop = &v1alpha1.StopStatus{Reason: v1alpha1.ReasonRunTimedOut, FailureClass: v1alpha1.FailureUser,
			Message: fmt.Sprintf("the run took longer than its timeout of %s", status.Timeout.Duration)}
	case running:
		plan.RequeueAfter = left
	}
	if status.Stop != nil {
		status.Stop.StartTime = *timestamp(now)
		status.Stop.Message = text.Cut(status.Stop.Message, maxStopMessage)
	}
}

func allEnded(phases []v1alpha1.RunPhaseStatus) bool {
	for _, phase := range phases {
		if !phase.State.Terminal() {
			return false
		}
	}
	return true
}

// timeLeft is what a run has left of its timeout. The clock stands still while one of its phases waits for approval, which
// the second result tells.
func timeLeft(status v1alpha1.CIRunStatus, phases map[string]*v1alpha1.Phase, now time.Time) (left time.Duration, running bool) {
	if status.Timeout == nil || status.StartTime == nil {
		return 0, false
	}
	used, running := now.Sub(status.StartTime.Time), true
	var until time.Time // up to here waiting has been taken off
	for _, entry := range status.Phases {
		phase := phases[entry.PhaseName]
		if phase == nil || phase.Status.Approval == nil {
			continue
		}
		from, to := phase.Status.Approval.RequestTime.Time, now
		switch given := phase.Status.Approval.Time; {
		case given != nil:
			to = given.Time
		case phase.Status.State.Terminal():
			to = phase.Status.CompletionTime.Time
		default:
			running = false
		}
		if from.Before(until) {
			from = until
		}
		if to.After(from) {
			used -= to.Sub(from)
			until = to
		}
	}
	return status.Timeout.Duration - used, running
}

// Newer names the run of a newer commit that takes a run's place under the policy CancelOlder; "" when there is none. A run
// that has begun to deploy keeps its place. runs are those of the same link.
func Newer(run *v1alpha1.CIRun, runs []v1alpha1.CIRun) string {
	if run.Status.SHA == "" || begunToDeploy(run.Status.Phases) {
		return ""
	}
	for i := range runs {
		if other := &runs[i]; Supersedes(other, run) {
			return other.Name
		}
	}
	return ""
}

// Supersedes tells whether a run that began is of a newer commit of the same pull request or branch as another one. A re-run is of
// an older one.
func Supersedes(newer, older *v1alpha1.CIRun) bool {
	a, b := newer.Status, older.Status
	sameSource := a.PullRequest == b.PullRequest && (a.PullRequest != 0 || a.Ref != "" && a.Ref == b.Ref)
	return newer.Spec.Link == older.Spec.Link && newer.Spec.RerunOf == "" && len(a.Phases) > 0 && a.SHA != b.SHA && sameSource && later(newer, older)
}

func later(a, b *v1alpha1.CIRun) bool {
	if order := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); order != 0 {
		return order > 0
	}
	return a.Name > b.Name && a.UID != types.UID("") && a.UID != b.UID
}

func begunToDeploy(phases []v1alpha1.RunPhaseStatus) bool {
	for _, phase := range phases {
		waits := phase.State == v1alpha1.PhaseWaitingForApproval || phase.State == v1alpha1.PhasePending // approved, and in the queue
		if phase.Type == v1alpha1.PhaseDeployment && phase.StartTime != nil && !waits {
			return true
		}
	}
	return false
}
