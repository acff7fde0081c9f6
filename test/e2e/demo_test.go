package e2e

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
	"katkit.dev/katkit/test/install"
)

var _ = Describe("The demo's run", func() {
	It("builds an image in its builder Pod, rolls it out in its tenant alone, and verifies it by its DNS name", func(ctx SpecContext) {
		files, err := suite.Sample(install.App)
		Expect(err).NotTo(HaveOccurred())
		r := createRepository(ctx)
		old, err := suite.github.Commit(ctx, r.name, fakegithub.Commit{Message: "The old version", Files: files})
		Expect(err).NotTo(HaveOccurred())
		oldImage, err := suite.AppImage(ctx, old)
		Expect(err).NotTo(HaveOccurred())
		r.sha, err = suite.github.Commit(ctx, r.name, fakegithub.Commit{Message: "The new version", Files: fakegithub.Texts(map[string]string{"NEWS": "new"})})
		Expect(err).NotTo(HaveOccurred())

		dev, prod := newTenant(ctx, "DEV"), newTenant(ctx, "PROD")
		for t, env := range map[*tenant]string{dev: "DEV", prod: "PROD"} {
			Expect(suite.App(ctx, t.namespace, oldImage, env, 2)).To(Succeed())
			t.remember(ctx, "Deployment", install.App)
			Expect(suite.Link(ctx, suite.NewLink(t.namespace, install.App, r.name))).To(Succeed())
		}
		untouched := &appsv1.Deployment{}
		Expect(suite.Client.Get(ctx, client.ObjectKey{Namespace: prod.namespace, Name: install.App}, untouched)).To(Succeed())

		run := succeeded(ctx, dev.run(ctx, install.App, r.sha))

		var names []string
		for _, phase := range run.Status.Phases {
			names = append(names, phase.Name)
		}
		Expect(names).To(Equal([]string{"PRE_DEPLOY_BUILD", "DEPLOY", "POST_DEPLOY_VERIFICATION"}))
		receipt := phasesOf(ctx, run)["DEPLOY"].Status.Receipts[0]
		Expect(receipt).To(And(HaveField("PreviousImage", oldImage), HaveField("Result", v1alpha1.ReceiptUpgraded), HaveField("Replicas", BeEquivalentTo(2))))
		Expect(dev.image(ctx, install.App)).To(And(HaveSuffix(r.sha), Equal(receipt.Image)))
		Expect(answerOf(ctx, dev)).To(contain(r.sha, "DEV"))

		now := &appsv1.Deployment{}
		Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(untouched), now)).To(Succeed())
		Expect(now.Spec).To(Equal(untouched.Spec))
		Expect(now.Generation).To(Equal(untouched.Generation))
		Expect(answerOf(ctx, prod)).To(contain(old, "PROD"))
	})
})

// answerOf asks the tenant's service for its page.
func answerOf(ctx SpecContext, t *tenant) string {
	GinkgoHelper()
	var answer []byte
	Eventually(func(ctx SpecContext) error {
		var err error
		answer, err = suite.Clientset.CoreV1().Services(t.namespace).ProxyGet("http", install.App, "80", "/", nil).DoRaw(ctx)
		return err
	}).WithContext(ctx).Should(Succeed())
	return string(answer)
}
