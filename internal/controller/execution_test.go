package controller_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
)

// begun is a tenant whose run of this workflow is under way, with a service if the workflow deploys.
func begun(steps ...step) *tenant {
	GinkgoHelper()
	t := newTenant()
	t.commit(workflow(steps...), services(appName))
	t.newDeployment(appName, "registry.example/app:old")
	t.link()
	t.run()
	return t
}

// phaseFails waits for a phase to fail and checks that condition, class and event say why.
func (t *tenant) phaseFails(name string, class v1alpha1.FailureClass, reason string, texts ...string) *v1alpha1.Phase {
	GinkgoHelper()
	phase := t.phaseIs(name, v1alpha1.PhaseFailed)
	succeeded := meta.FindStatusCondition(phase.Status.Conditions, v1alpha1.ConditionSucceeded)
	Expect(succeeded).To(HaveField("Status", metav1.ConditionFalse))
	Expect(succeeded.Reason).To(Equal(reason), phase.Status.Message)
	Expect(phase.Status.FailureClass).To(Equal(class))
	for _, text := range texts {
		Expect(phase.Status.Message).To(ContainSubstring(text))
	}
	Expect(phase.Status.CompletionTime).NotTo(BeNil())
	Eventually(t.events).WithArguments("Phase", phase.Name).Should(ContainElement(HavePrefix("Warning Failed: ")))
	return phase
}

// stopped waits for the run to fail by a phase, with nothing deployed and no Pod left.
func (t *tenant) stopped(phase string) *v1alpha1.CIRun {
	GinkgoHelper()
	run := t.runIs(v1alpha1.RunFailed)
	succeeded := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionSucceeded)
	Expect(succeeded).To(HaveField("Reason", v1alpha1.ReasonPhaseFailed))
	Expect(succeeded.Message).To(ContainSubstring("phase " + phase + " failed: "))
	Expect(t.imageOf(appName, appName)).To(Equal("registry.example/app:old"))
	Eventually(t.pods).Should(BeEmpty())
	return run
}

var _ = Describe("An execution phase", func() {
	It("runs in a Pod that the API server takes as it was meant", func() {
		t := begun(execution("BUILD", 0).with("BuildParams", "PRICE=$5 $(HOME)"))
		pod := t.builder("BUILD")
		phase := t.phase("BUILD")

		Expect(metav1.IsControlledBy(pod, phase)).To(BeTrue())
		Expect(metav1.IsControlledBy(phase, get(&v1alpha1.CIRun{}, t.namespace, "run"))).To(BeTrue())
		Expect(pod.Labels).To(And(HaveKeyWithValue("katkit.dev/link", linkName), HaveKeyWithValue("katkit.dev/run", "run")))
		Expect(pod.Spec).To(And(
			HaveField("RestartPolicy", corev1.RestartPolicyNever),
			HaveField("AutomountServiceAccountToken", HaveValue(BeFalse())),
			HaveField("InitContainers", BeEmpty()),
			HaveField("NodeSelector", HaveKeyWithValue("pool", "builders")),
			HaveField("Tolerations", ContainElement(HaveField("Key", "builders"))),
		))
		Expect(pod.Spec.Containers).To(HaveLen(2))
		checkout, build := pod.Spec.Containers[0], pod.Spec.Containers[1]
		Expect(checkout).To(And(HaveField("Name", "checkout"), HaveField("Image", "agent:v1"), HaveField("Command", []string{"/katkit-agent", "checkout"})))
		Expect(build).To(And(HaveField("Name", "build"), HaveField("Image", "builder:v1"), HaveField("Command", []string{"/katkit/katkit-agent", "exec"})))
		Expect(checkout.Env).To(ConsistOf(
			corev1.EnvVar{Name: "KATKIT_REPO_URL", Value: host.CloneURL + t.repository.Name() + ".git"},
			corev1.EnvVar{Name: "GIT_SHA", Value: phase.Spec.SHA},
			corev1.EnvVar{Name: "KATKIT_CA_BUNDLE", Value: caBundle()}))
		Expect(build.Env).To(ContainElements(
			corev1.EnvVar{Name: "REPLICA_ID", Value: "0"},
			corev1.EnvVar{Name: "PRICE", Value: "$$5 $$(HOME)"}), "what the kubelet would expand is escaped")
		Expect(mounts(checkout)).To(ConsistOf("/workspace", "/var/run/katkit/credential"))
		Expect(mounts(build)).To(ConsistOf("/workspace", "/katkit"), "ci.sh never sees the token")
		Expect(pod.Spec.Volumes).To(ContainElement(HaveField("VolumeSource.Image", HaveValue(HaveField("Reference", "agent:v1")))))
		Expect(encode(pod)).NotTo(ContainSubstring(token))
	})

	It("comes after the one before it has succeeded, and no sooner", func() {
		t := begun(execution("BUILD", 0), deployment("DEPLOY", 1), execution("VERIFY", 2))
		build := t.builder("BUILD")
		Expect(t.phase("DEPLOY").Status.State).To(Equal(v1alpha1.PhasePending))
		Expect(t.imageOf(appName, appName)).To(Equal("registry.example/app:old"))

		By("deploying when the build is done")
		succeed(build)
		t.imageBecomes(appName, "registry.example/app:"+t.phase("BUILD").Spec.SHA)
		Expect(t.phase("VERIFY").Status.State).To(Equal(v1alpha1.PhasePending))
		Expect(t.pods()).To(HaveLen(1), "only the build's")

		By("verifying when the deployment is done")
		t.rollOut(appName)
		succeed(t.builder("VERIFY"))
		run := t.runIs(v1alpha1.RunSucceeded)

		By("telling how it went")
		Expect(meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionSucceeded)).To(HaveValue(And(HaveField("Status", metav1.ConditionTrue),
			HaveField("Reason", v1alpha1.ReasonSucceeded), HaveField("ObservedGeneration", int64(1)))))
		Expect(run.Status.CompletionTime).NotTo(BeNil())
		for _, phase := range run.Status.Phases {
			Expect(phase).To(And(HaveField("State", v1alpha1.PhaseSucceeded), HaveField("StartTime", Not(BeNil())), HaveField("CompletionTime", Not(BeNil()))))
		}
		replica := t.phase("BUILD").Status.Attempts[0].Replicas[0]
		Expect(replica).To(And(HaveField("ExitCode", HaveValue(BeZero())), HaveField("Reason", "Completed"), HaveField("Pod", build.Name),
			HaveField("Log", HaveValue(Equal(v1alpha1.LogStatus{Bytes: 6, Tail: "built\n"})))))
		Eventually(t.events).WithArguments("CIRun", "run").Should(ConsistOf(
			And(HavePrefix("Normal Started: commit "+run.Status.SHA), HaveSuffix("3 phases from katkitconfig.js (entry default)")),
			Equal("Normal PhaseSucceeded: phase BUILD"),
			HavePrefix("Normal PhaseSucceeded: phase DEPLOY: Deployment app: registry.example/app:old → registry.example/app:"),
			Equal("Normal PhaseSucceeded: phase VERIFY"),
			Equal("Normal Succeeded: all 3 phases succeeded"),
			HavePrefix("Warning ReportRefused: ")))
		Eventually(t.events).WithArguments("Phase", t.phase("BUILD").Name).Should(ConsistOf(
			Equal("Normal Started: builder Pod " + build.Name + "; image builder:v1, by BuilderClass standard")))

		By("leaving no Pod behind")
		Eventually(t.pods).Should(BeEmpty())
	})

	It("does not begin where the tenant's label was taken away during the phase before", func() {
		t := begun(execution("BUILD", 0), execution("TEST", 1))
		build := t.builder("BUILD")
		change(&corev1.Namespace{}, "", t.namespace, func(n *corev1.Namespace) { delete(n.Labels, v1alpha1.LabelTenant) })
		t.linkIs(metav1.ConditionFalse, v1alpha1.ReasonNotATenant) // so the manager knows
		succeed(build)
		t.phaseFails("TEST", v1alpha1.FailureConfig, v1alpha1.ReasonNotATenant, "kubectl label namespace "+t.namespace)
		t.runIs(v1alpha1.RunFailed)
		Expect(t.phase("BUILD").Status.State).To(Equal(v1alpha1.PhaseSucceeded))
	})

	It("costs the API server little: a run of three phases has at most 18 writes and 8 events", func() {
		t := reporting(execution("BUILD", 0), execution("TEST", 1), execution("VERIFY", 2))
		t.run()
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded))
		Eventually(t.pods).Should(BeEmpty())
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		var writes []write
		for _, sent := range katkit.wire.in(t.namespace) {
			if !sent.is(http.MethodPatch, "tenantrepolinks") {
				writes = append(writes, sent)
			}
		}
		Expect(len(writes)).To(BeNumerically("<=", 18), "%v", writes)
		events := t.events("CIRun", "run")
		for _, phase := range t.phases() {
			events = append(events, t.events("Phase", phase.Name)...)
		}
		Expect(len(events)).To(BeNumerically("<=", 8), "%v", events)
	})

	It("that fails stops the run: nothing after it starts, nothing is deployed", func() {
		t := begun(execution("BUILD", 0), deployment("DEPLOY", 1), execution("VERIFY", 2))
		exit(t.builder("BUILD"), 7, "compiling\nno such file: main.c\n")
		failed := t.phaseFails("BUILD", v1alpha1.FailureUser, "CIScriptFailed", "ci.sh exited with code 7")
		Expect(failed.Status.Attempts[0].Replicas[0]).To(And(HaveField("ExitCode", HaveValue(BeEquivalentTo(7))),
			HaveField("Log.Tail", ContainSubstring("no such file: main.c"))))
		run := t.stopped("BUILD")
		for _, name := range []string{"DEPLOY", "VERIFY"} {
			Expect(t.phase(name).Status).To(And(HaveField("State", v1alpha1.PhaseSkipped), HaveField("Message", HavePrefix("not started: Phase run-")),
				HaveField("StartTime", BeNil()), HaveField("Attempts", BeEmpty()), HaveField("Receipts", BeEmpty())))
		}
		Expect(run.Status.Phases[1]).To(And(HaveField("State", v1alpha1.PhaseSkipped), HaveField("StartTime", BeNil())))
		Eventually(t.events).WithArguments("CIRun", "run").Should(ContainElements(
			HavePrefix("Warning PhaseFailed: phase BUILD: ci.sh exited with code 7"),
			HavePrefix("Normal PhaseSkipped: phase DEPLOY: not started"),
			HavePrefix("Warning PhaseFailed: phase BUILD failed: ci.sh exited with code 7")))
	})

	It("of three replicas succeeds when all do, and tells which one did not", func() {
		t := begun(execution("BUILD", 0).with("Parallelism", 3), execution("TEST", 1))
		pods := t.builders("BUILD")
		Expect(pods).To(HaveLen(3))
		for i, pod := range pods {
			build := pod.Spec.Containers[1]
			Expect(build.Env).To(ContainElements(corev1.EnvVar{Name: "REPLICA_ID", Value: string(rune('0' + i))}, corev1.EnvVar{Name: "REPLICA_COUNT", Value: "3"}))
		}
		setStatus(pods[2], containers(completed(), running()))
		succeed(pods[0])
		Consistently(func() v1alpha1.PhaseState { return t.phase("BUILD").Status.State }).Should(Equal(v1alpha1.PhaseRunning), "two are still at it")
		exit(pods[1], 3, "")
		t.toldToStop(pods[2])
		failed := t.phaseFails("BUILD", v1alpha1.FailureUser, "CIScriptFailed", "replica 1: ci.sh exited with code 3", "the other replicas were stopped")
		Expect(failed.Status.Attempts[0].Replicas).To(HaveExactElements(
			HaveField("ExitCode", HaveValue(BeZero())), HaveField("ExitCode", HaveValue(BeEquivalentTo(3))), HaveField("ExitCode", HaveValue(BeEquivalentTo(143)))))
		t.stopped("BUILD")
	})

	It("runs beside those of its order, and the next one waits for all of them", func() {
		t := begun(execution("UNIT", 1), execution("LINT", 1), execution("PACK", 2))
		unit, lint := t.builder("UNIT"), t.builder("LINT")
		succeed(unit)
		t.phaseIs("UNIT", v1alpha1.PhaseSucceeded)
		Consistently(func() v1alpha1.PhaseState { return t.phase("PACK").Status.State }).Should(Equal(v1alpha1.PhasePending))
		succeed(lint)
		succeed(t.builder("PACK"))
		t.runIs(v1alpha1.RunSucceeded)
	})

	It("ends beside one that failed, before the run does", func() {
		t := begun(execution("UNIT", 1), execution("LINT", 1), execution("PACK", 2))
		unit, lint := t.builder("UNIT"), t.builder("LINT")
		exit(unit, 1, "")
		t.phaseIs("PACK", v1alpha1.PhaseSkipped)
		Expect(t.runIs(v1alpha1.RunRunning).Status.CompletionTime).To(BeNil())
		succeed(lint)
		t.stopped("UNIT")
		Expect(t.phase("LINT").Status.State).To(Equal(v1alpha1.PhaseSucceeded))
	})

	It("that wants approval waits for it, and tells how it is given", func() {
		t := begun(execution("BUILD", 0), execution("LOAD", 1).with("IsPhaseAutomated", false))
		build := t.builder("BUILD")
		Expect(t.phase("LOAD").Status.State).To(Equal(v1alpha1.PhasePending))
		succeed(build)
		waits := t.phaseIs("LOAD", v1alpha1.PhaseWaitingForApproval)
		Expect(waits.Status.Message).To(ContainSubstring("kubectl patch phase " + waits.Name + " -n " + t.namespace))
		run := t.runIs(v1alpha1.RunWaitingForApproval)
		Expect(run.Status.Conditions).To(ConsistOf(And(HaveField("Status", metav1.ConditionUnknown), HaveField("Reason", v1alpha1.ReasonWaitingForApproval), HaveField("Message", ContainSubstring("LOAD")))))
		Eventually(t.events).WithArguments("CIRun", "run").Should(ContainElement(HavePrefix("Normal WaitingForApproval: ")))
		t.approve(waits)
		succeed(t.builder("LOAD"))
		t.runIs(v1alpha1.RunSucceeded)
	})

	It("approved before its turn still waits for its turn, and then for nobody", func() {
		t := begun(execution("BUILD", 0), execution("LOAD", 1).with("IsPhaseAutomated", false))
		build := t.builder("BUILD")
		t.approve(t.phase("LOAD"))
		Consistently(func() v1alpha1.PhaseState { return t.phase("LOAD").Status.State }).Should(Equal(v1alpha1.PhasePending))
		succeed(build)
		succeed(t.builder("LOAD"))
		t.runIs(v1alpha1.RunSucceeded)
	})

	It("keeps the end of a long log in a ConfigMap of its own", func() {
		t := begun(execution("BUILD", 0))
		setStatus(t.builder("BUILD"), containers(completed(), longLog()))
		t.runIs(v1alpha1.RunSucceeded)
		phase := t.phase("BUILD")
		replica := phase.Status.Attempts[0].Replicas[0]
		Expect(replica.Log).To(HaveValue(Equal(v1alpha1.LogStatus{Bytes: 1 << 20, Tail: "the end\n", ConfigMap: replica.Pod + "-log"})))
		kept := get(&corev1.ConfigMap{}, t.namespace, replica.Log.ConfigMap)
		Expect(kept.Data).To(HaveKey(v1alpha1.ConfigMapKeyLog))
		Expect(metav1.IsControlledBy(kept, phase)).To(BeTrue())
	})

	It("whose log cannot be read, since its node is gone, is judged all the same", func() {
		t := begun(execution("BUILD", 0))
		pod := t.builder("BUILD")
		Expect(k8s.SubResource("binding").Create(ctx, pod, &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: "gone"}})).To(Succeed())
		setStatus(get(pod, t.namespace, pod.Name), containers(completed(), longLog()))
		t.runIs(v1alpha1.RunSucceeded)
		Expect(t.phase("BUILD").Status.Attempts[0].Replicas[0].Log).To(HaveValue(Equal(v1alpha1.LogStatus{Bytes: 1 << 20, Tail: "the end\n"})))
	})

	It("that takes longer than its timeout is stopped", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0), execution("TEST", 1)))
		t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.Builder.Timeout = &metav1.Duration{Duration: time.Second} })
		t.run()
		t.phaseFails("BUILD", v1alpha1.FailureUser, v1alpha1.ReasonTimedOut, "timeout of 1s", "at the end: the builder Pod is starting")
		t.runIs(v1alpha1.RunFailed)
		Eventually(t.pods).Should(BeEmpty())
	})

	It("whose ci.sh takes longer than the timeout is stopped", func() {
		t := begun(execution("BUILD", 0), deployment("DEPLOY", 1))
		pod := t.builder("BUILD")
		setStatus(pod, containers(completed(), running()))
		t.hasBegun("BUILD", 61*time.Minute)
		t.toldToStop(pod)
		t.phaseFails("BUILD", v1alpha1.FailureUser, v1alpha1.ReasonTimedOut, "timeout of 1h0m0s", "ci.sh is running")
		t.stopped("BUILD")
	})

	It("that the namespace's Pod security does not allow says so", func() {
		t := newTenant()
		change(&corev1.Namespace{}, "", t.namespace, func(n *corev1.Namespace) {
			n.Labels["pod-security.kubernetes.io/enforce"] = "restricted"
		})
		t.commit(workflow(execution("BUILD", 0)))
		t.link()
		t.run()
		t.phaseFails("BUILD", v1alpha1.FailureConfig, v1alpha1.ReasonPodRejected, "PodSecurity", "restricted")
		t.runIs(v1alpha1.RunFailed)
		Expect(t.pods()).To(BeEmpty())
	})

	It("waits while the namespace's quota is full", func() {
		t := newTenant()
		quota := t.quota("1", "1")
		t.commit(workflow(execution("BUILD", 0)))
		t.link()
		t.run()
		Eventually(katkit.wire.in).WithArguments(t.namespace).Should(ContainElement(And(
			HaveField("Verb", http.MethodPost), HaveField("Path", HaveSuffix("/pods")), HaveField("Status", http.StatusForbidden))))
		Eventually(func() []metav1.Condition { return t.phase("BUILD").Status.Conditions }).Should(ConsistOf(And(
			HaveField("Status", metav1.ConditionUnknown), HaveField("Reason", v1alpha1.ReasonWaitingForQuota), HaveField("Message", ContainSubstring("exceeded quota: few")))))
		Expect(t.phase("BUILD").Status.State).To(Equal(v1alpha1.PhasePending))
		setQuota(quota, "1", "0")
		succeed(t.builder("BUILD"))
		t.runIs(v1alpha1.RunSucceeded)
	})

	It("does not take somebody else's Pod for its own", func() {
		t := begun(execution("BUILD", 0), execution("TEST", 1), execution("LATE", 2))
		build := t.builder("BUILD")
		theirs := build.DeepCopy()
		theirs.ObjectMeta = metav1.ObjectMeta{Namespace: t.namespace, Name: buildpod.Name(t.phase("TEST"), 1, 0)}
		theirs.Spec.Containers[1].Image = "theirs:v1"
		create(theirs)
		succeed(build)
		t.phaseFails("TEST", v1alpha1.FailureConfig, v1alpha1.ReasonNameConflict, theirs.Name, "is not this Phase's")
		t.runIs(v1alpha1.RunFailed)
		Expect(get(&corev1.Pod{}, t.namespace, theirs.Name).Spec.Containers[1].Image).To(Equal("theirs:v1"), "it is left alone")
	})
})

// hasBegun lets time pass since a phase began.
func (t *tenant) hasBegun(phase string, ago time.Duration) {
	GinkgoHelper()
	p := t.phase(phase)
	before := p.DeepCopy()
	p.Status.StartTime = new(metav1.NewTime(time.Now().Add(-ago)))
	Expect(k8s.Status().Patch(ctx, p, client.MergeFrom(before))).To(Succeed())
}

func mounts(container corev1.Container) []string {
	var paths []string
	for _, mount := range container.VolumeMounts {
		paths = append(paths, mount.MountPath)
	}
	return paths
}

// longLog is the end of a build whose log does not fit into its report.
func longLog() corev1.ContainerState {
	return reported(contract.Report{Reason: contract.ReasonCompleted, Log: contract.Log{Bytes: 1 << 20, Lines: 9999, TailLines: 500}, Tail: "the end\n"})
}

// quota limits the namespace's Pods; its controller is played, too.
func (t *tenant) quota(hard, used string) *corev1.ResourceQuota {
	GinkgoHelper()
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "few"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse(hard)}},
	}
	create(quota)
	setQuota(quota, hard, used)
	return quota
}

func setQuota(quota *corev1.ResourceQuota, hard, used string) {
	GinkgoHelper()
	quota.Status = corev1.ResourceQuotaStatus{
		Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse(hard)},
		Used: corev1.ResourceList{corev1.ResourcePods: resource.MustParse(used)},
	}
	Expect(k8s.Status().Update(ctx, quota)).To(Succeed())
}
