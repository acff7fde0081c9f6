package run_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/run"
)

// timeline takes a run through what happens to its Phases, and writes down its status after each step.
type timeline struct {
	t        *testing.T
	run      *v1alpha1.CIRun
	material *run.Material
	phases   map[string]*v1alpha1.Phase
	pods     bool
	queued   map[string]bool
	at       time.Time

	text   bytes.Buffer
	writes int
}

func newTimeline(t *testing.T, phases ...v1alpha1.PhaseTemplate) *timeline {
	t.Helper()
	return &timeline{t: t, run: newRun(), material: newMaterial(phases...), phases: map[string]*v1alpha1.Phase{}, at: now}
}

// step reconciles after something happened, twice: the second time must change nothing.
func (l *timeline) step(what string) {
	l.t.Helper()
	before := l.writes
	l.reconcile(what)
	l.reconcile(what)
	if l.writes > before+1 {
		l.t.Errorf("%s: the status was written %d times", what, l.writes-before)
	}
	if l.writes == before {
		fmt.Fprintf(&l.text, "# %s: nothing to write\n", what)
	}
}

func (l *timeline) reconcile(what string) {
	l.t.Helper()
	l.at = l.at.Add(time.Second)
	o := run.Observation{Run: l.run, Phases: l.phases, BuilderPods: l.pods, Queued: l.queued}
	if run.NeedsMaterial(l.run) {
		o.Material = l.material
	}
	plan := decide(l.t, o, l.at)
	for _, phase := range plan.CreatePhases {
		l.phases[phase.Name] = phase.DeepCopy()
	}
	if !equality.Semantic.DeepEqual(l.run.Status, plan.Status) {
		l.run = l.run.DeepCopy()
		l.run.Status = plan.Status
		l.writes++
		status, err := yaml.Marshal(plan.Status)
		if err != nil {
			l.t.Fatal(err)
		}
		fmt.Fprintf(&l.text, "--- # write %d: %s\n%s", l.writes, what, status)
	}
	if plan.DeletePods {
		l.pods = false
		fmt.Fprintf(&l.text, "# %s: the builder Pods are removed\n", what)
	}
}

// phase changes the status of one of the Phases, as their own controller does.
func (l *timeline) phase(name string, state v1alpha1.PhaseState, message string) {
	l.t.Helper()
	for _, phase := range l.phases {
		if phase.Spec.Name != name {
			continue
		}
		phase.Status.State, phase.Status.Message = state, message
		if state.Terminal() {
			phase.Status.CompletionTime = new(metav1.NewTime(l.at))
		}
		l.pods = l.pods || (state == v1alpha1.PhaseRunning && phase.Spec.Type == v1alpha1.PhaseExecution)
		l.step(fmt.Sprintf("%s %s", name, state))
		return
	}
	l.t.Fatalf("no phase %s", name)
}

// queues lets one of the Phases say that it waits for its turn.
func (l *timeline) queues(name, message string) {
	l.t.Helper()
	for _, phase := range l.phases {
		if phase.Spec.Name == name {
			phase.Status.QueueTime = new(metav1.NewTime(now))
		}
	}
	l.phase(name, v1alpha1.PhasePending, message)
}

// end compares the timeline with the golden one.
func (l *timeline) end(file string, state v1alpha1.RunState) {
	l.t.Helper()
	l.step("nothing")
	if l.run.Status.State != state {
		l.t.Errorf("the run ended as %s", l.run.Status.State)
	}
	if l.pods {
		l.t.Error("builder Pods are left")
	}
	golden(l.t, file, l.text.Bytes())
}

func TestTimelineOfSuccess(t *testing.T) {
	l := newTimeline(t, threePhases()...)
	l.step("created")
	for _, phase := range threePhases() {
		l.phase(phase.Name, v1alpha1.PhaseRunning, "")
		l.phase(phase.Name, v1alpha1.PhaseSucceeded, "")
	}
	l.end("success.yaml", v1alpha1.RunSucceeded)
	if l.writes > 4 {
		t.Errorf("the status of a run of three phases was written %d times", l.writes)
	}
}

func TestTimelineOfFailure(t *testing.T) {
	l := newTimeline(t, threePhases()...)
	l.step("created")
	l.phase("PRE_DEPLOY_BUILD", v1alpha1.PhaseRunning, "")
	l.phase("PRE_DEPLOY_BUILD", v1alpha1.PhaseFailed, "ci.sh exited with code 3")
	l.phase("DEPLOY", v1alpha1.PhaseSkipped, "not started: Phase taskrunner-7f3a-0-pre-deploy-build did not succeed")
	l.phase("POST_DEPLOY_VERIFICATION", v1alpha1.PhaseSkipped, "not started: Phase taskrunner-7f3a-1-deploy did not succeed")
	l.end("failure.yaml", v1alpha1.RunFailed)
}

func TestTimelineOfApproval(t *testing.T) {
	phases := threePhases()
	phases[1].Approval = v1alpha1.ApprovalManual
	l := newTimeline(t, phases...)
	l.step("created")
	l.phase("PRE_DEPLOY_BUILD", v1alpha1.PhaseRunning, "")
	l.phase("PRE_DEPLOY_BUILD", v1alpha1.PhaseSucceeded, "")
	l.phase("DEPLOY", v1alpha1.PhaseWaitingForApproval, "waits for approval")
	l.phase("DEPLOY", v1alpha1.PhaseRunning, "")
	l.phase("DEPLOY", v1alpha1.PhaseSucceeded, "taskrunner upgraded")
	l.phase("POST_DEPLOY_VERIFICATION", v1alpha1.PhaseRunning, "")
	l.phase("POST_DEPLOY_VERIFICATION", v1alpha1.PhaseSucceeded, "")
	l.end("approval.yaml", v1alpha1.RunSucceeded)
}

func TestTimelineOfAQueue(t *testing.T) {
	l := newTimeline(t, threePhases()...)
	l.step("created")
	l.phase("PRE_DEPLOY_BUILD", v1alpha1.PhaseRunning, "")
	l.queued = map[string]bool{"taskrunner-7f3a-1-deploy": true}
	l.phase("PRE_DEPLOY_BUILD", v1alpha1.PhaseSucceeded, "")
	l.queues("DEPLOY", "waits since 2024-05-06T07:08:14Z: run other is deploying to d-taskrunner (position 2)")
	l.queues("DEPLOY", "waits since 2024-05-06T07:08:14Z: run third is deploying to d-taskrunner (position 1)")
	l.queued = nil
	l.phase("DEPLOY", v1alpha1.PhaseRunning, "")
	l.phase("DEPLOY", v1alpha1.PhaseSucceeded, "taskrunner upgraded")
	l.phase("POST_DEPLOY_VERIFICATION", v1alpha1.PhaseSucceeded, "")
	l.end("queue.yaml", v1alpha1.RunSucceeded)
}

func TestTimelineOfACancel(t *testing.T) {
	l := newTimeline(t, threePhases()...)
	l.step("created")
	l.phase("PRE_DEPLOY_BUILD", v1alpha1.PhaseRunning, "")
	l.run.Spec.Cancelled = true
	l.step("cancelled")
	l.phase("DEPLOY", v1alpha1.PhaseSkipped, "not started: run taskrunner-7f3a was cancelled")
	l.phase("POST_DEPLOY_VERIFICATION", v1alpha1.PhaseSkipped, "not started: run taskrunner-7f3a was cancelled")
	l.phase("PRE_DEPLOY_BUILD", v1alpha1.PhaseCancelled, "run taskrunner-7f3a was cancelled")
	l.end("cancel.yaml", v1alpha1.RunCancelled)
}

func TestTimelineOfARunThatTakesTooLong(t *testing.T) {
	l := newTimeline(t, threePhases()...)
	l.step("created")
	l.phase("PRE_DEPLOY_BUILD", v1alpha1.PhaseRunning, "")
	l.at = l.at.Add(3 * time.Hour)
	l.step("three hours later")
	l.phase("DEPLOY", v1alpha1.PhaseSkipped, "not started: the run took longer than its timeout of 3h0m0s")
	l.phase("POST_DEPLOY_VERIFICATION", v1alpha1.PhaseSkipped, "not started: the run took longer than its timeout of 3h0m0s")
	l.phase("PRE_DEPLOY_BUILD", v1alpha1.PhaseFailed, "the run took longer than its timeout of 3h0m0s")
	l.end("timeout.yaml", v1alpha1.RunFailed)
}

func TestTimelineOfPhasesSideBySide(t *testing.T) {
	l := newTimeline(t,
		template("LINT", 0, v1alpha1.PhaseExecution), template("TEST", 0, v1alpha1.PhaseExecution), template("DEPLOY", 5, v1alpha1.PhaseDeployment))
	l.step("created")
	l.phase("TEST", v1alpha1.PhaseRunning, "")
	l.phase("LINT", v1alpha1.PhaseRunning, "")
	l.phase("TEST", v1alpha1.PhaseFailed, "ci.sh exited with code 1")
	l.phase("DEPLOY", v1alpha1.PhaseSkipped, "not started")
	l.phase("LINT", v1alpha1.PhaseSucceeded, "")
	l.end("side-by-side.yaml", v1alpha1.RunFailed)
}
