package controller_test

import (
	"fmt"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// done counts the writes of a kind that the API server accepted.
func done(writes []write, verb, resource string) int {
	count := 0
	for _, sent := range writes {
		if sent.is(verb, resource) && !sent.dry() && sent.Status < http.StatusMultipleChoices {
			count++
		}
	}
	return count
}

// restart stops the manager and starts it anew.
func restart() {
	GinkgoHelper()
	katkit.stop()
	katkit = startManager()
}

var _ = Describe("A manager that is gone", func() {
	It("is replaced by one that goes on, at whichever write it was killed", func() {
		for n := 1; ; n++ {
			By(fmt.Sprintf("write %d", n))
			t := newTenant()
			t.commit(workflow(execution("BUILD", 0), deployment("DEPLOY", 1)), services(appName))
			generation := t.newDeployment(appName, "registry.example/app:old").Generation
			t.link()
			t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)

			first := katkit
			first.wire.killAt(t.namespace, n)
			t.run()
			Eventually(func() (bool, error) {
				state, err := t.play()
				return first.wire.isCut() || (state.Terminal() && len(t.pods()) == 0 && t.report() != nil), err
			}).Should(BeTrue())
			if !first.wire.isCut() {
				Expect(n).To(BeNumerically(">", 10), "so many writes it takes")
				return
			}
			restart()
			Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded), t.status())
			Eventually(t.pods).Should(BeEmpty())

			writes := append(first.wire.in(t.namespace), katkit.wire.in(t.namespace)...)
			Expect(done(writes, http.MethodPost, "phases")).To(Equal(2), "%v", writes)
			Expect(done(writes, http.MethodPost, "pods")).To(Equal(1), "%v", writes)
			Expect(done(writes, http.MethodPatch, "deployments")).To(Equal(1), "%v", writes)
			Expect(get(&appsv1.Deployment{}, t.namespace, appName).Generation).To(Equal(generation + 1))
			Expect(receipt(t.phase("DEPLOY"), appName)).To(And(
				HaveField("PreviousImage", "registry.example/app:old"), HaveField("Result", v1alpha1.ReceiptUpgraded)))
		}
	})

	It("is replaced by one that keeps to the commit, though the branch moved on before it was written down", func() {
		t := newTenant()
		asked := t.commit(workflow(execution("BUILD", 0), execution("TEST", 1)))
		t.link()
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		katkit.wire.killAt(t.namespace, 1)
		t.run()
		Eventually(katkit.wire.isCut).Should(BeTrue())
		Eventually(t.phases).Should(HaveLen(1))
		Expect(get(&v1alpha1.CIRun{}, t.namespace, "run").Status.SHA).To(BeEmpty())
		t.commit(map[string]string{"newer": "x"})
		restart()
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded))
		Expect(get(&v1alpha1.CIRun{}, t.namespace, "run").Status.SHA).To(Equal(asked))
		for _, phase := range t.phases() {
			Expect(phase.Spec.SHA).To(Equal(asked))
		}
	})

	DescribeTable("misses nothing that happens meanwhile:",
		func(prepare func(*tenant) func(), end v1alpha1.RunState, steps ...step) {
			t := begun(steps...)
			happens := prepare(t)
			katkit.stop()
			happens()
			katkit = startManager()
			Eventually(t.play).Should(Equal(end), t.status())
			Eventually(t.pods).Should(BeEmpty())
		},
		Entry("ci.sh succeeds", func(t *tenant) func() {
			pod := t.builder("BUILD")
			return func() { succeed(pod) }
		}, v1alpha1.RunSucceeded, execution("BUILD", 0), execution("TEST", 1)),
		Entry("ci.sh fails", func(t *tenant) func() {
			pod := t.builder("BUILD")
			return func() { exit(pod, 1, "") }
		}, v1alpha1.RunFailed, execution("BUILD", 0), execution("TEST", 1)),
		Entry("the Pod is deleted", func(t *tenant) func() {
			pod := t.builder("BUILD")
			return func() { Expect(k8s.Delete(ctx, pod)).To(Succeed()) }
		}, v1alpha1.RunFailed, execution("BUILD", 0), execution("TEST", 1)),
		Entry("the service is rolled out", func(t *tenant) func() {
			t.imageBecomes(appName, t.newImage(appName))
			return func() { t.rollOut(appName) }
		}, v1alpha1.RunSucceeded, deployment("DEPLOY", 0)),
		Entry("the service is changed", func(t *tenant) func() {
			t.imageBecomes(appName, t.newImage(appName))
			return func() {
				change(&appsv1.Deployment{}, t.namespace, appName, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "hotfix:v1" })
			}
		}, v1alpha1.RunFailed, deployment("DEPLOY", 0)),
		Entry("the phase is approved", func(t *tenant) func() {
			phase := t.phaseIs("LOAD", v1alpha1.PhaseWaitingForApproval)
			return func() { t.approve(phase) }
		}, v1alpha1.RunSucceeded, execution("LOAD", 0).with("IsPhaseAutomated", false)),
		Entry("the branch moves on", func(t *tenant) func() {
			t.builder("BUILD")
			return func() { t.commit(map[string]string{"katkitconfig.js": "broken"}) }
		}, v1alpha1.RunSucceeded, execution("BUILD", 0), deployment("DEPLOY", 1)),
		Entry("the link's Secret is deleted", func(t *tenant) func() {
			t.builder("BUILD")
			return func() {
				Expect(k8s.Delete(ctx, get(&corev1.Secret{}, t.namespace, "github"))).To(Succeed())
			}
		}, v1alpha1.RunSucceeded, execution("BUILD", 0), deployment("DEPLOY", 1)),
		Entry("the link is deleted", func(t *tenant) func() {
			t.phaseIs("LOAD", v1alpha1.PhaseWaitingForApproval)
			return func() {
				Expect(k8s.Delete(ctx, get(&v1alpha1.TenantRepoLink{}, t.namespace, linkName))).To(Succeed())
			}
		}, v1alpha1.RunCancelled, execution("LOAD", 0).with("IsPhaseAutomated", false)),
		Entry("the run is cancelled", func(t *tenant) func() {
			t.phaseIs("LOAD", v1alpha1.PhaseWaitingForApproval)
			return func() { t.cancel("run") }
		}, v1alpha1.RunCancelled, execution("LOAD", 0).with("IsPhaseAutomated", false)),
	)

	It("is replaced by one that leaves what is over as it is", func() {
		t := begun(execution("BUILD", 0), deployment("DEPLOY", 1))
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded))
		Eventually(t.pods).Should(BeEmpty())
		t.isReported(metav1.ConditionFalse, v1alpha1.ReasonReportRefused)
		restart()
		asked := t.posts()
		other := begun(execution("BUILD", 0))
		Eventually(other.play).Should(Equal(v1alpha1.RunSucceeded))
		other.isReported(metav1.ConditionFalse, v1alpha1.ReasonReportRefused)
		Expect(katkit.wire.in(t.namespace)).NotTo(ContainElement(HaveField("Path", Not(ContainSubstring("/tenantrepolinks/")))), "but for what its link sees anew")
		Expect(t.posts()).To(Equal(asked))
	})
})
