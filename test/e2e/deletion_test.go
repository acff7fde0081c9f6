package e2e

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

var _ = Describe("What is deleted", func() {
	const limit = time.Minute

	It("ends within a minute and leaves nothing: a run in its rollout is taken back first", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web")
		r := newUnreleased(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(deploy), descriptionFile: description("web")})
		run := t.runOf(ctx, r)
		Eventually(t.image).WithContext(ctx).WithArguments("web").Should(HaveSuffix(r.sha))
		Expect(suite.Client.Delete(ctx, run.DeepCopy())).To(Succeed())
		Eventually(func(ctx context.Context) ([]v1alpha1.Phase, error) { return suite.Phases(ctx, run) }).WithContext(ctx).WithTimeout(limit).Should(BeEmpty())
		Expect(t.image(ctx, "web")).To(Equal(suite.images.Builder))
		delete(t.services, "Deployment/web") // changed and back, and no run is left that tells of it
	})

	It("ends within a minute: a namespace with a build and a rollout under way, while GitHub is dead", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web")
		building := newRepository(ctx, map[string]string{"ci.sh": script("sleep 600"), configFile: workflow(build)})
		deploying := newUnreleased(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(deploy), descriptionFile: description("web")})
		rollout := t.runOf(ctx, deploying)
		Eventually(t.image).WithContext(ctx).WithArguments("web").Should(HaveSuffix(rollout.Spec.Commit.SHA))
		link := t.link(ctx, building)
		waiting := t.run(ctx, link, building.sha)
		Eventually(func(g Gomega, ctx context.Context) {
			g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(waiting), waiting)).To(Succeed())
			g.Expect(waiting.Status.WaitingFor).To(ContainSubstring("run " + rollout.Name + " is deploying to " + t.namespace))
		}).WithContext(ctx).Should(Succeed())
		t.setToken(ctx, "revoked")
		unplanned := t.run(ctx, link, strings.Repeat("a", 40))
		Expect(unplanned.Name).NotTo(BeEmpty())

		Expect(deleteNamespace(ctx, t.namespace)).To(Succeed())
		Eventually(func(ctx context.Context) bool {
			err := suite.Client.Get(ctx, client.ObjectKey{Name: t.namespace}, &corev1.Namespace{})
			return apierrors.IsNotFound(err)
		}).WithContext(ctx).WithTimeout(limit).Should(BeTrue())
		t.services = nil
	})

	It("is a link: its runs are cancelled, also those that wait, and what they had begun ends", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		r := newRepository(ctx, map[string]string{"ci.sh": script("trap 'echo told; exit 0' TERM", "echo started", "while :; do sleep 0.2; done"), configFile: workflow(build, deploy),
			descriptionFile: description("web")})
		t.service(ctx, "web")
		link := t.link(ctx, r)
		building := t.run(ctx, link, r.sha)
		isRunning(ctx, building, 1)
		Eventually(func() int { return running(building) }).WithContext(ctx).Should(Equal(1))
		waiting := t.run(ctx, link, r.sha, func(spec *v1alpha1.CIRunSpec) {
			spec.Phases = []v1alpha1.PhaseTemplate{{Name: "ASK", Type: v1alpha1.PhaseExecution, Approval: v1alpha1.ApprovalManual}}
		})
		awaitPhase(ctx, waiting, "ASK", v1alpha1.PhaseWaitingForApproval)
		asked := time.Now()
		Expect(suite.Client.Delete(ctx, &v1alpha1.TenantRepoLink{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: link}})).To(Succeed())
		for _, run := range []*v1alpha1.CIRun{building, waiting} {
			Expect(conditionOf(cancelled(ctx, run))).To(haveStatus("False", v1alpha1.ReasonLinkDeleted))
		}
		Expect(time.Since(asked)).To(BeNumerically("<", limit))
		Expect(logOf(ctx, phasesOf(ctx, building)["BUILD"])).To(ContainSubstring("told\n"))
		Eventually(func(g Gomega, ctx context.Context) {
			var pods corev1.PodList
			g.Expect(suite.Client.List(ctx, &pods, client.InNamespace(t.namespace), client.HasLabels{v1alpha1.LabelRunUID})).To(Succeed())
			g.Expect(pods.Items).To(BeEmpty())
		}).WithContext(ctx).WithTimeout(limit).Should(Succeed())
	})
})

var _ = Describe("A GitHub that takes connections and gives no answer", Serial, func() {
	It("keeps neither its runs, nor their link, nor their namespace from being deleted, and other tenants go on", func(ctx SpecContext) {
		const limit = time.Minute
		t, other := newTenant(ctx, "DEV"), newTenant(ctx, "DEV")
		silent(ctx, t.namespace)
		Expect(suite.Katkit(ctx, suite.images, "--github-host=silent.example=http://silent."+t.namespace+".svc")).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(suite.Katkit(ctx, suite.images)).To(Succeed()) })
		link := t.newLink("silent", &repository{name: "acme/silent"})
		link.Spec.Host = "silent.example"
		Expect(suite.Client.Create(ctx, link)).To(Succeed())
		var runs []*v1alpha1.CIRun
		for range 20 {
			runs = append(runs, t.run(ctx, link.Name, strings.Repeat("a", 40)))
		}
		r := newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(build)})
		otherLink := other.link(ctx, r)
		asked := time.Now()
		single := other.run(ctx, otherLink, r.sha)
		awaitPhase(ctx, single, "BUILD", v1alpha1.PhaseRunning)
		AddReportEntry("another tenant's run beside 20 of a silent GitHub begins after", time.Since(asked).Round(10*time.Millisecond).String())
		Expect(time.Since(asked)).To(BeNumerically("<", 5*time.Second))
		succeeded(ctx, single)

		By("deleting a run, the link, and the namespace")
		Eventually(func(g Gomega, ctx context.Context) {
			g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(runs[0]), runs[0])).To(Succeed())
			g.Expect(conditionOf(runs[0])).To(HaveField("Reason", v1alpha1.ReasonGitHubUnavailable))
		}).WithContext(ctx).Should(Succeed())
		gone := func(object client.Object) {
			GinkgoHelper()
			Expect(suite.Client.Delete(ctx, object)).To(Succeed())
			Eventually(func(ctx context.Context) bool {
				return apierrors.IsNotFound(suite.Client.Get(ctx, client.ObjectKeyFromObject(object), object))
			}).WithContext(ctx).WithTimeout(limit).Should(BeTrue())
		}
		gone(runs[0])
		asked = time.Now()
		gone(link)
		for _, run := range runs[1:] { // they began nothing, and wait for a link as they did before there was one
			Eventually(func(g Gomega, ctx context.Context) {
				g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(run), run)).To(Succeed())
				g.Expect(conditionOf(run)).To(HaveField("Reason", v1alpha1.ReasonLinkNotFound))
			}).WithContext(ctx).WithTimeout(limit).Should(Succeed())
		}
		AddReportEntry("19 runs have noticed that their link is gone after", time.Since(asked).Round(10*time.Millisecond).String())
		gone(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.namespace}})
		t.services = nil
	}, NodeTimeout(5*time.Minute))
})

// silent runs a server that takes connections, and says nothing.
func silent(ctx context.Context, namespace string) {
	GinkgoHelper()
	labels := map[string]string{"app": "silent"}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "silent", Labels: labels}}
	pod.Spec.TerminationGracePeriodSeconds = new(int64(0))
	pod.Spec.Containers = []corev1.Container{{Name: "silent", Image: suite.images.Builder, Command: []string{"perl", "-MIO::Socket::INET", "-e",
		`my $server = IO::Socket::INET->new(LocalPort => 8080, Listen => 100) or die $!; my @open; push @open, $server->accept while 1`}}}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "silent"}}
	service.Spec.Selector, service.Spec.Ports = labels, []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}
	Expect(suite.Client.Create(ctx, pod)).To(Succeed())
	Expect(suite.Client.Create(ctx, service)).To(Succeed())
	Eventually(func(g Gomega, ctx context.Context) {
		g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod)).To(Succeed())
		g.Expect(pod.Status.Phase).To(Equal(corev1.PodRunning))
	}).WithContext(ctx).Should(Succeed())
}
