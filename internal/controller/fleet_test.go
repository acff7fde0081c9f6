package controller_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// onZone is an affinity to the nodes of a zone, and, with apart, away from the Pods of an app.
func onZone(zone string, apart ...string) *corev1.Affinity {
	affinity := &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}},
		}}},
	}}}
	for _, app := range apart {
		affinity.PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}},
		}}}
	}
	return affinity
}

// localFleet is a katkitconfig.js that asks for the tenant's own hosts.
func localFleet(steps ...step) map[string]string {
	return map[string]string{"katkitconfig.js": encode([]map[string]any{{"EnvName": "default", "LocalFleet": "true", "WorkFlow": steps}})}
}

// runsOn gives the service of the tenant hosts of its own.
func (t *tenant) runsOn(scheduling func(*corev1.PodSpec)) {
	GinkgoHelper()
	t.newDeployment(appName, "registry.example/app:old")
	change(&appsv1.Deployment{}, t.namespace, appName, func(d *appsv1.Deployment) { scheduling(&d.Spec.Template.Spec) })
	t.rollOut(appName)
}

var _ = Describe("The builder fleet", func() {
	It("is the hosts of the class, by labels, taints and affinity, and of those the ones with the phase's allocation tag", func() {
		t := newTenant()
		affinity := onZone("a")
		gvisor := &nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: "gvisor"}, Handler: "runsc"}
		create(gvisor)
		DeferCleanup(func() { Expect(k8s.Delete(ctx, gvisor)).To(Succeed()) })
		newClass("fleet", func(c *v1alpha1.BuilderClass) {
			c.Spec.NodeSelector = map[string]string{"katkit.dev/fleet": "builders"}
			c.Spec.Tolerations = []corev1.Toleration{{Key: "katkit.dev/fleet", Operator: corev1.TolerationOpEqual, Value: "builders", Effect: corev1.TaintEffectNoSchedule}}
			c.Spec.Affinity, c.Spec.RuntimeClassName = affinity, "gvisor"
			c.Spec.ImagePullSecrets = []v1alpha1.ObjectName{{Name: "registry"}}
		})
		t.commit(workflow(execution("BUILD", 0), execution("GPU", 0).with("AllocationTags", "gpu")))
		t.link(ofClass("fleet"))
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		t.run()
		pod := t.builder("BUILD")
		Expect(pod.Spec.NodeSelector).To(Equal(map[string]string{"katkit.dev/fleet": "builders"}))
		Expect(pod.Spec.Tolerations).To(ContainElement(And(HaveField("Key", "katkit.dev/fleet"), HaveField("Value", "builders"))))
		Expect(pod.Spec.Affinity).To(Equal(affinity))
		Expect(pod.Spec.RuntimeClassName).To(HaveValue(Equal("gvisor")))
		Expect(pod.Spec.ImagePullSecrets).To(ConsistOf(HaveField("Name", "registry")))
		Expect(t.builder("GPU").Spec.NodeSelector).To(Equal(map[string]string{"katkit.dev/fleet": "builders", v1alpha1.LabelAllocationTag: "gpu"}))
	})

	It("is not left by a tag: a run that asks for other hosts than the class's tagged ones does not begin", func() {
		t := newTenant()
		newClass("tagged", func(c *v1alpha1.BuilderClass) {
			c.Spec.NodeSelector = map[string]string{v1alpha1.LabelAllocationTag: "builders"}
		})
		t.commit(workflow(execution("BUILD", 0), execution("STRAY", 1).with("AllocationTags", "databases")))
		t.link(ofClass("tagged"))
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		t.run()
		t.runFails(v1alpha1.ReasonAllocationTagNotAllowed, "phase STRAY", "katkit.dev/allocation-tag=databases", `"builders" alone, by the nodeSelector of BuilderClass tagged`)
	})
})

var _ = Describe("The tenant's own hosts", func() {
	toleration := corev1.Toleration{Key: "team", Operator: corev1.TolerationOpEqual, Value: "shop", Effect: corev1.TaintEffectNoSchedule}
	ofService := func(spec *corev1.PodSpec) {
		spec.NodeSelector = map[string]string{"pool": "shop"}
		spec.Tolerations = []corev1.Toleration{toleration}
		spec.Affinity = onZone("a", appName)
	}
	It("are those of the service that the description names, whoever its Pods keep away from", func() {
		t := newTenant()
		t.runsOn(ofService)
		t.commit(localFleet(execution("BUILD", 0), execution("GPU", 0).with("AllocationTags", "gpu")), services("none", appName))
		t.link()
		t.run()
		pod := t.builder("BUILD")
		Expect(pod.Spec.NodeSelector).To(Equal(map[string]string{"pool": "shop"}))
		Expect(pod.Spec.Tolerations).To(And(ContainElement(toleration), Not(ContainElement(HaveField("Key", "builders")))))
		Expect(pod.Spec.Affinity).To(Equal(onZone("a")))
		Expect(t.builder("GPU").Spec.NodeSelector).To(Equal(map[string]string{"pool": "shop", v1alpha1.LabelAllocationTag: "gpu"}))
		Expect(get(&v1alpha1.CIRun{}, t.namespace, "run").Status.Warnings).To(BeEmpty())
	})

	It("are what the class says they are, if it does", func() {
		t := newTenant()
		t.runsOn(ofService)
		newClass("tenants", func(c *v1alpha1.BuilderClass) {
			c.Spec.NodeSelector = map[string]string{"pool": "builders"}
			c.Spec.TenantFleet = &v1alpha1.Scheduling{NodeSelector: map[string]string{"pool": "tenants"}, Affinity: onZone("b")}
		})
		t.commit(workflow(execution("BUILD", 0)), services(appName))
		t.link(ofClass("tenants"), func(l *v1alpha1.TenantRepoLink) { l.Spec.Builder.Fleet = v1alpha1.FleetTenant })
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		t.run()
		pod := t.builder("BUILD")
		Expect(pod.Spec.NodeSelector).To(Equal(map[string]string{"pool": "tenants"}))
		Expect(pod.Spec.Affinity).To(Equal(onZone("b")))
		Expect(pod.Spec.Tolerations).NotTo(ContainElement(HaveField("Key", "team")))
	})

	DescribeTable("are any, with a warning, where nothing tells", func(files map[string]string) {
		t := newTenant()
		t.commit(localFleet(execution("BUILD", 0)), files)
		t.link()
		t.run()
		Expect(t.builder("BUILD").Spec).To(And(HaveField("NodeSelector", BeEmpty()), HaveField("Affinity", BeNil())))
		Eventually(t.events).WithArguments("CIRun", "run").Should(ContainElement(
			HavePrefix("Warning ConfigWarning: builder Pods run on any host: the tenant's own are asked for, servicedescription/servicedescription.js names no service that is there")))
	},
		Entry("no description", nil),
		Entry("no such service", services("none")),
		Entry("a description that cannot be read", map[string]string{"servicedescription/servicedescription.js": "{"}),
	)

	It("are not for a stranger to choose", func() {
		t := newTenant()
		t.runsOn(ofService)
		t.newDeployment("vault", "registry.example/vault:1")
		t.commit(localFleet(execution("BUILD", 0)), services(appName))
		t.link()
		theirs := t.fork(services("vault"))
		t.run(func(r *v1alpha1.CIRun) { r.Spec.Commit = v1alpha1.CommitSelector{PullRequest: theirs} })
		Expect(t.builder("BUILD").Spec.NodeSelector).To(Equal(map[string]string{"pool": "shop"}))
	})
})
