package buildpod_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

// expand is what the kubelet makes of a value, by the documented rule: $(NAME) is the value of NAME where it
// is known, $$ is a plain $.
func expand(value string, known map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] != '$' || i+1 == len(value) {
			b.WriteByte(value[i])
			continue
		}
		switch value[i+1] {
		case '$':
			b.WriteByte('$')
			i++
		case '(':
			end := strings.IndexByte(value[i:], ')')
			if end < 0 {
				b.WriteByte('$')
				continue
			}
			if v, found := known[value[i+2:i+end]]; found {
				b.WriteString(v)
			} else {
				b.WriteString(value[i : i+end+1])
			}
			i += end
		default:
			b.WriteByte('$')
		}
	}
	return b.String()
}

func TestOutputsOfEarlierPhases(t *testing.T) {
	own := []v1alpha1.BuilderEnvVar{
		{Name: "ENV", Value: "DEV"}, {Name: "GIT_SHA", Value: "abc"}, {Name: "CODE_PATH", Value: "api"}, {Name: "PHASE", Value: "BUILD"},
		{Name: "REPLICA_COUNT", Value: "1"}, {Name: "KATKIT_RUN", Value: "r"}, {Name: "CI", Value: "true"}, {Name: "KATKIT", Value: "true"},
	}
	var forged []v1alpha1.Output
	for _, variable := range own {
		forged = append(forged, v1alpha1.Output{Name: variable.Name, Value: "forged"})
	}
	for name, c := range map[string]struct {
		env     []v1alpha1.BuilderEnvVar
		outputs []v1alpha1.Output
		want    []string
	}{
		"none": {env: []v1alpha1.BuilderEnvVar{{Name: "FOO", Value: "1"}}, want: []string{"FOO=1", "REPLICA_ID=0"}},
		"by name, whatever the order": {outputs: []v1alpha1.Output{{Name: "B", Value: "2"}, {Name: "a", Value: "3"}, {Name: "A", Value: "1"}},
			want: []string{"A=1", "B=2", "a=3", "REPLICA_ID=0"}},
		"the last of a name": {outputs: []v1alpha1.Output{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}, {Name: "A", Value: "3"}},
			want: []string{"A=3", "B=2", "REPLICA_ID=0"}},
		"instead of a variable of the phase": {
			env:     []v1alpha1.BuilderEnvVar{{Name: "FOO", Value: "class"}, {Name: "BAR", Value: "kept"}},
			outputs: []v1alpha1.Output{{Name: "FOO"}}, want: []string{"BAR=kept", "FOO=", "REPLICA_ID=0"}},
		"never instead of Katkit's own": {env: own, outputs: append(forged, v1alpha1.Output{Name: "REPLICA_ID", Value: "forged"}),
			want: []string{"ENV=DEV", "GIT_SHA=abc", "CODE_PATH=api", "PHASE=BUILD", "REPLICA_COUNT=1", "KATKIT_RUN=r", "CI=true", "KATKIT=true", "REPLICA_ID=0"}},
		"nothing that steers the loader, git or the agent": {
			outputs: []v1alpha1.Output{{Name: "LD_PRELOAD"}, {Name: "GIT_DIR"}, {Name: "PATH"}, {Name: "KATKIT_OUTPUT"}, {Name: "KATKIT_GRACE_SECONDS"}, {Name: "A B"}, {}},
			want:    []string{"REPLICA_ID=0"}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := newPhase(func(e parts) { e.ExecutionSpec.Env = c.env }).build(0, c.outputs, "")
			var got []string
			for _, variable := range pod.Spec.Containers[1].Env {
				if variable.Name != contract.VarContract { // which is for the agent
					got = append(got, variable.Name+"="+variable.Value)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			for _, variable := range pod.Spec.Containers[0].Env {
				if variable.Name != contract.VarRepoURL && variable.Name != contract.VarGitSHA {
					t.Errorf("the checkout sees %s", variable.Name)
				}
			}
		})
	}
}

// FuzzEnvironment: whatever a value is, of a variable or of an output, ci.sh sees it as it was written.
func FuzzEnvironment(f *testing.F) {
	for _, seed := range []string{"", "$", "$$", "$(ENV)", "$$(ENV)", "$$$(ENV)", "a$b", "$(", "$()", "$(ENV", "x$(REPLICA_ID)$"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		phase := newPhase(func(e parts) {
			e.ExecutionSpec.Env = []v1alpha1.BuilderEnvVar{{Name: "ENV", Value: "DEV"}, {Name: "X", Value: value}}
		})
		pod := phase.build(0, []v1alpha1.Output{{Name: "Y", Value: value}}, "")
		seen := 0
		for _, variable := range pod.Spec.Containers[1].Env {
			if variable.Name != "X" && variable.Name != "Y" {
				continue
			}
			seen++
			if got := expand(variable.Value, map[string]string{"ENV": "DEV", "REPLICA_ID": "0"}); got != value {
				t.Errorf("ci.sh sees %q as %s, not %q", got, variable.Name, value)
			}
		}
		if seen != 2 {
			t.Errorf("%d of 2 are there", seen)
		}
	})
}

// What ci.sh sees of Secrets is in the build container alone, and runs before it has none of it.
func TestTheCheckoutSeesNoVariablesOfTheTenant(t *testing.T) {
	pod := newPhase(func(e parts) {
		e.EnvFrom = []v1alpha1.EnvFromSource{{SecretRef: &v1alpha1.ObjectReference{Name: "all"}}}
		e.ExecutionSpec.Env = []v1alpha1.BuilderEnvVar{{Name: "TOKEN", ValueFrom: &v1alpha1.EnvVarSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "npm", Key: "token"}}}}
	}).build(0, nil, "")
	for _, container := range pod.Spec.Containers {
		sourced := len(container.EnvFrom)
		for _, variable := range container.Env {
			if variable.ValueFrom != nil {
				sourced++
			}
		}
		if want := map[bool]int{true: 2}[container.Name == contract.BuildContainer]; sourced != want {
			t.Errorf("container %s has %d variables of Secrets, want %d", container.Name, sourced, want)
		}
	}
}
