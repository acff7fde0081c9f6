package phase

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/report"
)

// happened tells what a change of a Phase's status means for people. That an execution phase succeeded its run tells.
func happened(spec v1alpha1.PhaseSpec, before, after v1alpha1.PhaseStatus) []report.Event {
	var happened []report.Event
	if before.Rollback == nil && after.Rollback != nil {
		happened = append(happened, report.Event{Warning: true, Reason: v1alpha1.ReasonRollingBack, Action: "RollBack", Note: after.Rollback.Message})
	}
	if before.Stop == nil && after.Stop != nil && !after.State.Terminal() {
		happened = append(happened, report.Event{Warning: after.Stop.FailureClass != "", Reason: after.Stop.Reason, Action: "Stop", Note: after.Stop.Message})
	}
	if approval := after.Approval; approval != nil && approval.Time != nil && (before.Approval == nil || before.Approval.Time == nil) {
		happened = append(happened, report.Event{Reason: "Approved", Action: "Approve", Note: "approved by " + cmp.Or(approval.By, "somebody whom the cluster does not tell")})
	}
	happened = append(happened, tried(before, after)...)
	happened = append(happened, cut(before, after)...)
	if before.State == after.State {
		return append(happened, queued(before, after)...)
	}
	switch after.State {
	case v1alpha1.PhaseWaitingForApproval:
		happened = append(happened, report.Event{Reason: string(after.State), Action: "Wait", Note: after.Message})
	case v1alpha1.PhaseRunning:
		happened = append(happened, started(after))
		happened = append(happened, owned(after)...)
	case v1alpha1.PhaseSucceeded:
		if spec.Type == v1alpha1.PhaseDeployment {
			happened = append(happened, report.Event{Reason: "Deployed", Action: "Deploy", Note: after.Message})
		}
	case v1alpha1.PhaseFailed, v1alpha1.PhaseCancelled:
		happened = append(happened, rolledBack(after)...)
		happened = append(happened, report.Event{Warning: after.State == v1alpha1.PhaseFailed, Reason: string(after.State), Action: "Run", Note: after.Message})
	default: // of the others nobody needs to hear
	}
	return happened
}

// queued tells that a phase waits for its turn, or for room; where it is in the queue its status tells.
func queued(before, after v1alpha1.PhaseStatus) []report.Event {
	if before.QueueTime != nil || after.QueueTime == nil {
		return nil
	}
	return []report.Event{{Reason: v1alpha1.ReasonQueued, Action: "Wait", Note: after.Message}}
}

// tried tells of an attempt that failed and is followed by another, and of the begin of that.
func tried(before, after v1alpha1.PhaseStatus) []report.Event {
	var events []report.Event
	for i, attempt := range after.Attempts {
		if attempt.RetryTime != nil && (i >= len(before.Attempts) || before.Attempts[i].RetryTime == nil) {
			events = append(events, report.Event{Warning: true, Reason: "AttemptFailed", Action: "Retry", Note: after.Message})
		}
	}
	return events
}

// cut warns of the logs that are not whole in the log store.
func cut(before, after v1alpha1.PhaseStatus) []report.Event {
	var warnings []report.Event
	for i := range after.Attempts {
		for j := range after.Attempts[i].Replicas {
			replica := &after.Attempts[i].Replicas[j]
			if replica.Log == nil || replica.Log.Stored == nil || replica.Log.Stored.State != v1alpha1.StoredLogIncomplete {
				continue
			}
			if i < len(before.Attempts) && j < len(before.Attempts[i].Replicas) {
				if log := before.Attempts[i].Replicas[j].Log; log != nil && log.Stored != nil && log.Stored.State == v1alpha1.StoredLogIncomplete {
					continue
				}
			}
			warnings = append(warnings, report.Event{Warning: true, Reason: v1alpha1.ReasonLogIncomplete, Action: "StoreLog", Note: fmt.Sprintf(
				"the log store has only %d bytes of the log of builder Pod %s: %s. The log's end is in the Phase's status; why the store does not take more its own log tells",
				replica.Log.Stored.Bytes, replica.Pod, replica.Log.Stored.Message)})
		}
	}
	return warnings
}

// owned warns of the controllers that may take a deployment back.
func owned(status v1alpha1.PhaseStatus) []report.Event {
	var warnings []report.Event
	for _, receipt := range status.Receipts {
		if receipt.Owner != "" && receipt.PreviousImage != receipt.Image {
			warnings = append(warnings, report.Event{Warning: true, Reason: "OwnedByOthers", Action: "Deploy", Note: fmt.Sprintf(
				"%s %s is managed by %s as well, which may bring its own image back: let it ignore the image of container %s, or deploy through it alone",
				receipt.Kind, receipt.Name, receipt.Owner, receipt.Container)})
		}
	}
	return warnings
}

// rolledBack tells what came of a rollback.
func rolledBack(status v1alpha1.PhaseStatus) []report.Event {
	outcome := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionRolledBack)
	if outcome == nil {
		return nil
	}
	return []report.Event{{Warning: outcome.Status != metav1.ConditionTrue, Reason: outcome.Reason, Action: "RollBack", Note: outcome.Message}}
}

func started(status v1alpha1.PhaseStatus) report.Event {
	var notes []string
	for _, receipt := range status.Receipts {
		notes = append(notes, fmt.Sprintf("%s %s, container %s: %s → %s",
			receipt.Kind, receipt.Name, receipt.Container, receipt.PreviousImage, receipt.Image))
	}
	for _, attempt := range status.Attempts {
		for _, replica := range attempt.Replicas {
			notes = append(notes, "builder Pod "+replica.Pod)
		}
	}
	if status.Builder != nil {
		notes = append(notes, fmt.Sprintf("image %s, by BuilderClass %s", status.Builder.Image, status.Builder.ClassName))
	}
	return report.Event{Reason: "Started", Action: "Start", Note: strings.Join(notes, "; ")}
}
