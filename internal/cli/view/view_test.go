package view_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/view"
)

var update = flag.Bool("update", false, "write the golden files anew")

// noon is the time at which the runs of the tests are looked at.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const sha = "5c1fe1b1e0a1d8ae0d0a3f0f3f5a8e1f4d2b7c90"

func ago(d time.Duration) *metav1.Time { return new(metav1.NewTime(noon.Add(-d))) }

// build makes a run of the phases BUILD (0), TEST (1) and DEPLOY (2, by approval), which has begun 10 minutes ago.
func build(change func(run *v1alpha1.CIRun, build, test, deploy *v1alpha1.Phase)) view.Snapshot {
	run := &v1alpha1.CIRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: "d-shop", Name: "shop-x7k2p", UID: types.UID("1"), CreationTimestamp: *ago(11 * time.Minute)},
		Spec:       v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: "shop"}, Commit: v1alpha1.CommitSelector{Branch: "main"}},
		Status: v1alpha1.CIRunStatus{State: v1alpha1.RunRunning, SHA: sha, Ref: "main", Message: "Mend the basket", Author: "ann",
			StartTime: ago(10 * time.Minute)},
	}
	phases := make([]v1alpha1.Phase, 3)
	for i, name := range []string{"BUILD", "TEST", "DEPLOY"} {
		phases[i] = v1alpha1.Phase{
			ObjectMeta: metav1.ObjectMeta{Namespace: "d-shop", Name: "shop-x7k2p-" + strings.ToLower(name)},
			Spec: v1alpha1.PhaseSpec{Run: v1alpha1.ObjectName{Name: run.Name}, Name: name, Order: int32(i), Type: v1alpha1.PhaseExecution,
				Approval: v1alpha1.ApprovalAutomatic},
			Status: v1alpha1.PhaseStatus{State: v1alpha1.PhasePending},
		}
	}
	phases[0].Status.State, phases[0].Status.StartTime = v1alpha1.PhaseRunning, ago(9*time.Minute)
	phases[2].Spec.Type, phases[2].Spec.Approval = v1alpha1.PhaseDeployment, v1alpha1.ApprovalManual
	if change != nil {
		change(run, &phases[0], &phases[1], &phases[2])
	}
	for _, phase := range phases {
		run.Status.Phases = append(run.Status.Phases, glance(phase))
	}
	return view.Snapshot{Run: run, Phases: phases}
}

func glance(phase v1alpha1.Phase) v1alpha1.RunPhaseStatus {
	return v1alpha1.RunPhaseStatus{
		Name: phase.Spec.Name, PhaseName: phase.Name, Type: phase.Spec.Type, Order: phase.Spec.Order, State: phase.Status.State,
		Message: phase.Status.Message, StartTime: phase.Status.StartTime, CompletionTime: phase.Status.CompletionTime,
	}
}

func end(phase *v1alpha1.Phase, state v1alpha1.PhaseState, start, end time.Duration) {
	phase.Status.State, phase.Status.StartTime, phase.Status.CompletionTime = state, ago(start), ago(end)
}

func because(run *v1alpha1.CIRun, state v1alpha1.RunState, reason, message string) {
	run.Status.State = state
	run.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionFalse, Reason: reason, Message: message}}
}

// snapshots are runs at the moments that people look at them.
func snapshots() map[string]view.Snapshot {
	return map[string]view.Snapshot{
		"new": {Run: &v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Namespace: "d-shop", Name: "shop-x7k2p"},
			Spec: v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: "shop"}, Commit: v1alpha1.CommitSelector{PullRequest: 7}}}},
		"running": build(nil),
		"queued": build(func(run *v1alpha1.CIRun, build, _, _ *v1alpha1.Phase) {
			run.Status.State, run.Status.WaitingFor = v1alpha1.RunQueued, "run web-2xk4d is deploying to d-shop (position 1)"
			build.Status = v1alpha1.PhaseStatus{State: v1alpha1.PhasePending, QueueTime: ago(3 * time.Minute),
				Conditions: []metav1.Condition{{Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonQueued}}}
		}),
		"waiting": build(func(run *v1alpha1.CIRun, build, test, deploy *v1alpha1.Phase) {
			because(run, v1alpha1.RunWaitingForApproval, v1alpha1.ReasonWaitingForApproval, "phase DEPLOY waits for approval")
			end(build, v1alpha1.PhaseSucceeded, 9*time.Minute, 7*time.Minute)
			end(test, v1alpha1.PhaseSucceeded, 7*time.Minute, 6*time.Minute)
			deploy.Status = v1alpha1.PhaseStatus{State: v1alpha1.PhaseWaitingForApproval, Approval: &v1alpha1.ApprovalStatus{RequestTime: *ago(6 * time.Minute)}}
			run.Status.Outputs = []v1alpha1.Output{{Name: "IMAGE", Value: "example/web:1"}, {Name: "EMPTY"}}
		}),
		"failed": build(func(run *v1alpha1.CIRun, build, test, deploy *v1alpha1.Phase) {
			because(run, v1alpha1.RunFailed, v1alpha1.ReasonPhaseFailed, "phase TEST failed: replica 1: ci.sh ended with exit code 3")
			run.Status.CompletionTime = ago(time.Minute)
			run.Status.Warnings = []string{"katkitconfig.js:3:4: warning: unknown field"}
			end(build, v1alpha1.PhaseSucceeded, 9*time.Minute, 7*time.Minute)
			end(test, v1alpha1.PhaseFailed, 7*time.Minute, time.Minute)
			test.Status.Message, test.Status.FailureClass = "replica 1: ci.sh ended with exit code 3", v1alpha1.FailureUser
			test.Status.Attempts = []v1alpha1.AttemptStatus{
				{Number: 1, Message: "node n1 is lost", RetryTime: ago(6 * time.Minute), Replicas: []v1alpha1.ReplicaStatus{{Index: 0, Pod: "a", Reason: "PodGone"}}},
				{Number: 2, Replicas: []v1alpha1.ReplicaStatus{
					{Index: 0, Pod: "b", ExitCode: new(int32(0))},
					{Index: 1, Pod: "c", ExitCode: new(int32(3)), Reason: "Error", Log: &v1alpha1.LogStatus{
						Tail: strings.Repeat("ok\n", 8) + "\x1b[31mFAIL\x1b[0m TestBasket\r\n    expected 1,\tgot 2\n\n" + strings.Repeat("ok\n", 5) + "make: *** [test] Error 1\n", ConfigMap: "shop-x7k2p-test-1"}},
				}},
			}
			end(deploy, v1alpha1.PhaseSkipped, time.Minute, time.Minute)
			deploy.Status.StartTime = nil
		}),
		"cancelled": build(func(run *v1alpha1.CIRun, build, test, deploy *v1alpha1.Phase) {
			run.Spec.Cancelled = true
			because(run, v1alpha1.RunCancelled, v1alpha1.ReasonCancelled, "spec.cancelled was set")
			run.Status.Stop, run.Status.CompletionTime = &v1alpha1.StopStatus{Reason: "Cancelled", Message: "spec.cancelled was set"}, ago(0)
			end(build, v1alpha1.PhaseCancelled, 9*time.Minute, 0)
			end(test, v1alpha1.PhaseSkipped, 0, 0)
			end(deploy, v1alpha1.PhaseSkipped, 0, 0)
		}),
		"rerun": rerun(),
	}
}

// rerun is one that has its first phase from another run, and whose deployment was approved.
func rerun() view.Snapshot {
	s := build(func(run *v1alpha1.CIRun, build, test, deploy *v1alpha1.Phase) {
		run.Spec.RerunOf, run.Spec.FromPhase, run.Spec.Commit = "shop-aaaaa", "TEST", v1alpha1.CommitSelector{}
		run.Status.State, run.Status.CompletionTime = v1alpha1.RunSucceeded, ago(time.Minute)
		end(build, v1alpha1.PhaseSucceeded, 0, 0)
		build.Status.StartTime, build.Status.CompletionTime = nil, nil
		end(test, v1alpha1.PhaseSucceeded, 9*time.Minute, 7*time.Minute)
		end(deploy, v1alpha1.PhaseSucceeded, 5*time.Minute, time.Minute)
		deploy.Spec.Approved, deploy.Spec.ApprovedBy = true, "ann"
		deploy.Status.Approval = &v1alpha1.ApprovalStatus{RequestTime: *ago(7 * time.Minute), By: "ann", Time: ago(5 * time.Minute)}
		deploy.Status.Receipts = []v1alpha1.Receipt{{Role: "web", Kind: "Deployment", Name: "web", Container: "web", Image: "example/web:1", Result: v1alpha1.ReceiptUpgraded}}
	})
	s.Run.Status.Phases[0].CarriedFrom = "shop-aaaaa"
	s.Phases = s.Phases[1:]
	return s
}

func TestLines(t *testing.T) {
	for name, snapshot := range snapshots() {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", view.Lines(snapshot, noon, 0))
		})
	}
	t.Run("failed, in a narrow terminal", func(t *testing.T) {
		golden(t, "failed-40.txt", view.Lines(snapshots()["failed"], noon, 40))
	})
}

func TestTable(t *testing.T) {
	var runs []v1alpha1.CIRun
	for i, name := range []string{"new", "queued", "failed", "rerun"} {
		run := *snapshots()[name].Run
		run.Name, run.CreationTimestamp = "shop-"+name, *ago(time.Duration(i+11) * time.Minute)
		runs = append([]v1alpha1.CIRun{run}, runs...)
	}
	golden(t, "table.txt", view.Table(runs, noon, false))
	golden(t, "table-all.txt", view.Table(runs, noon, true))
}

func TestPulls(t *testing.T) {
	link := &v1alpha1.TenantRepoLink{}
	for number, pull := range []v1alpha1.PullRequestStatus{
		{Title: "Mend the basket", Author: "ann", HeadRef: "basket", HeadSHA: strings.Repeat("5c1fe1b", 6)[:40]},
		{Title: "Try a new font", Author: "ben", HeadRef: "font", HeadSHA: strings.Repeat("a0b1c2d", 6)[:40], Draft: true},
		{Title: "Fix a typo", Author: "stranger", HeadRef: "main", HeadSHA: strings.Repeat("0f1e2d3", 6)[:40], Fork: true},
	} {
		pull.Number = int32(42 - number)
		link.Status.PullRequests = append(link.Status.PullRequests, pull)
	}
	var runs []v1alpha1.CIRun
	for i, c := range []struct {
		pull  int32
		state v1alpha1.RunState
		sha   string
	}{{42, v1alpha1.RunRunning, ""}, {42, v1alpha1.RunFailed, "1111111"}, {41, v1alpha1.RunSucceeded, "2222222"}, {0, v1alpha1.RunFailed, "3333333"}} {
		run := v1alpha1.CIRun{}
		run.Name, run.CreationTimestamp = fmt.Sprintf("shop-%d", i), *ago(time.Duration(i) * time.Minute)
		run.Spec.Commit.PullRequest, run.Status.State = c.pull, c.state
		if c.sha != "" {
			run.Status.SHA = strings.Repeat(c.sha, 6)[:40]
		}
		runs = append(runs, run)
	}
	golden(t, "pulls.txt", view.Pulls(link, runs))

	link.Generation = 2
	for generation, want := range map[int64]string{1: "it has not been checked yet as it is now: is Katkit's manager running?", 2: ""} {
		link.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, ObservedGeneration: generation}}
		if got := view.NotReady(link); got != want {
			t.Errorf("checked at generation %d: %q", generation, got)
		}
	}
}

func TestLinks(t *testing.T) {
	link := func(name, repository string, age time.Duration, change func(*v1alpha1.TenantRepoLink)) v1alpha1.TenantRepoLink {
		link := v1alpha1.TenantRepoLink{
			ObjectMeta: metav1.ObjectMeta{Namespace: "d-shop", Name: name, Generation: 2, CreationTimestamp: *ago(age)},
			Spec:       v1alpha1.TenantRepoLinkSpec{Repository: repository, Host: "github.com", HomeBranch: "main"},
			Status:     v1alpha1.TenantRepoLinkStatus{HomeBranch: &v1alpha1.CommitStatus{SHA: sha}},
		}
		meta.SetStatusCondition(&link.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue,
			Reason: v1alpha1.ReasonReady, ObservedGeneration: 2})
		change(&link)
		return link
	}
	because := func(status metav1.ConditionStatus, reason string) func(*v1alpha1.TenantRepoLink) {
		return func(link *v1alpha1.TenantRepoLink) {
			link.Status.Conditions[0].Status, link.Status.Conditions[0].Reason = status, reason
		}
	}
	links := []v1alpha1.TenantRepoLink{
		link("shop", "acme/shop", 30*time.Hour, func(*v1alpha1.TenantRepoLink) {}),
		link("shop-api", "acme/shop", 29*time.Hour, func(l *v1alpha1.TenantRepoLink) {
			because(metav1.ConditionFalse, v1alpha1.ReasonTokenRejected)(l)
			l.Spec.FolderPath = "/services/api/"
		}),
		link("limited", "acme/limited", 2*time.Hour, because(metav1.ConditionUnknown, v1alpha1.ReasonRateLimited)),
		link("enterprise", "acme/web", time.Hour, func(l *v1alpha1.TenantRepoLink) { l.Spec.Host = "github.example.com" }),
		link("changed", "acme/changed", time.Hour, func(l *v1alpha1.TenantRepoLink) { l.Generation++ }),
		link("new", "acme/new", 0, func(l *v1alpha1.TenantRepoLink) { l.Status = v1alpha1.TenantRepoLinkStatus{} }),
	}
	golden(t, "links.txt", view.Links(links, noon, false))
	links[1].Namespace = "a-shop"
	golden(t, "links-all.txt", view.Links(links, noon, true))
}

// TestLog takes one run through its life. What is told is never told again, in whatever order run and Phases are read.
func TestLog(t *testing.T) {
	var log view.Log
	var told []string
	for i, name := range []string{"new", "queued", "queued", "running", "running", "waiting", "waiting", "failed", "failed"} {
		told = append(told, log.Changes(snapshots()[name], noon.Add(time.Duration(i)*time.Second))...)
	}
	golden(t, "log.txt", told)

	// The run tells that a phase has ended before the Phase does, and the Phase before the run.
	for name, stale := range map[string]func(s *view.Snapshot){
		"a Phase that is older than the run": func(s *view.Snapshot) { s.Phases[0].Status.State = v1alpha1.PhaseRunning },
		"a run that is older than the Phase": func(s *view.Snapshot) { s.Run.Status.Phases[0].State = v1alpha1.PhaseRunning },
		"a Phase that is gone":               func(s *view.Snapshot) { s.Phases = s.Phases[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			var log view.Log
			log.Changes(snapshots()["waiting"], noon)
			old := snapshots()["waiting"]
			stale(&old)
			if again := log.Changes(old, noon); len(again) > 0 {
				t.Errorf("told %q", again)
			}
		})
	}
}

// TestTheManual holds that docs/plugin.md shows what is printed.
func TestTheManual(t *testing.T) {
	manual, err := os.ReadFile("../../../docs/plugin.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"table.txt", "links.txt", "pulls.txt", "failed.txt", "log.txt"} {
		shown, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		indented := "    " + strings.ReplaceAll(strings.TrimSpace(string(shown)), "\n", "\n    ")
		if !strings.Contains(string(manual), strings.ReplaceAll(indented, "\n    \n", "\n\n")) {
			t.Errorf("docs/plugin.md does not have\n%s", indented)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"DEPLOY": "DEPLOY", "a b": "'a b'", "$(id)": "'$(id)'", "it's": `'it'\''s'`, "": "''", "-n": "'-n'", "a\x1b[2Jb\n": "ab", "oidc:ann@example.com": "oidc:ann@example.com",
	} {
		if got := view.Quote(in); got != want {
			t.Errorf("Quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		line  string
		width int
		want  string
	}{{"short", 5, "short"}, {"longer", 5, "long…"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"any", 0, "any"}, {"ab", 1, "…"}} {
		if got := view.Fit(c.line, c.width); got != c.want {
			t.Errorf("Fit(%q, %d) = %q, want %q", c.line, c.width, got, c.want)
		}
	}
}

func golden(t *testing.T, name string, lines []string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
