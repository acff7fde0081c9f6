package e2e

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// fleetLabel and builderFleet are label and taint of the hosts that are a builder fleet.
const fleetLabel, builderFleet = "katkit.dev/fleet", "builders"

// newClass makes a BuilderClass with the images of the default one, for as long as the spec takes, and returns what names it in a link.
func newClass(ctx context.Context, mutate func(*v1alpha1.BuilderClassSpec)) func(*v1alpha1.TenantRepoLinkSpec) {
	GinkgoHelper()
	class := &v1alpha1.BuilderClass{
		ObjectMeta: metav1.ObjectMeta{Name: strings.ReplaceAll(suite.name("class"), "/", "-")},
		Spec:       v1alpha1.BuilderClassSpec{Image: suite.images.Builder, AgentImage: suite.images.Agent},
	}
	mutate(&class.Spec)
	Expect(suite.Client.Create(ctx, class)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(suite.Client.Delete(ctx, class)).To(Succeed()) })
	return func(link *v1alpha1.TenantRepoLinkSpec) { link.Builder.ClassName = class.Name }
}

// lacks ends a spec that needs what the cluster has not. Only a cluster that is not the local one, which has all of it, has the spec skipped.
func lacks(what string) {
	GinkgoHelper()
	if suite.Registry.Local {
		Fail(what)
	}
	Skip(what)
}

// builderHosts are the names of the hosts of the builder fleet.
func builderHosts(ctx context.Context) []string {
	GinkgoHelper()
	var nodes corev1.NodeList
	Expect(suite.Client.List(ctx, &nodes, client.MatchingLabels{fleetLabel: builderFleet})).To(Succeed())
	if len(nodes.Items) == 0 {
		lacks("no node has the label " + fleetLabel + "=" + builderFleet)
	}
	var names []string
	for _, node := range nodes.Items {
		names = append(names, node.Name)
	}
	return names
}

// otherHost is the name of a host that anybody may use, and is of no fleet.
func otherHost(ctx context.Context) string {
	GinkgoHelper()
	var nodes corev1.NodeList
	Expect(suite.Client.List(ctx, &nodes)).To(Succeed())
	i := slices.IndexFunc(nodes.Items, func(node corev1.Node) bool {
		return node.Labels[fleetLabel] == "" && len(node.Spec.Taints) == 0 && !node.Spec.Unschedulable
	})
	if i < 0 {
		lacks("no node is without a taint")
	}
	return nodes.Items[i].Name
}

// tagHost gives a host a tag until the spec has ended, and returns it.
func tagHost(ctx context.Context, name string) string {
	GinkgoHelper()
	tag := strings.ReplaceAll(suite.name("host"), "/", "-")
	node := &corev1.Node{}
	Expect(suite.Client.Get(ctx, client.ObjectKey{Name: name}, node)).To(Succeed())
	label := func(ctx context.Context, value any) error {
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]any{v1alpha1.LabelAllocationTag: value}}})
		if err != nil {
			return err
		}
		return suite.Client.Patch(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, client.RawPatch(types.MergePatchType, patch))
	}
	var before any // nothing: the label is removed
	if value, tagged := node.Labels[v1alpha1.LabelAllocationTag]; tagged {
		before = value
	}
	DeferCleanup(func(ctx SpecContext) { Expect(label(ctx, before)).To(Succeed()) })
	Expect(label(ctx, tag)).To(Succeed())
	return tag
}

// onBuilderHosts selects the builder fleet, whose taint keeps others away.
func onBuilderHosts() v1alpha1.Scheduling {
	return v1alpha1.Scheduling{
		NodeSelector: map[string]string{fleetLabel: builderFleet},
		Tolerations:  []corev1.Toleration{{Key: fleetLabel, Operator: corev1.TolerationOpEqual, Value: builderFleet, Effect: corev1.TaintEffectNoSchedule}},
	}
}

// onHost selects one host among all: that of the builder fleet, or another. The taint keeps it from none, so that it is the selector alone
// that leads there, whatever the scheduler would rather take.
func onHost(ctx context.Context, name string) v1alpha1.Scheduling {
	GinkgoHelper()
	node := &corev1.Node{}
	Expect(suite.Client.Get(ctx, client.ObjectKey{Name: name}, node)).To(Succeed())
	host := onBuilderHosts()
	host.NodeSelector = map[string]string{corev1.LabelHostname: node.Labels[corev1.LabelHostname]}
	return host
}

// hostsOf are the hosts that the builder Pods of a run ran on, by phase.
func hostsOf(run *v1alpha1.CIRun) []string {
	var hosts []string
	for _, pod := range suite.pods.ofRun(run) {
		hosts = append(hosts, pod.Spec.NodeName)
	}
	return hosts
}

// rights has ci.sh say what the kernel lets it do.
var rights = script(`grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\t'`, "id -u")

var _ = Describe("Builder Pods", func() {
	It("run on the hosts of their class's fleet, which others keep away from", func(ctx SpecContext) {
		hosts := builderHosts(ctx)
		t := newTenant(ctx, "DEV")
		r := newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(build)})
		run := succeeded(ctx, t.runOf(ctx, r, newClass(ctx, func(s *v1alpha1.BuilderClassSpec) { s.Scheduling = onBuilderHosts() })))
		Expect(hostsOf(run)).To(HaveEach(BeElementOf(hosts)))

		other := otherHost(ctx)
		r = newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(build)})
		run = succeeded(ctx, t.runOf(ctx, r, newClass(ctx, func(s *v1alpha1.BuilderClassSpec) { s.Scheduling = onHost(ctx, other) })))
		Expect(hostsOf(run)).To(HaveEach(other))

		run = succeeded(ctx, t.runOf(ctx, newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(build)})))
		Expect(hostsOf(run)).NotTo(ContainElement(BeElementOf(hosts)), "those of the default class")
	})

	It("run where the tenant's service does, when katkitconfig.js asks for it", func(ctx SpecContext) {
		hosts := builderHosts(ctx)
		t := newTenant(ctx, "DEV")
		for service, host := range map[string]string{"web": hosts[0], "api": otherHost(ctx)} {
			t.service(ctx, service, func(d *appsv1.Deployment) {
				own := onHost(ctx, host)
				d.Spec.Template.Spec.NodeSelector, d.Spec.Template.Spec.Tolerations = own.NodeSelector, own.Tolerations
			})
			run := succeeded(ctx, t.runOf(ctx, newRepository(ctx, map[string]string{
				"ci.sh": script("true"), configFile: localFleet(build), descriptionFile: description(service),
			})))
			Expect(hostsOf(run)).To(HaveEach(host))
			Expect(run.Status.Warnings).To(BeEmpty())
		}
	})

	It("run on the tenant's own hosts that their class names, when katkitconfig.js or the link asks for those, and only then", func(ctx SpecContext) {
		hosts := builderHosts(ctx)
		t := newTenant(ctx, "DEV")
		inClass := newClass(ctx, func(s *v1alpha1.BuilderClassSpec) { s.TenantFleet = new(onBuilderHosts()) })
		elsewhere := otherHost(ctx)
		inOther := newClass(ctx, func(s *v1alpha1.BuilderClassSpec) { s.TenantFleet = new(onHost(ctx, elsewhere)) })
		runOf := func(config string, changes ...func(*v1alpha1.TenantRepoLinkSpec)) *v1alpha1.CIRun {
			r := newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: config})
			return t.runOf(ctx, r, append([]func(*v1alpha1.TenantRepoLinkSpec){inClass}, changes...)...)
		}
		asked := []*v1alpha1.CIRun{
			runOf(localFleet(build)),
			runOf(workflow(build), func(link *v1alpha1.TenantRepoLinkSpec) { link.Builder.Fleet = v1alpha1.FleetTenant }),
		}
		other := runOf(workflow(build))
		there := runOf(localFleet(build), inOther)
		for _, run := range asked {
			run = succeeded(ctx, run)
			Expect(hostsOf(run)).To(HaveEach(BeElementOf(hosts)))
			Expect(run.Status.Warnings).To(BeEmpty())
		}
		Expect(hostsOf(succeeded(ctx, there))).To(HaveEach(elsewhere))
		Expect(hostsOf(succeeded(ctx, other))).NotTo(ContainElement(BeElementOf(hosts)))
	}, SpecTimeout(patience))

	It("run on the host that has their phase's tag", func(ctx SpecContext) {
		there := builderHosts(ctx)[0]
		here := otherHost(ctx)
		t := newTenant(ctx, "DEV")
		onEither := newClass(ctx, func(s *v1alpha1.BuilderClassSpec) { s.Tolerations = onBuilderHosts().Tolerations })
		phases := []phase{
			{Name: "HERE", PhaseType: 4, Parallelism: 2, AllocationTags: tagHost(ctx, here)},
			{Name: "THERE", PhaseType: 4, Parallelism: 2, AllocationTags: tagHost(ctx, there)},
		}
		run := succeeded(ctx, t.runOf(ctx, newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(phases...)}), onEither))
		hosts := map[string][]string{}
		for _, pod := range suite.pods.ofRun(run) {
			name := metav1.GetControllerOf(pod).Name
			hosts[name] = append(hosts[name], pod.Spec.NodeName)
		}
		made := phasesOf(ctx, run)
		Expect(hosts).To(Equal(map[string][]string{made["HERE"].Name: {here, here}, made["THERE"].Name: {there, there}}))
	}, SpecTimeout(patience))

	It("have no rights unless their class grants some, in a namespace that is held to the level baseline", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.enforce(ctx, "baseline")
		r := newRepository(ctx, map[string]string{"ci.sh": rights, configFile: workflow(build)})
		run := succeeded(ctx, t.runOf(ctx, r, newClass(ctx, func(*v1alpha1.BuilderClassSpec) {})))
		Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(Equal("CapEff:0000000000000000\nCapBnd:0000000000000000\nNoNewPrivs:1\nSeccomp:2\n0\n"))
		Expect(suite.pods.ofRun(run)).To(HaveEach(HaveField("Annotations", HaveKeyWithValue("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"))))
	})

	It("build images with what the default class grants, in a namespace that is held to the level baseline", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.enforce(ctx, "baseline")
		r := newRepository(ctx, map[string]string{
			"ci.sh":      script("buildah build -t made .", "buildah images -q made | wc -l"),
			"Dockerfile": "FROM scratch\nCOPY README /README\n",
			"README":     "about\n",
			configFile:   workflow(build),
		})
		run := succeeded(ctx, t.runOf(ctx, r))
		Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(HaveSuffix("\n1\n"))
	})

	It("do not run as root where their class says so", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.enforce(ctx, "restricted")
		r := newRepository(ctx, map[string]string{"ci.sh": rights, configFile: workflow(build, phase{
			Name: "HARDENED", PhaseType: 4, Order: 0, ContainerImage: suite.images.Agent, // its USER is 65532
		})})
		run := t.runOf(ctx, r, newClass(ctx, func(s *v1alpha1.BuilderClassSpec) { s.PodSecurity = v1alpha1.PodSecurityRestricted }))
		expectPhaseFailed(ctx, run, "BUILD", v1alpha1.FailureConfig, v1alpha1.ReasonContainerConfig, "image will run as root", "Give the image a USER other than root")
		hardened := awaitPhase(ctx, run, "HARDENED", v1alpha1.PhaseSucceeded)
		Expect(logOf(ctx, hardened)).To(ContainSubstring("CapBnd:0000000000000000\nNoNewPrivs:1\nSeccomp:2\n65532\n"))
	})
})

// enforce has the API server hold the tenant's Pods to a level of the Pod Security Standards.
func (t *tenant) enforce(ctx context.Context, level string) {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.namespace}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"`+level+`"}}}`))
	Expect(suite.Client.Patch(ctx, namespace, patch)).To(Succeed())
}
