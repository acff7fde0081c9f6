package rerun

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

func TestCheck(t *testing.T) {
	phases := []v1alpha1.RunPhaseStatus{
		{Name: "BUILD", Order: 0, State: v1alpha1.PhaseSucceeded}, {Name: "TEST", Order: 1, State: v1alpha1.PhaseFailed},
		{Name: "LINT", Order: 1, State: v1alpha1.PhaseSucceeded}, {Name: "DEPLOY", Order: 2, State: v1alpha1.PhaseSkipped}}
	for name, c := range map[string]struct {
		state   v1alpha1.RunState
		phases  []v1alpha1.RunPhaseStatus
		trimmed *metav1.Time
		from    string
		want    string
	}{
		"from the first that did not succeed":          {state: v1alpha1.RunFailed, phases: phases},
		"from a phase that failed":                     {state: v1alpha1.RunFailed, phases: phases, from: "TEST"},
		"from a phase of the same order":               {state: v1alpha1.RunCancelled, phases: phases, from: "LINT"},
		"from a phase after one that failed":           {state: v1alpha1.RunFailed, phases: phases, from: "DEPLOY", want: "phase TEST before it did not succeed (Failed): begin with --from TEST"},
		"from a phase that is not there":               {state: v1alpha1.RunFailed, phases: phases, from: "X", want: `has no phase "X" to begin with: it has BUILD, TEST, LINT, DEPLOY`},
		"a run that is under way":                      {state: v1alpha1.RunRunning, phases: phases, want: "has not ended (Running): wait for its end with kubectl katkit get shop-x -n d-shop --follow"},
		"a run that never had phases":                  {state: v1alpha1.RunFailed, want: "nothing to repeat: kubectl katkit run shop -n d-shop starts a new one"},
		"a run of which the phases were removed":       {state: v1alpha1.RunFailed, phases: phases, trimmed: new(metav1.Now()), want: "removed by the link's retention"},
		"a run that succeeded":                         {state: v1alpha1.RunSucceeded, phases: phases[:1], want: "say with --from which one to begin with (BUILD)"},
		"a run that succeeded, from one of its phases": {state: v1alpha1.RunSucceeded, phases: phases[:1], from: "BUILD"},
	} {
		t.Run(name, func(t *testing.T) {
			err := check(&v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Namespace: "d-shop", Name: "shop-x"},
				Spec:   v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: "shop"}},
				Status: v1alpha1.CIRunStatus{State: c.state, Phases: c.phases, TrimTime: c.trimmed}}, c.from)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("refused with %v, want %q", err, c.want)
			}
		})
	}
}
