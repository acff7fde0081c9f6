package phase_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/problem"
)

// newAppExecution clones with the token of a GitHub App.
func newAppExecution(parallelism int32) *v1alpha1.Phase {
	p := newExecution(parallelism)
	p.Spec.Execution.CredentialSecret, p.Spec.Execution.CredentialKind = "github", v1alpha1.CredentialApp
	return p
}

// begins is a phase that may begin with what it clones with.
func begins(p *v1alpha1.Phase, credential *phase.Credential) phase.Observation {
	return phase.Observation{Phase: p, RunActive: true, Credential: credential}
}

var withToken = &phase.Credential{Token: "ghs_token"}

func TestThePodsOfAnAppCloneWithASecretOfTheirAttempt(t *testing.T) {
	p := newAppExecution(2)
	o := begins(p, withToken)
	if !phase.NeedsCredential(o, now) {
		t.Fatal("no token is asked for")
	}
	plan := decide(t, o, now)
	secret := plan.CreateCredential
	if len(plan.CreatePods) != 2 || secret.Name != buildpod.CredentialName(p, 1) || string(secret.Data["token"]) != "ghs_token" || len(plan.RemoveCredentials) > 0 {
		t.Fatalf("%+v", plan)
	}
	if phase.NeedsCredential(begins(newExecution(1), nil), now) {
		t.Error("a phase without an App asks for a token")
	}
}

func TestAPhaseWhosePodsAreThereNeedsNoToken(t *testing.T) {
	p := newAppExecution(2)
	o := begins(p, withToken)
	o.Pods = map[string]*corev1.Pod{}
	for _, pod := range decide(t, o, now).CreatePods {
		o.Pods[pod.Name] = pod
	}
	o.Credential = &phase.Credential{Problem: problem.Transient(v1alpha1.ReasonGitHubUnavailable, "502")}
	if plan := decide(t, o, now); plan.Status.State != v1alpha1.PhaseRunning || len(plan.Status.Attempts[0].Replicas) != 2 {
		t.Errorf("%+v", plan.Status)
	}
}

func TestWithoutATokenAPhaseWaitsOrFails(t *testing.T) {
	limited := problem.Transient(v1alpha1.ReasonRateLimited, "used up")
	limited.RetryAfter = time.Minute
	for name, c := range map[string]struct {
		had     *phase.Credential
		state   v1alpha1.PhaseState
		reason  string
		requeue time.Duration
	}{
		"GitHub is down":         {&phase.Credential{Problem: problem.Transient(v1alpha1.ReasonGitHubUnavailable, "502")}, v1alpha1.PhasePending, v1alpha1.ReasonGitHubUnavailable, 15 * time.Second},
		"a rate limit":           {&phase.Credential{Problem: limited}, v1alpha1.PhasePending, v1alpha1.ReasonRateLimited, time.Minute},
		"the key was taken back": {&phase.Credential{Problem: problem.Config(v1alpha1.ReasonTokenRejected, "no")}, v1alpha1.PhaseFailed, v1alpha1.ReasonTokenRejected, 0},
		"it was not asked for (it became time between)": {nil, v1alpha1.PhasePending, "", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			plan := decide(t, begins(newAppExecution(1), c.had), now)
			if plan.Status.State != c.state || reason(plan.Status) != c.reason || plan.RequeueAfter != c.requeue || len(plan.CreatePods) > 0 || len(plan.Status.Attempts) > 0 {
				t.Errorf("%+v", plan)
			}
		})
	}
}

func TestAPhaseThatWaitsForATokenTimesOutInItsQueue(t *testing.T) {
	p := newAppExecution(1)
	p.Spec.QueueTimeout = &metav1.Duration{Duration: 20 * time.Second}
	o := begins(p, &phase.Credential{Problem: problem.Transient(v1alpha1.ReasonGitHubUnavailable, "the host is down")})
	p.Status = decide(t, o, now).Status
	plan := decide(t, o, now.Add(15*time.Second))
	if plan.Status.State != v1alpha1.PhasePending || plan.RequeueAfter != 5*time.Second {
		t.Errorf("after 15 s: %+v", plan)
	}
	plan = decide(t, o, now.Add(20*time.Second))
	if reason(plan.Status) != v1alpha1.ReasonQueueTimedOut || !strings.Contains(plan.Status.Message, "the host is down") {
		t.Errorf("after 20 s: %+v", plan.Status)
	}
}

func TestEachAttemptHasASecretOfItsOwnAndLeavesNone(t *testing.T) {
	p := newAppExecution(1)
	plan := decide(t, begins(p, withToken), start.Time)
	p.Status = plan.Status
	failed := is(plan.CreatePods[0], netCheckout, netBuild)
	o := phase.Observation{Phase: p, RunActive: true, Pods: map[string]*corev1.Pod{failed.Name: failed}}
	first := buildpod.CredentialName(p, 1)
	plan = decide(t, o, now)
	if len(plan.RemoveCredentials) == 0 || plan.RemoveCredentials[0] != first || plan.Status.Attempts[0].RetryTime == nil {
		t.Fatalf("the first attempt's end: %+v", plan)
	}
	p.Status = plan.Status
	if phase.NeedsCredential(o, now) {
		t.Error("a token is asked for before it is time")
	}
	later := now.Add(plan.RequeueAfter)
	if !phase.NeedsCredential(o, later) {
		t.Error("no token is asked for when it is time")
	}
	o.Credential = &phase.Credential{Problem: problem.Transient(v1alpha1.ReasonGitHubUnavailable, "502")}
	if plan = decide(t, o, later); plan.Status.State != v1alpha1.PhaseRunning || reason(plan.Status) != v1alpha1.ReasonGitHubUnavailable || plan.RequeueAfter == 0 {
		t.Errorf("without a token: %+v", plan)
	}
	o.Credential = withToken
	plan = decide(t, o, later)
	if plan.CreateCredential == nil || plan.CreateCredential.Name != buildpod.CredentialName(p, 2) {
		t.Fatalf("the second attempt: %+v", plan)
	}
	// Killed before the status told of the second attempt, and stopped then.
	o.RunStop = &v1alpha1.StopStatus{Reason: v1alpha1.ReasonCancelled, Message: "cancelled"}
	plan = decide(t, o, later)
	if plan.Status.State != v1alpha1.PhaseCancelled || len(plan.RemoveCredentials) != 2 || plan.RemoveCredentials[1] != buildpod.CredentialName(p, 2) {
		t.Errorf("stopped: %s, removes %v", plan.Status.State, plan.RemoveCredentials)
	}
}
