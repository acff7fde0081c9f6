package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/install"
)

var _ = Describe("With the NetworkPolicy of `tenant create --network-policy`, a build", Serial, func() {
	It("reaches its tenant by name and address, and the world, and neither another tenant nor a cloud's metadata nor, unless it is allowed, the API server", func(ctx SpecContext) {
		hosts := builderHosts(ctx)
		enforcePolicies(ctx)
		own, other := newTenant(ctx, "DEV"), newTenant(ctx, "DEV")
		foreign := other.listener(ctx)
		apiServer, address := apiServerAddress(ctx)
		aims := []aim{
			{"own Pod", own.listener(ctx)}, {"own Service", "http://web"}, {"Git server", install.GitHubURL}, {"world", world()},
			{"other Pod", foreign}, {"other Service", "http://web." + other.namespace + ".svc"},
			{"API server", "https://kubernetes.default.svc"}, {"API server's address", address},
			{"metadata service", other.metadataService(ctx)},
		}
		except := func(out ...string) map[string]bool {
			reached := map[string]bool{}
			for _, aim := range aims {
				reached[aim.name] = !slices.Contains(out, aim.name)
			}
			return reached
		}
		files := map[string]string{"ci.sh": tries(foreign, aims), configFile: workflow(build)}
		// One link leads to the fleet of builders, the other where everything is: both nodes are under control.
		fleet := newClass(ctx, func(s *v1alpha1.BuilderClassSpec) { s.Scheduling = onBuilderHosts() })
		there, here := own.link(ctx, newRepository(ctx, files), fleet), own.link(ctx, newRepository(ctx, files))

		By("reaching everything without a policy")
		reached, run := own.reached(ctx, there, false)
		Expect(reached).To(Equal(except()))
		Expect(hostsOf(run)).To(HaveEach(BeElementOf(hosts)))

		By("making the policy, and another one that lets builders reach the Git server, which is in this cluster")
		printed, code := own.plugin(ctx, "tenant", "create", own.namespace, "--network-policy")
		Expect(code).To(Equal(0), printed)
		own.allowGitHub(ctx)
		for _, link := range []string{there, here} {
			reached, run = own.reached(ctx, link, true)
			Expect(reached).To(Equal(except("other Pod", "other Service", "metadata service", "API server", "API server's address")))
			expectStored(ctx, run)
		}

		By("taking the API server out of the exceptions, as the sample says")
		policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: own.namespace, Name: "katkit-builders"}}
		Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(policy), policy)).To(Succeed())
		block := policy.Spec.Egress[len(policy.Spec.Egress)-1].To[0].IPBlock
		Expect(block.Except).To(ContainElement(apiServer + "/32"))
		block.Except = slices.DeleteFunc(block.Except, func(cidr string) bool { return cidr == apiServer+"/32" })
		Expect(suite.Client.Update(ctx, policy)).To(Succeed())
		reached, _ = own.reached(ctx, here, true)
		Expect(reached).To(Equal(except("other Pod", "other Service", "metadata service")))
	}, SpecTimeout(15*time.Minute)) // the first time, what enforces policies is built
})

// enforcePolicies has the local cluster enforce NetworkPolicies until the spec has ended, which costs it too much to do so always.
func enforcePolicies(ctx context.Context) {
	GinkgoHelper()
	if !suite.Registry.Local {
		Skip("of the cluster of KUBECONFIG it is not known whether it enforces NetworkPolicies; the local one does when it is told to")
	}
	turn := func(ctx context.Context, to string) error {
		command := exec.CommandContext(ctx, "go", "run", "-C", "../../hack/localkube", ".", "up", "--network-policy", to)
		command.Stdout, command.Stderr = GinkgoWriter, GinkgoWriter
		return command.Run()
	}
	DeferCleanup(func(ctx SpecContext) { Expect(turn(ctx, "off")).To(Succeed()) }, NodeTimeout(patience))
	Expect(turn(ctx, "on")).To(Succeed())
}

// aim is something that ci.sh tries to reach.
type aim struct{ name, url string }

// tries is a ci.sh that tries to reach each aim, and tells whether it did. The rules of a policy are in force a moment after a Pod has
// begun: where the run says so it waits for that, until what is forbidden in any case is out of reach.
func tries(forbidden string, aims []aim) string {
	lines := []string{
		`reach() { curl --silent --insecure --output /dev/null --max-time 3 "$1"; }`,
		`for i in $(seq 50); do reach http://web && break; sleep 0.1; done`, // a Service is known to a node a moment after it is made
		`for i in $(seq $TRIES); do reach ` + forbidden + ` || break; sleep 0.1; done`,
	}
	for _, aim := range aims {
		lines = append(lines, fmt.Sprintf(`if reach %s; then echo "%s: yes"; else echo "%[2]s: no"; fi`, aim.url, aim.name))
	}
	return script(lines...)
}

// reached runs such a ci.sh, and tells what it reached.
func (t *tenant) reached(ctx context.Context, link string, forbidden bool) (map[string]bool, *v1alpha1.CIRun) {
	GinkgoHelper()
	times := "0"
	if forbidden {
		times = "100"
	}
	run := succeeded(ctx, t.run(ctx, link, "", func(s *v1alpha1.CIRunSpec) {
		s.Commit = v1alpha1.CommitSelector{Branch: "main"}
		s.Env = []v1alpha1.EnvVar{{Name: "TRIES", Value: times}}
	}))
	reached := map[string]bool{}
	for line := range strings.Lines(logOf(ctx, phasesOf(ctx, run)["BUILD"])) {
		name, answer, _ := strings.Cut(strings.TrimSpace(line), ": ")
		reached[name] = answer == "yes"
	}
	return reached, run
}

// expectStored waits until the log store has the log of a run's one builder, who has to reach it.
func expectStored(ctx context.Context, run *v1alpha1.CIRun) {
	GinkgoHelper()
	logStoreURL(ctx)
	Eventually(func(g Gomega, ctx context.Context) {
		log := phasesOf(ctx, run)["BUILD"].Status.Attempts[0].Replicas[0].Log
		g.Expect(log).To(HaveField("Stored", HaveValue(HaveField("State", v1alpha1.StoredLogComplete))))
	}).WithContext(ctx).Should(Succeed())
}

// listener is a Pod of the tenant that answers, also as the Service web, and returns its URL.
func (t *tenant) listener(ctx context.Context) string {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Namespace: t.namespace, Name: "web", Labels: map[string]string{"app": "web"}}
	port := intstr.FromInt(8080)
	pod := &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{
		TerminationGracePeriodSeconds: new(int64(0)),
		Containers: []corev1.Container{{Name: "web", Image: "busybox:stable", Command: []string{"httpd", "-f", "-p", port.String()},
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port}}, PeriodSeconds: 1}}},
	}}
	Expect(suite.Client.Create(ctx, &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
		Selector: meta.Labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: port}}}})).To(Succeed())
	createReady(ctx, pod)
	return "http://" + net.JoinHostPort(pod.Status.PodIP, port.String())
}

// createReady makes a Pod, and waits until it is ready.
func createReady(ctx context.Context, pod *corev1.Pod) {
	GinkgoHelper()
	Expect(suite.Client.Create(ctx, pod)).To(Succeed())
	Eventually(func(g Gomega, ctx context.Context) {
		g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod)).To(Succeed())
		g.Expect(pod.Status.Conditions).To(ContainElement(And(HaveField("Type", corev1.PodReady), HaveField("Status", corev1.ConditionTrue))))
	}).WithContext(ctx).Should(Succeed())
}

// metadataService is the URL by which clouds' virtual machines, and so the Pods on them, reach the service that has the machine's
// credentials. A Pod of the tenant stands for it. Until the spec has ended the address is there, in the local cluster's own network alone.
func (t *tenant) metadataService(ctx context.Context) string {
	GinkgoHelper()
	const address = "169.254.169.254"
	change := func(ctx context.Context, verb string) {
		GinkgoHelper()
		said, err := exec.CommandContext(ctx, "ip", "-n", "localkube", "address", verb, address+"/32", "dev", "lo").CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), "%s", said)
	}
	change(ctx, "replace")
	DeferCleanup(func(ctx SpecContext) { change(ctx, "delete") })
	createReady(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "metadata"}, Spec: corev1.PodSpec{
		HostNetwork: true, TerminationGracePeriodSeconds: new(int64(0)),
		Containers: []corev1.Container{{Name: "metadata", Image: "busybox:stable", Command: []string{"httpd", "-f", "-p", address + ":80"},
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Host: address, Port: intstr.FromInt(80)}}, PeriodSeconds: 1}}},
	}})
	return "http://" + address
}

// world is the URL of something outside of the cluster that answers: this machine.
func world() string {
	GinkgoHelper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort(os.Getenv("LOCALKUBE_HOST"), "0"))
	Expect(err).NotTo(HaveOccurred())
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	Expect(server.Listener.Close()).To(Succeed())
	server.Listener = listener
	server.Start()
	DeferCleanup(server.Close)
	return server.URL
}

// apiServerAddress is what is behind the Service `kubernetes`.
func apiServerAddress(ctx context.Context) (address, url string) {
	GinkgoHelper()
	var list discoveryv1.EndpointSliceList
	Expect(suite.Client.List(ctx, &list, client.InNamespace(metav1.NamespaceDefault), client.MatchingLabels{discoveryv1.LabelServiceName: "kubernetes"})).To(Succeed())
	Expect(list.Items).To(HaveLen(1))
	address = list.Items[0].Endpoints[0].Addresses[0]
	return address, fmt.Sprintf("https://%s", net.JoinHostPort(address, fmt.Sprint(*list.Items[0].Ports[0].Port)))
}

// allowGitHub lets builders reach the stand-in for GitHub, which is in the cluster, while GitHub is out in the world.
func (t *tenant) allowGitHub(ctx context.Context) {
	GinkgoHelper()
	Expect(suite.Client.Create(ctx, &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "github"},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelComponent: v1alpha1.ComponentBuilder}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
			Egress: []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: "github"}}}}}},
		},
	})).To(Succeed())
}
