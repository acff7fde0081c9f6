package controller_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
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
		Eventually(func() int { return len(requestsFor(t.repository.Name())) }).ShouldNot(BeZero())
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

var _ = Describe("A re-run", func() {
	again := func(from string) func(*v1alpha1.CIRun) {
		return func(r *v1alpha1.CIRun) {
			r.Name = "again"
			r.Spec.Commit, r.Spec.RerunOf, r.Spec.FromPhase = v1alpha1.CommitSelector{}, "run", from
		}
	}

	It("runs the same commit from the first phase that did not succeed, with the same variables", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(execution("BUILD", 0), execution("TEST", 1), deployment("DEPLOY", 2)), services(appName))
		t.link()
		t.run(func(r *v1alpha1.CIRun) { r.Spec.Env = []v1alpha1.EnvVar{{Name: "COLOUR", Value: "blue"}} })
		succeed(t.builder("BUILD"))
		exit(t.builder("TEST"), 1, "")
		before := t.runIs(v1alpha1.RunFailed)
		t.commit(map[string]string{"more": "x"})

		t.run(again(""))
		pod := t.podOf("again", "TEST")
		Expect(pod.Spec.Containers[1].Env).To(ContainElements(
			corev1.EnvVar{Name: "COLOUR", Value: "blue"}, corev1.EnvVar{Name: "GIT_SHA", Value: before.Status.SHA}, corev1.EnvVar{Name: "KATKIT_BRANCH", Value: "main"}))
		run := get(&v1alpha1.CIRun{}, t.namespace, "again")
		Expect(run.Status.SHA).To(Equal(before.Status.SHA))
		Expect(run.Status.Phases[0]).To(And(HaveField("State", v1alpha1.PhaseSucceeded), HaveField("CarriedFrom", "run"), HaveField("Message", "carried over from run run")))
		succeed(pod)
		t.imageBecomes(appName, "registry.example/app:"+before.Status.SHA)
		t.rollOut(appName)
		Eventually(t.stateOf).WithArguments("again").Should(Equal(v1alpha1.RunSucceeded))
		Expect(t.phases()).To(HaveLen(5), "three of the run, two of the re-run")
	})

	DescribeTable("that makes no sense says why:", func(from, reason, text string) {
		t := begun(execution("BUILD", 0))
		if text != "has not ended" {
			succeed(t.builder("BUILD"))
			t.runIs(v1alpha1.RunSucceeded)
		}
		t.run(again(from), func(r *v1alpha1.CIRun) {
			if from == "gone" {
				r.Spec.RerunOf = "gone"
			}
		})
		Eventually(t.stateOf).WithArguments("again").Should(Equal(v1alpha1.RunFailed))
		Expect(meta.FindStatusCondition(get(&v1alpha1.CIRun{}, t.namespace, "again").Status.Conditions, v1alpha1.ConditionSucceeded)).To(And(
			HaveField("Reason", reason), HaveField("Message", ContainSubstring(text))))
	},
		Entry("its run has not ended", "", v1alpha1.ReasonRerunNotPossible, "has not ended"),
		Entry("its run is not there", "gone", v1alpha1.ReasonRerunNotFound, "is not there"),
		Entry("all succeeded", "", v1alpha1.ReasonRerunNotPossible, "all phases of run run succeeded"),
		Entry("no such phase", "TEST", v1alpha1.ReasonRerunNotPossible, `no phase "TEST"`),
	)

	It("does not verify what is not deployed any more", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(deployment("DEPLOY", 0), execution("VERIFY", 1)), services(appName))
		t.link()
		t.run()
		t.imageBecomes(appName, t.newImage(appName))
		t.rollOut(appName)
		exit(t.builder("VERIFY"), 1, "")
		t.runIs(v1alpha1.RunFailed)
		change(&appsv1.Deployment{}, t.namespace, appName, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "registry.example/app:newer" })
		t.run(again(""))
		Eventually(t.stateOf).WithArguments("again").Should(Equal(v1alpha1.RunFailed))
		Expect(meta.FindStatusCondition(get(&v1alpha1.CIRun{}, t.namespace, "again").Status.Conditions, v1alpha1.ConditionSucceeded).Message).To(
			ContainSubstring("runs registry.example/app:newer by now: begin with that phase (fromPhase: DEPLOY)"))
	})
})

var _ = Describe("What a phase leaves in $KATKIT_OUTPUT", func() {
	leaves := func(pod *corev1.Pod, outputs ...contract.Output) {
		setStatus(pod, containers(completed(), reported(contract.Report{Reason: contract.ReasonCompleted, Outputs: outputs})))
	}

	It("is seen by later phases, told in the status, and carried over by a re-run", func() {
		t := begun(execution("BUILD", 0), execution("TEST", 1), execution("PACK", 2))
		leaves(t.builder("BUILD"), contract.Output{Name: "VERSION", Value: "1.0"}, contract.Output{Name: "KIND", Value: "full"})
		test := t.builder("TEST")
		Expect(test.Spec.Containers[1].Env).To(ContainElements(corev1.EnvVar{Name: "VERSION", Value: "1.0"}, corev1.EnvVar{Name: "KIND", Value: "full"}))
		leaves(test, contract.Output{Name: "VERSION", Value: "1.1"})
		pack := t.builder("PACK")
		Expect(pack.Spec.Containers[1].Env).To(ContainElements(corev1.EnvVar{Name: "VERSION", Value: "1.1"}, corev1.EnvVar{Name: "KIND", Value: "full"}))
		exit(pack, 1, "")
		want := ConsistOf(v1alpha1.Output{Name: "VERSION", Value: "1.1"}, v1alpha1.Output{Name: "KIND", Value: "full"})
		Expect(t.runIs(v1alpha1.RunFailed).Status.Outputs).To(want)

		create(t.newRun(func(r *v1alpha1.CIRun) {
			r.Name = "again"
			r.Spec.Commit, r.Spec.RerunOf = v1alpha1.CommitSelector{}, "run"
		}))
		again := t.podOf("again", "PACK")
		Expect(again.Spec.Containers[1].Env).To(ContainElements(corev1.EnvVar{Name: "VERSION", Value: "1.1"}, corev1.EnvVar{Name: "KIND", Value: "full"}))
		succeed(again)
		Eventually(t.stateOf).WithArguments("again").Should(Equal(v1alpha1.RunSucceeded))
		Expect(get(&v1alpha1.CIRun{}, t.namespace, "again").Status.Outputs).To(want)
	})
})

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
