package controller_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

var _ = Describe("GitHub shows the end of a run", func() {
	It("though the manager is replaced in the middle, and is told nothing twice", func() {
		t := reporting(execution("BUILD", 0), deployment("DEPLOY", 1), execution("VERIFY", 2))
		t.run()
		Eventually(t.told).Should(HaveLen(1))
		restart()
		succeed(t.builder("BUILD"))
		t.imageBecomes(appName, t.newImage(appName))
		Eventually(t.states).Should(Equal([]string{"in_progress"}))
		katkit.stop()
		t.rollOut(appName)
		katkit = startManager()
		succeed(t.builder("VERIFY"))
		t.runIs(v1alpha1.RunSucceeded)
		restart()
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.repository.Sent().Deployments).To(HaveLen(1))
		Expect(t.states()).To(Equal([]string{"in_progress", "success"}))
		told := map[string]int{}
		for _, line := range t.told() {
			told[line]++
		}
		Expect(told).To(And(HaveEach(1), HaveKey("BUILD success: succeeded in run run"), HaveKey("DEPLOY success: succeeded in run run"), HaveKey("VERIFY success: succeeded in run run")))
		t.staysQuiet()
	})

	It("though a third of what it is asked fails", func() {
		t := reporting(execution("BUILD", 0), deployment("DEPLOY", 1), execution("VERIFY", 2))
		DeferCleanup(gh.ForgetFaults)
		Expect(gh.Inject(fakegithub.Fault{Path: "^/api/v3/repos/" + t.repository.Name() + "/(commits/[0-9a-f]{40}/statuses|statuses|deployments)", Percent: 30, Times: 1000, Status: http.StatusBadGateway})).To(Succeed())
		t.run()
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded))
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.told()).To(ContainElements("BUILD success: succeeded in run run", "DEPLOY success: succeeded in run run", "VERIFY success: succeeded in run run"))
		Expect(t.repository.Sent().Deployments).To(HaveLen(1))
		Expect(t.states()[len(t.states())-1]).To(Equal("success"))
		t.staysQuiet()
	})

	It("though the answers get lost, and there is one deployment all the same", func() {
		t := reporting(deployment("DEPLOY", 0))
		DeferCleanup(gh.ForgetFaults)
		Expect(gh.Inject(fakegithub.Fault{Method: http.MethodPost, Path: "^/api/v3/repos/" + t.repository.Name() + "/deployments$", Times: 1, TruncateAfter: 20})).To(Succeed())
		t.run()
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded))
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.repository.Sent().Deployments).To(HaveLen(1))
		Expect(t.states()[len(t.states())-1]).To(Equal("success"))
	})

	It("after the rate limit is over, and is not asked before", func() {
		t := reporting(execution("BUILD", 0))
		t.run()
		Eventually(t.told).Should(HaveLen(1))
		Eventually(t.posts).Should(Equal(1), "it is recorded a moment after it was taken")
		limited := time.Now()
		reset := limited.Add(4 * time.Second).Truncate(time.Second)
		gh.SetRateLimit(t.writer("first"), 5000, 0, reset)
		succeed(t.builder("BUILD"))
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		var early []fakegithub.Request
		for _, request := range requestsFor(t.repository.Name()) {
			if request.Time.After(limited) && request.Time.Before(reset) {
				early = append(early, request)
			}
		}
		Expect(early).To(HaveLen(1), "the call that found it out")
		Expect(t.told()).To(HaveLen(2))
		Expect(t.runIs(v1alpha1.RunSucceeded).Status.CompletionTime.Time).To(BeTemporally("<", reset.Add(time.Second)))
	})

	It("though its token is replaced in the middle", func() {
		t := reporting(execution("BUILD", 0), execution("TEST", 1))
		t.run()
		Eventually(t.told).Should(HaveLen(1))
		gh.RevokeToken(t.writer("first"))
		succeed(t.builder("BUILD"))
		Eventually(func() []fakegithub.Request { return requestsFor(t.repository.Name()) }).Should(ContainElement(And(HaveField("Status", 401), HaveField("Method", http.MethodPost))))
		succeed(t.builder("TEST"))
		t.runIs(v1alpha1.RunSucceeded)
		gh.AddToken(t.writer("second"), fakegithub.Account{Login: "katkit-bot", Repositories: map[string]fakegithub.Permission{"*": fakegithub.Write}})
		change(&corev1.Secret{}, t.namespace, writerSecret, func(s *corev1.Secret) { s.Data[v1alpha1.SecretKeyToken] = []byte(t.writer("second")) })
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.told()).To(ContainElements("BUILD success: succeeded in run run", "TEST success: succeeded in run run"))
	})

	It("though its repository is renamed in the middle, before its link knows", func() {
		t := reporting(execution("BUILD", 0))
		t.run()
		Eventually(t.told).Should(HaveLen(1))
		Expect(gh.Rename(t.repository.Name(), t.repository.Name()+"-2")).To(Succeed())
		succeed(t.builder("BUILD"))
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.told()).To(ContainElement("BUILD success: succeeded in run run"))
	})

	It("but never to another repository that took the name", func() {
		t := reporting(execution("BUILD", 0))
		t.run()
		Eventually(t.told).Should(HaveLen(1))
		katkit.stop()
		name := t.repository.Name()
		Expect(gh.DeleteRepository(name)).To(Succeed())
		squatted, err := gh.CreateRepository(name, fakegithub.RepositoryOptions{})
		Expect(err).NotTo(HaveOccurred())
		t.repository = squatted
		t.commit()
		katkit = startManager()
		succeed(t.builder("BUILD"))
		t.isReported(metav1.ConditionFalse, v1alpha1.ReasonRepositoryReplaced)
		Expect(squatted.Sent().Statuses).To(BeEmpty())
		Expect(t.posts()).To(Equal(1), "the one before")
	})

	It("though its token was replaced long after", func() {
		t := reporting(execution("BUILD", 0))
		t.run()
		Eventually(t.told).Should(HaveLen(1))
		gh.RevokeToken(t.writer("first"))
		succeed(t.builder("BUILD"))
		ended := t.runIs(v1alpha1.RunSucceeded)
		Consistently(t.report).Should(BeNil(), "another token may be on its way")
		before := ended.DeepCopy()
		ended.Status.CompletionTime = new(metav1.NewTime(time.Now().Add(-time.Hour)))
		Expect(k8s.Status().Patch(ctx, ended, client.MergeFrom(before))).To(Succeed())
		Expect(t.isReported(metav1.ConditionFalse, v1alpha1.ReasonTokenRejected).Message).To(And(ContainSubstring("replace it with a valid one"), ContainSubstring("(token of Secret "+t.namespace+"/writer)")))
		t.nudge()
		t.linkIs(metav1.ConditionFalse, v1alpha1.ReasonTokenRejected)
		gh.AddToken(t.writer("second"), fakegithub.Account{Login: "katkit-bot", Repositories: map[string]fakegithub.Permission{"*": fakegithub.Write}})
		change(&corev1.Secret{}, t.namespace, writerSecret, func(s *corev1.Secret) { s.Data[v1alpha1.SecretKeyToken] = []byte(t.writer("second")) })
		t.nudge()
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.told()).To(ContainElement("BUILD success: succeeded in run run"))
	})
})
