package phase_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rollout"
)

var (
	going  = rollout.Progress{Message: "1 of 2 replicas updated"}
	stuck  = rollout.Progress{Failed: true, FailedAt: start, Message: "progress deadline exceeded with 1 of 2 replicas available"}
	crash  = &rollout.Trouble{Reason: "CrashLoop", Message: "container web exited with code 3", Final: true}
	unseen = &rollout.Trouble{Reason: "Unschedulable", Message: "no node has room"}
)

func troubled(s rollout.Service, trouble *rollout.Trouble) rollout.Service {
	s.Progress, s.Trouble = going, trouble
	return s
}

func rolledBack(status v1alpha1.PhaseStatus) (reason, message string) {
	if condition := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionRolledBack); condition != nil {
		return string(condition.Status) + " " + condition.Reason, condition.Message
	}
	return "", ""
}

// Every failure is stored before anything is brought back, and every service that was changed is.
func TestDeploymentThatFailsIsRolledBack(t *testing.T) {
	for name, c := range map[string]struct {
		api, web rollout.Service
		ended    bool
		at       time.Time
		class    v1alpha1.FailureClass
		reason   string
		message  string
		back     []string // what is brought back
		results  [2]v1alpha1.ReceiptResult
	}{
		"a crash loop": {api: upgraded("api"), web: troubled(upgraded("web"), crash),
			class: v1alpha1.FailureUser, reason: "CrashLoop", message: "Deployment web did not become available with image acme/web:new: container web exited with code 3",
			back: []string{"api", "web"}, results: [2]v1alpha1.ReceiptResult{v1alpha1.ReceiptRolledBack, v1alpha1.ReceiptRolledBack}},
		"the progress deadline": {api: rolling(upgraded("api"), stuck), web: service("web", "acme/web:old"),
			class: v1alpha1.FailureUser, reason: v1alpha1.ReasonRolloutFailed, message: "progress deadline exceeded",
			back: []string{"api"}, results: [2]v1alpha1.ReceiptResult{v1alpha1.ReceiptRolledBack, v1alpha1.ReceiptUnchanged}},
		"one fails before the other is changed": {api: service("api", "acme/api:old"), web: troubled(upgraded("web"), crash),
			class: v1alpha1.FailureUser, reason: "CrashLoop",
			back: []string{"web"}, results: [2]v1alpha1.ReceiptResult{v1alpha1.ReceiptUnchanged, v1alpha1.ReceiptRolledBack}},
		"the phase's timeout": {api: upgraded("api"), web: troubled(upgraded("web"), unseen), at: now.Add(time.Hour),
			class: v1alpha1.FailureUser, reason: v1alpha1.ReasonTimedOut, message: "at the end: web: 1 of 2 replicas updated; Deployment web: no node has room",
			back: []string{"api", "web"}, results: [2]v1alpha1.ReceiptResult{v1alpha1.ReceiptRolledBack, v1alpha1.ReceiptRolledBack}},
		"the run ended": {api: upgraded("api"), web: service("web", "acme/web:old"), ended: true,
			class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonRunEnded, message: "stopped: run run ended",
			back: []string{"api"}, results: [2]v1alpha1.ReceiptResult{v1alpha1.ReceiptRolledBack, v1alpha1.ReceiptUnchanged}},
		"somebody else changed one meanwhile": {api: upgraded("api"), web: service("web", "acme/web:hotfix"),
			class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonWorkloadChanged, message: `"acme/web:hotfix"`,
			back: []string{"api"}, results: [2]v1alpha1.ReceiptResult{v1alpha1.ReceiptRolledBack, v1alpha1.ReceiptFailed}},
		"somebody else went back": {api: marked(service("api", "acme/api:old")), web: upgraded("web"),
			class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonWorkloadChanged, message: `somebody else brought "acme/api:old" back`,
			back: []string{"web"}, results: [2]v1alpha1.ReceiptResult{v1alpha1.ReceiptRolledBack, v1alpha1.ReceiptRolledBack}},
		"what somebody else brought is not Katkit's to take back": {api: service("api", "acme/api:new"), web: troubled(upgraded("web"), crash),
			class: v1alpha1.FailureUser, reason: "CrashLoop",
			back: []string{"web"}, results: [2]v1alpha1.ReceiptResult{v1alpha1.ReceiptUnchanged, v1alpha1.ReceiptRolledBack}},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := begun(t, newDeployment("api", "web"))
			o := phase.Observation{Phase: p, RunActive: !c.ended, RunEnded: c.ended, Services: map[string]rollout.Service{"api": c.api, "web": c.web}}
			at := now
			if !c.at.IsZero() {
				at = c.at
			}
			plan := decide(t, o, at)
			if is, _ := rolledBack(plan.Status); plan.Status.State != v1alpha1.PhaseRunning || len(plan.PatchImages) > 0 || is != "Unknown RollingBack" {
				t.Fatalf("the failure is not stored first: %+v", plan)
			}
			p.Status = plan.Status
			plan = decide(t, o, at)
			var back []string
			for _, patch := range plan.PatchImages {
				back = append(back, patch.Receipt.Role)
				o.Services[patch.Receipt.Role] = apply(o.Services[patch.Receipt.Role], patch)
			}
			if diff := cmp.Diff(c.back, back); diff != "" {
				t.Fatalf("brought back (-want +got)\n%s", diff)
			}
			plan = decide(t, o, at)
			if len(plan.PatchImages) > 0 || plan.Status.State != v1alpha1.PhaseRunning || plan.RequeueAfter != 10*time.Minute {
				t.Fatalf("does not wait until they run again: %+v", plan)
			}
			for role, s := range o.Services {
				o.Services[role] = rolling(s, rollout.Progress{Done: true, Message: "2 of 2 replicas available"})
			}
			status := decide(t, o, at).Status
			is, outcome := rolledBack(status)
			if status.State != v1alpha1.PhaseFailed || status.FailureClass != c.class || reason(status) != c.reason || !strings.Contains(status.Message, c.message) {
				t.Errorf("got %s, %s, %s, %q", status.State, status.FailureClass, reason(status), status.Message)
			}
			if is != "True RolledBack" || !strings.HasSuffix(status.Message, ". "+outcome) || !strings.Contains(outcome, c.back[0]+" runs acme/"+c.back[0]+":old again") {
				t.Errorf("outcome %q, %q", is, outcome)
			}
			if got := [2]v1alpha1.ReceiptResult{status.Receipts[0].Result, status.Receipts[1].Result}; got != c.results {
				t.Errorf("results %v, want %v", got, c.results)
			}
		})
	}
}

func marked(s rollout.Service) rollout.Service {
	s.Mark = rollout.Mark{RunUID: "run-uid", SHA: newSHA}
	return s
}

// rollingBack is a phase whose rollback of the service api is stored.
func rollingBack(t *testing.T) *v1alpha1.Phase {
	t.Helper()
	p, _ := begun(t, newDeployment("api"))
	p.Status.Receipts[0].PreviousSHA = strings.Repeat("ab", 20)
	p.Status = decide(t, phase.Observation{Phase: p, RunActive: true, Services: map[string]rollout.Service{"api": troubled(upgraded("api"), crash)}}, now).Status
	if p.Status.Rollback == nil {
		t.Fatalf("no rollback: %+v", p.Status)
	}
	return p
}

func TestRollbackTellsTheCommitBefore(t *testing.T) {
	plan := decide(t, phase.Observation{Phase: rollingBack(t), RunActive: true, Services: map[string]rollout.Service{"api": troubled(upgraded("api"), crash)}}, now)
	if len(plan.PatchImages) != 1 {
		t.Fatalf("%+v", plan)
	}
	want := map[string]string{
		"katkit.dev/run": "run", "katkit.dev/run-uid": "run-uid", "katkit.dev/sha": strings.Repeat("ab", 20),
		"kubernetes.io/change-cause": "Katkit run run: rolled back from commit " + newSHA + " to acme/api:old",
	}
	if diff := cmp.Diff(want, plan.PatchImages[0].Annotations); diff != "" || plan.PatchImages[0].Image != "acme/api:old" {
		t.Errorf("%s (-want +got)\n%s", plan.PatchImages[0].Image, diff)
	}
}

func TestRollbackGoesOnWhenTheRunEnds(t *testing.T) {
	p := rollingBack(t)
	back := rolling(service("api", "acme/api:old"), going)
	back.Mark = rollout.Mark{RunUID: "run-uid"}
	o := phase.Observation{Phase: p, RunEnded: true, Services: map[string]rollout.Service{"api": back}}
	if plan := decide(t, o, now.Add(time.Minute)); plan.RequeueAfter != 9*time.Minute || plan.Status.Rollback.Reason != "CrashLoop" {
		t.Errorf("it begins anew: %+v", plan)
	}
}

func TestRollbackThatFailsSaysWhatToDo(t *testing.T) {
	const command, follow = "To go back by hand: kubectl set image deployment/api api=acme/api:old -n d-taskrunner",
		"Its image is back; see its Pods, and then: kubectl rollout status deployment/api -n d-taskrunner"
	back := service("api", "acme/api:old")
	back.Mark = rollout.Mark{RunUID: "run-uid"}
	again := upgraded("api")
	again.Mark.SHA = strings.Repeat("ab", 20)
	for name, c := range map[string]struct {
		api  rollout.Service
		at   time.Time
		want string
		next string
	}{
		"the previous image does not become available":      {api: troubled(back, crash), at: now, want: "does not become available: container web exited", next: follow},
		"it takes too long":                                 {api: rolling(back, going), at: now.Add(11 * time.Minute), want: "does not run acme/api:old again after 10m0s: 1 of 2 replicas updated", next: follow},
		"it could never be changed":                         {api: troubled(upgraded("api"), crash), at: now.Add(11 * time.Minute), want: "does not run acme/api:old again after 10m0s", next: command},
		"somebody else goes forward":                        {api: rolling(again, going), at: now, want: "somebody else brought acme/api:new again", next: command},
		"of the rollout that failed in this second nothing": {api: rolling(back, rollout.Progress{Failed: true, FailedAt: metav1.NewTime(now.Truncate(time.Second)), Message: "old"}), at: now, want: ""},
		"of an older rollout nothing":                       {api: rolling(back, rollout.Progress{Failed: true, FailedAt: start, Message: "old"}), at: now, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			plan := decide(t, phase.Observation{Phase: rollingBack(t), RunActive: true, Services: map[string]rollout.Service{"api": c.api}}, c.at)
			if c.want == "" {
				if plan.Status.State != v1alpha1.PhaseRunning {
					t.Errorf("given up: %+v", plan.Status)
				}
				return
			}
			is, outcome := rolledBack(plan.Status)
			receipt := plan.Status.Receipts[0]
			if plan.Status.State != v1alpha1.PhaseFailed || is != "False RollbackFailed" || receipt.Result != v1alpha1.ReceiptRollbackFailed || len(plan.PatchImages) > 0 {
				t.Fatalf("%s, %s, %s, %v", plan.Status.State, is, receipt.Result, plan.PatchImages)
			}
			for _, text := range []string{receipt.Message, outcome, plan.Status.Message} {
				if !strings.Contains(text, c.want) || !strings.Contains(text, c.next) {
					t.Errorf("%q lacks %q or the command", text, c.want)
				}
			}
			if !strings.HasPrefix(plan.Status.Message, "Deployment api did not become available with image acme/api:new: container web exited with code 3. ") {
				t.Errorf("the cause is lost: %q", plan.Status.Message)
			}
		})
	}
}

func TestRollbackRemovesThePodThatKeepsItFromGoingOn(t *testing.T) {
	blocker := rollout.Blocker{Name: "api-1", UID: "pod-uid"}
	back := service("api", "acme/api:old")
	back.Mark = rollout.Mark{RunUID: "run-uid"}
	back = troubled(back, &rollout.Trouble{Reason: v1alpha1.ReasonBlocked, Message: "waits for api-1", Final: true, Blocker: &blocker})
	o := phase.Observation{Phase: rollingBack(t), RunActive: true, Services: map[string]rollout.Service{"api": back}}
	plan := decide(t, o, now)
	if diff := cmp.Diff([]phase.RemovePod{{Role: "api", Pod: blocker}}, plan.RemovePods); diff != "" || plan.Status.State != v1alpha1.PhaseRunning {
		t.Errorf("%s (-want +got)\n%s", plan.Status.State, diff)
	}
	if plan := decide(t, o, now.Add(11*time.Minute)); len(plan.RemovePods) > 0 || plan.Status.Receipts[0].Result != v1alpha1.ReceiptRollbackFailed {
		t.Errorf("%+v", plan)
	}
	p, _ := begun(t, newDeployment("api"))
	forward := upgraded("api")
	forward.Progress, forward.Trouble = going, back.Trouble
	if plan := decide(t, phase.Observation{Phase: p, RunActive: true, Services: map[string]rollout.Service{"api": forward}}, now); len(plan.RemovePods) > 0 {
		t.Errorf("a Pod is removed though nothing is rolled back: %+v", plan.RemovePods)
	}
}

func TestRefusedChange(t *testing.T) {
	denied := problem.Config(v1alpha1.ReasonPatchRejected, "denied by a policy")
	p, _ := begun(t, newDeployment("api", "web"))
	o := phase.Observation{Phase: p, RunActive: true, Services: map[string]rollout.Service{"api": upgraded("api"), "web": service("web", "acme/web:old")}}
	phase.Refuse(p, &p.Status, "web", denied, now)
	plan := decide(t, o, now)
	if len(plan.PatchImages) != 1 || plan.PatchImages[0].Image != "acme/api:old" {
		t.Fatalf("the other service is not brought back: %+v", plan)
	}
	phase.Refuse(p, &p.Status, "api", problem.Config(v1alpha1.ReasonDeployerForbidden, "may not any more"), now)
	status := decide(t, o, now).Status
	if status.State != v1alpha1.PhaseFailed || reason(status) != v1alpha1.ReasonPatchRejected || !strings.HasPrefix(status.Message, "denied by a policy. rollback failed: ") ||
		!strings.Contains(status.Receipts[0].Message, "-n d-taskrunner. may not any more") || status.Receipts[1].Result != v1alpha1.ReceiptUnchanged {
		t.Errorf("%+v", status)
	}
	ended := *status.DeepCopy()
	phase.Refuse(p, &ended, "api", denied, now)
	if diff := cmp.Diff(status, ended); diff != "" {
		t.Errorf("a phase that has ended is changed\n%s", diff)
	}
}

func TestTroubleThatMayPassIsToldWhileItLasts(t *testing.T) {
	p, _ := begun(t, newDeployment("api"))
	o := phase.Observation{Phase: p, RunActive: true, Services: map[string]rollout.Service{"api": troubled(upgraded("api"), unseen)}}
	p.Status = decide(t, o, now).Status
	if p.Status.State != v1alpha1.PhaseRunning || p.Status.Message != "Deployment api: no node has room" {
		t.Fatalf("%+v", p.Status)
	}
	if diff := cmp.Diff(p.Status, decide(t, o, now.Add(time.Minute)).Status); diff != "" {
		t.Errorf("told again (-want +got)\n%s", diff)
	}
	o.Services["api"] = rolling(upgraded("api"), going)
	if status := decide(t, o, now).Status; status.Message != "" {
		t.Errorf("told when it has passed: %q", status.Message)
	}
}

func TestAnOrderThatCannotBeToldYetIsAskedForAgain(t *testing.T) {
	p := newDeployment("api")
	later := problem.Transient(v1alpha1.ReasonGitHubUnavailable, "GitHub does not answer")
	plan := decide(t, phase.Observation{Phase: p, RunActive: true, Services: services(p, "old"), Older: later}, now)
	if plan.Status.State.Terminal() || len(plan.Status.Receipts) > 0 || reason(plan.Status) != v1alpha1.ReasonGitHubUnavailable || plan.RequeueAfter <= 0 {
		t.Errorf("%+v", plan)
	}
}
