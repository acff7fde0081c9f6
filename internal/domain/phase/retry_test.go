package phase_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
)

// netCheckout and netBuild are the containers of a Pod whose checkout failed for the network: ci.sh had not started.
var (
	netCheckout = reported(contract.Report{Reason: contract.ReasonCheckoutFailed, Class: contract.ClassInfra, ExitCode: contract.ExitInfra, Message: "no route to host"})
	netBuild    = reported(contract.Report{Reason: contract.ReasonCheckoutFailed, Class: contract.ClassInfra, ExitCode: contract.ExitCheckoutFailed, Message: "no route to host"})
)

func TestWhatTheClusterFailedIsTriedAgain(t *testing.T) {
	s := tell(t, newExecution(1))
	for attempt, pause := range []time.Duration{10 * time.Second, 40 * time.Second} {
		s.becomes(0, running, creating)
		s.decides()
		s.becomes(0, netCheckout, netBuild)
		plan := s.decides()
		if plan.Status.State != v1alpha1.PhaseRunning || plan.RequeueAfter != pause || !strings.Contains(plan.Status.Message, "no route to host") {
			t.Fatalf("attempt %d: %+v", attempt+1, plan)
		}
		s.at = s.at.Add(pause - time.Second)
		if plan = s.decides(); len(plan.CreatePods) > 0 || plan.RequeueAfter != time.Second {
			t.Fatalf("attempt %d: %+v", attempt+1, plan)
		}
		s.at = s.at.Add(time.Second)
		if plan = s.decides(); len(plan.CreatePods) != 1 || plan.CreatePods[0].Name != buildpod.Name(s.phase, int32(attempt+2), 0) {
			t.Fatalf("attempt %d: %+v", attempt+1, plan)
		}
	}
	s.becomes(0, netCheckout, netBuild)
	s.decides()
	s.ends(v1alpha1.PhaseFailed, "CheckoutFailed", "no route to host")
	if len(s.phase.Status.Attempts) != 3 {
		t.Errorf("%d attempts", len(s.phase.Status.Attempts))
	}
}

func TestOnlyTheReplicasThatFailedAreTriedAgain(t *testing.T) {
	s := tell(t, newExecution(3))
	s.becomes(0, done, succeeded)
	s.becomes(1, netCheckout, netBuild)
	s.becomes(2, done, running)
	if plan := s.decides(); plan.Status.Attempts[0].RetryTime != nil {
		t.Fatal("the others go on until they end")
	}
	s.becomes(2, done, succeeded)
	s.decides()
	s.at = s.at.Add(10 * time.Second)
	if plan := s.decides(); len(plan.CreatePods) != 1 || plan.CreatePods[0].Name != buildpod.Name(s.phase, 2, 1) {
		t.Fatalf("%+v", plan.CreatePods)
	}
	s.becomes(1, done, succeeded)
	s.decides()
	s.ends(v1alpha1.PhaseSucceeded, v1alpha1.ReasonSucceeded, "")
}

func TestCIScriptThatHadStartedIsTriedAgainOnlyWhereThatIsAllowed(t *testing.T) {
	for name, c := range map[string]struct {
		end     corev1.ContainerState
		gone    bool
		allowed bool
		retried bool
		says    string
	}{
		"told to stop":              {end: told(), says: "ci.sh may have started"},
		"told to stop, allowed":     {end: told(), allowed: true, retried: true},
		"gone":                      {gone: true, says: "ci.sh may have started"},
		"gone, allowed":             {gone: true, allowed: true, retried: true},
		"ci.sh's own, allowed":      {end: failed, allowed: true, says: "exited with code 3"},
		"agent was killed":          {end: terminated(137, ""), says: "ci.sh may have started"},
		"agent was killed, allowed": {end: terminated(137, ""), allowed: true, retried: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newExecution(1)
			p.Spec.Execution.RetryOnInfra = c.allowed
			s := tell(t, p)
			s.becomes(0, done, c.end)
			if c.gone {
				clear(s.pods)
			}
			s.decides()
			if retried := s.phase.Status.Attempts[0].RetryTime != nil; retried != c.retried || retried == s.phase.Status.State.Terminal() {
				t.Errorf("tried again: %t, %s", retried, s.phase.Status.State)
			}
			if !strings.Contains(s.phase.Status.Message, c.says) {
				t.Errorf("says %q", s.phase.Status.Message)
			}
		})
	}
}

func TestFailFastLetsTheOthersGoOnWhenOneIsTriedAgain(t *testing.T) {
	p := newExecution(2)
	p.Spec.Execution.FailFast = true
	s := tell(t, p)
	s.becomes(0, netCheckout, netBuild)
	s.becomes(1, done, running)
	if plan := s.decides(); len(plan.StopPods) > 0 || plan.Status.Stop != nil {
		t.Errorf("%+v", plan)
	}
}

func TestRetryEndsWithItsRunAndItsTimeout(t *testing.T) {
	for _, c := range []struct {
		stop  *v1alpha1.StopStatus
		after time.Duration
		state v1alpha1.PhaseState
		why   string
	}{
		{stop: cancelled, state: v1alpha1.PhaseCancelled, why: v1alpha1.ReasonCancelled},
		{after: time.Hour, state: v1alpha1.PhaseFailed, why: v1alpha1.ReasonTimedOut},
	} {
		s := tell(t, newExecution(1))
		s.becomes(0, netCheckout, netBuild)
		s.decides()
		s.stop, s.at = c.stop, s.at.Add(c.after)
		if plan := s.decides(); len(plan.CreatePods) > 0 {
			t.Errorf("%+v", plan)
		}
		s.ends(c.state, c.why, "")
	}
}

func TestNextAttemptIsMadeOnce(t *testing.T) {
	s := tell(t, newExecution(1))
	s.becomes(0, netCheckout, netBuild)
	s.decides()
	s.at = s.at.Add(10 * time.Second)
	before := s.phase.DeepCopy()
	first := s.decides()
	s.phase = before // the manager was killed before it stored that
	if again := s.decides(); len(again.CreatePods) > 0 || !cmp.Equal(again.Status.Attempts, first.Status.Attempts) {
		t.Errorf("%+v", again)
	}
}
