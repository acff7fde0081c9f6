package reporting_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/annotation"
	"katkit.dev/katkit/internal/domain/reporting"
)

// failedWith is a run whose phase failed with the last lines of these logs, one of each replica; "" is one that succeeded.
func failedWith(tails ...string) reporting.Observation {
	o := seen(says(entry("BUILD", 0, v1alpha1.PhaseFailed), "ci.sh exited with code 1"))
	attempt := v1alpha1.AttemptStatus{Number: 1}
	for i, tail := range tails {
		replica := v1alpha1.ReplicaStatus{Index: int32(i), Log: &v1alpha1.LogStatus{Tail: tail}}
		if tail == "" {
			replica.Log.Tail = "a.go:1:1: of no interest"
		} else {
			replica.FailureClass = v1alpha1.FailureUser
		}
		attempt.Replicas = append(attempt.Replicas, replica)
	}
	before := v1alpha1.AttemptStatus{Replicas: []v1alpha1.ReplicaStatus{{FailureClass: v1alpha1.FailureInfra, Log: &v1alpha1.LogStatus{Tail: "of an earlier attempt"}}}}
	o.Phases["r-build"] = &v1alpha1.Phase{Status: v1alpha1.PhaseStatus{
		FailureClass: v1alpha1.FailureUser, Attempts: []v1alpha1.AttemptStatus{before, attempt},
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionFalse, Reason: string(contract.ReasonCIScriptFailed)}},
	}}
	return o
}

func TestWhatACheckRunShowsBeyondItsStatus(t *testing.T) {
	const all = "\nAll of it: `kubectl katkit get r -n ns`\n"
	took := entry("BUILD", 0, v1alpha1.PhaseSucceeded)
	took.StartTime, took.CompletionTime = new(metav1.NewTime(now)), new(metav1.NewTime(now.Add(133*time.Second)))
	upgraded := seen(deploying(v1alpha1.PhaseSucceeded))
	upgraded.Phases["r-deploy"] = &v1alpha1.Phase{Status: v1alpha1.PhaseStatus{Receipts: []v1alpha1.Receipt{
		{Role: "web", Kind: "Deployment", Name: "web", Result: v1alpha1.ReceiptUpgraded},
		{Role: "api", Kind: "StatefulSet", Name: "api-1", Result: v1alpha1.ReceiptFailed, Message: "`@all`\nno"},
	}}}
	crowd := failedWith(strings.Split(strings.Repeat("x ", 10), " ")[:10]...)
	for name, c := range map[string]struct {
		o       reporting.Observation
		context string
		want    reporting.Details
	}{
		"while it runs": {seen(entry("BUILD", 0, v1alpha1.PhaseRunning)), "BUILD",
			reporting.Details{ID: "uid-of-r/BUILD", Summary: "Phase `BUILD` of run `r` in tenant `t`: **Running**\n" + all}},
		"how long it took": {seen(took), "BUILD", reporting.Details{ID: "uid-of-r/BUILD", Began: now, Ended: now.Add(133 * time.Second),
			Summary: "Phase `BUILD` of run `r` in tenant `t`: **Succeeded** after 2m13s\n" + all}},
		"what was deployed": {upgraded, "DEPLOY", reporting.Details{ID: "uid-of-r/DEPLOY",
			Summary: "Phase `DEPLOY` of run `r` in tenant `t`: **Succeeded**\n\n- `web` (Deployment `web`): Upgraded\n- `api` (StatefulSet `api-1`): Failed: `'@all' no`\n" + all}},
		"why it failed": {failedWith("a\n/workspace/src/a.go:1:2: b"), "BUILD", reporting.Details{ID: "uid-of-r/BUILD",
			Summary:     "Phase `BUILD` of run `r` in tenant `t`: **Failed**\n\n```text\nci.sh exited with code 1\n```\n" + all,
			Text:        "The last lines of the log:\n\n```text\na\n/workspace/src/a.go:1:2: b\n```\n",
			Annotations: []annotation.Annotation{{Path: "a.go", StartLine: 1, EndLine: 1, StartColumn: 2, EndColumn: 2, Level: annotation.LevelFailure, Message: "b"}}}},
		"which of its replicas": {failedWith("", "b"), "BUILD", reporting.Details{ID: "uid-of-r/BUILD",
			Summary: "Phase `BUILD` of run `r` in tenant `t`: **Failed**\n\n```text\nci.sh exited with code 1\n```\n" + all,
			Text:    "The last lines of the log of replica 1:\n\n```text\nb\n```\n"}},
		"not of too many": {crowd, "BUILD", reporting.Details{ID: "uid-of-r/BUILD",
			Summary: "Phase `BUILD` of run `r` in tenant `t`: **Failed**\n\n```text\nci.sh exited with code 1\n```\n" + all,
			Text:    logsOf(8)}},
		"nothing of one that is gone": {seen(entry("BUILD", 0, v1alpha1.PhaseFailed)), "BUILD",
			reporting.Details{ID: "uid-of-r/BUILD", Summary: "Phase `BUILD` of run `r` in tenant `t`: **Failed**\n" + all}},
		"that it could begin": {seen(entry("BUILD", 0, v1alpha1.PhaseRunning)), "(config)",
			reporting.Details{ID: "uid-of-r/(config)", Began: now, Summary: "Run `r` could begin.\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, reporting.Detail(c.o, "katkit/t/-/"+c.context)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func logsOf(replicas int) string {
	var parts []string
	for i := range replicas {
		parts = append(parts, "The last lines of the log of replica "+string(rune('0'+i))+":\n\n```text\nx\n```\n")
	}
	return strings.Join(parts, "\n")
}

func TestACheckRunOfARunThatCouldNotBegin(t *testing.T) {
	o := seen()
	o.Run.Status = v1alpha1.CIRunStatus{State: v1alpha1.RunFailed, CompletionTime: new(metav1.NewTime(now.Add(time.Second))), Conditions: []metav1.Condition{
		{Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonInvalidConfig, Message: "katkitconfig.js:1:2: error: no\n```"}}}
	want := reporting.Details{ID: "uid-of-r/(config)", Began: now, Ended: now.Add(time.Second),
		Summary: "Run `r` could not begin: InvalidConfig\n\n````text\nkatkitconfig.js:1:2: error: no\n```\n````\n\nAll of it: `kubectl katkit get r -n ns`\n"}
	if diff := cmp.Diff(want, reporting.Detail(o, "katkit/t/-/(config)")); diff != "" {
		t.Error(diff)
	}
}

// TestACheckRunOfAnotherRunIsNotChanged: it is told apart by the numbers that are known, and what it says is no word of this run's.
func TestACheckRunOfAnotherRunIsNotChanged(t *testing.T) {
	status := reporting.Status{Context: "c", State: reporting.Success, Description: "succeeded in run r"}
	for name, c := range map[string]struct {
		there     reporting.Status
		wanted    reporting.State
		checkRuns bool
		sent      bool
	}{
		"the run's own": {there: status, wanted: reporting.Success, checkRuns: true},
		"another run's": {there: reporting.Status{Context: "c", State: reporting.Success}, wanted: reporting.Success, checkRuns: true, sent: true},
		"one that failed, whoever's failure it is":      {there: withState(status, reporting.Failure), wanted: reporting.Error, checkRuns: true},
		"one that was stopped, which is told apart":     {there: withState(status, reporting.Failure), wanted: reporting.Stopped, checkRuns: true, sent: true},
		"a status tells whose failure it is":            {there: withState(status, reporting.Failure), wanted: reporting.Error, sent: true},
		"and does not tell what was stopped from those": {there: withState(status, reporting.Error), wanted: reporting.Stopped},
	} {
		t.Run(name, func(t *testing.T) {
			known := reporting.Known{CheckRuns: c.checkRuns, Statuses: map[string]reporting.Status{"c": c.there}}
			plan := reporting.Decide(reporting.Desired{Statuses: []reporting.Status{withState(status, c.wanted)}}, known)
			if got := len(plan.Statuses) == 1; got != c.sent {
				t.Errorf("sent: %t", got)
			}
		})
	}
}

func withState(status reporting.Status, state reporting.State) reporting.Status {
	status.State = state
	return status
}
