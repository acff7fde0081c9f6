package phase_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rollout"
)

func receipt(role string, result v1alpha1.ReceiptResult) v1alpha1.Receipt {
	return v1alpha1.Receipt{
		Role: role, Kind: "Deployment", Name: role, Container: role, PreviousImage: "acme/" + role + ":old", Image: "acme/" + role + ":new",
		Result: result, Env: 2, Replicas: 2,
	}
}

func TestDeploymentRecordsEverythingBeforeItChangesAnything(t *testing.T) {
	p := newDeployment("api", "web")
	plan := decide(t, phase.Observation{Phase: p, RunActive: true, Services: services(p, "old")}, now)
	if diff := cmp.Diff([]v1alpha1.Receipt{receipt("api", v1alpha1.ReceiptPlanned), receipt("web", v1alpha1.ReceiptPlanned)}, plan.Status.Receipts); diff != "" {
		t.Errorf("receipts (-want +got)\n%s", diff)
	}
	if len(plan.PatchImages) != 0 {
		t.Errorf("changed before the receipts are stored: %v", plan.PatchImages)
	}

	p.Status = plan.Status
	plan = decide(t, phase.Observation{Phase: p, RunActive: true, Services: services(p, "old")}, now)
	annotations := map[string]string{
		"katkit.dev/run": "run", "katkit.dev/run-uid": "run-uid", "katkit.dev/sha": newSHA, "kubernetes.io/change-cause": "Katkit run run: commit " + newSHA,
	}
	want := []phase.PatchImage{
		{Receipt: receipt("api", v1alpha1.ReceiptPlanned), Image: "acme/api:new", Annotations: annotations, ResourceVersion: "7"},
		{Receipt: receipt("web", v1alpha1.ReceiptPlanned), Image: "acme/web:new", Annotations: annotations, ResourceVersion: "7"},
	}
	if diff := cmp.Diff(want, plan.PatchImages); diff != "" {
		t.Errorf("changes (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(p.Status, plan.Status); diff != "" {
		t.Errorf("written again in between (-want +got)\n%s", diff)
	}
}

func TestDeploymentThatCannotBeginChangesNothing(t *testing.T) {
	sidecars := service("api", "acme/api:old")
	sidecars.Containers = []corev1.Container{{Name: "one", Image: "x"}, {Name: "two", Image: "y"}}
	forbidden := problem.Config(v1alpha1.ReasonDeployerForbidden, "may not")
	for name, c := range map[string]struct {
		services map[string]rollout.Service
		dryRun   *problem.Problem
		older    *problem.Problem
		reason   string
		message  string
	}{
		"a role without a workload": {services: map[string]rollout.Service{"web": service("web", "acme/web:old")},
			reason: v1alpha1.ReasonServiceNotFound, message: `role "api" of servicedescription.js: namespace d-taskrunner has no Deployment`},
		"a workload without a fitting container": {services: map[string]rollout.Service{"api": sidecars, "web": service("web", "acme/web:old")},
			reason: v1alpha1.ReasonServiceNotFound, message: "one (x), two (y)"},
		"an older commit": {services: services(newDeployment("api", "web"), "old"), older: problem.Config(v1alpha1.ReasonOlderCommit, "is older"),
			reason: v1alpha1.ReasonOlderCommit, message: "is older"},
		"a deployer that may not": {services: services(newDeployment("api", "web"), "old"), dryRun: forbidden,
			reason: v1alpha1.ReasonDeployerForbidden, message: "may not"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := decide(t, phase.Observation{Phase: newDeployment("api", "web"), RunActive: true, Services: c.services, DryRun: c.dryRun, Older: c.older}, now)
			status := plan.Status
			if status.State != v1alpha1.PhaseFailed || status.FailureClass != v1alpha1.FailureConfig || reason(status) != c.reason ||
				!strings.Contains(status.Message, c.message) {
				t.Errorf("got %s, %s, %s, %q", status.State, status.FailureClass, reason(status), status.Message)
			}
			if len(status.Receipts) != 0 {
				t.Errorf("receipts of what was not changed: %v", status.Receipts)
			}
		})
	}
}

func TestDeploymentFollowsTheRollout(t *testing.T) {
	going := rollout.Progress{Message: "1 of 2 replicas updated"}
	stale := rollout.Progress{Failed: true, FailedAt: metav1.NewTime(start.Add(-time.Second)), Message: "progress deadline exceeded with 1 of 2 replicas available"}
	for name, c := range map[string]struct {
		api, web rollout.Service
		gone     bool // the Deployment api is not there
		at       time.Time
		state    v1alpha1.PhaseState
		class    v1alpha1.FailureClass
		reason   string
		message  string // a part of it
		results  [2]v1alpha1.ReceiptResult
		patched  []string
	}{
		"one was changed before the manager was killed": {api: rolling(upgraded("api"), going), web: service("web", "acme/web:old"),
			patched: []string{"web"}},
		"one is not changed yet": {api: service("api", "acme/api:old"), web: rolling(upgraded("web"), going),
			patched: []string{"api"}},
		"both are changed and one is rolled out": {api: upgraded("api"), web: rolling(upgraded("web"), going)},
		"both are rolled out": {api: upgraded("api"), web: upgraded("web"),
			state: v1alpha1.PhaseSucceeded, message: "Deployment api: acme/api:old → acme/api:new; Deployment web: acme/web:old → acme/web:new",
			results: [2]v1alpha1.ReceiptResult{v1alpha1.ReceiptUpgraded, v1alpha1.ReceiptUpgraded}},
		"one is rolled out while nobody looked, after the timeout": {api: upgraded("api"), web: upgraded("web"), at: now.Add(2 * time.Hour),
			state: v1alpha1.PhaseSucceeded, results: [2]v1alpha1.ReceiptResult{v1alpha1.ReceiptUpgraded, v1alpha1.ReceiptUpgraded}},
		"somebody else changed one before Katkit did": {api: service("api", "acme/api:old"), web: service("web", "acme/web:hotfix"),
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonWorkloadChanged, message: `"acme/web:hotfix"`,
			results: [2]v1alpha1.ReceiptResult{v1alpha1.ReceiptUnchanged, v1alpha1.ReceiptFailed}},
		"one was deleted": {gone: true, web: service("web", "acme/web:old"),
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonWorkloadChanged, message: "Deployment api was deleted during its deployment",
			results: [2]v1alpha1.ReceiptResult{v1alpha1.ReceiptFailed, v1alpha1.ReceiptUnchanged}},
		"nothing is changed after the timeout": {api: service("api", "acme/api:old"), web: service("web", "acme/web:old"), at: now.Add(time.Hour),
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureUser, reason: v1alpha1.ReasonTimedOut,
			results: [2]v1alpha1.ReceiptResult{v1alpha1.ReceiptUnchanged, v1alpha1.ReceiptUnchanged}},
		"the condition of an older rollout is still there": {api: rolling(upgraded("api"), stale), web: upgraded("web")},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := begun(t, newDeployment("api", "web"))
			live := map[string]rollout.Service{"api": c.api, "web": c.web}
			if c.gone {
				delete(live, "api")
			}
			at := now
			if !c.at.IsZero() {
				at = c.at
			}
			plan := decide(t, phase.Observation{Phase: p, RunActive: true, Services: live}, at)
			var patched []string
			for _, patch := range plan.PatchImages {
				patched = append(patched, patch.Receipt.Name)
			}
			if diff := cmp.Diff(c.patched, patched); diff != "" {
				t.Errorf("changed (-want +got)\n%s", diff)
			}
			if c.state == "" {
				if diff := cmp.Diff(p.Status, plan.Status); diff != "" {
					t.Errorf("goes on, so nothing is written (-want +got)\n%s", diff)
				}
				if plan.RequeueAfter != time.Hour-time.Minute {
					t.Errorf("looks again after %s, not at the timeout", plan.RequeueAfter)
				}
				return
			}
			status := plan.Status
			if c.state == v1alpha1.PhaseSucceeded {
				c.reason = v1alpha1.ReasonSucceeded
			}
			if status.State != c.state || status.FailureClass != c.class || reason(status) != c.reason || !strings.Contains(status.Message, c.message) {
				t.Errorf("got %s, %s, %s, %q", status.State, status.FailureClass, reason(status), status.Message)
			}
			if is, _ := rolledBack(status); is != "" || status.Rollback != nil {
				t.Errorf("there was nothing to roll back: %q, %+v", is, status.Rollback)
			}
			if got := [2]v1alpha1.ReceiptResult{status.Receipts[0].Result, status.Receipts[1].Result}; got != c.results {
				t.Errorf("results %v, want %v", got, c.results)
			}
		})
	}
}

func TestDeploymentOfWhatRunsAlreadyChangesNothing(t *testing.T) {
	p := newDeployment("api")
	o := phase.Observation{Phase: p, RunActive: true, Services: services(p, "new")}
	p.Status = decide(t, o, now).Status
	plan := decide(t, o, now)
	if len(plan.PatchImages) != 0 || plan.Status.State != v1alpha1.PhaseSucceeded || plan.Status.Receipts[0].Result != v1alpha1.ReceiptUnchanged ||
		plan.Status.Message != "Deployment api runs acme/api:new already" {
		t.Errorf("%+v", plan)
	}
}

func TestNeedsServices(t *testing.T) {
	p, _ := begun(t, newDeployment("api"))
	if needed, dryRun := phase.NeedsServices(phase.Observation{Phase: p, RunActive: true}); !needed || dryRun {
		t.Errorf("begun: needed %t, dry run %t", needed, dryRun)
	}
	if needed, dryRun := phase.NeedsServices(phase.Observation{Phase: p, RunEnded: true}); !needed || dryRun {
		t.Errorf("begun, and the run has ended: needed %t, dry run %t", needed, dryRun)
	}
	if needed, _ := phase.NeedsServices(phase.Observation{Phase: p}); needed {
		t.Error("the run is gone, and the services are looked at all the same")
	}
	p.Status.State = v1alpha1.PhaseSucceeded
	if needed, dryRun := phase.NeedsServices(phase.Observation{Phase: p, RunActive: true}); needed || dryRun {
		t.Errorf("ended: needed %t, dry run %t", needed, dryRun)
	}
}
