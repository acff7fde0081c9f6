package run_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/run"
)

// going is a run that has begun, with its Phases.
func going(t *testing.T, phases ...v1alpha1.PhaseTemplate) run.Observation {
	t.Helper()
	r := newRun()
	plan := decide(t, run.Observation{Run: r, Material: newMaterial(phases...)}, now)
	r.Status = plan.Status
	o := run.Observation{Run: r, Phases: map[string]*v1alpha1.Phase{}}
	for _, phase := range plan.CreatePhases {
		o.Phases[phase.Name] = phase
	}
	return o
}

func TestWhatStopsARun(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*run.Observation)
		after  time.Duration
		reason string
		class  v1alpha1.FailureClass
		says   string
	}{
		"nothing":           {change: func(*run.Observation) {}},
		"cancelled":         {change: func(o *run.Observation) { o.Run.Spec.Cancelled = true }, reason: v1alpha1.ReasonCancelled, says: "run taskrunner-7f3a was cancelled"},
		"its link is gone":  {change: func(o *run.Observation) { o.LinkGone = true }, reason: v1alpha1.ReasonLinkDeleted, says: "TenantRepoLink taskrunner was deleted"},
		"a newer run":       {change: func(o *run.Observation) { o.NewerRun = "newer" }, reason: v1alpha1.ReasonSuperseded, says: "run newer of a newer commit takes its place"},
		"its timeout":       {change: func(*run.Observation) {}, after: 3 * time.Hour, reason: v1alpha1.ReasonRunTimedOut, class: v1alpha1.FailureUser, says: "longer than its timeout of 3h0m0s"},
		"not quite timeout": {change: func(*run.Observation) {}, after: 3*time.Hour - time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			o := going(t, threePhases()...)
			c.change(&o)
			plan := decide(t, o, now.Add(c.after))
			stop := plan.Status.Stop
			if c.reason == "" {
				if stop != nil || plan.RequeueAfter != 3*time.Hour-c.after {
					t.Errorf("%+v, looks again after %s", stop, plan.RequeueAfter)
				}
				return
			}
			if stop == nil || stop.Reason != c.reason || stop.FailureClass != c.class || !strings.Contains(stop.Message, c.says) || plan.Status.State != v1alpha1.RunRunning {
				t.Fatalf("%+v", stop)
			}
			if condition := succeededCondition(plan.Status); condition.Message != "stopping: "+stop.Message {
				t.Error(condition.Message)
			}
			o.Run.Status = plan.Status
			for _, phase := range o.Phases {
				phase.Status.State, phase.Status.CompletionTime = v1alpha1.PhaseSkipped, new(metav1.NewTime(now))
			}
			want := v1alpha1.RunCancelled
			if c.class != "" {
				want = v1alpha1.RunFailed
			}
			if plan = decide(t, o, now.Add(c.after)); plan.Status.State != want || succeededCondition(plan.Status).Reason != c.reason {
				t.Errorf("%s, %+v", plan.Status.State, succeededCondition(plan.Status))
			}
		})
	}
}

func TestARunThatSucceededBeforeItCouldBeStopped(t *testing.T) {
	o := going(t, threePhases()...)
	o.Run.Spec.Cancelled = true
	for _, phase := range o.Phases {
		phase.Status.State, phase.Status.CompletionTime = v1alpha1.PhaseSucceeded, new(metav1.NewTime(now))
	}
	if plan := decide(t, o, now); plan.Status.State != v1alpha1.RunSucceeded || plan.Status.Stop != nil {
		t.Errorf("%+v", plan.Status)
	}
}

func TestNothingCountsAsBegunInARunThatIsStopped(t *testing.T) {
	o := going(t, threePhases()...)
	o.Run.Spec.Cancelled = true
	o.Run.Status = decide(t, o, now).Status
	build := o.Phases["taskrunner-7f3a-0-pre-deploy-build"]
	build.Status.State, build.Status.CompletionTime = v1alpha1.PhaseSucceeded, new(metav1.NewTime(now))
	if plan := decide(t, o, now); plan.Status.Phases[1].State != v1alpha1.PhasePending || plan.Status.Phases[1].StartTime != nil {
		t.Errorf("%+v", plan.Status.Phases[1])
	}
}

func TestCancelledBeforeItBegan(t *testing.T) {
	r := newRun()
	r.Spec.Cancelled = true
	if run.NeedsMaterial(r) {
		t.Error("asks GitHub for nothing")
	}
	plan := decide(t, run.Observation{Run: r}, now)
	if plan.Status.State != v1alpha1.RunCancelled || len(plan.CreatePhases) > 0 {
		t.Errorf("%+v", plan)
	}
}

func TestTheClockStandsStillWhileARunWaitsForApproval(t *testing.T) {
	phases := threePhases()
	phases[1].Approval = v1alpha1.ApprovalManual
	o := going(t, phases...)
	at := func(minutes int) metav1.Time { return metav1.NewTime(now.Add(time.Duration(minutes) * time.Minute)) }
	deploy := o.Phases["taskrunner-7f3a-1-deploy"]
	deploy.Status.State, deploy.Status.Approval = v1alpha1.PhaseWaitingForApproval, &v1alpha1.ApprovalStatus{RequestTime: at(60)}
	if plan := decide(t, o, at(600).Time); plan.Status.Stop != nil || plan.RequeueAfter != 0 {
		t.Errorf("%+v, looks again after %s", plan.Status.Stop, plan.RequeueAfter)
	}
	deploy.Status.State, deploy.Status.Approval.Time = v1alpha1.PhaseRunning, new(at(600))
	if plan := decide(t, o, at(610).Time); plan.Status.Stop != nil || plan.RequeueAfter != 110*time.Minute {
		t.Errorf("%+v, looks again after %s", plan.Status.Stop, plan.RequeueAfter)
	}
	if plan := decide(t, o, at(720).Time); plan.Status.Stop == nil {
		t.Error("goes on for ever")
	}
}

func TestNewer(t *testing.T) {
	run1 := func(change func(*v1alpha1.CIRun)) *v1alpha1.CIRun {
		r := newRun()
		r.CreationTimestamp, r.Status.SHA, r.Status.Ref, r.Status.State = metav1.NewTime(now), sha, "main", v1alpha1.RunRunning
		change(r)
		return r
	}
	newer := func(change func(*v1alpha1.CIRun)) v1alpha1.CIRun {
		return *run1(func(r *v1alpha1.CIRun) {
			r.Name, r.UID, r.CreationTimestamp, r.Status.SHA = "newer", "newer-uid", metav1.NewTime(now.Add(time.Minute)), strings.Repeat("b", 40)
			r.Status.Phases = ended("Running Pending Pending").Status.Phases
			change(r)
		})
	}
	same := func(*v1alpha1.CIRun) {}
	pull := func(number int32) func(*v1alpha1.CIRun) {
		return func(r *v1alpha1.CIRun) { r.Status.PullRequest, r.Status.Ref = number, "feature" }
	}
	for name, c := range map[string]struct {
		run   *v1alpha1.CIRun
		newer v1alpha1.CIRun
		want  bool
	}{
		"of the same branch":                       {run1(same), newer(same), true},
		"of the same pull request":                 {run1(pull(7)), newer(pull(7)), true},
		"of another pull request":                  {run1(pull(7)), newer(pull(8)), false},
		"of another branch":                        {run1(same), newer(func(r *v1alpha1.CIRun) { r.Status.Ref = "other" }), false},
		"of a sha alone":                           {run1(func(r *v1alpha1.CIRun) { r.Status.Ref = "" }), newer(func(r *v1alpha1.CIRun) { r.Status.Ref = "" }), false},
		"of the same commit":                       {run1(same), newer(func(r *v1alpha1.CIRun) { r.Status.SHA = sha }), false},
		"made earlier":                             {run1(same), newer(func(r *v1alpha1.CIRun) { r.CreationTimestamp = metav1.NewTime(now.Add(-time.Minute)) }), false},
		"made in the same second, by its name":     {run1(same), newer(func(r *v1alpha1.CIRun) { r.CreationTimestamp, r.Name = metav1.NewTime(now), "zzz" }), true},
		"made in the same second, the other":       {run1(same), newer(func(r *v1alpha1.CIRun) { r.CreationTimestamp, r.Name = metav1.NewTime(now), "aaa" }), false},
		"a re-run":                                 {run1(same), newer(func(r *v1alpha1.CIRun) { r.Spec.RerunOf = "x" }), false},
		"its commit is not known yet":              {run1(same), newer(func(r *v1alpha1.CIRun) { r.Status.SHA, r.Status.Phases = "", nil }), false},
		"it could not begin":                       {run1(same), newer(func(r *v1alpha1.CIRun) { r.Status.Phases = nil }), false},
		"of another link":                          {run1(same), newer(func(r *v1alpha1.CIRun) { r.Spec.Link.Name = "other" }), false},
		"the older one has begun to deploy":        {run1(func(r *v1alpha1.CIRun) { r.Status.Phases = ended("Succeeded Running Pending").Status.Phases }), newer(same), false},
		"the older one was approved and is queued": {run1(func(r *v1alpha1.CIRun) { r.Status.Phases = ended("Succeeded Pending Pending").Status.Phases }), newer(same), true},
		"the older one waits for its approval":     {run1(func(r *v1alpha1.CIRun) { r.Status.Phases = ended("Succeeded WaitingForApproval Pending").Status.Phases }), newer(same), true},
		"the older one does not know its commit":   {run1(func(r *v1alpha1.CIRun) { r.Status.SHA = "" }), newer(same), false},
	} {
		if got := run.Newer(c.run, []v1alpha1.CIRun{*c.run, c.newer}) != ""; got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestLimits(t *testing.T) {
	m := newMaterial(threePhases()...)
	m.Class.Name = "small"
	if warnings, cause := run.Limits(newRun(), *m); cause != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", warnings, cause)
	}
	m.Class.Spec.MaxParallelism = 2
	m.Workflow.Phases[0].Parallelism = 3
	if _, cause := run.Limits(newRun(), *m); cause == nil || !strings.Contains(cause.Message, "BuilderClass small allows a phase 2 builder Pods side by side: PRE_DEPLOY_BUILD asks for 3 (katkitconfig.js (entry DEV))") {
		t.Errorf("got %v", cause)
	}
	m.Workflow.Phases[0].Parallelism = 2
	short := &metav1.Duration{Duration: time.Minute}
	m.Class.Spec.MaxTimeout, m.Class.Spec.MaxQueueTimeout, m.Class.Spec.MaxRunTimeout, m.Class.Spec.MaxUnscheduledTimeout = short, short, short, short
	warnings, cause := run.Limits(newRun(), *m)
	if cause != nil || len(warnings) != 4 || warnings[0] != "builder.timeout of the link is 1h0m0s: BuilderClass small allows 1m0s, which counts" {
		t.Errorf("%v, %v", warnings, cause)
	}
	plan := decide(t, run.Observation{Run: newRun(), Material: m}, now)
	spec := plan.CreatePhases[0].Spec
	for name, got := range map[string]time.Duration{
		"phase": spec.Timeout.Duration, "queue": spec.QueueTimeout.Duration, "unscheduled": spec.Execution.UnscheduledTimeout.Duration, "run": plan.Status.Timeout.Duration,
	} {
		if got != time.Minute {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestARunThatCannotBeginEndsAtItsTimeout(t *testing.T) {
	r := newRun()
	r.CreationTimestamp = metav1.NewTime(now.Add(-3*time.Hour + time.Second))
	o := run.Observation{Run: r, Problem: run.LinkNotFound(r)}
	if plan := decide(t, o, now); plan.Status.State != v1alpha1.RunPending || plan.Retry == nil {
		t.Errorf("%+v", plan)
	}
	plan := decide(t, o, now.Add(time.Second))
	if condition := succeededCondition(plan.Status); plan.Status.State != v1alpha1.RunFailed || condition.Reason != v1alpha1.ReasonRunTimedOut ||
		!strings.Contains(condition.Message, "could not begin within its timeout of 3h0m0s: waiting for TenantRepoLink d-taskrunner/taskrunner") || plan.Retry != nil {
		t.Errorf("%+v", plan)
	}
}
