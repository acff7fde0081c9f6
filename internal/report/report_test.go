package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
)

func TestEventsThatWouldBeTakenForRepetitionsAreToldInOne(t *testing.T) {
	recorder := events.NewFakeRecorder(10)
	Events(recorder, &corev1.Pod{}, []Event{
		{Reason: "PhaseSucceeded", Action: "Run", Note: "phase UNIT"},
		{Warning: true, Reason: "PhaseFailed", Action: "Run", Note: "phase LINT: ci.sh exited with code 1"},
		{Reason: "PhaseSucceeded", Action: "Run", Note: "phase DOCS"},
		{Warning: true, Reason: "PhaseFailed", Action: "Conclude", Note: "phase LINT failed"},
		{Reason: "Started", Action: "Run", Note: strings.Repeat("ü", maxNote)},
	})
	close(recorder.Events)
	var told []string
	for event := range recorder.Events {
		told = append(told, event)
	}
	want := []string{
		"Normal PhaseSucceeded phase UNIT; phase DOCS",
		"Warning PhaseFailed phase LINT: ci.sh exited with code 1",
		"Warning PhaseFailed phase LINT failed",
		"Normal Started " + strings.Repeat("ü", (maxNote-len(" […]"))/2) + " […]",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
