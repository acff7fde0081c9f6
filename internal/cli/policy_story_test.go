package cli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestATenantsBuildersAreHeldByAPolicy is what a cluster admin does about builders' network, on a real API server; ann is one, and eve
// may make tenants but not look at the cluster.
func TestATenantsBuildersAreHeldByAPolicy(t *testing.T) {
	cluster, admin := start(t)
	create(t, admin, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenant}})
	ann, eve := clusterWide(t, cluster, admin, "ann", "*"), clusterWide(t, cluster, admin, "eve", "*")
	lookAround(t, admin, "ann")
	create(t, admin, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "katkit-deployer"}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-dns"}, Spec: corev1.ServiceSpec{ClusterIP: "10.0.0.10", Ports: []corev1.ServicePort{{Port: 53}}}},
		&discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "dns", Labels: map[string]string{discoveryv1.LabelServiceName: "kube-dns"}},
			AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{
				{Addresses: []string{"192.0.2.53"}},
				{Addresses: []string{"10.244.0.53"}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: "dns"}}}})

	if out, said, code := ann.run(t, "tenant", "create", tenant, "--network-policy"); code != 1 || out != "" || !strings.Contains(said, "nothing is made") ||
		!strings.Contains(said, "\n  PODS stands for the addresses of Pods, as the network plugin was told: --pod-cidr (there are none to read)\n") {
		t.Errorf("nobody knows the addresses of Pods: exit code %d, output %s, said %s", code, out, said)
	}
	for _, node := range []string{"a", "b"} {
		create(t, admin, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}, Spec: corev1.NodeSpec{PodCIDR: "10.244.0.0/16", PodCIDRs: []string{"10.244.0.0/16"}}})
	}
	out, said, code := ann.run(t, "tenant", "create", tenant, "--network-policy")
	if code != 0 || !strings.Contains(out, "networkpolicy.networking.k8s.io/katkit-builders created\n") || said != "Warning: Pods are taken to have addresses of 10.244.0.0/16, as the Nodes say. "+
		"If the network plugin gives out others, or Nodes to come bring others, name the whole range: --pod-cidr\n" {
		t.Errorf("exit code %d, output %s, said %s", code, out, said)
	}
	var policy networkingv1.NetworkPolicy
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: tenant, Name: "katkit-builders"}, &policy); err != nil {
		t.Fatal(err)
	}
	world := except(&policy)
	if !slices.Equal(world[:2], []string{"10.244.0.0/16", "10.0.0.0/24"}) || len(world) != 7 || !strings.HasSuffix(world[2], "/32") {
		t.Errorf("the world is all but %v", world)
	}
	var dns []string
	for _, peer := range policy.Spec.Egress[1].To[1:] {
		dns = append(dns, peer.IPBlock.CIDR)
	}
	if diff := cmp.Diff([]string{"10.0.0.10/32", "169.254.20.10/32", "192.0.2.53/32"}, dns); diff != "" {
		t.Errorf("DNS, -want +got:\n%s", diff)
	}
	for _, step := range []struct{ cidr, became string }{{"10.244.0.0/16", "unchanged"}, {"10.244.0.0/14", "configured"}} {
		if out, said, code := ann.run(t, "tenant", "create", tenant, "--network-policy", "--pod-cidr", step.cidr); code != 0 || said != "" ||
			!strings.Contains(out, "networkpolicy.networking.k8s.io/katkit-builders "+step.became+"\n") {
			t.Errorf("with Pods in %s: exit code %d, output %s, said %s", step.cidr, code, out, said)
		}
	}
	notKnown(t, eve, admin)
}

// notKnown holds that what eve may not look up is printed to be filled in, in a way that no API server takes.
func notKnown(t *testing.T, eve user, admin client.Client) {
	t.Helper()
	out, said, code := eve.run(t, "tenant", "create", "d-eve", "--network-policy", "-o", "yaml")
	if code != 0 || strings.Count(said, "Warning: fill in: ") != 4 || strings.Count(said, "is forbidden") != 4 {
		t.Errorf("eve: exit code %d, said %s", code, said)
	}
	documents := strings.Split(out, "\n---\n")
	var policy networkingv1.NetworkPolicy
	if err := yaml.Unmarshal([]byte(documents[len(documents)-1]), &policy); err != nil {
		t.Fatal(err)
	}
	if world := except(&policy); !slices.Equal(world, []string{"PODS", "SERVICES", "API-SERVER", "169.254.0.0/16", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32"}) {
		t.Errorf("the world is all but %v", world)
	}
	policy.Namespace = tenant
	for _, word := range []string{`"PODS"`, `"SERVICES"`, `"API-SERVER"`, `"DNS"`} {
		if err := admin.Create(t.Context(), policy.DeepCopy(), client.DryRunAll); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s is taken: %v", word, err)
		}
	}
	if _, said, code := eve.run(t, "tenant", "create", "d-eve", "--pod-cidr", "10.244.0.0/16"); code != 1 || !strings.Contains(said, "--pod-cidr is for --network-policy") {
		t.Errorf("without --network-policy: exit code %d, said %s", code, said)
	}
}

// except is what the world of a policy does not have.
func except(policy *networkingv1.NetworkPolicy) []string {
	return policy.Spec.Egress[3].To[0].IPBlock.Except
}

// lookAround lets a user read what tells a cluster's addresses, and make policies.
func lookAround(t *testing.T, admin client.Client, name string) {
	t.Helper()
	create(t, admin, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name + "-network"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"nodes", "services"}, Verbs: []string{"list"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list"}},
		{APIGroups: []string{networkingv1.GroupName}, Resources: []string{"servicecidrs"}, Verbs: []string{"list"}},
		{APIGroups: []string{networkingv1.GroupName}, Resources: []string{"networkpolicies"}, Verbs: []string{"get", "create", "patch"}},
	}}, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name + "-network"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name + "-network"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: name}}})
}
