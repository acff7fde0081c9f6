package phase_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/phase"
)

// left is the end of a ci.sh that left outputs, as name, value, name, value.
func left(words ...string) corev1.ContainerState {
	r := report(0, contract.ReasonCompleted, "")
	for i := 0; i < len(words); i += 2 {
		r.Outputs = append(r.Outputs, contract.Output{Name: words[i], Value: words[i+1]})
	}
	return reported(r)
}

func TestOutputsOfTheReplicasAreKept(t *testing.T) {
	s := tell(t, newExecution(3))
	s.becomes(0, netCheckout, netBuild)
	s.becomes(1, done, left("VERSION", "1.1", "ONE", "yes"))
	s.becomes(2, done, left("VERSION", "1.2", "TWO", ""))
	s.decides()
	s.at = s.at.Add(10 * time.Second)
	s.decides()
	s.becomes(0, done, left("VERSION", "1.0", "ZERO", "0"))
	s.decides()
	s.ends(v1alpha1.PhaseSucceeded, v1alpha1.ReasonSucceeded, "")
	want := []v1alpha1.Output{{Name: "ONE", Value: "yes"}, {Name: "VERSION", Value: "1.1"}, {Name: "TWO"}, {Name: "ZERO", Value: "0"}}
	if diff := cmp.Diff(want, s.phase.Status.Outputs); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLaterPhasesSeeTheOutputs(t *testing.T) {
	outputs := []v1alpha1.Output{{Name: "VERSION", Value: "1.0"}}
	plan := decide(t, phase.Observation{Phase: newExecution(1), RunActive: true, Outputs: outputs}, now)
	for _, container := range plan.CreatePods[0].Spec.Containers {
		sees := false
		for _, variable := range container.Env {
			sees = sees || variable.Name == "VERSION" && variable.Value == "1.0"
		}
		if sees != (container.Name == contract.BuildContainer) {
			t.Errorf("%s: %v", container.Name, container.Env)
		}
	}
}
