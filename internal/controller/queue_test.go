package controller_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// cancel asks for a run to be cancelled.
func (t *tenant) cancel(run string) {
	GinkgoHelper()
	change(&v1alpha1.CIRun{}, t.namespace, run, func(r *v1alpha1.CIRun) { r.Spec.Cancelled = true })
}

// stateOf is the state of a run of a name.
func (t *tenant) stateOf(run string) v1alpha1.RunState {
	return get(&v1alpha1.CIRun{}, t.namespace, run).Status.State
}

// messageOf is what a run of a name says in its condition.
func (t *tenant) messageOf(run string) string {
	for _, condition := range get(&v1alpha1.CIRun{}, t.namespace, run).Status.Conditions {
		return condition.Message
	}
	return ""
}

// named asks for a run of a name.
func (t *tenant) named(name string, mutate ...func(*v1alpha1.CIRun)) {
	GinkgoHelper()
	t.run(append(mutate, func(r *v1alpha1.CIRun) { r.Name = name })...)
}

// phaseOf waits for a phase of a run of a name.
func (t *tenant) phaseOf(run, phase string) *v1alpha1.Phase {
	GinkgoHelper()
	var found *v1alpha1.Phase
	Eventually(func() error {
		for _, p := range t.phases() {
			if p.Spec.Run.Name == run && p.Spec.Name == phase {
				found = &p
				return nil
			}
		}
		return fmt.Errorf("run %s has no phase %s", run, phase)
	}).Should(Succeed())
	return found
}

// podOf waits for a phase of a run of a name to have begun, and returns its first builder Pod.
func (t *tenant) podOf(run, phase string) *corev1.Pod {
	GinkgoHelper()
	Eventually(func() []v1alpha1.AttemptStatus { return t.phaseOf(run, phase).Status.Attempts }).ShouldNot(BeEmpty())
	return get(&corev1.Pod{}, t.namespace, t.phaseOf(run, phase).Status.Attempts[0].Replicas[0].Pod)
}

// isQueued waits for a run to wait for its turn, and to say why.
func (t *tenant) isQueued(run string, texts ...string) {
	GinkgoHelper()
	Eventually(func() string { return get(&v1alpha1.CIRun{}, t.namespace, run).Status.WaitingFor }).Should(And(every(texts)...))
	queued := get(&v1alpha1.CIRun{}, t.namespace, run)
	Expect(queued.Status.State).To(Equal(v1alpha1.RunQueued))
	Expect(meta.FindStatusCondition(queued.Status.Conditions, v1alpha1.ConditionSucceeded)).To(HaveField("Reason", v1alpha1.ReasonQueued))
}

// runs are the names of the tenant's runs.
func (t *tenant) runs() []string {
	GinkgoHelper()
	var list v1alpha1.CIRunList
	Expect(k8s.List(ctx, &list, client.InNamespace(t.namespace))).To(Succeed())
	names := make([]string, 0, len(list.Items))
	for _, run := range list.Items {
		names = append(names, run.Name)
	}
	return names
}

// runsOfPhases are the names of the runs that have Phases.
func (t *tenant) runsOfPhases() []string {
	GinkgoHelper()
	var names []string
	for _, phase := range t.phases() {
		names = append(names, phase.Spec.Run.Name)
	}
	return names
}

func every(texts []string) []OmegaMatcher {
	var all []OmegaMatcher
	for _, text := range texts {
		all = append(all, ContainSubstring(text))
	}
	return all
}

var _ = Describe("Runs of one tenant", func() {
	It("wait while one deploys, and say for whom, since when and at what place", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(execution("BUILD", 0), deployment("DEPLOY", 1), execution("VERIFY", 2)), services(appName))
		t.link()
		t.named("a")
		succeed(t.podOf("a", "BUILD"))
		t.imageBecomes(appName, t.newImage(appName))

		t.named("b")
		t.isQueued("b", "phase BUILD waits since "+time.Now().UTC().Format(time.DateOnly), "run a is deploying to "+t.namespace+" (position 1)")
		Expect(t.phaseOf("b", "BUILD").Status).To(And(HaveField("State", v1alpha1.PhasePending), HaveField("QueueTime", Not(BeNil()))))
		Eventually(t.events).WithArguments("Phase", t.phaseOf("b", "BUILD").Name).Should(ContainElement(ContainSubstring("Normal Queued: waits since")))
		Eventually(t.events).WithArguments("CIRun", "b").Should(ContainElement(ContainSubstring("Normal Queued: phase BUILD waits since")))
		t.named("c")
		t.isQueued("c", "(position 2)")
		Expect(t.pods()).To(HaveLen(1), "that of a's BUILD")

		By("the rollout of the first coming to its end")
		t.rollOut(appName)
		verify, build := t.podOf("a", "VERIFY"), t.podOf("b", "BUILD")
		succeed(build)
		t.isQueued("b", "phase DEPLOY waits", "a deployment has the tenant for itself, and run a is under way in "+t.namespace)
		succeed(verify)
		Eventually(t.stateOf).WithArguments("a").Should(Equal(v1alpha1.RunSucceeded))
		succeed(t.podOf("c", "BUILD"))
		Eventually(t.stateOf).WithArguments("b").Should(Equal(v1alpha1.RunRunning))
		succeed(t.podOf("b", "VERIFY"))
		Eventually(t.stateOf).WithArguments("b").Should(Equal(v1alpha1.RunSucceeded))
		succeed(t.podOf("c", "VERIFY"))
		Eventually(t.stateOf).WithArguments("c").Should(Equal(v1alpha1.RunSucceeded))
	})

	It("deploy in the order in which they were made, whichever is built first, and across a restart", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(execution("BUILD", 0), deployment("DEPLOY", 1)), services(appName))
		t.link()
		t.named("a")
		slow, first := t.podOf("a", "BUILD"), t.newImage(appName)
		t.commit(map[string]string{"more": "x"})
		t.named("b")
		succeed(t.podOf("b", "BUILD"))
		t.isQueued("b", "phase DEPLOY waits", "run a")
		restart()
		Consistently(t.stateOf).WithArguments("b").Should(Equal(v1alpha1.RunQueued))
		succeed(slow)
		t.imageBecomes(appName, first)
		t.rollOut(appName)
		t.imageBecomes(appName, t.newImage(appName))
		t.rollOut(appName)
		Eventually(t.stateOf).WithArguments("b").Should(Equal(v1alpha1.RunSucceeded))
		Expect(t.stateOf("a")).To(Equal(v1alpha1.RunSucceeded))
	})

	It("are not held up by one that waits for approval", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(deployment("DEPLOY", 0).with("IsPhaseAutomated", false)), services(appName))
		t.link()
		t.named("a")
		Eventually(t.stateOf).WithArguments("a").Should(Equal(v1alpha1.RunWaitingForApproval))
		t.commit(workflow(deployment("DEPLOY", 0)))
		t.named("b")
		t.imageBecomes(appName, t.newImage(appName))
		t.rollOut(appName)
		Eventually(t.stateOf).WithArguments("b").Should(Equal(v1alpha1.RunSucceeded))
	})

	It("move up when the one that they wait for is deleted", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(execution("BUILD", 0)), services(appName))
		t.link()
		t.named("a")
		t.podOf("a", "BUILD")
		t.named("b", func(r *v1alpha1.CIRun) { r.Spec.Phases = templates("Deployment") })
		t.isQueued("b", "run a is under way")
		Expect(k8s.Delete(ctx, get(&v1alpha1.CIRun{}, t.namespace, "a"))).To(Succeed())
		for _, phase := range t.phases() {
			if phase.Spec.Run.Name == "a" { // as the garbage collector does, which does not run here
				Expect(k8s.Delete(ctx, &phase)).To(Succeed())
			}
		}
		t.imageBecomes(appName, t.newImage(appName))
		t.rollOut(appName)
		Eventually(t.stateOf).WithArguments("b").Should(Equal(v1alpha1.RunSucceeded))
	})

	It("move up when the one that they wait for finds no GitHub, or no room", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(execution("BUILD", 0)), services(appName))
		t.link()
		quota := t.quota("1", "1")
		t.named("a")
		Eventually(func() string { return t.phaseOf("a", "BUILD").Status.Message }).Should(ContainSubstring("room in the namespace's quota"))
		t.named("b", func(r *v1alpha1.CIRun) { r.Spec.Phases = templates("Deployment") })
		t.imageBecomes(appName, t.newImage(appName))
		Expect(k8s.Delete(ctx, quota)).To(Succeed())
		t.rollOut(appName)
		Eventually(t.stateOf).WithArguments("b").Should(Equal(v1alpha1.RunSucceeded))
		succeed(t.podOf("a", "BUILD"))
		Eventually(t.stateOf).WithArguments("a").Should(Equal(v1alpha1.RunSucceeded))
	})

	It("keep their turn with the Pods that they have while a quota is full", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(execution("BUILD", 0).with("Parallelism", 2)), services(appName))
		t.link()
		quota := t.quota("2", "1")
		t.named("a")
		Eventually(func() v1alpha1.PhaseStatus { return t.phaseOf("a", "BUILD").Status }).Should(And(
			HaveField("State", v1alpha1.PhaseRunning), HaveField("Message", ContainSubstring("room in the namespace's quota"))))
		t.named("b", func(r *v1alpha1.CIRun) { r.Spec.Phases = templates("Deployment") })
		t.isQueued("b", "run a is under way")
		Expect(k8s.Delete(ctx, quota)).To(Succeed())
		succeed(t.podOf("a", "BUILD"))
		second := t.phaseOf("a", "BUILD").Status.Attempts[0].Replicas[1].Pod
		succeed(get(&corev1.Pod{}, t.namespace, second))
		t.imageBecomes(appName, t.newImage(appName))
		t.rollOut(appName)
		Eventually(t.stateOf).WithArguments("b").Should(Equal(v1alpha1.RunSucceeded))
	})

	It("that wait too long for their turn fail", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(deployment("DEPLOY", 0), execution("VERIFY", 1)), services(appName))
		t.link(func(l *v1alpha1.TenantRepoLink) {
			l.Spec.Builder.QueueTimeout = &metav1.Duration{Duration: time.Second}
		})
		t.named("a")
		t.imageBecomes(appName, t.newImage(appName))
		t.named("b", func(r *v1alpha1.CIRun) { r.Spec.Phases = templates("Execution") })
		Eventually(t.stateOf).WithArguments("b").Should(Equal(v1alpha1.RunFailed))
		failed := t.phases()[len(t.phases())-1]
		Expect(failed.Status.Conditions).To(ContainElement(HaveField("Reason", v1alpha1.ReasonQueueTimedOut)))
		Expect(failed.Status.Message).To(And(ContainSubstring("queueTimeout of 1s"), ContainSubstring("run a is deploying")))
	})

	It("give way to one of a newer commit where the link says so", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(execution("BUILD", 0), deployment("DEPLOY", 1)), services(appName))
		t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.Concurrency.Policy = v1alpha1.ConcurrencyCancelOlder })
		t.named("a")
		old := t.podOf("a", "BUILD")
		setStatus(old, containers(completed(), running()))
		t.named("same")
		Consistently(t.stateOf).WithArguments("a").Should(Equal(v1alpha1.RunRunning), "the same commit is no newer one")
		t.commit(map[string]string{"more": "x"})
		t.named("z")
		t.toldToStop(old)
		Eventually(t.stateOf).WithArguments("a").Should(Equal(v1alpha1.RunCancelled))
		a := get(&v1alpha1.CIRun{}, t.namespace, "a")
		Expect(a.Status.Stop).To(And(HaveField("Reason", v1alpha1.ReasonSuperseded), HaveField("Message", "run z of a newer commit takes its place")))
		Expect(t.stateOf("z")).To(Equal(v1alpha1.RunRunning))
	})
})
