package reporting_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/reporting"
)

// history drives a run of random phases to its end, with GitHub told now and then, and not always with success.
type history struct {
	*rand.Rand
	t     *testing.T
	o     reporting.Observation
	known reporting.Known
	// github is what was sent, sent the states by context.
	github map[string]reporting.Status
	sent   map[string][]reporting.State
	deploy []reporting.Status
	made   int
}

func newHistory(t *testing.T, seed uint64) *history {
	t.Helper()
	h := &history{Rand: rand.New(rand.NewPCG(seed, 7)), t: t, github: map[string]reporting.Status{}, sent: map[string][]reporting.State{}}
	var entries []v1alpha1.RunPhaseStatus
	deploys := h.IntN(4)
	for i := range 1 + h.IntN(4) {
		phase := entry(fmt.Sprintf("P%d", h.IntN(3)+10*i), int32(i), v1alpha1.PhasePending)
		if i == deploys {
			phase.Type = v1alpha1.PhaseDeployment
		}
		entries = append(entries, phase)
	}
	h.o = seen(entries...)
	h.o.Tenant.Name = []string{"t", "other"}[h.IntN(2)]
	h.forget()
	return h
}

// forget is a restart.
func (h *history) forget() { h.known = reporting.Known{} }

// step moves a phase on.
func (h *history) step() {
	entries := h.o.Run.Status.Phases
	i := slices.IndexFunc(entries, func(e v1alpha1.RunPhaseStatus) bool { return !e.State.Terminal() })
	if i < 0 {
		h.o.Run.Status.State = v1alpha1.RunFailed
		return
	}
	next := map[v1alpha1.PhaseState][]v1alpha1.PhaseState{
		v1alpha1.PhasePending:            {v1alpha1.PhaseRunning, v1alpha1.PhaseWaitingForApproval, v1alpha1.PhaseSkipped},
		v1alpha1.PhaseWaitingForApproval: {v1alpha1.PhaseRunning, v1alpha1.PhasePending, v1alpha1.PhaseCancelled},
		v1alpha1.PhaseRunning:            {v1alpha1.PhasePending, v1alpha1.PhaseSucceeded, v1alpha1.PhaseFailed, v1alpha1.PhaseCancelled},
	}[entries[i].State]
	entries[i].State = next[h.IntN(len(next))]
	entries[i].Message = strings.Repeat("é", h.IntN(200))
}

// tell sends what is to be sent, up to a failure at random. The last time there is none.
func (h *history) tell(last bool) {
	for {
		desired := reporting.Desire(h.o)
		plan := reporting.Decide(desired, h.known)
		if plan.Nothing() || (!last && h.IntN(4) == 0) {
			return
		}
		lost := !last && h.IntN(8) == 0 // GitHub has it, and nobody knows
		switch {
		case plan.List:
			h.known.Statuses = maps.Clone(h.github)
		case len(plan.Statuses) > 0:
			h.status(plan.Statuses[0], lost)
		case plan.Find:
			h.known.Deployment = &reporting.Deployed{ID: int64(h.made)}
		case plan.Look:
			h.known.Deployment.Status = &reporting.Status{}
			if n := len(h.deploy); n > 0 {
				h.known.Deployment.Status = new(h.deploy[n-1])
			}
		case plan.Deploy:
			h.made++
			h.known.Deployment = &reporting.Deployed{ID: 1, Status: &reporting.Status{}}
			if lost {
				h.known.Deployment = nil
			}
		case plan.Progress:
			h.deploy = append(h.deploy, desired.Deployment.Status())
			h.known.Deployment.Status = new(desired.Deployment.Status())
			if lost {
				h.known.Deployment.Status = nil
			}
		}
	}
}

func (h *history) status(status reporting.Status, lost bool) {
	key := reporting.Key(status.Context)
	if h.github[key] == status {
		h.t.Errorf("sent twice: %+v", status)
	}
	if !strings.HasPrefix(status.Context, "katkit/"+h.o.Tenant.Name+"/") {
		h.t.Errorf("it is another tenant's: %+v", status)
	}
	if before := h.sent[key]; len(before) > 0 && before[len(before)-1] != reporting.Pending {
		h.t.Errorf("after the end: %v, then %+v", before, status)
	}
	if len(status.Description) > 140 || !utf8.ValidString(status.Description) || strings.ContainsAny(status.Description, "\r\n") {
		h.t.Errorf("a bad description: %q", status.Description)
	}
	h.github[key], h.known.Statuses[key] = status, status
	if lost {
		h.known.Statuses = nil
	}
	h.sent[key] = append(h.sent[key], status.State)
}

func TestGitHubEndsUpAgreeing(t *testing.T) {
	for seed := range uint64(3000) {
		h := newHistory(t, seed)
		for h.o.Run.Status.State != v1alpha1.RunFailed {
			h.step()
			switch h.IntN(4) {
			case 0, 1:
				h.tell(false)
			case 2:
				h.forget()
			}
		}
		h.tell(true)
		desired := reporting.Desire(h.o)
		for _, status := range desired.Statuses {
			if h.github[reporting.Key(status.Context)] != status {
				t.Errorf("GitHub shows %+v, not %+v", h.github[reporting.Key(status.Context)], status)
			}
		}
		if len(desired.Statuses) != len(h.o.Run.Status.Phases) || len(h.github) != len(desired.Statuses) {
			t.Errorf("%d phases, %d desired, %d sent", len(h.o.Run.Status.Phases), len(desired.Statuses), len(h.github))
		}
		if h.made > 1 || (h.made == 1 && h.deploy[len(h.deploy)-1] != desired.Deployment.Status()) {
			t.Errorf("%d deployments, which went %v, want %v", h.made, h.deploy, desired.Deployment)
		}
		for i, status := range h.deploy {
			if i > 0 && status == h.deploy[i-1] {
				t.Errorf("the deployment was sent twice: %v", h.deploy)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
