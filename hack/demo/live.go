package main

import (
	"context"
	"fmt"
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

func (l *live) tell(ctx context.Context, run *v1alpha1.CIRun) {
	for _, phase := range run.Status.Phases {
		if l.told[phase.Name] == phase.State || phase.State == v1alpha1.PhasePending {
			continue
		}
		l.told[phase.Name] = phase.State
		fmt.Printf("  %7s  %-26s %-10s %s\n", install.Seconds(time.Since(l.began)), phase.Name, phase.State, phase.Message)
		if phase.State.Terminal() {
			l.tellEnd(ctx, run.Namespace, phase.PhaseName)
		}
	}
	if run.Status.State.Terminal() {
		fmt.Printf("  %7s  %-26s %s\n", install.Seconds(time.Since(l.began)), "run", run.Status.State)
	}
}

// tellEnd shows the last lines that ci.sh wrote, or what was deployed.
func (l *live) tellEnd(ctx context.Context, namespace, name string) {
	var phase v1alpha1.Phase
	if err := l.stage.cluster.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &phase); err != nil {
		fmt.Printf("           | %v\n", err)
		return
	}
	for _, receipt := range phase.Status.Receipts {
		fmt.Printf("           | %s %s: %s\n", receipt.Kind, receipt.Name, receipt.Result)
	}
	for _, attempt := range phase.Status.Attempts {
		for _, replica := range attempt.Replicas {
			if replica.Log != nil {
				fmt.Println(install.Indent(install.LastLines(replica.Log.Tail, 2), "           | "))
			}
		}
	}
}
