package controller_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

var _ = Describe("A run that is cancelled", func() {
	It("tells ci.sh to end, keeps what it left, and begins nothing more", func() {
		t := begun(execution("BUILD", 0), deployment("DEPLOY", 1))
		pod := t.builder("BUILD")
		setStatus(pod, containers(completed(), running()))
		t.cancel("run")
		t.toldToStop(pod)
		run := t.runIs(v1alpha1.RunCancelled)
		Expect(meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionSucceeded)).To(And(
			HaveField("Status", metav1.ConditionFalse), HaveField("Reason", v1alpha1.ReasonCancelled), HaveField("Message", "run run was cancelled")))
		build := t.phase("BUILD")
		Expect(build.Status.State).To(Equal(v1alpha1.PhaseCancelled))
		Expect(build.Status.Attempts[0].Replicas[0]).To(And(HaveField("ExitCode", HaveValue(BeEquivalentTo(143))), HaveField("Log.Tail", "told to stop\n")))
		Expect(t.phase("DEPLOY").Status.State).To(Equal(v1alpha1.PhaseSkipped))
		Eventually(t.events).WithArguments("Phase", build.Name).Should(ContainElement("Normal Cancelled: run run was cancelled"))
		Eventually(t.pods).Should(BeEmpty())
	})

	It("takes a rollout back", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(deployment("DEPLOY", 0), execution("VERIFY", 1)), services(appName))
		t.link()
		t.run()
		t.imageBecomes(appName, t.newImage(appName))
		t.cancel("run")
		t.imageBecomes(appName, "registry.example/app:old")
		t.rollOut(appName)
		t.runIs(v1alpha1.RunCancelled)
		deploy := t.phase("DEPLOY")
		Expect(deploy.Status.State).To(Equal(v1alpha1.PhaseCancelled))
		Expect(deploy.Status.Message).To(ContainSubstring("rolled back: Deployment " + appName + " runs registry.example/app:old again"))
		Expect(deploy.Finalizers).To(BeEmpty())
	})

	It("before it begins asks GitHub for nothing", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0)))
		t.link()
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady) // its own look is over
		asked := len(requestsFor(t.repository.Name()))
		t.run(func(r *v1alpha1.CIRun) { r.Spec.Cancelled = true })
		t.runIs(v1alpha1.RunCancelled)
		Expect(requestsFor(t.repository.Name())).To(HaveLen(asked))
		Expect(t.phases()).To(BeEmpty())
	})

	It("because it took too long has failed, and says so", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0)))
		t.link()
		t.run(func(r *v1alpha1.CIRun) { r.Spec.Timeout = &metav1.Duration{Duration: 2 * time.Second} })
		pod := t.builder("BUILD")
		setStatus(pod, containers(completed(), running()))
		t.toldToStop(pod)
		run := t.runIs(v1alpha1.RunFailed)
		Expect(meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionSucceeded)).To(And(
			HaveField("Reason", v1alpha1.ReasonRunTimedOut), HaveField("Message", ContainSubstring("timeout of 2s"))))
	})

	It("together with its link, when that is deleted", func() {
		t := begun(execution("BUILD", 0))
		pod := t.builder("BUILD")
		setStatus(pod, containers(completed(), running()))
		Expect(k8s.Delete(ctx, get(&v1alpha1.TenantRepoLink{}, t.namespace, linkName))).To(Succeed())
		t.toldToStop(pod)
		Expect(t.runIs(v1alpha1.RunCancelled).Status.Stop).To(HaveField("Reason", v1alpha1.ReasonLinkDeleted))
	})
})

var _ = Describe("A run that is deleted", func() {
	It("in the middle of a rollout takes it back first, and leaves nothing", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
		t.link()
		t.run()
		t.imageBecomes(appName, t.newImage(appName))
		deploy := t.phase("DEPLOY")
		Expect(deploy.Finalizers).To(ConsistOf(v1alpha1.FinalizerDeployment))
		Expect(k8s.Delete(ctx, get(&v1alpha1.CIRun{}, t.namespace, "run"))).To(Succeed())
		Expect(k8s.Delete(ctx, deploy)).To(Succeed(), "as the garbage collector does, which does not run here")
		t.imageBecomes(appName, "registry.example/app:old")
		Eventually(t.phases).Should(BeEmpty(), "without waiting for the rollout")
	})

	It("before it deployed leaves nothing", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(execution("BUILD", 0), deployment("DEPLOY", 1)), services(appName))
		t.link()
		t.run()
		t.builder("BUILD")
		Expect(k8s.Delete(ctx, get(&v1alpha1.CIRun{}, t.namespace, "run"))).To(Succeed())
		for _, phase := range t.phases() {
			Expect(k8s.Delete(ctx, &phase)).To(Succeed())
		}
		Eventually(t.phases).Should(BeEmpty())
		Expect(t.imageOf(appName, appName)).To(Equal("registry.example/app:old"))
	})
})
