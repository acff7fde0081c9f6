// Package view shows a run to a person: as a block of lines that fits into a terminal, as the lines that are new since the
// last look, and as a row of a table; and a link as a row. The verbs get, runs, link and links call it, and package follow.
//
// What always holds: it is pure, the time is an argument. Every text of the cluster is taken for hostile: what is given back
// has no control characters, and a line is one line.
package view

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/text"
)

// Snapshot is a run with its Phases, in no order. The Phases may be newer than the run, or older, or gone.
type Snapshot struct {
	Run    *v1alpha1.CIRun
	Phases []v1alpha1.Phase
}

// queued is the state that is shown of a phase that waits for its turn. The API has a reason for it and no state.
const queued = v1alpha1.ReasonQueued

// phase is a phase at a glance, as new as it is known; object is nil where the Phase is not there.
type phase struct {
	v1alpha1.RunPhaseStatus
	object *v1alpha1.Phase
}

// phases are those of the run's status, and those that it does not have yet, in their order.
func (s Snapshot) phases() []phase {
	var merged []phase
	for _, glance := range s.Run.Status.Phases {
		merged = append(merged, phase{RunPhaseStatus: glance})
	}
	for i := range s.Phases {
		object := &s.Phases[i]
		at := slices.IndexFunc(merged, func(p phase) bool { return p.PhaseName == object.Name })
		if at < 0 {
			merged = append(merged, phase{RunPhaseStatus: v1alpha1.RunPhaseStatus{
				Name: object.Spec.Name, PhaseName: object.Name, Type: object.Spec.Type, Order: object.Spec.Order}})
			at = len(merged) - 1
		}
		p := &merged[at]
		p.object = object
		// The object is what the run's status tells of, so it is newer, unless what was read of it is older than the run.
		if p.State.Terminal() && !object.Status.State.Terminal() {
			continue
		}
		p.State, p.Message = object.Status.State, object.Status.Message
		p.StartTime, p.CompletionTime = object.Status.StartTime, object.Status.CompletionTime
	}
	slices.SortStableFunc(merged, func(a, b phase) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Name, b.Name))
	})
	return merged
}

// state is the word that is shown.
func (p phase) state() string {
	if p.object != nil && p.State == v1alpha1.PhasePending {
		condition := meta.FindStatusCondition(p.object.Status.Conditions, v1alpha1.ConditionSucceeded)
		if condition != nil && condition.Reason == v1alpha1.ReasonQueued {
			return queued
		}
	}
	return text.Line(string(cmp.Or(p.State, v1alpha1.PhasePending)))
}

// attempts of the phase, as far as its object is there.
func (p phase) attempts() []v1alpha1.AttemptStatus {
	if p.object == nil {
		return nil
	}
	return p.object.Status.Attempts
}

// failed are the replicas of an attempt that ended, and not well.
func failed(attempt v1alpha1.AttemptStatus) []v1alpha1.ReplicaStatus {
	var replicas []v1alpha1.ReplicaStatus
	for _, replica := range attempt.Replicas {
		if replica.ExitCode != nil && *replica.ExitCode != 0 || replica.ExitCode == nil && replica.Log != nil && replica.Reason != "" {
			replicas = append(replicas, replica)
		}
	}
	return replicas
}

// State is the run's, Pending when it has none yet.
func State(run *v1alpha1.CIRun) v1alpha1.RunState {
	return cmp.Or(run.Status.State, v1alpha1.RunPending)
}

// Why tells why the run is in its state, in one line: what it waits for, what failed. "" when that is plain.
func Why(run *v1alpha1.CIRun) string {
	if State(run) == v1alpha1.RunQueued && run.Status.WaitingFor != "" {
		return text.Line(run.Status.WaitingFor)
	}
	if State(run) == v1alpha1.RunSucceeded {
		return ""
	}
	if condition := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionSucceeded); condition != nil {
		return text.Line(condition.Message)
	}
	return ""
}

// between is how long something took, or has taken until now. "" when it has not begun.
func between(start, end *metav1.Time, now time.Time) string {
	if start == nil {
		return ""
	}
	if end != nil {
		now = end.Time
	}
	return age(start.Time, now)
}

// age is how long ago something was.
func age(start, now time.Time) string {
	return duration.HumanDuration(max(now.Sub(start), 0))
}

// short are the first 7 digits of a commit.
func short(sha string) string {
	return text.Line(sha[:min(len(sha), 7)])
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._:@/-]*$`)

// Quote makes a text one word of a shell's command, and safe to show.
func Quote(word string) string {
	word = text.Line(word)
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
