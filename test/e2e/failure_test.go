package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// What takes its time to fail is begun together.
var _ = Describe("What never comes to an end by itself", Ordered, ContinueOnFailure, func() {
	var (
		t                                         *tenant
		timingOut, waiting, unpullable, unhealthy *v1alpha1.CIRun
	)
	const timeout = 15 * time.Second

	BeforeAll(func(ctx SpecContext) {
		t = newTenant(ctx, "DEV")
		t.service(ctx, "web", func(d *appsv1.Deployment) {
			d.Spec.ProgressDeadlineSeconds = new(int32(10))
		})
		limited := func(link *v1alpha1.TenantRepoLinkSpec) { link.Builder.Timeout = &metav1.Duration{Duration: timeout} }
		timingOut = t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh": script(
				`trap 'curl -s "$KATKIT_REPO_URL/told-to-stop/$KATKIT_RUN" >/dev/null; exit 0' TERM`,
				"echo started", "while :; do sleep 0.2; done"),
			configFile: workflow(build, verify),
		}), limited)
		waiting = t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh":    script("true"),
			configFile: workflow(phase{Name: "BUILD", PhaseType: 4, AllocationTags: "no-such-node"}),
		}), limited)
		unpullable = t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh":    script("true"),
			configFile: workflow(phase{Name: "BUILD", PhaseType: 4, ContainerImage: suite.Registry.Pull + "/e2e/no-such-image:v1"}, verify),
		}))
		unhealthy = t.runOf(ctx, newUnreleased(ctx, map[string]string{
			"ci.sh":         script("true"),
			configFile:      workflow(deploy, verify),
			descriptionFile: description("web"),
		}))
	})

	It("is stopped with TERM when its time is up", func(ctx SpecContext) {
		phase := expectPhaseFailed(ctx, timingOut, "BUILD", v1alpha1.FailureUser, v1alpha1.ReasonTimedOut, "took longer than its timeout of 15s")
		Expect(logOf(ctx, phase)).To(HavePrefix("started\n"))
		Expect(phase.Status.CompletionTime.Sub(phase.Status.StartTime.Time)).To(BeNumerically("~", timeout, 5*time.Second))
		Eventually(suite.github.Requests).WithContext(ctx).Should(
			ContainElement(HaveField("Path", HaveSuffix("/told-to-stop/"+timingOut.Name))), "ci.sh was told by TERM")
	})

	It("is a builder Pod that no node can take: it says so when its time is up", func(ctx SpecContext) {
		expectPhaseFailed(ctx, waiting, "BUILD", v1alpha1.FailureUser, v1alpha1.ReasonTimedOut, "the builder Pod is not scheduled")
	})

	It("is a builder image that cannot be pulled: it fails in under a minute, with the reason", func(ctx SpecContext) {
		phase := expectPhaseFailed(ctx, unpullable, "BUILD", v1alpha1.FailureConfig, v1alpha1.ReasonImagePullFailed,
			suite.Registry.Pull+"/e2e/no-such-image:v1", "Correct the image's name or push it")
		Expect(phase.Status.CompletionTime.Sub(unpullable.CreationTimestamp.Time)).To(BeNumerically("<", time.Minute))
	})

	It("is a new version that does not come up: the old one is brought back, and later phases never start", func(ctx SpecContext) {
		phase := expectPhaseFailed(ctx, unhealthy, "DEPLOY", v1alpha1.FailureUser, v1alpha1.ReasonImagePullFailed,
			"Deployment web did not become available", "rolled back: Deployment web runs "+suite.images.Builder+" again")
		Expect(phase.Status.Receipts[0].Result).To(Equal(v1alpha1.ReceiptRolledBack))
		Expect(t.image(ctx, "web")).To(Equal(suite.images.Builder))
		Expect(suite.pods.ofRun(unhealthy)).To(BeEmpty(), "the verification never starts")
	})
})
