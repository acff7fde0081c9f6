package controller_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

var _ = Describe("An execution phase", func() {
	DescribeTable("whose Pod comes to nothing ends for a reason:",
		func(happens func(*corev1.Pod), class v1alpha1.FailureClass, reason string, texts ...string) {
			t := begun(execution("BUILD", 0), deployment("DEPLOY", 1))
			happens(t.builder("BUILD"))
			t.phaseFails("BUILD", class, reason, texts...)
			t.stopped("BUILD")
		},
		Entry("the Pod is deleted", func(pod *corev1.Pod) { Expect(k8s.Delete(ctx, pod)).To(Succeed()) },
			v1alpha1.FailureInfra, v1alpha1.ReasonPodGone, "deleted before it had ended"),
		Entry("it runs out of memory", has(containers(completed(), terminated(137, "OOMKilled", ""))),
			v1alpha1.FailureUser, "OOMKilled", "the build container ran out of memory", "builder.resources.limits.memory of the link"),
		Entry("the agent is killed", has(containers(completed(), terminated(137, "Error", ""))),
			v1alpha1.FailureInfra, v1alpha1.ReasonPodFailed, "code 137", "without the agent's report"),
		Entry("the build container cannot be started", has(containers(completed(), terminated(128, "StartError", "exec: no such file"))),
			v1alpha1.FailureConfig, v1alpha1.ReasonContainerConfig, "no such file"),
		Entry("there is no ci.sh", has(containers(completed(), reported(contract.Report{
			Class: contract.ClassConfig, Reason: contract.ReasonNoCIScript, ExitCode: 120, Message: "the commit has no ci.sh"}))),
			v1alpha1.FailureConfig, "NoCIScript", "the commit has no ci.sh"),
		Entry("the checkout fails", has(containers(
			reported(contract.Report{Class: contract.ClassConfig, Reason: contract.ReasonCommitNotFound, ExitCode: 120, Message: "no such commit"}),
			reported(contract.Report{Class: contract.ClassConfig, Reason: contract.ReasonCheckoutFailed, ExitCode: 122, Message: "the checkout failed"}))),
			v1alpha1.FailureConfig, "CommitNotFound", "no such commit"),
		Entry("the image's name is none", has(containers(running(), waiting("InvalidImageName", `couldn't parse image "::"`))),
			v1alpha1.FailureConfig, v1alpha1.ReasonImagePullFailed, `couldn't parse image "::"`),
		Entry("the image cannot be pulled for a while", since(time.Minute, containers(running(), waiting("ImagePullBackOff", "manifest unknown"))),
			v1alpha1.FailureConfig, v1alpha1.ReasonImagePullFailed, "manifest unknown", "Correct the image's name"),
		Entry("the agent's image cannot be pulled for a while", since(time.Minute, containers(waiting("ErrImagePull", "unauthorized"), waiting("ContainerCreating", ""))),
			v1alpha1.FailureConfig, v1alpha1.ReasonImagePullFailed, "unauthorized"),
		Entry("its Secret is missing for a while", since(time.Minute, containers(waiting("CreateContainerConfigError", `secret "github" not found`), running())),
			v1alpha1.FailureConfig, v1alpha1.ReasonContainerConfig, `secret "github" not found`),
		Entry("a Secret that the link names is missing", has(containers(running(), waiting("CreateContainerConfigError", `secret "npm" not found`))),
			v1alpha1.FailureConfig, v1alpha1.ReasonEnvSourceMissing, "/npm is not there", "kubectl create secret generic npm -n "),
		Entry("a key of it is missing", has(containers(completed(), waiting("CreateContainerConfigError", `couldn't find key token in Secret t1/npm`))),
			v1alpha1.FailureConfig, v1alpha1.ReasonEnvSourceMissing, "/npm has no key token"),
		Entry("ci.sh writes nonsense for a report", has(containers(completed(), terminated(1, "Error", "\x00<script>"+strings.Repeat("☠", 1200)))),
			v1alpha1.FailureInfra, v1alpha1.ReasonPodFailed, "without the agent's report"),
		Entry("ci.sh claims a success that it was not", has(containers(completed(), claim(completed(), 1))),
			v1alpha1.FailureInfra, v1alpha1.ReasonPodFailed, "code 1"),
		Entry("ci.sh claims years that are none", has(containers(completed(), terminated(1, "Error",
			`{"version":1,"class":"User","reason":"CIScriptFailed","message":"forged","exitCode":1,"startTime":"0001-01-01T00:00:01Z","finishTime":"9999-12-31T23:59:59Z","log":{"bytes":0,"lines":0,"tailLines":0},"tail":""}`))),
			v1alpha1.FailureUser, "CIScriptFailed", "forged"),
	)

	DescribeTable("that the cluster fails before ci.sh started is tried again, three times in all:",
		func(happens func(*corev1.Pod), texts ...string) {
			t := begun(execution("BUILD", 0), deployment("DEPLOY", 1))
			for attempt := range 3 {
				happens(t.attempt("BUILD", attempt+1))
				if attempt < 2 {
					t.isDueAgain("BUILD", attempt+1, texts...)
				}
			}
			failed := t.phaseIs("BUILD", v1alpha1.PhaseFailed)
			Expect(failed.Status.FailureClass).To(Equal(v1alpha1.FailureInfra))
			for _, text := range texts {
				Expect(failed.Status.Message).To(ContainSubstring(text))
			}
			t.stopped("BUILD")
		},
		Entry("the Pod is evicted", has(corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."}),
			"Evicted", "low on resource"),
		Entry("the checkout is killed, so that the build would wait for nothing", has(containers(terminated(137, "OOMKilled", ""), running())),
			"137", "OOMKilled"),
		Entry("the image's pull fails, and nothing happens after that", since(19*time.Second, containers(running(), waiting("ErrImagePull", "no such host"))),
			"no such host"),
	)

	It("that the cluster fails may succeed the second time", func() {
		t := begun(execution("BUILD", 0).with("Parallelism", 2))
		first := t.builders("BUILD")
		succeed(first[1])
		has(corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted"})(first[0])
		t.isDueAgain("BUILD", 1, "Evicted")
		Eventually(t.events).WithArguments("Phase", t.phase("BUILD").Name).Should(ContainElement(ContainSubstring("attempt 1 of 3 failed")))
		succeed(t.attempt("BUILD", 2))
		run := t.runIs(v1alpha1.RunSucceeded)
		Expect(run.Status.Phases[0].Message).To(BeEmpty())
		Expect(t.phase("BUILD").Status.Attempts[1].Replicas).To(HaveExactElements(HaveField("Index", BeZero())), "the other one had succeeded")
	})

	It("whose ci.sh had started is tried again where the link allows it", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0)))
		t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.Builder.Retry = &v1alpha1.RetrySpec{OnInfra: true} })
		t.run()
		Expect(k8s.Delete(ctx, t.builder("BUILD"))).To(Succeed())
		t.isDueAgain("BUILD", 1, "deleted before it had ended")
		succeed(t.attempt("BUILD", 2))
		t.runIs(v1alpha1.RunSucceeded)
	})

	It("tries an image for twenty seconds before it gives up", func() {
		t := begun(execution("BUILD", 0))
		pod := t.builder("BUILD")
		since(5*time.Second, containers(running(), waiting("ErrImagePull", "a hiccup")))(pod)
		Consistently(func() v1alpha1.PhaseState { return t.phase("BUILD").Status.State }).Should(Equal(v1alpha1.PhaseRunning))
		succeed(pod)
		t.runIs(v1alpha1.RunSucceeded)
	})
})

// attempt waits for an attempt, from 1, to have begun and returns its first builder Pod.
func (t *tenant) attempt(phase string, number int) *corev1.Pod {
	GinkgoHelper()
	t.phaseIs(phase, v1alpha1.PhaseRunning)
	Eventually(func() int { return len(t.phase(phase).Status.Attempts) }).Should(Equal(number))
	return get(&corev1.Pod{}, t.namespace, t.phase(phase).Status.Attempts[number-1].Replicas[0].Pod)
}

// isDueAgain waits until an attempt, from 1, has failed with texts, and lets the pause before the next one pass.
func (t *tenant) isDueAgain(phase string, number int, texts ...string) {
	GinkgoHelper()
	Eventually(func() *metav1.Time { return t.phase(phase).Status.Attempts[number-1].RetryTime }).ShouldNot(BeNil())
	failed := t.phase(phase)
	for _, text := range texts {
		Expect(failed.Status.Message).To(ContainSubstring(text))
	}
	before := failed.DeepCopy()
	failed.Status.Attempts[number-1].RetryTime = new(metav1.NewTime(time.Now().Add(-time.Minute)))
	Expect(k8s.Status().Patch(ctx, failed, client.MergeFrom(before))).To(Succeed())
}

// has gives a Pod a status.
func has(status corev1.PodStatus) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { setStatus(pod, status) }
}

// since gives a Pod that began a while ago a status.
func since(ago time.Duration, status corev1.PodStatus) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		status.StartTime = new(metav1.NewTime(time.Now().Add(-ago)))
		setStatus(pod, status)
	}
}

// claim keeps a container's report but not its exit code.
func claim(state corev1.ContainerState, code int32) corev1.ContainerState {
	state.Terminated.ExitCode = code
	return state
}
