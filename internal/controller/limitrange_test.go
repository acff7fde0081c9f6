package controller_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/buildpod"
)

func amounts(cpu, memory string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for name, amount := range map[corev1.ResourceName]string{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory} {
		if amount != "" {
			list[name] = resource.MustParse(amount)
		}
	}
	return list
}

// limits gives the namespace a LimitRange for containers. It counts from when the API server knows of it.
func (t *tenant) limits(item corev1.LimitRangeItem) {
	GinkgoHelper()
	item.Type = corev1.LimitTypeContainer
	create(&corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "containers"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}}})
	huge := corev1.ResourceRequirements{Requests: amounts("1m", "1Mi"), Limits: amounts("900", "900Gi")}
	Eventually(func() error {
		return dryRun(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "huge"},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "huge", Image: "huge", Resources: huge}}}})
	}).Should(MatchError(ContainSubstring(" per Container is ")))
}

var _ = Describe("A tenant's", func() {
	withLogStore(&buildpod.LogStore{URL: "http://katkit-logstore.katkit-system.svc"})

	DescribeTable("LimitRange", func(bound corev1.LimitRangeItem, refusal string, agents, build *corev1.ResourceRequirements) {
		t, u := newTenant(), newTenant()
		newClass("bounded", func(c *v1alpha1.BuilderClass) { c.Spec.AgentResources, c.Spec.Resources = agents, build })
		for _, each := range []*tenant{t, u} {
			each.limits(bound)
			each.commit(workflow(execution("BUILD", 0)))
		}
		t.link()
		t.run()
		t.phaseFails("BUILD", v1alpha1.FailureConfig, v1alpha1.ReasonPodRejected, "a LimitRange of the namespace", "(kubectl describe limitrange -n "+t.namespace+")", refusal,
			"those of checkout in agentResources of the BuilderClass; those of build are builder.resources of the link, else resources of the BuilderClass")
		t.runIs(v1alpha1.RunFailed)
		Expect(t.pods()).To(BeEmpty())

		By("a class that says what the message names")
		u.link(ofClass("bounded"))
		u.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		u.run()
		pod := u.builder("BUILD")
		Expect(pod.Spec.Containers).To(HaveLen(2))
	},
		Entry("that wants more requested", corev1.LimitRangeItem{Min: amounts("", "64Mi")}, "minimum memory usage per Container is 64Mi, but request is 32Mi",
			&corev1.ResourceRequirements{Requests: amounts("", "64Mi")}, &corev1.ResourceRequirements{Requests: amounts("", "64Mi")}),
		Entry("that allows less", corev1.LimitRangeItem{Max: amounts("2", "1Gi"), Default: amounts("1", "512Mi")}, "maximum memory usage per Container is 1Gi, but limit is 2Gi",
			&corev1.ResourceRequirements{Limits: amounts("", "256Mi")}, &corev1.ResourceRequirements{Limits: amounts("", "1Gi")}),
		Entry("that wants limits near to requests", corev1.LimitRangeItem{MaxLimitRequestRatio: amounts("", "4")}, "memory max limit to request ratio per Container is 4, but provided ratio is 64",
			&corev1.ResourceRequirements{Requests: amounts("", "64Mi"), Limits: amounts("", "256Mi")}, &corev1.ResourceRequirements{Requests: amounts("", "1Gi"), Limits: amounts("", "4Gi")}),
		Entry("that gives less than is requested", corev1.LimitRangeItem{Max: amounts("800", ""), Default: amounts("5m", "")}, "must be less than or equal to cpu limit of 5m",
			&corev1.ResourceRequirements{Limits: amounts("1", "")}, nil),
		Entry("that wants more CPU requested than the agent does", corev1.LimitRangeItem{Min: amounts("20m", ""), DefaultRequest: amounts("50m", "")}, "minimum cpu usage per Container is 20m, but request is 10m",
			&corev1.ResourceRequirements{Requests: amounts("20m", "")}, nil),
	)

	// bounds makes a quota; its controller is played, too.
	bounds := func(t *tenant, hard corev1.ResourceList) {
		GinkgoHelper()
		quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "small"}, Spec: corev1.ResourceQuotaSpec{Hard: hard}}
		create(quota)
		quota.Status = corev1.ResourceQuotaStatus{Hard: hard, Used: corev1.ResourceList{}}
		for name := range hard {
			quota.Status.Used[name] = resource.MustParse("0")
		}
		Expect(k8s.Status().Update(ctx, quota)).To(Succeed())
		Eventually(func() error { // it counts from when the API server knows of it
			return dryRun(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "huge"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "huge", Image: "huge", Resources: corev1.ResourceRequirements{Limits: amounts("900", "900Gi")}}}}})
		}).Should(MatchError(ContainSubstring("exceeded quota: small")))
	}

	It("ResourceQuota that every container has to tell its CPU for is told with the fields that do", func() {
		t := newTenant()
		bounds(t, corev1.ResourceList{corev1.ResourceLimitsCPU: resource.MustParse("8")})
		t.commit(workflow(execution("BUILD", 0)))
		t.link()
		t.run()
		t.phaseFails("BUILD", v1alpha1.FailureConfig, v1alpha1.ReasonPodRejected, "failed quota: small: must specify limits.cpu for: build,checkout",
			"cpu: checkout 10m/-, build -/-", "those of checkout in agentResources of the BuilderClass")
	})

	It("ResourceQuota that never has room is told, too, and the phase waits for a larger one", func() {
		t := newTenant()
		bounds(t, corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("5Gi")})
		t.commit(workflow(execution("BUILD", 0)))
		t.link()
		t.run()
		Eventually(func() (string, error) {
			phase, err := t.findPhase("BUILD")
			if err != nil {
				return "", err
			}
			return phase.Status.Message, nil
		}).Should(And(
			ContainSubstring("exceeded quota: small, requested: limits.memory=6Gi"), ContainSubstring("That is more than the quota has in all"),
			ContainSubstring("memory: checkout 32Mi/2Gi, build 0/4Gi")))
		Expect(t.phase("BUILD").Status.State).To(Equal(v1alpha1.PhasePending))
	})
})
