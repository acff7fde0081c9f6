package run

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/report"
)

// happened tells what a change of a run's status means for people: its begin, the end of each phase, its
// own end, and what it waits for.
func happened(before, after v1alpha1.CIRunStatus) []report.Event {
	var events []report.Event
	if before.StartTime == nil && after.StartTime != nil {
		events = append(events, report.Event{
			Reason: "Started", Action: "Start",
			Note: fmt.Sprintf("commit %s %q by %s: %d phases from %s", after.SHA, after.Message, after.Author, len(after.Phases), after.ConfigSource),
		})
		for _, warning := range after.Warnings {
			events = append(events, report.Event{Warning: true, Reason: "ConfigWarning", Action: "ReadConfig", Note: warning})
		}
	}
	events = append(events, phaseEvents(before, after)...)
	was, is := meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionSucceeded), meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionSucceeded)
	if is == nil || (was != nil && was.Reason == is.Reason && was.Status == is.Status) || is.Reason == v1alpha1.ReasonRunning {
		return events
	}
	return append(events, report.Event{
		Warning: after.State == v1alpha1.RunFailed || after.State == v1alpha1.RunPending,
		Reason:  is.Reason, Action: "Conclude", Note: is.Message,
	})
}

// phaseEvents tells of the phases that ended.
func phaseEvents(before, after v1alpha1.CIRunStatus) []report.Event {
	ended := map[string]bool{}
	for _, phase := range before.Phases {
		ended[phase.Name] = phase.State.Terminal()
	}
	var events []report.Event
	for _, phase := range after.Phases {
		if ended[phase.Name] || !phase.State.Terminal() {
			continue
		}
		note := "phase " + phase.Name
		if phase.Message != "" {
			note += ": " + phase.Message
		}
		events = append(events, report.Event{
			Warning: phase.State == v1alpha1.PhaseFailed, Reason: "Phase" + string(phase.State), Action: "Run", Note: note,
		})
	}
	return events
}
