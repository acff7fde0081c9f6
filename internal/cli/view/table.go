package view

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/text"
)

// Table lists runs, the newest first, below a line of headings. With namespaces each row begins with the run's.
func Table(runs []v1alpha1.CIRun, now time.Time, namespaces bool) []string {
	sorted := slices.Clone(runs)
	slices.SortStableFunc(sorted, func(a, b v1alpha1.CIRun) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	rows := [][]string{{"NAME", "LINK", "COMMIT", "STATE", "PHASES", "DURATION", "AGE", "WAITING FOR"}}
	var of []string
	for i := range sorted {
		rows = append(rows, row(&sorted[i], now))
		of = append(of, sorted[i].Namespace)
	}
	if namespaces {
		rows = withNamespaces(rows, of)
	}
	return columns(rows)
}

// withNamespaces puts a column of namespaces before the others; the first row is that of the headings.
func withNamespaces(rows [][]string, of []string) [][]string {
	wider := [][]string{append([]string{"NAMESPACE"}, rows[0]...)}
	for i, namespace := range of {
		wider = append(wider, append([]string{text.Line(namespace)}, rows[i+1]...))
	}
	return wider
}

func row(run *v1alpha1.CIRun, now time.Time) []string {
	succeeded := 0
	for _, phase := range run.Status.Phases {
		if phase.State == v1alpha1.PhaseSucceeded {
			succeeded++
		}
	}
	waiting := ""
	if !State(run).Terminal() {
		waiting = text.Line(run.Status.WaitingFor)
	}
	return []string{
		text.Line(run.Name), text.Line(run.Spec.Link.Name),
		cmp.Or(short(cmp.Or(run.Status.SHA, run.Spec.Commit.SHA)), "-"),
		text.Line(string(State(run))),
		fmt.Sprintf("%d/%d", succeeded, len(run.Status.Phases)),
		cmp.Or(between(run.Status.StartTime, run.Status.CompletionTime, now), "-"),
		age(run.CreationTimestamp.Time, now), waiting,
	}
}
