package tenant

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestManifests(t *testing.T) {
	quota, err := parseQuota("sample")
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]wanted{
		"sample": {name: "d-taskrunner", namespace: "d-taskrunner", env: "DEV"},
		"network": {name: "d-taskrunner", namespace: "d-taskrunner", network: &network{
			pods: []string{"10.244.0.0/16"}, services: []string{"10.96.0.0/12"}, apiServer: []string{"192.0.2.10/32"}, dns: []string{"10.96.0.10/32", nodeLocalDNS}}},
		"quota": {name: "taskrunner", namespace: "d-taskrunner", quota: quota},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := w.yaml()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestTheSamples holds that config/samples has what is printed.
func TestTheSamples(t *testing.T) {
	documents := func(file string) (objects []map[string]any) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range strings.Split(string(content), "\n---\n") {
			var object map[string]any
			if err := yaml.Unmarshal([]byte(document), &object); err != nil {
				t.Fatal(err)
			}
			objects = append(objects, object)
		}
		return objects
	}
	if diff := cmp.Diff(documents("../../../config/samples/tenant.yaml"), documents("testdata/sample.yaml")); diff != "" {
		t.Errorf("-config/samples/tenant.yaml +printed:\n%s", diff)
	}
	printed := documents("testdata/network.yaml")
	if diff := cmp.Diff(documents("../../../config/samples/networkpolicy.yaml"), printed[len(printed)-1:]); diff != "" {
		t.Errorf("-config/samples/networkpolicy.yaml +printed:\n%s", diff)
	}
}

func TestTheWorldHasTheFamiliesOfTheCluster(t *testing.T) {
	n := network{pods: []string{"10.1.0.0/16", "fd00:1::/48"}, services: []string{"10.2.0.0/16"}, apiServer: []string{"API-SERVER"}}
	want := []networkingv1.NetworkPolicyPeer{
		{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"10.1.0.0/16", "10.2.0.0/16", "API-SERVER", "169.254.0.0/16"}}},
		{IPBlock: &networkingv1.IPBlock{CIDR: "::/0", Except: []string{"fd00:1::/48", "fd00:ec2::/32"}}},
	}
	if diff := cmp.Diff(want, n.world()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"192.0.2.1/32", "fd00::1/128"}, hosts([]string{"192.0.2.1", "None", "fd00::1"})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPodRanges(t *testing.T) {
	for cidr, right := range map[string]bool{"10.244.0.0/16": true, "fd00:1::/48": true, "": false, "10.244.0.0": false, "10.244.0.1/16": false, "0.0.0.0/0": false} {
		if err := checkRanges([]string{cidr}); (err == nil) != right {
			t.Errorf("%q: %v", cidr, err)
		}
	}
}

func TestQuota(t *testing.T) {
	for list, right := range map[string]bool{
		"": true, "pods=1": true, "cpu=500m, memory=1Gi": true,
		"pods": false, "pods=": false, "pods=x": false, "pods=0": false, "cpu=-1": false, "limits.cpu=1": false, "pods=1,pods=2": false, "pods=1,": false, "=1": false,
	} {
		if _, err := parseQuota(list); (err == nil) != right {
			t.Errorf("%q: %v", list, err)
		}
	}
}

func TestNames(t *testing.T) {
	for w, said := range map[wantedNames]string{
		{"d-shop", "d-shop"}: "", {"Shop", "d-shop"}: "", {"", ""}: "is empty", {"a b", "d-shop"}: "is no name of a tenant", {"Shop", "Shop"}: "-n gives it another name",
	} {
		if err := (wanted{name: w.name, namespace: w.namespace}).check(); (err == nil) != (said == "") || err != nil && !strings.Contains(err.Error(), said) {
			t.Errorf("%v: %v, want %q", w, err, said)
		}
	}
}

type wantedNames struct{ name, namespace string }

func TestDecide(t *testing.T) {
	namespace := func(tenant, env string) *corev1.Namespace {
		found := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{}, Annotations: map[string]string{}}}
		if tenant != "" {
			found.Labels[v1alpha1.LabelTenant] = tenant
		}
		if env != "" {
			found.Annotations[v1alpha1.AnnotationEnv] = env
		}
		return found
	}
	going := namespace("", "")
	going.DeletionTimestamp = new(metav1.Now())
	shop := wanted{name: "shop", namespace: "d-shop", env: "DEV"}
	for name, c := range map[string]struct {
		wanted wanted
		found  *corev1.Namespace
		said   string
		forced bool // --force does it
	}{
		"a new Namespace":          {shop, nil, "", true},
		"a Namespace of a service": {shop, namespace("", ""), "", true},
		"the same tenant":          {shop, namespace("shop", "DEV"), "", true},
		"an env that was missing":  {shop, namespace("shop", ""), "", true},
		"no env is asked for":      {wanted{name: "shop", namespace: "d-shop"}, namespace("shop", "PROD"), "", true},
		"another tenant":           {shop, namespace("other", "DEV"), "namespace d-shop is the tenant other", true},
		"another env":              {shop, namespace("shop", "PROD"), "tenant shop has the env PROD", true},
		"the system's":             {wanted{name: "a", namespace: "kube-system"}, namespace("", ""), "namespace kube-system is the system's", true},
		"the default one":          {wanted{name: "a", namespace: "default"}, namespace("", ""), "namespace default is the system's", true},
		"Katkit's own":             {wanted{name: "a", namespace: "katkit-system"}, nil, "namespace katkit-system is the system's", true},
		"a Namespace that goes":    {shop, going, "is being deleted", false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := decide(c.wanted, c.found, false); (err == nil) != (c.said == "") || err != nil && !strings.Contains(err.Error(), c.said) {
				t.Errorf("got %v, want %q", err, c.said)
			}
			if err := decide(c.wanted, c.found, true); (err == nil) != c.forced {
				t.Errorf("forced: %v", err)
			}
		})
	}
}
