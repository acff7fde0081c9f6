package logs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/view"
)

// tried is a run whose phase TEST, of two replicas, was tried twice, the second time for its replica 1 alone; LINT runs beside it, and
// DEPLOY and VERIFY come later.
func tried(state v1alpha1.RunState) view.Snapshot {
	phase := func(name string, order, parallelism int32, after ...string) v1alpha1.Phase {
		p := v1alpha1.Phase{ObjectMeta: metav1.ObjectMeta{Namespace: "d-shop", Name: "shop-1-" + strings.ToLower(name)},
			Spec: v1alpha1.PhaseSpec{Name: name, Order: order, Type: v1alpha1.PhaseExecution, After: after, Execution: &v1alpha1.ExecutionSpec{Parallelism: parallelism}}}
		if parallelism == 0 {
			p.Spec.Type, p.Spec.Execution = v1alpha1.PhaseDeployment, nil
		}
		return p
	}
	verify, test, lint, deploy := phase("VERIFY", 3, 1, "shop-1-deploy"), phase("TEST", 1, 2), phase("LINT", 1, 1), phase("DEPLOY", 2, 0)
	test.Status = v1alpha1.PhaseStatus{State: v1alpha1.PhaseRunning, Attempts: []v1alpha1.AttemptStatus{
		{Number: 1, Replicas: []v1alpha1.ReplicaStatus{{Index: 0, Pod: "t-1-0"}, {Index: 1, Pod: "t-1-1"}}},
		{Number: 2, Replicas: []v1alpha1.ReplicaStatus{{Index: 1, Pod: "t-2-1"}}},
	}}
	lint.Status = v1alpha1.PhaseStatus{State: v1alpha1.PhaseSucceeded, Attempts: []v1alpha1.AttemptStatus{{Number: 1, Replicas: []v1alpha1.ReplicaStatus{{Pod: "l-1-0"}}}}}
	s := view.Snapshot{Run: &v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Namespace: "d-shop", Name: "shop-1"}, Status: v1alpha1.CIRunStatus{State: state}},
		Phases: []v1alpha1.Phase{verify, test, lint, deploy}}
	s.Run.Status.Phases = append(s.Run.Status.Phases, v1alpha1.RunPhaseStatus{Name: "BUILD", PhaseName: "shop-1-build", Type: v1alpha1.PhaseExecution, CarriedFrom: "shop-0"})
	for _, p := range []v1alpha1.Phase{lint, test, deploy, verify} {
		s.Run.Status.Phases = append(s.Run.Status.Phases, v1alpha1.RunPhaseStatus{Name: p.Spec.Name, PhaseName: p.Name, Type: p.Spec.Type, Order: p.Spec.Order})
	}
	return s
}

func TestPick(t *testing.T) {
	for name, c := range map[string]struct {
		choice  choice
		want    string
		several bool
	}{
		"all, the newest attempt of each replica": {choice{"", every, every}, "LINT=l-1-0 TEST[0]=t-1-0 TEST[1]=t-2-1", true},
		"a phase":             {choice{"TEST", every, every}, "TEST[0]=t-1-0 TEST[1]=t-2-1", true},
		"a phase of one":      {choice{"LINT", every, every}, "LINT=l-1-0", false},
		"a replica":           {choice{"TEST", 1, every}, "TEST[1]=t-2-1", false},
		"an earlier attempt":  {choice{"TEST", every, 1}, "TEST[0]=t-1-0 TEST[1]=t-1-1", true},
		"one of that attempt": {choice{"TEST", 1, 1}, "TEST[1]=t-1-1", false},
		"what has not begun":  {choice{"VERIFY", every, every}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := tried(v1alpha1.RunRunning)
			var got []string
			for _, target := range c.choice.pick(s) {
				got = append(got, target.name()+"="+target.replica.Pod)
			}
			if joined := strings.Join(got, " "); joined != c.want || c.choice.several(s) != c.several {
				t.Errorf("picked %q, several %t, want %q, %t", joined, c.choice.several(s), c.want, c.several)
			}
		})
	}
}

func TestBehind(t *testing.T) {
	s := tried(v1alpha1.RunRunning)
	all := map[string]target{}
	for attempt := range int32(2) {
		for _, target := range (choice{"", every, attempt + 1}).pick(s) {
			all[target.replica.Pod] = target
		}
	}
	all["later"] = target{phase: &s.Phases[0]}
	for pair, want := range map[string]bool{
		"t-2-1 t-1-1": true, "t-1-1 t-2-1": false, "t-2-1 t-1-0": false, "t-1-0 l-1-0": false, "later t-2-1": true, "later l-1-0": true, "l-1-0 later": false,
	} {
		a, b, _ := strings.Cut(pair, " ")
		if got := all[a].behind(all[b]); got != want {
			t.Errorf("%s is behind %s: %t", a, b, got)
		}
	}
}

func TestWhatIsNotThere(t *testing.T) {
	trimmed := tried(v1alpha1.RunFailed)
	trimmed.Phases, trimmed.Run.Spec.Link.Name = nil, "shop"
	trimmed.Run.Status.TrimTime = new(metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)))
	queued := view.Snapshot{Run: &v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Name: "shop-1"}, Status: v1alpha1.CIRunStatus{State: v1alpha1.RunQueued, WaitingFor: "run \x1b[31mweb-1"}}}
	unreadable := view.Snapshot{Run: &v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Name: "shop-1"}, Status: v1alpha1.CIRunStatus{State: v1alpha1.RunFailed,
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionSucceeded, Message: "no such commit"}}}}}
	running := tried(v1alpha1.RunRunning)
	for name, c := range map[string]struct {
		choice  choice
		s       view.Snapshot
		refused string // whether it is waited for or not
		nothing string
	}{
		"all of a run":          {choice{"", every, every}, running, "", ""},
		"no such phase":         {choice{"tset", every, every}, running, "run shop-1 has no phase tset: it has BUILD, LINT, TEST, DEPLOY, VERIFY", ""},
		"a deployment":          {choice{"DEPLOY", every, every}, running, "phase DEPLOY is a deployment, which has no log: kubectl katkit get shop-1 -n d-shop shows what it did", ""},
		"carried over":          {choice{"BUILD", every, every}, running, "phase BUILD was carried over: kubectl katkit logs shop-0 BUILD -n d-shop shows its log", ""},
		"no such replica":       {choice{"TEST", 2, every}, running, "there is no replica 2: they are numbered from 0 to 1", ""},
		"no such attempt":       {choice{"TEST", every, 3}, running, "", "phase TEST of run shop-1 has no attempt 3"},
		"it waits for another":  {choice{"VERIFY", every, every}, running, "", "phase VERIFY of run shop-1 has no log yet: it waits for phase DEPLOY, which is Pending. With -f it is waited for"},
		"it waits for its turn": {choice{"", every, every}, queued, "", "run shop-1 has no log yet: run web-1. With -f it is waited for"},
		"phases are not known":  {choice{"TEST", every, every}, queued, "", "phase TEST of run shop-1 has no log yet: run web-1. With -f it is waited for"},
		"it never had phases":   {choice{"TEST", every, every}, unreadable, "run shop-1 has no phases: no such commit", ""},
		"nothing was built":     {choice{"", every, every}, unreadable, "", "run shop-1 has no log: it has ended as Failed and nothing of it was built: no such commit"},
		"trimmed":               {choice{"", every, every}, trimmed, "", "run shop-1: its phases were removed at 2026-03-01 12:00 UTC, as the retention of link shop says, and with them the names of its builder Pods, by which a log store keeps their logs"},
	} {
		t.Run(name, func(t *testing.T) {
			refused := ""
			if err := c.choice.refuse(c.s); err != nil {
				refused = err.Error()
			}
			if refused != c.refused {
				t.Errorf("refused: %q, want %q", refused, c.refused)
			}
			if c.nothing == "" {
				return
			}
			if got := fmt.Sprint(c.choice.nothing(c.s)); got != c.nothing || len(c.choice.pick(c.s)) > 0 {
				t.Errorf("nothing: %q, want %q", got, c.nothing)
			}
		})
	}
}

func TestOver(t *testing.T) {
	for name, c := range map[string]struct {
		choice choice
		state  v1alpha1.RunState
		want   bool
	}{
		"a run goes on":             {choice{"", every, every}, v1alpha1.RunRunning, false},
		"a run has ended":           {choice{"", every, every}, v1alpha1.RunFailed, true},
		"a phase has ended":         {choice{"LINT", every, every}, v1alpha1.RunRunning, true},
		"a phase goes on":           {choice{"TEST", every, every}, v1alpha1.RunRunning, false},
		"a phase that is not known": {choice{"X", every, every}, v1alpha1.RunRunning, false},
	} {
		if got := c.choice.over(tried(c.state)); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
