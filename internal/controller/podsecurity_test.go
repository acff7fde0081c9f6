package controller_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// enforce has the API server hold the Pods of the tenant to a level of the Pod Security Standards.
func (t *tenant) enforce(level string) {
	GinkgoHelper()
	change(&corev1.Namespace{}, "", t.namespace, func(n *corev1.Namespace) { n.Labels["pod-security.kubernetes.io/enforce"] = level })
	Eventually(func() error {
		pod := aPod(t.namespace, "violation")
		pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
		return k8s.Create(ctx, pod, client.DryRunAll)
	}).Should(MatchError(ContainSubstring(`violates PodSecurity "`+level)), "a Pod with privileges, even the cluster admin's")
}

var _ = Describe("A builder Pod", func() {
	// runs a phase in a namespace of a level, with a builder class.
	runs := func(level string, class func(*v1alpha1.BuilderClass), link ...func(*v1alpha1.TenantRepoLink)) *tenant {
		GinkgoHelper()
		t := newTenant()
		t.enforce(level)
		newClass("secured", class)
		t.secret("a-cloud", "key", "value")
		t.account(testerName, true)
		t.commit(workflow(execution("BUILD", 0)))
		t.link(append(link, ofClass("secured"))...)
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		t.run()
		return t
	}

	It("is of the level Baseline, with a token and all that a builder of images may be granted, too", func() {
		t := runs("baseline", func(c *v1alpha1.BuilderClass) {
			c.Spec.Capabilities = []v1alpha1.Capability{"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
				"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}
			c.Spec.SeccompProfile = &v1alpha1.SeccompProfile{Type: v1alpha1.SeccompNodeDefault}
		}, asTester)
		security := buildContainer(t.builder("BUILD")).SecurityContext
		Expect(security.Capabilities.Drop).To(ConsistOf(corev1.Capability("ALL")))
		Expect(security.Capabilities.Add).To(HaveLen(13))
		Expect(security.SeccompProfile).To(BeNil())
	})

	It("has no rights, its node's patience and limits, unless the class says otherwise", func() {
		t := runs("baseline", func(*v1alpha1.BuilderClass) {})
		pod := t.builder("BUILD")
		Expect(pod.Annotations).To(HaveKeyWithValue("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"))
		for _, container := range pod.Spec.Containers {
			Expect(container.SecurityContext.Capabilities).To(Equal(&corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}), container.Name)
			Expect(container.SecurityContext.AllowPrivilegeEscalation).To(HaveValue(BeFalse()), container.Name)
			Expect(container.SecurityContext.SeccompProfile.Type).To(Equal(corev1.SeccompProfileTypeRuntimeDefault), container.Name)
			Expect(container.Resources.Limits.Memory().IsZero()).To(BeFalse(), container.Name)
		}
		Expect(buildContainer(pod).Resources.Limits.Memory().String()).To(Equal("4Gi"))
		Expect(buildContainer(pod).Resources.Limits.StorageEphemeral().String()).To(Equal("20Gi"))
	})

	It("is of the level Restricted where the class says so", func() {
		t := runs("restricted", func(c *v1alpha1.BuilderClass) {
			c.Spec.PodSecurity, c.Spec.EphemeralStorageLimit = v1alpha1.PodSecurityRestricted, new(resource.MustParse("1Gi"))
			c.Spec.SeccompProfile = &v1alpha1.SeccompProfile{Type: v1alpha1.SeccompLocalhost, LocalhostProfile: "katkit/build.json"}
		}, asTester)
		pod := t.builder("BUILD")
		Expect(pod.Spec.SecurityContext.RunAsNonRoot).To(HaveValue(BeTrue()))
		Expect(buildContainer(pod).SecurityContext.SeccompProfile.LocalhostProfile).To(HaveValue(Equal("katkit/build.json")))
		Expect(buildContainer(pod).Resources.Limits.StorageEphemeral().String()).To(Equal("1Gi"))

		By("telling that the image runs as root, as the kubelet does")
		setStatus(pod, containers(running(), waiting("CreateContainerConfigError", `container has runAsNonRoot and image will run as root (pod: "x", container: build)`)))
		t.phaseFails("BUILD", v1alpha1.FailureConfig, v1alpha1.ReasonContainerConfig, "container has runAsNonRoot and image will run as root",
			"a USER other than root, by number", "podSecurity is Baseline")
	})

	It("is refused in a namespace of another level, and the phase says what violates it", func() {
		t := runs("restricted", func(*v1alpha1.BuilderClass) {})
		t.phaseFails("BUILD", v1alpha1.FailureConfig, v1alpha1.ReasonPodRejected, `violates PodSecurity "restricted`, "runAsNonRoot != true", "podSecurity: Restricted")
	})

	It("has what the link asks for, as far as the class lets it", func() {
		t := runs("baseline", func(c *v1alpha1.BuilderClass) {
			c.Spec.Resources = &corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("3Gi")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("3Gi")},
			}
			c.Spec.EphemeralStorageLimit = new(resource.MustParse("5Gi"))
		}, func(l *v1alpha1.TenantRepoLink) {
			l.Spec.Builder.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{
				corev1.ResourceMemory: resource.MustParse("1Gi"), corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
			}}
		})
		resources := buildContainer(t.builder("BUILD")).Resources
		Expect(resources.Requests.Cpu().String()).To(Equal("2"), "the class's, since the link says nothing of it")
		Expect(resources.Limits.Memory().String()).To(Equal("1Gi"))
		Expect(resources.Requests.Memory().String()).To(Equal("1Gi"))
		Expect(resources.Limits.StorageEphemeral().String()).To(Equal("5Gi"))
		Eventually(t.events).WithArguments("CIRun", "run").Should(ContainElement(
			"Warning ConfigWarning: builder.resources.limits.ephemeral-storage of the link is 1Ti: BuilderClass secured allows 5Gi, which counts"))
	})
})

var _ = Describe("A Pod of the manager's", func() {
	DescribeTable("is refused, whatever the namespace's level, with", func(mutate func(*corev1.PodSpec), why string) {
		pod := aBuilder(newTenant().namespace, "ours")
		Expect(as(managerConfig).Create(ctx, pod.DeepCopy(), client.DryRunAll)).To(Succeed())
		mutate(&pod.Spec)
		err := as(managerConfig).Create(ctx, pod, client.DryRunAll)
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring(why)))
	},
		Entry("the host's network", func(s *corev1.PodSpec) { s.HostNetwork = true }, "nothing of their host"),
		Entry("the host's processes", func(s *corev1.PodSpec) { s.HostPID = true }, "nothing of their host"),
		Entry("the host's memory", func(s *corev1.PodSpec) { s.HostIPC = true }, "nothing of their host"),
		Entry("a folder of the host", func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "root", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
		}, "nothing of their host"),
		Entry("a port of the host", func(s *corev1.PodSpec) {
			s.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: 80}}
		}, "nothing of their host"),
		Entry("privileges", func(s *corev1.PodSpec) {
			s.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
		}, "without privileges"),
		Entry("privileges of an init container", func(s *corev1.PodSpec) {
			s.InitContainers[0].SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
		}, "without privileges"),
		Entry("more capabilities", func(s *corev1.PodSpec) {
			s.Containers[0].SecurityContext = &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"CHOWN", "SYS_ADMIN"}}}
		}, "without privileges"),
		Entry("no seccomp", func(s *corev1.PodSpec) {
			s.SecurityContext = &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}}
		}, "without privileges"),
		Entry("a token that is mounted everywhere", func(s *corev1.PodSpec) { s.AutomountServiceAccountToken = nil }, "mount no token by themselves"),
		Entry("the deployer's token", func(s *corev1.PodSpec) { s.ServiceAccountName = v1alpha1.DefaultDeployer }, "never the deployer's"),
		Entry("a token of nobody in particular", func(s *corev1.PodSpec) { s.ServiceAccountName = "default"; withToken(s, "build", "") }, "of a ServiceAccount that is named"),
		Entry("a token beside the build", func(s *corev1.PodSpec) { s.ServiceAccountName = testerName; withToken(s, "checkout", "") }, "build containers alone"),
	)

	It("may have a token of a named ServiceAccount for the build, and one for somebody else than the API server", func() {
		pod := aBuilder(newTenant().namespace, "ours")
		pod.Spec.ServiceAccountName = "default"
		withToken(&pod.Spec, "build", "sts.example.com")
		Expect(as(managerConfig).Create(ctx, pod.DeepCopy(), client.DryRunAll)).To(Succeed())
		pod.Spec.ServiceAccountName = testerName
		pod.Spec.Volumes = nil
		withToken(&pod.Spec, "build", "")
		Expect(as(managerConfig).Create(ctx, pod, client.DryRunAll)).To(Succeed())
	})
})

// withToken mounts a token for an audience ("" is the API server) in the first container, which gets a name.
func withToken(spec *corev1.PodSpec, container, audience string) {
	spec.Volumes = append(spec.Volumes, corev1.Volume{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", Audience: audience}}},
	}}})
	spec.Containers[0].Name = container
	spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "token", MountPath: "/token"}}
}
