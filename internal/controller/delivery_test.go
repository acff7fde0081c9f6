package controller_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

var _ = Describe("A builder image", func() {
	// volume is one of a Pod; an empty one where there is none of the name.
	volume := func(pod *corev1.Pod, name string) corev1.Volume {
		for _, volume := range pod.Spec.Volumes {
			if volume.Name == name {
				return volume
			}
		}
		return corev1.Volume{}
	}

	It("gets the agent as a volume where the API server can, and by an init container where the manager is told to", func() {
		t := begun(execution("BUILD", 0))
		pod := t.builder("BUILD")
		Expect(volume(pod, "agent").Image).To(HaveField("Reference", "agent:v1"))
		Expect(pod.Spec.InitContainers).To(BeEmpty())
		Expect(t.phase("BUILD").Status.Builder.AgentDelivery).To(Equal(v1alpha1.AgentByImageVolume))

		katkit.stop()
		katkit = startManagerWith(v1alpha1.AgentByInitContainer, nil)
		DeferCleanup(restart)
		t = begun(execution("BUILD", 0))
		pod = t.builder("BUILD")
		Expect(volume(pod, "agent").EmptyDir).NotTo(BeNil())
		Expect(pod.Spec.InitContainers).To(ConsistOf(And(HaveField("Image", "agent:v1"),
			HaveField("Command", HaveExactElements("/katkit-agent", "install", "/katkit")))))
		setStatus(pod, containers(completed(), completed()))
		t.phaseIs("BUILD", v1alpha1.PhaseSucceeded)
	})

	It("may bring the agent itself, and has the link's cache", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0)))
		t.link(func(l *v1alpha1.TenantRepoLink) {
			l.Spec.Builder.AgentInImage = true
			l.Spec.Builder.Cache = &v1alpha1.CacheSpec{ClaimName: "go-modules"}
			l.Spec.Builder.Env = []v1alpha1.BuilderEnvVar{{Name: contract.VarFetchDepth, Value: "50"}}
		})
		t.run()
		pod := t.builder("BUILD")
		Expect(pod.Spec.InitContainers).To(ConsistOf(HaveField("Name", contract.CheckoutContainer)), "over before the image's agent begins")
		Expect(pod.Spec.Containers).To(ConsistOf(HaveField("Name", contract.BuildContainer)))
		checkout, build := pod.Spec.InitContainers[0], pod.Spec.Containers[0]
		Expect(build.Command).To(HaveExactElements("/katkit-agent", "exec"))
		Expect(build.VolumeMounts).To(ConsistOf(HaveField("MountPath", "/workspace"), HaveField("MountPath", "/cache")))
		Expect(build.Env).To(ContainElements(corev1.EnvVar{Name: contract.VarCache, Value: "/cache"}, corev1.EnvVar{Name: contract.VarFetchDepth, Value: "50"}))
		Expect(volume(pod, "agent").Name).To(BeEmpty())
		Expect(volume(pod, "cache").PersistentVolumeClaim).To(HaveField("ClaimName", "go-modules"))
		Expect(checkout.Env).To(ContainElement(corev1.EnvVar{Name: contract.VarFetchDepth, Value: "50"}))
		Expect(checkout.VolumeMounts).NotTo(ContainElement(HaveField("MountPath", "/cache")))

		setStatus(pod, containers(completed(), terminated(128, "StartError", `exec: "/katkit-agent": no such file or directory`)))
		t.phaseFails("BUILD", v1alpha1.FailureConfig, v1alpha1.ReasonContainerConfig, "COPY --from=agent:v1 /katkit-agent /katkit-agent")
	})
})
