package builderclass_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/builderclass"
)

// who asks in these tests.
var who = builderclass.Askers{Phase: "phase ONLY", Image: "the link"}

func resolve(t *testing.T, class v1alpha1.BuilderClass, asked v1alpha1.BuilderRequest) *v1alpha1.BuilderStatus {
	t.Helper()
	status, cause := builderclass.Resolve(&class, asked, v1alpha1.AgentByImageVolume, who)
	if cause != nil {
		t.Fatal(cause)
	}
	return status
}

func TestResolve(t *testing.T) {
	standard := class("standard", true, nil)
	standard.Spec.Image, standard.Spec.AgentImage = "katkit/builder:1", "katkit/agent:1"
	standard.Spec.PodSecurity, standard.Spec.RuntimeClassName = v1alpha1.PodSecurityBaseline, "gvisor"
	standard.Spec.Capabilities = []v1alpha1.Capability{"SETUID"}
	standard.Spec.SeccompProfile = &v1alpha1.SeccompProfile{Type: v1alpha1.SeccompNodeDefault}
	standard.Spec.ImagePullSecrets = []v1alpha1.ObjectName{{Name: "registry"}}
	standard.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{}}
	standard.Spec.NodeSelector, standard.Spec.Tolerations = map[string]string{"fleet": "builder"}, []corev1.Toleration{{Key: "builders-only"}}
	standard.Spec.AgentResources = requirements("memory 64Mi", "memory 1Gi")
	standard.Spec.Env = []v1alpha1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}, {Name: "A", Value: "3"}, {Name: "REPLICA_ID", Value: "9"}, {Name: "KATKIT_SECRET_X"}}
	before := standard.DeepCopy()
	want := v1alpha1.BuilderStatus{
		ClassName: "standard", Image: "katkit/builder:1", AgentImage: "katkit/agent:1", AgentDelivery: v1alpha1.AgentByImageVolume,
		Env:              []v1alpha1.EnvVar{{Name: "A", Value: "3"}, {Name: "B", Value: "2"}},
		Resources:        requirements("memory 0, ephemeral-storage 0", "memory 4Gi, ephemeral-storage 20Gi"),
		AgentResources:   standard.Spec.AgentResources,
		Scheduling:       standard.Spec.Scheduling,
		RuntimeClassName: "gvisor", ImagePullSecrets: standard.Spec.ImagePullSecrets,
		PodSecurity: v1alpha1.PodSecurityBaseline, Capabilities: standard.Spec.Capabilities, SeccompProfile: standard.Spec.SeccompProfile,
	}
	got := resolve(t, standard, v1alpha1.BuilderRequest{})
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	got.NodeSelector["fleet"], got.Tolerations[0].Key, got.Capabilities[0], got.ImagePullSecrets[0].Name, got.Env[0].Value = "x", "x", "x", "x", "x"
	got.AgentResources.Limits[corev1.ResourceCPU], got.SeccompProfile.Type = got.AgentResources.Limits[corev1.ResourceMemory], "x"
	if diff := cmp.Diff(before, &standard); diff != "" {
		t.Errorf("a change of what came of it is one of the class (-before +after)\n%s", diff)
	}
	if got := resolve(t, standard, v1alpha1.BuilderRequest{Image: "own", AgentInImage: true}); got.Image != "own" || got.AgentDelivery != v1alpha1.AgentInBuilderImage {
		t.Errorf("image %s, agent by %s", got.Image, got.AgentDelivery)
	}
}

func TestTheTenantsHosts(t *testing.T) {
	hosts := func(pool string) *v1alpha1.Scheduling {
		return &v1alpha1.Scheduling{NodeSelector: map[string]string{"pool": pool}, Tolerations: []corev1.Toleration{{Key: pool}}}
	}
	for name, c := range map[string]struct {
		fleet          v1alpha1.Fleet
		class, service *v1alpha1.Scheduling
		want           string
		refused        bool
	}{
		"are not asked for":                       {class: hosts("class"), service: hosts("service"), want: "builders"},
		"are the class's":                         {fleet: v1alpha1.FleetTenant, class: hosts("class"), service: hosts("service"), want: "class"},
		"are the service's":                       {fleet: v1alpha1.FleetTenant, service: hosts("service"), want: "service"},
		"are any":                                 {fleet: v1alpha1.FleetTenant, service: &v1alpha1.Scheduling{}},
		"were the class's when the run began":     {fleet: v1alpha1.FleetTenant, refused: true},
		"are not asked for, nor does anybody say": {fleet: v1alpha1.FleetBuilder, want: "builders"},
	} {
		t.Run(name, func(t *testing.T) {
			class := class("standard", true, nil)
			class.Spec.Scheduling, class.Spec.TenantFleet = *hosts("builders"), c.class
			asked := v1alpha1.BuilderRequest{Fleet: c.fleet, ServiceHosts: c.service}
			if _, cause := builderclass.Resolve(&class, asked, "", who); c.refused {
				if cause == nil || cause.Reason != v1alpha1.ReasonTenantFleetGone || !strings.HasPrefix(cause.Message, "phase ONLY is for the tenant's own hosts, ") ||
					!strings.Contains(cause.Message, "and BuilderClass standard, which counts now, does not") {
					t.Errorf("got %v", cause)
				}
				return
			}
			if got := resolve(t, class, asked); got.NodeSelector["pool"] != c.want || (len(got.Tolerations) > 0) != (c.want != "") {
				t.Errorf("%+v, want those of %q", got.Scheduling, c.want)
			}
		})
	}
}

func TestATagIsOfTheFleetsHosts(t *testing.T) {
	tagged := func(tag string) *v1alpha1.Scheduling {
		return &v1alpha1.Scheduling{NodeSelector: map[string]string{v1alpha1.LabelAllocationTag: tag}}
	}
	for name, c := range map[string]struct {
		builders, tenants, service *v1alpha1.Scheduling
		fleet                      v1alpha1.Fleet
		tag, want, refused         string // refused: by whom
	}{
		"none":                            {builders: tagged("fleet"), want: "fleet"},
		"of hosts that are not tagged":    {builders: &v1alpha1.Scheduling{}, tag: "gpu", want: "gpu"},
		"the class's own":                 {builders: tagged("fleet"), tag: "fleet", want: "fleet"},
		"another than the class's":        {builders: tagged("fleet"), tag: "gpu", refused: `"fleet" alone, by the nodeSelector of BuilderClass standard`},
		"another than the tenants' hosts": {builders: tagged("gpu"), tenants: tagged("fleet"), service: tagged("gpu"), fleet: v1alpha1.FleetTenant, tag: "gpu", refused: `"fleet" alone, by the tenantFleet of BuilderClass standard`},
		"another than the service's":      {builders: tagged("gpu"), service: tagged("fleet"), fleet: v1alpha1.FleetTenant, tag: "gpu", refused: `"fleet" alone, by the nodeSelector of the tenant's service`},
		"of any host":                     {builders: tagged("fleet"), service: &v1alpha1.Scheduling{}, fleet: v1alpha1.FleetTenant, tag: "gpu", want: "gpu"},
		"of a class without any tag":      {builders: tagged(""), tag: "gpu", refused: `"" alone, by the nodeSelector of BuilderClass standard`},
	} {
		t.Run(name, func(t *testing.T) {
			class := class("standard", true, nil)
			class.Spec.Scheduling, class.Spec.TenantFleet = *c.builders, c.tenants
			asked := v1alpha1.BuilderRequest{Fleet: c.fleet, ServiceHosts: c.service, AllocationTag: c.tag}
			if _, cause := builderclass.Resolve(&class, asked, "", who); c.refused != "" {
				if cause == nil || cause.Reason != v1alpha1.ReasonAllocationTagNotAllowed || !strings.Contains(cause.Message, c.refused) ||
					!strings.HasPrefix(cause.Message, "phase ONLY asks for hosts with the label katkit.dev/allocation-tag=gpu (AllocationTags), ") {
					t.Errorf("got %v", cause)
				}
				return
			}
			if got := resolve(t, class, asked); got.NodeSelector[v1alpha1.LabelAllocationTag] != c.want {
				t.Errorf("it runs on %v, want %q", got.NodeSelector, c.want)
			}
		})
	}
}

// Whatever a tenant asks for: builder Pods of the fleet Builder are on hosts that the class selects, and on no others.
func TestNoTagLeadsOutOfTheClasssFleet(t *testing.T) {
	random, refused := rand.New(rand.NewPCG(11, 11)), 0
	for range 2000 {
		class := class("standard", true, nil)
		class.Spec.NodeSelector = map[string]string{}
		for _, key := range []string{"fleet", "zone", v1alpha1.LabelAllocationTag} {
			if random.IntN(2) == 0 {
				class.Spec.NodeSelector[key] = []string{"", "a", "b"}[random.IntN(3)]
			}
		}
		class.Spec.Affinity = []*corev1.Affinity{nil, {NodeAffinity: &corev1.NodeAffinity{}}}[random.IntN(2)]
		class.Spec.TenantFleet = &v1alpha1.Scheduling{Tolerations: []corev1.Toleration{{Key: "tenants"}}}
		asked := v1alpha1.BuilderRequest{
			ServiceHosts:  &v1alpha1.Scheduling{NodeSelector: map[string]string{"fleet": "theirs"}},
			AllocationTag: []string{"", "a", "b", "fleet"}[random.IntN(4)],
		}
		got, cause := builderclass.Resolve(&class, asked, "", who)
		if cause != nil {
			refused++
			continue
		}
		for key, value := range class.Spec.NodeSelector {
			if is, set := got.NodeSelector[key]; !set || is != value {
				t.Fatalf("the class selects %v, the tag is %q, the Pod runs on %v", class.Spec.NodeSelector, asked.AllocationTag, got.NodeSelector)
			}
		}
		if diff := cmp.Diff(class.Spec.Affinity, got.Affinity); diff != "" || len(got.Tolerations) > 0 {
			t.Fatalf("tolerations %v, affinity (-want +got)\n%s", got.Tolerations, diff)
		}
	}
	if refused == 0 || refused > 1000 {
		t.Errorf("%d of 2000 are refused", refused)
	}
}
