package controller_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

var _ = Describe("Runs that have ended", func() {
	It("are kept as many as the link says; what Katkit did not make is trimmed, and not run again", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0)))
		t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.Retention.Succeeded = new(int32(1)) })
		for i, name := range []string{"plugin", "git", "last"} {
			run := t.newRun(func(r *v1alpha1.CIRun) { r.Name = name })
			owner := client.FieldOwner(v1alpha1.ManagedBy)
			if name == "git" {
				owner = "argocd-controller"
			}
			Expect(k8s.Create(ctx, run, owner)).To(Succeed())
			succeed(t.podOf(name, "BUILD"))
			Eventually(t.stateOf).WithArguments(name).Should(Equal(v1alpha1.RunSucceeded))
			ended := get(&v1alpha1.CIRun{}, t.namespace, name)
			before := ended.DeepCopy()
			ended.Status.CompletionTime = new(metav1.NewTime(ended.Status.CompletionTime.Add(time.Duration(i-3) * time.Minute))) // told apart to the second
			Expect(k8s.Status().Patch(ctx, ended, client.MergeFrom(before))).To(Succeed())
		}
		Eventually(func() []string { return t.runs() }).Should(ConsistOf("git", "last"))
		Eventually(func() *metav1.Time { return get(&v1alpha1.CIRun{}, t.namespace, "git").Status.TrimTime }).ShouldNot(BeNil())
		trimmed := get(&v1alpha1.CIRun{}, t.namespace, "git")
		Expect(trimmed.Status).To(And(HaveField("State", v1alpha1.RunSucceeded), HaveField("Phases", HaveLen(1))))
		Eventually(func() []string { return t.runsOfPhases() }).Should(ConsistOf("last", "plugin"), "those of plugin are the garbage collector's, which does not run here")

		By("applying it again")
		change(&v1alpha1.CIRun{}, t.namespace, "git", func(r *v1alpha1.CIRun) { r.Labels = map[string]string{"applied": "again"} })
		Consistently(func() []string { return t.runsOfPhases() }).ShouldNot(ContainElement("git"))
		Expect(t.stateOf("git")).To(Equal(v1alpha1.RunSucceeded))
	})

	It("go when they are old, also when their link is gone", func() {
		t := begun(execution("BUILD", 0))
		succeed(t.builder("BUILD"))
		ended := t.runIs(v1alpha1.RunSucceeded)
		Expect(k8s.Delete(ctx, get(&v1alpha1.TenantRepoLink{}, t.namespace, linkName))).To(Succeed())
		Consistently(func() *metav1.Time { return get(&v1alpha1.CIRun{}, t.namespace, "run").Status.TrimTime }).Should(BeNil())
		before := ended.DeepCopy()
		ended.Status.CompletionTime = new(metav1.NewTime(time.Now().Add(-8 * 24 * time.Hour)))
		Expect(k8s.Status().Patch(ctx, ended, client.MergeFrom(before))).To(Succeed())
		Eventually(func() *metav1.Time { return get(&v1alpha1.CIRun{}, t.namespace, "run").Status.TrimTime }).ShouldNot(BeNil())
	})
})
