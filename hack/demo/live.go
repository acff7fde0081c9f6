package main

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/install"
)

// live tells of a run's phases as they change, each state once.
type live struct {
	stage *stage
	began time.Time
	told  map[string]v1alpha1.PhaseState
}

func newLive(s *stage) *live {
	return &live{stage: s, began: time.Now(), told: map[string]v1alpha1.PhaseState{}}
}

func (l *live) tell(ctx context.Context, run *v1alpha1.CIRun) {
	for _, phase := range run.Status.Phases {
		if l.told[phase.Name] == phase.State || phase.State == v1alpha1.PhasePending {
			continue
		}
		l.told[phase.Name] = phase.State
		l.line(phase.Name, string(phase.State))
		if phase.State == v1alpha1.PhaseSucceeded || phase.State == v1alpha1.PhaseFailed {
			l.tellEnd(ctx, run.Namespace, phase)
		}
	}
	if run.Status.State.Terminal() {
		l.line("run", string(run.Status.State))
	}
}

func (l *live) line(what, state string) {
	fmt.Printf("  %7s  %-26s %s\n", install.Seconds(time.Since(l.began)), what, state)
}

// tellEnd shows what came of a phase: what it says of itself, and the last lines that ci.sh wrote.
func (l *live) tellEnd(ctx context.Context, namespace string, ended v1alpha1.RunPhaseStatus) {
	if ended.Message != "" {
		l.detail(ended.Message)
	}
	var phase v1alpha1.Phase
	if err := l.stage.cluster.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ended.PhaseName}, &phase); err != nil {
		l.detail(err.Error())
		return
	}
	lines := 1
	if ended.State == v1alpha1.PhaseFailed {
		lines = 20
	}
	for _, attempt := range phase.Status.Attempts {
		for _, replica := range attempt.Replicas {
			if replica.Log != nil {
				l.detail(install.LastLines(replica.Log.Tail, lines))
			}
		}
	}
}

func (l *live) detail(text string) {
	fmt.Println(install.Indent(shorten(text), "           | "))
}

var commitSHA = regexp.MustCompile(`\b[0-9a-f]{40}\b`)

// shorten writes every sha in a text with 7 digits, as git does.
func shorten(text string) string {
	return commitSHA.ReplaceAllStringFunc(text, func(sha string) string { return sha[:7] })
}
