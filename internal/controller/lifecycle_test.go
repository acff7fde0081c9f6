package controller_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// kubectl runs the real one as the cluster admin.
func kubectl(args ...string) (string, error) {
	GinkgoHelper()
	output, err := exec.CommandContext(ctx, cluster.ControlPlane.KubectlPath, append(args, "--kubeconfig="+kubeconfig())...).CombinedOutput()
	return string(output), err
}

// kubeconfig writes the cluster admin's kubeconfig.
func kubeconfig() string {
	GinkgoHelper()
	file := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(os.WriteFile(file, cluster.KubeConfig, 0o600)).To(Succeed())
	return file
}

var _ = Describe("A run", func() {
	It("is worked with by kubectl alone", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0), deployment("DEPLOY", 1)), services(appName))
		t.newDeployment(appName, "registry.example/app:old")
		t.link()
		manifest := filepath.Join(GinkgoT().TempDir(), "run.yaml")
		Expect(os.WriteFile(manifest, fmt.Appendf(nil, `
apiVersion: katkit.dev/v1alpha1
kind: CIRun
metadata: {name: run, namespace: %s}
spec:
  link: {name: app}
  commit: {branch: main}
`, t.namespace), 0o600)).To(Succeed())

		By("applying it")
		Expect(kubectl("apply", "-f", manifest)).To(ContainSubstring("cirun.katkit.dev/run created"))
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded))
		Expect(kubectl("wait", "-n", t.namespace, "--for=condition=Succeeded", "--timeout=10s", "cirun/run")).To(ContainSubstring("condition met"))

		By("looking at it")
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		Expect(kubectl("get", "run", "-n", t.namespace)).To(And(
			MatchRegexp(`NAME +LINK +SHA +STATE +STARTED +COMPLETED`), MatchRegexp(`run +app +[0-9a-f]{40} +Succeeded`)))
		Expect(kubectl("get", "phases", "-n", t.namespace)).To(And(
			MatchRegexp(`run-0-build +run +BUILD +Execution +0 +Succeeded`), MatchRegexp(`run-1-deploy +run +DEPLOY +Deployment +1 +Succeeded`)))
		Expect(kubectl("get", "trl", "-n", t.namespace)).To(MatchRegexp(`app +%s +main +True +Ready`, t.repository.Name()))
		Eventually(kubectl).WithArguments("describe", "run", "run", "-n", t.namespace).Should(ContainSubstring("all 2 phases succeeded"))
		Expect(kubectl("get", "katkit", "-n", t.namespace)).To(And(ContainSubstring("cirun.katkit.dev/run"), ContainSubstring("tenantrepolink.katkit.dev/app"), ContainSubstring("phase.katkit.dev/run-0-build")))

		By("applying it again, which does nothing")
		Eventually(t.pods).Should(BeEmpty())
		t.isReported(metav1.ConditionFalse, v1alpha1.ReasonReportRefused)
		writes, run := len(katkit.wire.in(t.namespace)), get(&v1alpha1.CIRun{}, t.namespace, "run")
		Expect(kubectl("apply", "-f", manifest)).To(ContainSubstring("cirun.katkit.dev/run unchanged"))
		Expect(kubectl("label", "run", "run", "-n", t.namespace, "looked-at=yes")).To(ContainSubstring("labeled"))
		Consistently(func() int { return len(katkit.wire.in(t.namespace)) }).Should(Equal(writes))
		Expect(get(&v1alpha1.CIRun{}, t.namespace, "run").Status).To(Equal(run.Status))
	})

	It("of a repository that two tenants link is each one's own", func() {
		t, u := newTenant(), newTenant()
		t.commit(workflow(execution("BUILD", 0), deployment("DEPLOY", 1)), services(appName))
		u.repository = t.repository
		change(&corev1.Namespace{}, "", u.namespace, func(n *corev1.Namespace) { n.Annotations[v1alpha1.AnnotationEnv] = "PROD" })
		for _, tenant := range []*tenant{t, u} {
			tenant.newDeployment(appName, "registry.example/app:old")
			tenant.link()
		}
		t.run()
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded))
		Expect(env(t.phase("BUILD"), "ENV")).To(Equal("DEV"))
		Expect(u.phases()).To(BeEmpty())
		Expect(u.imageOf(appName, appName)).To(Equal("registry.example/app:old"))
		u.run()
		Eventually(u.play).Should(Equal(v1alpha1.RunSucceeded))
		Expect(env(u.phase("BUILD"), "ENV")).To(Equal("PROD"))
		Expect(u.imageOf(appName, appName)).To(Equal(t.imageOf(appName, appName)))
	})

	It("of a folder deploys that folder's service", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0), deployment("DEPLOY", 1)), map[string]string{
			"one/servicedescription/servicedescription.js": services("one")["servicedescription/servicedescription.js"],
			"two/servicedescription/servicedescription.js": services("two")["servicedescription/servicedescription.js"],
		})
		t.newDeployment("one", "registry.example/one:old")
		t.newDeployment("two", "registry.example/two:old")
		t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.FolderPath = "/two/" })
		t.run()
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded))
		Expect(t.imageOf("two", "two")).To(Equal(t.newImage("two")))
		Expect(t.imageOf("one", "one")).To(Equal("registry.example/one:old"))
		Expect(env(t.phase("BUILD"), "CODE_PATH")).To(Equal("two"))
	})

	It("that is deleted halfway starts nothing more, and its builder is stopped", func() {
		t := begun(execution("BUILD", 0), deployment("DEPLOY", 1))
		build := t.builder("BUILD")
		// The garbage collector, which does not run here, would now delete the phases and their Pods.
		Expect(k8s.Delete(ctx, get(&v1alpha1.CIRun{}, t.namespace, "run"))).To(Succeed())
		setStatus(build, containers(completed(), running()))
		Eventually(gone).WithArguments(build).Should(BeTrue())
		Expect(t.phase("DEPLOY").Status.State).To(Equal(v1alpha1.PhasePending))
		Expect(t.imageOf(appName, appName)).To(Equal("registry.example/app:old"))
	})

	It("that is deleted while ci.sh ends does not deploy", func() {
		t := begun(execution("BUILD", 0), deployment("DEPLOY", 1))
		build := t.builder("BUILD")
		Expect(k8s.Delete(ctx, get(&v1alpha1.CIRun{}, t.namespace, "run"))).To(Succeed())
		succeed(build)
		Consistently(t.patches).Should(BeEmpty())
		Expect(t.phase("DEPLOY").Status.State).To(Equal(v1alpha1.PhasePending))
	})

	It("that is deleted and made again is another one", func() {
		t := begun(execution("BUILD", 0))
		first := t.builder("BUILD")
		run := get(&v1alpha1.CIRun{}, t.namespace, "run")
		Expect(k8s.Delete(ctx, run)).To(Succeed())
		for _, object := range []client.Object{t.phase("BUILD"), first} { // as the garbage collector does
			Expect(client.IgnoreNotFound(k8s.Delete(ctx, object))).To(Succeed())
		}
		t.run()
		second := t.builder("BUILD")
		Expect(second.Name).NotTo(Equal(first.Name))
		succeed(second)
		t.runIs(v1alpha1.RunSucceeded)
	})

	It("of which somebody deletes a phase fails, and nothing of it goes on", func() {
		t := begun(execution("BUILD", 0), execution("TEST", 1), execution("LATE", 2))
		t.builder("BUILD")
		Expect(k8s.Delete(ctx, t.phase("TEST"))).To(Succeed())
		run := t.runIs(v1alpha1.RunFailed)
		Expect(meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionSucceeded)).To(And(
			HaveField("Reason", v1alpha1.ReasonPhaseGone), HaveField("Message", ContainSubstring("run-1-test was deleted"))))
		for _, phase := range run.Status.Phases {
			Expect(phase.State.Terminal()).To(BeTrue(), "%s %s", phase.Name, phase.State)
		}
		Eventually(t.pods).Should(BeEmpty())
		t.phaseFails("BUILD", v1alpha1.FailureConfig, v1alpha1.ReasonRunEnded, "run run ended without it")
		Expect(t.phaseIs("LATE", v1alpha1.PhaseSkipped).Status.Message).To(ContainSubstring("run run ended before its turn came"))
	})

	It("does not take somebody else's Phase for its own", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0), execution("TEST", 1)))
		theirs := aPhase(func(p *v1alpha1.Phase) {
			p.ObjectMeta = metav1.ObjectMeta{Namespace: t.namespace, Name: "run-1-test"}
		})
		create(theirs)
		t.link()
		t.run()
		run := t.runIs(v1alpha1.RunFailed)
		Expect(meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionSucceeded)).To(And(
			HaveField("Reason", v1alpha1.ReasonNameConflict), HaveField("Message", ContainSubstring("Phase "+t.namespace+"/run-1-test"))))
		Eventually(t.pods).Should(BeEmpty())
		Eventually(func() v1alpha1.PhaseState { return t.phase("BUILD").Status.State }).Should(BeElementOf(v1alpha1.PhaseFailed, v1alpha1.PhaseSkipped))
		Consistently(t.pods).Should(BeEmpty())
		Expect(get(&v1alpha1.Phase{}, t.namespace, "run-1-test").OwnerReferences).To(BeEmpty())
	})
})
