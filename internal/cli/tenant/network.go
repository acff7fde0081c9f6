package tenant

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// builders is the name of the NetworkPolicy.
const builders = "katkit-builders"

// nodeLocalDNS is where NodeLocal DNSCache listens unless it is told otherwise. The range that it is in is excepted as a whole.
const nodeLocalDNS = "169.254.20.10/32"

// unknownPods stands for the addresses of Pods where they are not known.
const unknownPods = "PODS"

// metadata are the ranges of the services of clouds that hand out the credentials of a node.
var metadata = []string{"169.254.0.0/16", "fd00:ec2::/32"}

// network is what a NetworkPolicy has to know of a cluster: ranges of addresses.
type network struct {
	pods, services, apiServer []string
	// dns are the cluster's name servers that are no Pods: processes of a node, and the Service's own address, where a node answers for it.
	dns []string
}

// observeNetwork finds the ranges out; pods are those of Pods, when they are known. In the place of what it cannot find it puts a word in
// capital letters, which no API server takes for a range, and tells what to put there.
func observeNetwork(ctx context.Context, live client.Reader, pods []string) (found network, unknown []string) {
	for _, what := range []struct {
		into         *[]string
		name, advice string
		read         func() ([]string, error)
	}{
		{&found.pods, unknownPods, "the addresses of Pods, as the network plugin was told: --pod-cidr", func() ([]string, error) {
			if len(pods) > 0 {
				return pods, nil
			}
			return podRanges(ctx, live)
		}},
		{&found.services, "SERVICES", "the addresses of Services, which `kubectl get servicecidrs` lists", func() ([]string, error) { return serviceRanges(ctx, live) }},
		{&found.apiServer, "API-SERVER", "those of the API server, which `kubectl get endpointslices -n default -l kubernetes.io/service-name=kubernetes` lists, as 192.0.2.10/32",
			func() ([]string, error) { return endpoints(ctx, live, metav1.NamespaceDefault, "kubernetes") }},
		{&found.dns, "DNS", "those of the cluster's name servers that are no Pods of kube-system, or nothing", func() ([]string, error) { return nameServers(ctx, live) }},
	} {
		ranges, err := what.read()
		if err == nil && len(ranges) == 0 {
			err = errors.New("there are none to read")
		}
		if err != nil {
			unknown = append(unknown, fmt.Sprintf("%s stands for %s (%v)", what.name, what.advice, err))
			ranges = []string{what.name}
		}
		slices.Sort(ranges)
		*what.into = slices.Compact(ranges)
	}
	return found, unknown
}

// podRanges are those of the Nodes that there are.
func podRanges(ctx context.Context, live client.Reader) (ranges []string, err error) {
	var nodes corev1.NodeList
	if err := live.List(ctx, &nodes); err != nil {
		return nil, err
	}
	for i := range nodes.Items {
		ranges = append(ranges, nodes.Items[i].Spec.PodCIDRs...)
	}
	return ranges, nil
}

func serviceRanges(ctx context.Context, live client.Reader) (ranges []string, err error) {
	var list networkingv1.ServiceCIDRList
	if err := live.List(ctx, &list); err != nil {
		return nil, err
	}
	for i := range list.Items {
		ranges = append(ranges, list.Items[i].Spec.CIDRs...)
	}
	return ranges, nil
}

// endpoints are the addresses behind a Service that are not of Pods.
func endpoints(ctx context.Context, live client.Reader, namespace, service string) (ranges []string, err error) {
	var list discoveryv1.EndpointSliceList
	if err := live.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{discoveryv1.LabelServiceName: service}); err != nil {
		return nil, err
	}
	for i := range list.Items {
		for _, endpoint := range list.Items[i].Endpoints {
			if endpoint.TargetRef == nil || endpoint.TargetRef.Kind != "Pod" {
				ranges = append(ranges, hosts(endpoint.Addresses)...)
			}
		}
	}
	return ranges, nil
}

// nameServers looks at the Services of the DNS, which has the name or, by another name, the label.
func nameServers(ctx context.Context, live client.Reader) (ranges []string, err error) {
	const name, label = "kube-dns", "k8s-app"
	var services corev1.ServiceList
	if err := live.List(ctx, &services, client.InNamespace(metav1.NamespaceSystem)); err != nil {
		return nil, err
	}
	for i := range services.Items {
		service := &services.Items[i]
		if service.Name != name && service.Labels[label] != name {
			continue
		}
		behind, err := endpoints(ctx, live, service.Namespace, service.Name)
		if err != nil {
			return nil, err
		}
		ranges = slices.Concat(ranges, hosts(service.Spec.ClusterIPs), behind)
	}
	if len(ranges) > 0 {
		ranges = append(ranges, nodeLocalDNS)
	}
	return ranges, nil
}

// hosts are the ranges of single addresses. What is none, as the "None" of a Service, is left out.
func hosts(addresses []string) (ranges []string) {
	for _, address := range addresses {
		if parsed, err := netip.ParseAddr(address); err == nil {
			ranges = append(ranges, netip.PrefixFrom(parsed, parsed.BitLen()).String())
		}
	}
	return ranges
}

// policy lets the builders of a namespace reach its own Pods, names, Katkit's log store, and what is neither a Pod nor a Service nor the
// API server nor a cloud's metadata service. Nobody may connect to a builder.
func (n network) policy(namespace string) *networkingv1.NetworkPolicy {
	in := func(namespace string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}}
	}
	names := []networkingv1.NetworkPolicyPeer{{NamespaceSelector: in(metav1.NamespaceSystem)}}
	for _, server := range n.dns {
		names = append(names, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: server}})
	}
	return &networkingv1.NetworkPolicy{
		TypeMeta:   typed(networkingv1.SchemeGroupVersion.String(), "NetworkPolicy"),
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: builders},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelComponent: v1alpha1.ComponentBuilder}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
			Egress: []networkingv1.NetworkPolicyEgressRule{
				{To: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}},
				{To: names, Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolUDP, 53), port(corev1.ProtocolTCP, 53)}},
				{To: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: in("katkit-system"), PodSelector: &metav1.LabelSelector{
					MatchLabels: map[string]string{"app.kubernetes.io/name": "katkit", "app.kubernetes.io/component": "logstore"}}}}},
				{To: n.world()},
			},
		},
	}
}

func port(protocol corev1.Protocol, number int) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: new(intstr.FromInt(number))}
}

// world is all but what is excepted; of IPv6 nothing, where the cluster is not known to have it.
func (n network) world() (world []networkingv1.NetworkPolicyPeer) {
	known := slices.Concat(n.pods, n.services, n.apiServer)
	isIPv6 := func(cidr string) bool {
		prefix, err := netip.ParsePrefix(cidr)
		return err == nil && prefix.Addr().Is6()
	}
	for _, all := range []string{"0.0.0.0/0", "::/0"} {
		ofFamily := func(cidr string) bool { return isIPv6(cidr) == isIPv6(all) }
		if isIPv6(all) && !slices.ContainsFunc(known, ofFamily) {
			continue
		}
		except := slices.DeleteFunc(slices.Concat(known, metadata), func(cidr string) bool { return !ofFamily(cidr) })
		world = append(world, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: all, Except: except}})
	}
	return world
}

// checkRanges tells what is wrong with what the user says of Pods' addresses.
func checkRanges(ranges []string) error {
	for _, cidr := range ranges {
		if prefix, err := netip.ParsePrefix(cidr); err != nil || prefix != prefix.Masked() || prefix.Bits() == 0 {
			return fmt.Errorf("--pod-cidr %q is no range of addresses as 10.244.0.0/16", cidr)
		}
	}
	return nil
}
