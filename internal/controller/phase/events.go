package phase

import (
	"fmt"
	"strings"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/report"
)

// happened tells what a change of a Phase's status means for people. That it succeeded its run tells.
func happened(spec v1alpha1.PhaseSpec, before, after v1alpha1.PhaseStatus) []report.Event {
	if before.State == after.State {
		return nil
	}
	switch after.State {
	case v1alpha1.PhaseWaitingForApproval:
		return []report.Event{{Reason: string(after.State), Action: "Wait", Note: after.Message}}
	case v1alpha1.PhaseRunning:
		return []report.Event{started(spec, after)}
	case v1alpha1.PhaseFailed:
		return []report.Event{{Warning: true, Reason: string(after.State), Action: "Run", Note: after.Message}}
	default:
		return nil
	}
}

func started(spec v1alpha1.PhaseSpec, status v1alpha1.PhaseStatus) report.Event {
	var notes []string
	for _, receipt := range status.Receipts {
		notes = append(notes, fmt.Sprintf("%s %s, container %s: %s → %s",
			receipt.Kind, receipt.Name, receipt.Container, receipt.PreviousImage, receipt.Image))
	}
	for _, attempt := range status.Attempts {
		for _, replica := range attempt.Replicas {
			notes = append(notes, fmt.Sprintf("builder Pod %s with image %s", replica.Pod, spec.Execution.Image))
		}
	}
	return report.Event{Reason: "Started", Action: "Start", Note: strings.Join(notes, "; ")}
}
