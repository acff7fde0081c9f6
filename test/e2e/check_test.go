package e2e

import (
	"context"
	"fmt"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

var _ = Describe("A check run", func() {
	It("shows why ci.sh failed, beside the code, and repeats the phase when its button is pressed", func(ctx SpecContext) {
		receiver(ctx)
		t := newTenant(ctx, "DEV")
		r := newRepository(ctx, map[string]string{
			"ci.sh":    script(`echo "$PHASE"`, `if [ "$PHASE" = TEST ]; then echo "src/app.js:3:7: error: x is not defined"; exit 3; fi`),
			configFile: workflow(build, phase{Name: "TEST", PhaseType: 4, Order: 1}),
		})
		Expect(suite.github.SetRole(ctx, r.name, "ann", fakegithub.RoleWrite)).To(Succeed())
		permissions := mayReport()
		permissions["checks"] = "write"
		secret := t.installApp(ctx, r, permissions)
		name := t.link(ctx, r, func(link *v1alpha1.TenantRepoLinkSpec) {
			link.SecretRef.Name, link.Triggers.Comments = secret, &v1alpha1.CommentTrigger{}
		})
		checks := func(g Gomega, ctx context.Context) []fakegithub.CheckRun {
			sent, err := suite.github.Sent(ctx, r.name)
			g.Expect(err).NotTo(HaveOccurred())
			return sent.CheckRuns
		}
		shown := func(phase, conclusion string) OmegaMatcher {
			return And(HaveField("Name", "katkit/"+t.namespace+"/-/"+phase), HaveField("Conclusion", conclusion))
		}

		run := failed(ctx, t.run(ctx, name, r.sha))
		Eventually(checks).WithContext(ctx).Should(ConsistOf(shown("BUILD", "success"), And(shown("TEST", "failure"),
			HaveField("Title", "failed in run "+run.Name+": ci.sh exited with code 3"),
			HaveField("Text", "The last lines of the log:\n\n```text\nTEST\nsrc/app.js:3:7: error: x is not defined\n[katkit] ci.sh exited with code 3\n```\n"),
			HaveField("Annotations", ConsistOf(And(HaveKeyWithValue("path", "src/app.js"), HaveKeyWithValue("start_line", BeEquivalentTo(3)),
				HaveKeyWithValue("message", "error: x is not defined")))))))

		By("pressing Re-run")
		failedCheck := checks(Default, ctx)[slices.IndexFunc(checks(Default, ctx), func(c fakegithub.CheckRun) bool { return c.Conclusion == "failure" })]
		Expect(suite.github.PressRerun(ctx, r.name, "ann", failedCheck.ID)).To(Succeed())
		more := fmt.Sprintf(`,"action":"rerequested","check_run":{"id":%d}`, failedCheck.ID)
		Expect(t.prints(ctx, post(r.name, webhookSecret, "check_run", more))).To(Equal("202\n"))
		var again v1alpha1.CIRun
		Eventually(func(g Gomega, ctx context.Context) {
			var runs v1alpha1.CIRunList
			g.Expect(suite.Client.List(ctx, &runs, client.InNamespace(t.namespace))).To(Succeed())
			at := slices.IndexFunc(runs.Items, func(other v1alpha1.CIRun) bool { return other.Spec.RerunOf == run.Name })
			g.Expect(at).To(BeNumerically(">=", 0))
			again = runs.Items[at]
		}).WithContext(ctx).Should(Succeed())
		failed(ctx, &again)
		Expect(again.Spec.FromPhase).To(Equal("TEST"))
		Eventually(checks).WithContext(ctx).Should(HaveExactElements(shown("BUILD", "success"), shown("TEST", "failure"), shown("TEST", "failure")))
	})
})
