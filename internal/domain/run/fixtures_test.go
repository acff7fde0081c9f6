package run_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/run"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	now = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	sha = strings.Repeat("c0ffee12", 5)
)

func newRun() *v1alpha1.CIRun {
	return &v1alpha1.CIRun{
		ObjectMeta: metav1.ObjectMeta{Name: "taskrunner-7f3a", Namespace: "d-taskrunner", UID: "run-uid", Generation: 1},
		Spec: v1alpha1.CIRunSpec{
			Link: v1alpha1.ObjectName{Name: "taskrunner"}, Commit: v1alpha1.CommitSelector{Branch: "main"},
		},
		Status: v1alpha1.CIRunStatus{State: v1alpha1.RunPending},
	}
}

func newLink() *v1alpha1.TenantRepoLink {
	return &v1alpha1.TenantRepoLink{
		ObjectMeta: metav1.ObjectMeta{Name: "taskrunner", Namespace: "d-taskrunner"},
		Spec:       v1alpha1.TenantRepoLinkSpec{Repository: "acme/taskrunner", HomeBranch: "main"},
	}
}

// template is a phase of a workflow.
func template(name string, order int32, kind v1alpha1.PhaseType) v1alpha1.PhaseTemplate {
	return v1alpha1.PhaseTemplate{Name: name, Type: kind, Order: order}
}

// newMaterial is what a run of some phases is made of.
func newMaterial(phases ...v1alpha1.PhaseTemplate) *run.Material {
	return &run.Material{
		Tenant: run.Tenant{Name: "taskrunner", Env: "DEV"},
		Link:   newLink(),
		Class:  &v1alpha1.BuilderClass{Spec: v1alpha1.BuilderClassSpec{Image: "katkit/builder:1", AgentImage: "katkit/agent:1"}},
		Commit: run.Commit{SHA: sha, Message: "Answer faster", Author: "octocat", Ref: "main"},

		CloneURL: "https://github.com/acme/taskrunner.git",
		Workflow: run.Workflow{Source: "katkitconfig.js (entry DEV)", Phases: phases},
		Services: []v1alpha1.ServiceImage{{Role: "taskrunner", Image: "acme/taskrunner:" + sha}},
	}
}

// threePhases is the workflow of the demo.
func threePhases() []v1alpha1.PhaseTemplate {
	return []v1alpha1.PhaseTemplate{
		template("PRE_DEPLOY_BUILD", 0, v1alpha1.PhaseExecution),
		template("DEPLOY", 1, v1alpha1.PhaseDeployment),
		template("POST_DEPLOY_VERIFICATION", 2, v1alpha1.PhaseExecution),
	}
}

func clone(o run.Observation) run.Observation {
	o.Run = o.Run.DeepCopy()
	if o.Phases != nil {
		phases := map[string]*v1alpha1.Phase{}
		for name, phase := range o.Phases {
			phases[name] = phase.DeepCopy()
		}
		o.Phases = phases
	}
	if o.Material != nil {
		m := *o.Material
		m.Link, m.Class = m.Link.DeepCopy(), m.Class.DeepCopy()
		m.Workflow.Phases = nil
		for _, phase := range o.Material.Workflow.Phases {
			m.Workflow.Phases = append(m.Workflow.Phases, *phase.DeepCopy())
		}
		m.Services = append([]v1alpha1.ServiceImage(nil), m.Services...)
		m.Warnings = append([]string(nil), m.Warnings...)
		o.Material = &m
	}
	return o
}

// decide checks of every decision in these tests what always holds of one.
func decide(t *testing.T, o run.Observation, at time.Time) run.Plan {
	t.Helper()
	input := clone(o)
	plan := run.Decide(o, at)
	if !equality.Semantic.DeepEqual(input, o) { // faster than cmp, and this is called often
		t.Fatalf("Decide changed what it looked at (-before +after)\n%s", cmp.Diff(input, o))
	}
	if again := run.Decide(input, at); !equality.Semantic.DeepEqual(plan, again) {
		t.Fatalf("the same observation gave another plan (-first +second)\n%s", cmp.Diff(plan, again))
	}
	before, after := o.Run.Status, plan.Status
	if before.State.Terminal() {
		if !equality.Semantic.DeepEqual(before, after) {
			t.Fatalf("a terminal state is not final (-before +after)\n%s", cmp.Diff(before, after))
		}
	}
	if len(before.Phases) > 0 && len(plan.CreatePhases) > 0 {
		t.Fatal("Phases are made after the status named the first of them")
	}
	if plan.DeletePods && (!o.BuilderPods || !after.State.Terminal()) {
		t.Fatalf("removes the builder Pods of a run that is %s (there are some: %t)", after.State, o.BuilderPods)
	}
	if equality.Semantic.DeepEqual(before, after) {
		return plan
	}
	checkBounds(t, after)
	condition := meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionSucceeded)
	want := map[v1alpha1.RunState]metav1.ConditionStatus{
		v1alpha1.RunSucceeded: metav1.ConditionTrue, v1alpha1.RunFailed: metav1.ConditionFalse, v1alpha1.RunPending: metav1.ConditionUnknown,
		v1alpha1.RunRunning: metav1.ConditionUnknown, v1alpha1.RunWaitingForApproval: metav1.ConditionUnknown,
		v1alpha1.RunQueued: metav1.ConditionUnknown, v1alpha1.RunCancelled: metav1.ConditionFalse,
	}
	if condition == nil || condition.Status != want[after.State] || condition.Reason == "" || condition.ObservedGeneration != o.Run.Generation {
		t.Fatalf("state %q with the condition %+v", after.State, condition)
	}
	if after.State.Terminal() != (after.CompletionTime != nil) {
		t.Fatalf("state %q with the completion time %v", after.State, after.CompletionTime)
	}
	return plan
}

// checkBounds checks what the API server would of a run's status.
func checkBounds(t *testing.T, status v1alpha1.CIRunStatus) {
	t.Helper()
	if len(status.Warnings) > 10 || len(status.Phases) > 64 || len(status.ConfigSource) > 512 {
		t.Fatalf("%d warnings, %d phases, configSource of %d bytes", len(status.Warnings), len(status.Phases), len(status.ConfigSource))
	}
	for _, warning := range status.Warnings {
		if len(warning) > 512 || strings.ToValidUTF8(warning, "?") != warning {
			t.Fatalf("a warning of %d bytes: %q", len(warning), warning)
		}
	}
	for _, phase := range status.Phases {
		if len(phase.Message) > 1024 || strings.ToValidUTF8(phase.Message, "?") != phase.Message {
			t.Fatalf("a message of %d bytes: %q", len(phase.Message), phase.Message)
		}
	}
	for _, condition := range status.Conditions {
		if len(condition.Message) > 32768 {
			t.Fatalf("a condition's message of %d bytes", len(condition.Message))
		}
	}
}

// succeededCondition is what `kubectl wait --for=condition=Succeeded` looks at.
func succeededCondition(status v1alpha1.CIRunStatus) metav1.Condition {
	if condition := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSucceeded); condition != nil {
		return *condition
	}
	return metav1.Condition{}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with: go test ./internal/domain/run -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got); if it is meant to be so: go test ./internal/domain/run -update\n%s", path, diff)
	}
}
