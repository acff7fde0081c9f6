package view_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/view"
)

// FuzzView holds that no text of the cluster moves the cursor, makes a line of its own or leaves the terminal's width.
func FuzzView(f *testing.F) {
	f.Add("\x1b[2J\x1b]0;title\x07", "DEPLOY\r\n12:00:00 DEPLOY Succeeded", "\u202e\u009b31m\xff", 40)
	f.Add("日本語 👩‍👩‍👧", "a\tb", "'; rm -rf ~ #", 1)
	f.Fuzz(func(t *testing.T, one, two, three string, width int) {
		width = max(width%300, 0)
		s := hostile(one, two, three)
		lines := view.Lines(s, noon, width)
		count := strings.Count(three, "\n")
		var log view.Log
		told := log.Changes(s, noon)
		if again := log.Changes(s, noon.Add(time.Hour)); len(again) > 0 {
			t.Errorf("told again: %q", again)
		}
		rows := view.Table([]v1alpha1.CIRun{*s.Run, *s.Run}, noon, true)
		if len(rows) != 3 {
			t.Errorf("%d rows", len(rows))
		}
		link := &v1alpha1.TenantRepoLink{}
		link.Status.PullRequests = []v1alpha1.PullRequestStatus{{Number: 1, Title: one, Author: two, HeadRef: three, HeadSHA: one, Fork: true}}
		link.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: two, Message: three}}
		s.Run.Spec.Commit.PullRequest = 1
		rows = append(append(rows, view.Pulls(link, []v1alpha1.CIRun{*s.Run})...), view.NotReady(link))
		if len(rows) != 6 {
			t.Errorf("rows %q", rows)
		}
		links := view.Links([]v1alpha1.TenantRepoLink{hostileLink(one, two, three), hostileLink(two, three, one)}, noon, true)
		if len(links) != 3 {
			t.Errorf("%d rows of links", len(links))
		}
		rows = append(rows, links...)
		if len(lines) > 60+count {
			t.Errorf("%d lines", len(lines))
		}
		for _, line := range append(append(lines, told...), rows...) {
			if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool {
				return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
			}) {
				t.Errorf("line %q", line)
			}
		}
		for _, line := range lines {
			if width > 0 && view.Fit(line, width) != line {
				t.Errorf("line %q is wider than %d", line, width)
			}
		}
	})
}

// hostileLink has the texts wherever a link has any.
func hostileLink(one, two, three string) v1alpha1.TenantRepoLink {
	return v1alpha1.TenantRepoLink{
		ObjectMeta: metav1.ObjectMeta{Namespace: one, Name: two},
		Spec:       v1alpha1.TenantRepoLinkSpec{Repository: three, Host: one, HomeBranch: two, FolderPath: three},
		Status: v1alpha1.TenantRepoLinkStatus{HomeBranch: &v1alpha1.CommitStatus{SHA: one}, Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionReady, Status: metav1.ConditionStatus(two), Reason: three}}},
	}
}

// hostile is a run that has the texts wherever the cluster has any.
func hostile(one, two, three string) view.Snapshot {
	s := build(func(run *v1alpha1.CIRun, build, test, deploy *v1alpha1.Phase) {
		run.Name, run.Namespace, run.Spec.Link.Name = one, two, three
		run.Spec.RerunOf, run.Spec.FromPhase = two, one
		run.Status.State = v1alpha1.RunState(three)
		run.Status.SHA, run.Status.Ref, run.Status.Message, run.Status.Author = one, two, three, one
		run.Status.WaitingFor, run.Status.Warnings = two, []string{three}
		run.Status.Stop = &v1alpha1.StopStatus{Reason: one, Message: two}
		run.Status.Outputs = []v1alpha1.Output{{Name: three, Value: one}}
		run.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSucceeded, Message: two}}
		build.Spec.Name, build.Status.State, build.Status.Message = one, v1alpha1.PhaseFailed, two
		build.Status.FailureClass = v1alpha1.FailureClass(three)
		build.Status.Attempts = []v1alpha1.AttemptStatus{{Number: 1, Message: three}, {Number: 2, Replicas: []v1alpha1.ReplicaStatus{
			{ExitCode: new(int32(1)), Reason: one, Log: &v1alpha1.LogStatus{Tail: three, ConfigMap: two}}}}}
		test.Spec.Name, test.Status.State, test.Status.Message = two, v1alpha1.PhaseState(one), three
		deploy.Spec.Name, deploy.Status.State = three, v1alpha1.PhaseWaitingForApproval
		deploy.Spec.Approved, deploy.Spec.ApprovedBy = true, one
		deploy.Status.Receipts = []v1alpha1.Receipt{{Kind: one, Name: two, Result: v1alpha1.ReceiptResult(three), Image: one, Message: two}}
	})
	s.Run.Status.Phases[0].CarriedFrom = three
	return s
}
