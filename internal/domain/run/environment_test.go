package run_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/run"
)

func ofSecret(name, secret string) v1alpha1.BuilderEnvVar {
	return v1alpha1.BuilderEnvVar{Name: name, ValueFrom: &v1alpha1.EnvVarSource{SecretKeyRef: &v1alpha1.KeyReference{Name: secret, Key: "key"}}}
}

func ofConfigMap(name, configMap string) v1alpha1.BuilderEnvVar {
	return v1alpha1.BuilderEnvVar{Name: name, ValueFrom: &v1alpha1.EnvVarSource{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: configMap, Key: "key"}}}
}

func allOf(secret string) v1alpha1.EnvFromSource {
	return v1alpha1.EnvFromSource{SecretRef: &v1alpha1.ObjectReference{Name: secret}}
}

// withSecrets is material of a link that has variables from everywhere.
func withSecrets() *run.Material {
	m := newMaterial(template("BUILD", 0, v1alpha1.PhaseExecution))
	m.Link.Spec.Builder.Env = []v1alpha1.BuilderEnvVar{
		{Name: "PLAIN", Value: "plain"}, ofSecret("TOKEN", "npm"), ofConfigMap("REGION", "region"), ofSecret("FROM_FILE", "npm"), ofSecret("GIT_SHA", "npm"),
		{Name: "TWICE", Value: "1"}, ofSecret("TWICE", "npm"),
	}
	m.Link.Spec.Builder.EnvFrom = []v1alpha1.EnvFromSource{allOf("all"), {Prefix: "CFG_", ConfigMapRef: &v1alpha1.ObjectReference{Name: "all"}}}
	m.Workflow.Phases[0].Params = []v1alpha1.EnvVar{{Name: "FROM_FILE", Value: "file"}, {Name: "KATKIT_SECRET_TOKEN", Value: "forged"}}
	return m
}

func TestAPhaseRefersToSecrets(t *testing.T) {
	m := withSecrets()
	got := run.BuildPhases(newRun(), *m)[0].Spec.Execution
	if diff := cmp.Diff(m.Link.Spec.Builder.EnvFrom, got.EnvFrom); diff != "" {
		t.Errorf("envFrom (-want +got)\n%s", diff)
	}
	var refers, literal []string
	for _, variable := range got.Env {
		if variable.ValueFrom != nil {
			refers = append(refers, variable.Name)
		} else {
			literal = append(literal, variable.Name)
		}
	}
	if diff := cmp.Diff([]string{"TOKEN", "REGION", "TWICE"}, refers); diff != "" {
		t.Errorf("a later value wins, and Katkit's own always (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"PLAIN", "FROM_FILE", "GIT_SHA"}, literal[:3]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if strings.Contains(strings.Join(literal, " "), "KATKIT_SECRET_") {
		t.Errorf("a name by which a Secret comes to the agent is set by hand: %s", literal)
	}
	got.EnvFrom[0].SecretRef.Name, got.Env[1].ValueFrom.SecretKeyRef.Name = "changed", "changed"
	if diff := cmp.Diff(withSecrets().Link, m.Link); diff != "" {
		t.Errorf("a change of the Phase is one of the link (-want +got)\n%s", diff)
	}
}

func TestAForkGetsNothingOfTheTenant(t *testing.T) {
	m := withSecrets()
	if warnings := run.Withheld(*m); warnings != nil {
		t.Errorf("it is no fork's: %q", warnings)
	}
	m.Commit.Fork = true
	got := run.BuildPhases(newRun(), *m)[0].Spec.Execution
	for _, variable := range got.Env {
		if variable.ValueFrom != nil {
			t.Errorf("%+v", variable)
		}
	}
	if got.EnvFrom != nil || got.Env[0].Name != "PLAIN" {
		t.Errorf("%+v, %+v", got.EnvFrom, got.Env)
	}
	want := []string{"a fork's commit gets nothing of the tenant's Secrets and ConfigMaps: TOKEN, REGION, FROM_FILE, GIT_SHA, TWICE, all of the 2 in builder.envFrom of the link is left out"}
	if diff := cmp.Diff(want, run.Withheld(*m)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	m.Link.Spec.Builder = v1alpha1.BuilderSpec{Env: []v1alpha1.BuilderEnvVar{{Name: "A", Value: "1"}}}
	if warnings := run.Withheld(*m); warnings != nil {
		t.Errorf("nothing is withheld: %q", warnings)
	}
}

func TestNoCredentialForGitHubBecomesAVariable(t *testing.T) {
	clone := buildpod.CredentialName(&v1alpha1.Phase{}, 1)
	for name, c := range map[string]struct {
		change func(*v1alpha1.BuilderSpec)
		want   string
	}{
		"other Secrets": {change: func(b *v1alpha1.BuilderSpec) {
			b.Env, b.EnvFrom = []v1alpha1.BuilderEnvVar{ofSecret("A", "npm"), ofConfigMap("B", "github")}, []v1alpha1.EnvFromSource{allOf("npm")}
		}},
		"a ConfigMap of the same name": {change: func(b *v1alpha1.BuilderSpec) {
			b.EnvFrom = []v1alpha1.EnvFromSource{{ConfigMapRef: &v1alpha1.ObjectReference{Name: "github"}}}
		}},
		"the link's own": {change: func(b *v1alpha1.BuilderSpec) { b.Env = []v1alpha1.BuilderEnvVar{ofSecret("A", "github")} },
			want: "builder.env (A) of TenantRepoLink taskrunner names Secret github, which is the credential for GitHub of TenantRepoLink taskrunner"},
		"all keys of it": {change: func(b *v1alpha1.BuilderSpec) { b.EnvFrom = []v1alpha1.EnvFromSource{allOf("npm"), allOf("github")} },
			want: "builder.envFrom[1] of TenantRepoLink taskrunner names Secret github"},
		"another link's": {change: func(b *v1alpha1.BuilderSpec) { b.Env = []v1alpha1.BuilderEnvVar{ofSecret("A", "other-github")} },
			want: "of TenantRepoLink other (secretRef)"},
		"one made for builder Pods": {change: func(b *v1alpha1.BuilderSpec) { b.EnvFrom = []v1alpha1.EnvFromSource{allOf(clone)} },
			want: "names Secret " + clone + ", whose name is one of those that Katkit makes"},
	} {
		t.Run(name, func(t *testing.T) {
			link, other := newLink(), newLink()
			link.Spec.SecretRef = &v1alpha1.ObjectName{Name: "github"}
			other.Name, other.Spec.SecretRef = "other", &v1alpha1.ObjectName{Name: "other-github"}
			c.change(&link.Spec.Builder)
			cause := run.Exposes(link, []v1alpha1.TenantRepoLink{*other, *newLink()})
			switch {
			case c.want == "" && cause != nil:
				t.Error(cause)
			case c.want != "" && (cause == nil || cause.Reason != v1alpha1.ReasonCredentialExposed || cause.Transient || !strings.Contains(cause.Message, c.want)):
				t.Errorf("%v, want %s", cause, c.want)
			}
		})
	}
}
