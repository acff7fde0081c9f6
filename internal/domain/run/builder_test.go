package run_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/run"
)

// amounts is a list of resources, as in "cpu 1, memory 2Gi".
func amounts(text string) corev1.ResourceList {
	if text == "" {
		return nil
	}
	list := corev1.ResourceList{}
	for entry := range strings.SplitSeq(text, ", ") {
		name, amount, _ := strings.Cut(entry, " ")
		list[corev1.ResourceName(name)] = resource.MustParse(amount)
	}
	return list
}

func requirements(requests, limits string) *corev1.ResourceRequirements {
	if requests == "" && limits == "" {
		return nil
	}
	return &corev1.ResourceRequirements{Requests: amounts(requests), Limits: amounts(limits)}
}

func TestResources(t *testing.T) {
	type pair struct{ requests, limits string }
	for name, c := range map[string]struct {
		class, link pair
		storage     string
		want        pair
		warning     string
	}{
		"nobody says anything": {want: pair{"memory 0, ephemeral-storage 0", "memory 4Gi, ephemeral-storage 20Gi"}},
		"the class does": {class: pair{"cpu 1, memory 1Gi", "memory 2Gi"},
			want: pair{"cpu 1, memory 1Gi, ephemeral-storage 0", "memory 2Gi, ephemeral-storage 20Gi"}},
		"the link does": {class: pair{"cpu 1, memory 1Gi", "memory 2Gi"}, link: pair{"cpu 2, memory 3Gi", "memory 8Gi"},
			want: pair{"cpu 2, memory 3Gi, ephemeral-storage 0", "memory 8Gi, ephemeral-storage 20Gi"}},
		"the link says something of one of them": {class: pair{"cpu 1, memory 1Gi", "memory 2Gi"}, link: pair{"cpu 2", ""},
			want: pair{"cpu 2, memory 1Gi, ephemeral-storage 0", "memory 2Gi, ephemeral-storage 20Gi"}},
		"a request of the class's is not held against a limit of the link's": {class: pair{"memory 4Gi", "memory 4Gi"}, link: pair{"", "memory 1Gi"},
			want: pair{"ephemeral-storage 0", "memory 1Gi, ephemeral-storage 20Gi"}},
		"a limit of the class's is not held against a request of the link's": {class: pair{"", "memory 1Gi"}, link: pair{"memory 2Gi", ""},
			want: pair{"memory 2Gi, ephemeral-storage 0", "memory 4Gi, ephemeral-storage 20Gi"}},
		"a request beyond the limit that nobody set": {link: pair{"memory 6Gi", ""},
			want: pair{"memory 6Gi, ephemeral-storage 0", "memory 6Gi, ephemeral-storage 20Gi"}},
		"a limit of 0 is none": {link: pair{"", "memory 0"}, want: pair{"memory 0, ephemeral-storage 0", "memory 4Gi, ephemeral-storage 20Gi"}},
		"no disk at all is the class's": {storage: "5Gi", link: pair{"", "ephemeral-storage 0"},
			want: pair{"memory 0, ephemeral-storage 0", "memory 4Gi, ephemeral-storage 5Gi"}},
		"less disk than the class allows": {storage: "5Gi", link: pair{"", "ephemeral-storage 1Gi"},
			want: pair{"memory 0, ephemeral-storage 0", "memory 4Gi, ephemeral-storage 1Gi"}},
		"more disk than the class allows": {storage: "5Gi", link: pair{"ephemeral-storage 6Gi", "ephemeral-storage 7Gi"},
			want:    pair{"memory 0, ephemeral-storage 5Gi", "memory 4Gi, ephemeral-storage 5Gi"},
			warning: "builder.resources.limits.ephemeral-storage of the link is 7Gi: BuilderClass standard allows 5Gi, which counts"},
		"other resources are the link's": {class: pair{"", "example.com/gpu 1"}, link: pair{"example.com/gpu 2", "example.com/gpu 2"},
			want: pair{"memory 0, ephemeral-storage 0, example.com/gpu 2", "memory 4Gi, ephemeral-storage 20Gi, example.com/gpu 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMaterial(template("BUILD", 0, v1alpha1.PhaseExecution))
			m.Class.Name = "standard"
			m.Class.Spec.Resources, m.Link.Spec.Builder.Resources = requirements(c.class.requests, c.class.limits), requirements(c.link.requests, c.link.limits)
			if c.storage != "" {
				m.Class.Spec.EphemeralStorageLimit = new(resource.MustParse(c.storage))
			}
			got := run.BuildPhases(newRun(), *m)[0].Spec.Execution.Resources
			if diff := cmp.Diff(requirements(c.want.requests, c.want.limits), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			warnings, cause := run.Limits(newRun(), *m)
			if cause != nil || strings.Join(warnings, "; ") != c.warning {
				t.Errorf("%v, %v", warnings, cause)
			}
		})
	}
}

// Whatever class and link ask for: what comes of it has limits, none below its request, and no more disk than the class allows.
func TestResourcesAlwaysFit(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	pick := func() *corev1.ResourceRequirements { // one that the API server takes: no limit below its request
		result := &corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
			request, limit := random.Int64N(64), random.Int64N(64)
			if random.IntN(2) == 0 {
				result.Requests[name] = *resource.NewQuantity(min(request, limit)<<30, resource.BinarySI)
			}
			if random.IntN(2) == 0 {
				result.Limits[name] = *resource.NewQuantity(max(request, limit)<<30, resource.BinarySI)
			}
		}
		return result
	}
	for range 2000 {
		m := newMaterial(template("BUILD", 0, v1alpha1.PhaseExecution))
		m.Class.Spec.Resources, m.Link.Spec.Builder.Resources = pick(), pick()
		m.Class.Spec.EphemeralStorageLimit = resource.NewQuantity(1+random.Int64N(1<<36), resource.BinarySI)
		got := run.BuildPhases(newRun(), *m)[0].Spec.Execution.Resources
		for name, request := range got.Requests {
			if limit, set := got.Limits[name]; set && request.Cmp(limit) > 0 {
				t.Fatalf("%s: request %s, limit %s", name, request.String(), limit.String())
			}
		}
		if got.Limits.Memory().IsZero() || got.Limits.StorageEphemeral().Cmp(*m.Class.Spec.EphemeralStorageLimit) > 0 {
			t.Fatalf("limits %v, the class allows %s of disk", got.Limits, m.Class.Spec.EphemeralStorageLimit)
		}
	}
}

func TestWhatAClassSaysIsInThePhase(t *testing.T) {
	m := newMaterial(template("BUILD", 0, v1alpha1.PhaseExecution))
	m.Class.Spec.PodSecurity, m.Class.Spec.RuntimeClassName = v1alpha1.PodSecurityBaseline, "gvisor"
	m.Class.Spec.Capabilities = []v1alpha1.Capability{"SETUID"}
	m.Class.Spec.SeccompProfile = &v1alpha1.SeccompProfile{Type: v1alpha1.SeccompNodeDefault}
	m.Class.Spec.ImagePullSecrets = []v1alpha1.ObjectName{{Name: "registry"}}
	m.Class.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{}}
	m.Class.Spec.AgentResources = requirements("memory 64Mi", "memory 1Gi")
	got := run.BuildPhases(newRun(), *m)[0].Spec.Execution
	want := *got
	want.AgentResources = m.Class.Spec.AgentResources
	want.PodSecurity, want.RuntimeClassName, want.Capabilities = m.Class.Spec.PodSecurity, "gvisor", m.Class.Spec.Capabilities
	want.SeccompProfile, want.ImagePullSecrets, want.Affinity = m.Class.Spec.SeccompProfile, m.Class.Spec.ImagePullSecrets, m.Class.Spec.Affinity
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
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

func TestTheTenantsHosts(t *testing.T) {
	hosts := func(pool string) *v1alpha1.Scheduling {
		return &v1alpha1.Scheduling{NodeSelector: map[string]string{"pool": pool}, Tolerations: []corev1.Toleration{{Key: pool}}}
	}
	for name, c := range map[string]struct {
		phase         v1alpha1.PhaseType
		fleet         v1alpha1.Fleet
		local         bool
		class, live   *v1alpha1.Scheduling
		want          string
		needsServices bool
	}{
		"are not asked for":        {phase: v1alpha1.PhaseExecution, class: hosts("class"), live: hosts("live"), want: "builders"},
		"are the class's":          {phase: v1alpha1.PhaseExecution, local: true, class: hosts("class"), live: hosts("live"), want: "class"},
		"are the service's":        {phase: v1alpha1.PhaseExecution, fleet: v1alpha1.FleetTenant, live: hosts("live"), want: "live", needsServices: true},
		"are any":                  {phase: v1alpha1.PhaseExecution, local: true, needsServices: true},
		"are not for a deployment": {phase: v1alpha1.PhaseDeployment, local: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMaterial(template("ONLY", 0, c.phase))
			m.Class.Spec.Scheduling = *hosts("builders")
			m.Class.Spec.TenantFleet, m.ServiceHosts = c.class, c.live
			m.Link.Spec.Builder.Fleet, m.Workflow.LocalFleet = c.fleet, c.local
			if m.NeedsServiceHosts() != c.needsServices {
				t.Errorf("needs the service's hosts: %t", m.NeedsServiceHosts())
			}
			execution := run.BuildPhases(newRun(), *m)[0].Spec.Execution
			if execution == nil {
				return
			}
			if got := execution.NodeSelector["pool"]; got != c.want || (len(execution.Tolerations) > 0) != (c.want != "") {
				t.Errorf("%+v, want those of %q", execution.Scheduling, c.want)
			}
		})
	}
}

func TestATagIsOfTheFleetsHosts(t *testing.T) {
	tagged := func(tag string) *v1alpha1.Scheduling {
		return &v1alpha1.Scheduling{NodeSelector: map[string]string{v1alpha1.LabelAllocationTag: tag}}
	}
	for name, c := range map[string]struct {
		kind                    v1alpha1.PhaseType
		builders, tenants, live *v1alpha1.Scheduling
		local                   bool
		tag, want, refused      string // refused: by whom
	}{
		"none":                            {builders: tagged("fleet"), want: "fleet"},
		"of hosts that are not tagged":    {builders: &v1alpha1.Scheduling{}, tag: "gpu", want: "gpu"},
		"the class's own":                 {builders: tagged("fleet"), tag: "fleet", want: "fleet"},
		"another than the class's":        {builders: tagged("fleet"), tag: "gpu", want: "fleet", refused: `"fleet" alone, by the nodeSelector of BuilderClass standard`},
		"another than the tenants' hosts": {builders: tagged("gpu"), tenants: tagged("fleet"), live: tagged("gpu"), local: true, tag: "gpu", want: "fleet", refused: `"fleet" alone, by the tenantFleet of BuilderClass standard`},
		"another than the service's":      {builders: tagged("gpu"), live: tagged("fleet"), local: true, tag: "gpu", want: "fleet", refused: `"fleet" alone, by the nodeSelector of the tenant's service`},
		"of any host":                     {builders: tagged("fleet"), local: true, tag: "gpu", want: "gpu"},
		"of a class without any tag":      {builders: tagged(""), tag: "gpu", refused: `"" alone, by the nodeSelector of BuilderClass standard`},
		"of a deployment":                 {kind: v1alpha1.PhaseDeployment, builders: tagged("fleet"), tag: "gpu"},
	} {
		t.Run(name, func(t *testing.T) {
			kind := v1alpha1.PhaseExecution
			if c.kind != "" {
				kind = c.kind
			}
			m := newMaterial(template("BUILD", 0, v1alpha1.PhaseExecution), template("ONLY", 1, kind))
			m.Class.Name, m.Class.Spec.Scheduling, m.Class.Spec.TenantFleet, m.ServiceHosts = "standard", *c.builders, c.tenants, c.live
			m.Workflow.LocalFleet, m.Workflow.Phases[1].AllocationTag = c.local, c.tag
			cause := run.CheckTags(*m)
			if c.refused == "" && cause != nil || c.refused != "" && (cause == nil || cause.Reason != v1alpha1.ReasonAllocationTagNotAllowed ||
				!strings.HasPrefix(cause.Message, "phase ONLY (katkitconfig.js (entry DEV)) asks for hosts with the label katkit.dev/allocation-tag=gpu (AllocationTags), ") || !strings.Contains(cause.Message, c.refused)) {
				t.Errorf("got %v", cause)
			}
			if execution := run.BuildPhases(newRun(), *m)[1].Spec.Execution; execution != nil && execution.NodeSelector[v1alpha1.LabelAllocationTag] != c.want {
				t.Errorf("it runs on %v, want %q", execution.NodeSelector, c.want)
			}
		})
	}
}

// Whatever a tenant asks for: builder Pods of the fleet Builder are on hosts that the class selects, and on no others.
func TestNoTagLeadsOutOfTheClasssFleet(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 11))
	for range 2000 {
		m := newMaterial(template("BUILD", 0, v1alpha1.PhaseExecution))
		m.Class.Spec.NodeSelector = map[string]string{}
		for _, key := range []string{"fleet", "zone", v1alpha1.LabelAllocationTag} {
			if random.IntN(2) == 0 {
				m.Class.Spec.NodeSelector[key] = []string{"", "a", "b"}[random.IntN(3)]
			}
		}
		m.Class.Spec.Affinity = []*corev1.Affinity{nil, {NodeAffinity: &corev1.NodeAffinity{}}}[random.IntN(2)]
		m.Class.Spec.TenantFleet, m.ServiceHosts = &v1alpha1.Scheduling{Tolerations: []corev1.Toleration{{Key: "tenants"}}}, &v1alpha1.Scheduling{NodeSelector: map[string]string{"fleet": "theirs"}}
		m.Workflow.Phases[0].AllocationTag = []string{"", "a", "b", "fleet"}[random.IntN(4)]
		got := run.BuildPhases(newRun(), *m)[0].Spec.Execution.Scheduling
		for key, value := range m.Class.Spec.NodeSelector {
			if is, set := got.NodeSelector[key]; !set || is != value {
				t.Fatalf("the class selects %v, the tag is %q, the Pod runs on %v", m.Class.Spec.NodeSelector, m.Workflow.Phases[0].AllocationTag, got.NodeSelector)
			}
		}
		if diff := cmp.Diff(m.Class.Spec.Affinity, got.Affinity); diff != "" || len(got.Tolerations) > 0 {
			t.Fatalf("tolerations %v, affinity (-want +got)\n%s", got.Tolerations, diff)
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
			_, cause := run.Limits(newRun(), *m)
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
