package run_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/run"
)

func TestWhatIsAskedOfBuilderPods(t *testing.T) {
	none := v1alpha1.BuilderRequest{DefaultClassName: "standard", Fleet: v1alpha1.FleetBuilder}
	hosts := &v1alpha1.Scheduling{NodeSelector: map[string]string{"pool": "services"}}
	resources := &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")}}
	for name, c := range map[string]struct {
		change func(*run.Material)
		want   v1alpha1.BuilderRequest
	}{
		"nothing":                        {func(*run.Material) {}, none},
		"the link's":                     {func(m *run.Material) { m.Link.Spec.Builder.Image, m.Link.Spec.Builder.ClassName = "link", "big" }, v1alpha1.BuilderRequest{Fleet: v1alpha1.FleetBuilder, Image: "link", ClassName: "big"}},
		"the phase's image":              {func(m *run.Material) { m.Link.Spec.Builder.Image, m.Workflow.Phases[0].Image = "link", "phase" }, v1alpha1.BuilderRequest{DefaultClassName: "standard", Fleet: v1alpha1.FleetBuilder, Image: "phase"}},
		"with the agent in it":           {func(m *run.Material) { m.Link.Spec.Builder.AgentInImage = true }, v1alpha1.BuilderRequest{DefaultClassName: "standard", Fleet: v1alpha1.FleetBuilder, AgentInImage: true}},
		"resources":                      {func(m *run.Material) { m.Link.Spec.Builder.Resources = resources }, v1alpha1.BuilderRequest{DefaultClassName: "standard", Fleet: v1alpha1.FleetBuilder, Resources: resources}},
		"the tenant's hosts by the link": {func(m *run.Material) { m.Link.Spec.Builder.Fleet, m.ServiceHosts = v1alpha1.FleetTenant, hosts }, v1alpha1.BuilderRequest{DefaultClassName: "standard", Fleet: v1alpha1.FleetTenant, ServiceHosts: hosts}},
		"the tenant's hosts by the file": {func(m *run.Material) { m.Workflow.LocalFleet = true }, v1alpha1.BuilderRequest{DefaultClassName: "standard", Fleet: v1alpha1.FleetTenant}},
		"a host with a tag":              {func(m *run.Material) { m.Workflow.Phases[0].AllocationTag = "gpu" }, v1alpha1.BuilderRequest{DefaultClassName: "standard", Fleet: v1alpha1.FleetBuilder, AllocationTag: "gpu"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMaterial(template("BUILD", 0, v1alpha1.PhaseExecution))
			m.Class.Name = "standard"
			m.Class.Spec.NodeSelector, m.Class.Spec.Env = map[string]string{"fleet": "builder"}, []v1alpha1.EnvVar{{Name: "FOO"}} // which counts when the phase begins
			c.change(m)
			if diff := cmp.Diff(c.want, run.BuildPhases(newRun(), *m)[0].Spec.Execution.Builder); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestMoreDiskThanTheClassAllowsIsTold(t *testing.T) {
	for asked, want := range map[string]string{"4Gi": "", "7Gi": "builder.resources.limits.ephemeral-storage of the link is 7Gi: BuilderClass standard allows 5Gi, which counts"} {
		m := newMaterial(template("BUILD", 0, v1alpha1.PhaseExecution))
		m.Class.Name, m.Class.Spec.EphemeralStorageLimit = "standard", new(resource.MustParse("5Gi"))
		m.Link.Spec.Builder.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse(asked)}}
		if warnings, cause := run.Limits(newRun(), *m); cause != nil || strings.Join(warnings, "; ") != want {
			t.Errorf("%s: %v, %v", asked, warnings, cause)
		}
	}
}

func TestWhenTheHostsOfAServiceAreLookedFor(t *testing.T) {
	fleet := &v1alpha1.Scheduling{}
	for name, c := range map[string]struct {
		phase v1alpha1.PhaseType
		fleet v1alpha1.Fleet
		local bool
		class *v1alpha1.Scheduling
		want  bool
	}{
		"they are not asked for":        {phase: v1alpha1.PhaseExecution},
		"the class says which":          {phase: v1alpha1.PhaseExecution, local: true, class: fleet},
		"the link asks":                 {phase: v1alpha1.PhaseExecution, fleet: v1alpha1.FleetTenant, want: true},
		"the file asks":                 {phase: v1alpha1.PhaseExecution, fleet: v1alpha1.FleetBuilder, local: true, want: true},
		"they are not for a deployment": {phase: v1alpha1.PhaseDeployment, local: true},
	} {
		m := newMaterial(template("ONLY", 0, c.phase))
		m.Class.Spec.TenantFleet, m.Link.Spec.Builder.Fleet, m.Workflow.LocalFleet = c.class, c.fleet, c.local
		if m.NeedsServiceHosts() != c.want {
			t.Errorf("%s: %t", name, !c.want)
		}
	}
}

func TestAServiceAccountIsNotForAFork(t *testing.T) {
	for _, fork := range []bool{false, true} {
		m := newMaterial(template("BUILD", 0, v1alpha1.PhaseExecution))
		m.Link.Spec.Builder.ServiceAccountName, m.Commit.Fork = "tester", fork
		want := map[bool]string{false: "tester"}[fork]
		if got := run.BuildPhases(newRun(), *m)[0].Spec.Execution.ServiceAccountName; got != want || m.ServiceAccount() != want {
			t.Errorf("fork: %t, ServiceAccount %q", fork, got)
		}
		warnings, _ := run.Limits(newRun(), *m)
		if told := len(warnings) == 1 && strings.Contains(warnings[0], "no token of ServiceAccount tester"); told != fork {
			t.Errorf("fork: %t, warnings %q", fork, warnings)
		}
	}
}

func TestImagesThatTheClassAllows(t *testing.T) {
	for name, c := range map[string]struct {
		phase, link string
		kind        v1alpha1.PhaseType
		refused     string // who asks for it; "" when it is allowed
	}{
		"the class's":                       {},
		"one of those":                      {phase: "acme/ci:1"},
		"the phase's is not":                {phase: "evil/ci:1", refused: "phase ONLY (katkitconfig.js (entry DEV))"},
		"the link's is not":                 {link: "evil/ci:1", refused: "builder.image of TenantRepoLink taskrunner"},
		"the link's is not, nor is it used": {phase: "acme/ci:1", link: "evil/ci:1"},
		"a deployment has none":             {link: "evil/ci:1", kind: v1alpha1.PhaseDeployment},
	} {
		t.Run(name, func(t *testing.T) {
			kind := v1alpha1.PhaseExecution
			if c.kind != "" {
				kind = c.kind
			}
			m := newMaterial(template("ONLY", 0, kind))
			m.Class.Spec.AllowedImages = []string{"acme/*"}
			m.Workflow.Phases[0].Image, m.Link.Spec.Builder.Image = c.phase, c.link
			cause := run.CheckBuilders(*m)
			if c.refused == "" && cause != nil || c.refused != "" && (cause == nil || cause.Reason != v1alpha1.ReasonImageNotAllowed || !strings.HasPrefix(cause.Message, c.refused)) {
				t.Errorf("got %v", cause)
			}
		})
	}
}

func TestRoles(t *testing.T) {
	for text, want := range map[string][]string{
		`{"Roles": [{"Name": "db", "DockerImage": "postgres:16"}, {"Name": "api", "DockerImage": "acme/api:<hubtag>"}, {"Name": "web", "DockerImage": "acme/web:<hubtag>"}]}`: {"api", "web", "db"},
		`{"Roles": []}`: nil, `{`: nil, ``: nil,
	} {
		if diff := cmp.Diff(want, run.Roles(run.File{Path: "d.js", Found: true, Content: []byte(text)})); diff != "" {
			t.Errorf("%s (-want +got)\n%s", text, diff)
		}
	}
}
