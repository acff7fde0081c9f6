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
	deploy []reporting.State
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

// forget is a restart: what GitHub says is all that is known.
func (h *history) forget() {
	h.known = reporting.Known{Statuses: maps.Clone(h.github)}
}

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
	desired := reporting.Desire(h.o)
	plan := reporting.Decide(desired, h.known)
	fails := func() bool { return !last && h.IntN(4) == 0 }
	for _, status := range plan.Statuses {
		if fails() {
			return
		}
		h.status(status)
	}
	if plan.Find {
		h.known.Deployment = &reporting.Deployed{}
		if h.made > 0 {
			h.known.Deployment.ID = 1
			if n := len(h.deploy); n > 0 {
				h.known.Deployment.State, h.known.Deployment.Description = h.deploy[n-1], desired.Deployment.Description
			}
		}
		plan = reporting.Decide(desired, h.known)
	}
	if plan.Deploy {
		h.made++
		h.known.Deployment.ID = 1
	}
	if plan.Progress && !fails() {
		h.deploy = append(h.deploy, desired.Deployment.State)
		h.known.Deployment.State, h.known.Deployment.Description = desired.Deployment.State, desired.Deployment.Description
	}
}

func (h *history) status(status reporting.Status) {
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
		if h.made > 1 || (h.made == 1 && h.deploy[len(h.deploy)-1] != desired.Deployment.State) {
			t.Errorf("%d deployments, which went %v, want %v", h.made, h.deploy, desired.Deployment)
		}
		if plan := reporting.Decide(desired, h.known); !plan.Nothing() {
			t.Errorf("it is not quiet: %+v", plan)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
