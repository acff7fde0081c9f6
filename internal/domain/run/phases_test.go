package run_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/run"
)

func TestBuildPhases(t *testing.T) {
	m := newMaterial(threePhases()...)
	m.Workflow.Phases[0].Parallelism, m.Workflow.Phases[0].AllocationTag = 3, "gpu"
	m.Workflow.Phases[0].Params = []v1alpha1.EnvVar{{Name: "PHASE", Value: "BUILD"}, {Name: "FOO", Value: "a=b"}}
	m.Workflow.Phases[1].Approval = v1alpha1.ApprovalManual
	m.Workflow.Phases[2].Image = "acme/verify:1"
	m.Link.Spec.FolderPath, m.Link.Spec.SecretRef = "/api/", &v1alpha1.ObjectName{Name: "github"}
	m.Link.Spec.Builder.Timeout = &metav1.Duration{Duration: 10 * time.Minute}
	m.Link.Spec.Builder.ClassName, m.Class.Spec.Retry.OnInfra = "big", true
	m.Link.Spec.Builder.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")}}
	got, err := yaml.Marshal(run.BuildPhases(newRun(), *m))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "phases.yaml", got)
}

func TestAPhaseTellsWhatItsSecretHolds(t *testing.T) {
	for _, kind := range []v1alpha1.CredentialKind{v1alpha1.CredentialToken, v1alpha1.CredentialApp} {
		m := newMaterial(template("BUILD", 0, v1alpha1.PhaseExecution))
		m.Link.Spec.SecretRef, m.CredentialKind = &v1alpha1.ObjectName{Name: "github"}, kind
		if got := run.BuildPhases(newRun(), *m)[0].Spec.Execution; got.CredentialSecret != "github" || got.CredentialKind != kind {
			t.Errorf("%+v, want %s", got, kind)
		}
	}
}

func TestPhasesWaitForTheNextLowerOrder(t *testing.T) {
	names := map[string][]string{}
	for _, phase := range run.BuildPhases(newRun(), *newMaterial(
		template("A", 0, v1alpha1.PhaseExecution), template("B", 0, v1alpha1.PhaseExecution),
		template("C", 7, v1alpha1.PhaseDeployment),
		template("D", 9999, v1alpha1.PhaseExecution), template("E", 9999, v1alpha1.PhaseExecution),
	)) {
		names[phase.Name] = phase.Spec.After
	}
	want := map[string][]string{
		"taskrunner-7f3a-0-a": nil, "taskrunner-7f3a-0-b": nil,
		"taskrunner-7f3a-7-c":    {"taskrunner-7f3a-0-a", "taskrunner-7f3a-0-b"},
		"taskrunner-7f3a-9999-d": {"taskrunner-7f3a-7-c"}, "taskrunner-7f3a-9999-e": {"taskrunner-7f3a-7-c"},
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// What the API server answers to the creation of a Phase is decoded into it: nothing of it may be another's.
func TestPhasesShareNothing(t *testing.T) {
	m := newMaterial(threePhases()...)
	m.ServiceHosts = &v1alpha1.Scheduling{
		NodeSelector: map[string]string{"fleet": "services"}, Tolerations: []corev1.Toleration{{Key: "services-only", TolerationSeconds: new(int64)}},
	}
	m.Link.Spec.Builder.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")}}
	m.Workflow.Phases[0].Params = []v1alpha1.EnvVar{{Name: "FOO", Value: "bar"}}
	observation := run.Observation{Run: newRun(), Material: m}
	before := clone(observation)
	phases := run.BuildPhases(observation.Run, *m)
	last := phases[2].DeepCopy()
	phases[0].Spec.Execution.Builder.ServiceHosts.NodeSelector["fleet"] = "changed"
	phases[0].Spec.Execution.Builder.ServiceHosts.Tolerations[0].Key = "changed"
	*phases[0].Spec.Execution.Builder.ServiceHosts.Tolerations[0].TolerationSeconds = 7
	phases[0].Spec.Execution.Builder.Resources.Limits[corev1.ResourceCPU] = resource.MustParse("1")
	phases[0].Spec.Execution.Env[0].Value = "changed"
	phases[1].Spec.Deployment.Services[0].Image = "changed"
	if diff := cmp.Diff(before, observation); diff != "" {
		t.Errorf("a change of a Phase is one of what it was made of (-before +after)\n%s", diff)
	}
	if diff := cmp.Diff(last, phases[2]); diff != "" {
		t.Errorf("a change of a Phase is one of another (-before +after)\n%s", diff)
	}
}

func variables(list []v1alpha1.EnvVar) map[string]string {
	values := map[string]string{}
	for _, variable := range list {
		values[variable.Name] = variable.Value
	}
	return values
}

func TestEnvironment(t *testing.T) {
	env := func(pairs ...string) []v1alpha1.EnvVar {
		var list []v1alpha1.EnvVar
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, v1alpha1.EnvVar{Name: pairs[i], Value: pairs[i+1]})
		}
		return list
	}
	m := newMaterial(template("BUILD", 0, v1alpha1.PhaseExecution))
	m.Commit.PullRequest = 42
	m.Link.Spec.FolderPath = "services/api/"
	for _, variable := range env("B", "link", "C", "link", "D", "link", "KATKIT_RUN", "forged") {
		m.Link.Spec.Builder.Env = append(m.Link.Spec.Builder.Env, v1alpha1.BuilderEnvVar{Name: variable.Name, Value: variable.Value})
	}
	m.Workflow.Phases[0].Params = env("C", "params", "D", "params", "PHASE", "from params", "REPLICA_ID", "9", "ENV", "forged")
	m.Env = env("D", "run", "GIT_SHA", "forged", "CI", "false")
	execution := run.BuildPhases(newRun(), *m)[0].Spec.Execution
	var list []v1alpha1.EnvVar
	for _, variable := range execution.Env {
		list = append(list, v1alpha1.EnvVar{Name: variable.Name, Value: variable.Value})
	}
	want := map[string]string{
		"B": "link", "C": "params", "D": "run", "PHASE": "from params",
		contract.VarEnv: "DEV", contract.VarGitSHA: sha, contract.VarGitRepo: "acme/taskrunner", contract.VarCodePath: "services/api",
		contract.VarReplicaCount: "1", contract.VarTenant: "taskrunner", contract.VarRun: "taskrunner-7f3a", contract.VarPhaseName: "BUILD",
		contract.VarBranch: "main", contract.VarPullRequest: "42", contract.VarRepoURL: "https://github.com/acme/taskrunner.git",
		contract.VarCI: "true", contract.VarKatkit: "true",
	}
	if diff := cmp.Diff(want, variables(list)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(list) != len(want) {
		t.Errorf("%d variables of %d names: the API takes each name once", len(list), len(want))
	}
}

func TestCacheOfALink(t *testing.T) {
	for name, c := range map[string]struct {
		asked *v1alpha1.CacheSpec
		fork  bool
		want  *v1alpha1.CacheSpec
	}{
		"none":                          {},
		"where it is unless one says":   {asked: &v1alpha1.CacheSpec{ClaimName: "c"}, want: &v1alpha1.CacheSpec{ClaimName: "c", Path: "/cache"}},
		"where the link wants it":       {asked: &v1alpha1.CacheSpec{ClaimName: "c", Path: "/go"}, want: &v1alpha1.CacheSpec{ClaimName: "c", Path: "/go"}},
		"never for a stranger's commit": {asked: &v1alpha1.CacheSpec{ClaimName: "c"}, fork: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMaterial(template("BUILD", 0, v1alpha1.PhaseExecution))
			m.Link.Spec.Builder.Cache, m.Commit.Fork = c.asked, c.fork
			got := run.BuildPhases(newRun(), *m)[0].Spec.Execution
			if diff := cmp.Diff(c.want, got.Cache); diff != "" || got.Fork != c.fork {
				t.Errorf("fork %t, cache (-want +got)\n%s", got.Fork, diff)
			}
			told := slices.IndexFunc(got.Env, func(v v1alpha1.BuilderEnvVar) bool { return v.Name == contract.VarCache })
			if (told >= 0) != (c.want != nil) || told >= 0 && got.Env[told].Value != c.want.Path {
				t.Errorf("ci.sh is told %v", got.Env)
			}
		})
	}
}

func TestEnvOfTenantAndLink(t *testing.T) {
	link := newLink()
	if got := (run.Tenant{Env: "DEV"}).EnvOf(link); got != "DEV" {
		t.Errorf("the tenant's: %q", got)
	}
	link.Spec.Env = "BETA"
	if got := (run.Tenant{Env: "DEV"}).EnvOf(link); got != "BETA" {
		t.Errorf("the link's: %q", got)
	}
}

// Names are unique and short enough, whatever the phases of a workflow are called.
func TestPhaseNamesAreDistinct(t *testing.T) {
	var templates []v1alpha1.PhaseTemplate
	for i := range int32(64) {
		templates = append(templates, template(fmt.Sprintf("Größe %d", i), i/3, v1alpha1.PhaseExecution))
	}
	seen := map[string]bool{}
	for _, phase := range run.BuildPhases(newRun(), *newMaterial(templates...)) {
		if seen[phase.Name] || len(phase.Name) > 253 {
			t.Errorf("%q is there twice, or too long", phase.Name)
		}
		seen[phase.Name] = true
	}
}
