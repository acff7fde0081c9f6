package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
)

// cancel asks for a run to be cancelled.
func cancel(ctx context.Context, run *v1alpha1.CIRun) {
	GinkgoHelper()
	Expect(suite.Client.Patch(ctx, run.DeepCopy(), merge(`{"spec":{"cancelled":true}}`))).To(Succeed())
}

func merge(patch string) client.Patch {
	return client.RawPatch(types.MergePatchType, []byte(patch))
}

// cancelled waits until a run is cancelled, and returns it.
func cancelled(ctx context.Context, run *v1alpha1.CIRun) *v1alpha1.CIRun {
	GinkgoHelper()
	run = ended(ctx, run)
	Expect(run.Status.State).To(Equal(v1alpha1.RunCancelled), conditionOf(run).Message)
	return run
}

// isRunning waits until ci.sh runs in a builder Pod of a run, where it has written something, and returns the Pod.
func isRunning(ctx context.Context, run *v1alpha1.CIRun, attempt int) corev1.Pod {
	GinkgoHelper()
	var found corev1.Pod
	Eventually(func(g Gomega, ctx context.Context) {
		phases, err := suite.Phases(ctx, run)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(phases).NotTo(BeEmpty())
		g.Expect(phases[0].Status.Attempts).To(HaveLen(attempt))
		key := types.NamespacedName{Namespace: run.Namespace, Name: phases[0].Status.Attempts[attempt-1].Replicas[0].Pod}
		g.Expect(suite.Client.Get(ctx, key, &found)).To(Succeed())
		log := &corev1.PodLogOptions{Container: contract.BuildContainer, LimitBytes: new(int64(1))}
		g.Expect(suite.Clientset.CoreV1().Pods(run.Namespace).GetLogs(key.Name, log).DoRaw(ctx)).NotTo(BeEmpty())
	}).WithContext(ctx).Should(Succeed())
	return found
}

// evict is what `kubectl drain` does with a Pod.
func evict(ctx context.Context, pod corev1.Pod) {
	GinkgoHelper()
	Expect(suite.Clientset.PolicyV1().Evictions(pod.Namespace).Evict(ctx, &policyv1.Eviction{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
	})).To(Succeed())
}

// cordon keeps new Pods from a node, or no longer.
func cordon(ctx context.Context, node, patch string) {
	GinkgoHelper()
	Expect(suite.Client.Patch(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, merge(`{"spec":{"unschedulable":`+patch+`}}`))).To(Succeed())
}

var _ = Describe("A run that is cancelled", func() {
	It("during a build tells ci.sh, and keeps what it wrote until its very end", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web")
		run := t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh":         script("trap 'sleep 1; echo cleaned up; exit 0' TERM", "echo started", "while :; do sleep 0.2; done"),
			configFile:      workflow(build, deploy, verify),
			descriptionFile: description("web"),
		}))
		isRunning(ctx, run, 1)
		Eventually(func() int { return running(run) }).WithContext(ctx).Should(Equal(1))
		asked := time.Now()
		cancel(ctx, run)
		run = cancelled(ctx, run)
		Expect(time.Since(asked)).To(BeNumerically("<", buildpod.GracePeriod), "ci.sh needed a second")
		Expect(conditionOf(run)).To(haveStatus("False", v1alpha1.ReasonCancelled))
		phases := phasesOf(ctx, run)
		Expect(phases["BUILD"].Status.State).To(Equal(v1alpha1.PhaseCancelled))
		Expect(phases["BUILD"].Status.Attempts[0].Replicas[0].ExitCode).To(HaveValue(BeEquivalentTo(contract.ExitTerminated)))
		Expect(logOf(ctx, phases["BUILD"])).To(And(HavePrefix("started\n"), ContainSubstring("cleaned up\n")))
		Expect(phases["DEPLOY"].Status.State).To(Equal(v1alpha1.PhaseSkipped))
		Expect(t.image(ctx, "web")).To(Equal(suite.images.Builder))
	})

	It("during a build that heeds nothing ends after the grace period, and not much later", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		run := t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh": script("trap '' TERM", "echo started", "while :; do sleep 0.2; done"), configFile: workflow(build),
		}))
		isRunning(ctx, run, 1)
		Eventually(func() int { return running(run) }).WithContext(ctx).Should(Equal(1))
		asked := time.Now()
		cancel(ctx, run)
		run = cancelled(ctx, run)
		Expect(time.Since(asked)).To(And(BeNumerically(">", contract.DefaultGraceSeconds*time.Second), BeNumerically("<", buildpod.GracePeriod+10*time.Second)))
		Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(HavePrefix("started\n"))
	})

	It("during a rollout has it rolled back", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		g := newGate(ctx)
		t.service(ctx, "web", func(d *appsv1.Deployment) {
			container := &d.Spec.Template.Spec.Containers[0]
			container.Image = suite.images.Agent // the new version is of another image, and ready when the gate is open
			container.ReadinessProbe = &corev1.Probe{PeriodSeconds: 1, TimeoutSeconds: 5, ProbeHandler: corev1.ProbeHandler{
				Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "! command -v buildah || " + g.isOpen()}},
			}}
		})
		run := t.runOf(ctx, newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(deploy, verify), descriptionFile: description("web")}))
		Eventually(t.image).WithContext(ctx).WithArguments("web").Should(HaveSuffix(run.Spec.Commit.SHA))
		cancel(ctx, run)
		run = cancelled(ctx, run)
		deployed := phasesOf(ctx, run)["DEPLOY"]
		Expect(deployed.Status.State).To(Equal(v1alpha1.PhaseCancelled))
		Expect(deployed.Status.Receipts).To(HaveExactElements(HaveField("Result", v1alpha1.ReceiptRolledBack)))
		Expect(t.image(ctx, "web")).To(Equal(suite.images.Agent))
		// It is released after its end is written, which the run sees at once.
		Eventually(func(ctx context.Context) []string { return phasesOf(ctx, run)["DEPLOY"].Finalizers }).WithContext(ctx).WithTimeout(10 * time.Second).Should(BeEmpty())
	})
})

var _ = Describe("A build", func() {
	It("whose node is drained is begun again on another one, where the link allows it", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		g := newGate(ctx)
		run := t.runOf(ctx, newRepository(ctx, map[string]string{"ci.sh": script("echo started", g.wait()), configFile: workflow(build)}),
			func(link *v1alpha1.TenantRepoLinkSpec) { link.Builder.Retry = &v1alpha1.RetrySpec{OnInfra: true} })
		pod := isRunning(ctx, run, 1)
		cordon(ctx, pod.Spec.NodeName, "true")
		DeferCleanup(func(ctx SpecContext) { cordon(ctx, pod.Spec.NodeName, "null") })
		evict(ctx, pod)
		Eventually(func(g Gomega, ctx context.Context) {
			attempts := phasesOf(ctx, run)["BUILD"].Status.Attempts
			g.Expect(attempts).To(HaveLen(2))
			g.Expect(attempts[0].Message).To(ContainSubstring("told to stop"))
		}).WithContext(ctx).Should(Succeed())
		Consistently(func() int { return running(run) }).WithContext(ctx).WithTimeout(time.Second).Should(BeZero(), "no node takes it")
		cordon(ctx, pod.Spec.NodeName, "null")
		isRunning(ctx, run, 2)
		g.open(ctx)
		run = succeeded(ctx, run)
		first := phasesOf(ctx, run)["BUILD"].Status.Attempts[0].Replicas[0]
		Expect(first.Reason).To(Equal(string(contract.ReasonTerminated)))
		Expect(first.Log.Tail).To(HavePrefix("started\n"))
	})

	It("whose Pod is deleted fails where its ci.sh may not be run twice, says how that is allowed, and delivers its log to the last word", func(ctx SpecContext) {
		logStoreURL(ctx)
		t := newTenant(ctx, "DEV")
		run := t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh":    script("trap 'sleep 1; echo bye; exit 0' TERM", `n=0; while :; do n=$((n + 1)); echo "line $n"; done`),
			configFile: workflow(build, verify),
		}))
		pod := isRunning(ctx, run, 1)
		Expect(suite.Client.Delete(ctx, &pod)).To(Succeed())
		run = failed(ctx, run)
		phase := phasesOf(ctx, run)["BUILD"]
		Expect(phase.Status.FailureClass).To(Equal(v1alpha1.FailureInfra))
		Expect(phase.Status.Message).To(ContainSubstring("builder.retry.onInfra of the link allows that"))
		Expect(phase.Status.Attempts).To(HaveLen(1))

		awaitNoPods(ctx, run)
		stored := phasesOf(ctx, run)["BUILD"].Status.Attempts[0].Replicas[0].Log.Stored
		Expect(stored).To(HaveValue(HaveField("State", v1alpha1.StoredLogComplete)))
		log := t.viewer(ctx).shows(ctx, run.Name, "BUILD")
		Expect(log).To(HaveLen(int(stored.Bytes)))
		// Words of the agent are between those of ci.sh, where they may break a line.
		said := strings.ReplaceAll(regexp.MustCompile(`(?m)^\[katkit\] .*\n`).ReplaceAllString(log, ""), "\n", "")
		var written strings.Builder
		for n := range strings.Count(said, "line ") {
			fmt.Fprintf(&written, "line %d", n+1)
		}
		Expect(said).To(Equal(written.String() + "bye"))
	})

	It("that needs more memory than it may have fails as the user's own", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		run := t.runOf(ctx, newRepository(ctx, map[string]string{"ci.sh": script("echo started", "tail /dev/zero"), configFile: workflow(build)}),
			func(link *v1alpha1.TenantRepoLinkSpec) {
				link.Builder.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}}
			})
		run = failed(ctx, run)
		phase := phasesOf(ctx, run)["BUILD"]
		Expect(phase.Status.FailureClass).To(Equal(v1alpha1.FailureUser), phase.Status.Message)
		Expect(phase.Status.Message).To(ContainSubstring("memory"))
		Expect(phase.Status.Attempts).To(HaveLen(1), "it is not tried again")
	})

	It("that writes more to its node's disk than it may is evicted, and fails as the user's own", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		inClass := newClass(ctx, func(class *v1alpha1.BuilderClassSpec) { class.EphemeralStorageLimit = new(resource.MustParse("64Mi")) })
		runOf := func(lines ...string) *v1alpha1.CIRun {
			return t.runOf(ctx, newRepository(ctx, map[string]string{"ci.sh": script(lines...), configFile: workflow(build)}), inClass)
		}
		own := runOf("head -c 200M /dev/zero >/tmp/big", "sleep 600")
		// What is in the checkout counts for all containers together, of which one may keep a log besides.
		checkout := runOf("fallocate --length 2G big", "sleep 600")
		deaf := runOf("trap '' TERM", "head -c 200M /dev/zero >/tmp/big", "while :; do sleep 1; done")
		for run, words := range map[*v1alpha1.CIRun]string{
			own: `exceeded its local ephemeral storage limit "64Mi"`, checkout: "exceeds the total limit of containers", deaf: "exceeded its local ephemeral storage limit",
		} {
			phase := expectPhaseFailed(ctx, run, "BUILD", v1alpha1.FailureUser, v1alpha1.ReasonDiskLimitExceeded, words, "Write less")
			Expect(phase.Status.Attempts).To(HaveLen(1), "it is not tried again")
		}
	}, SpecTimeout(2*patience))

	It("of several replicas stops the others when one fails, and keeps the results of all", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		g := newGate(ctx)
		run := t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh":    script(`echo "replica $REPLICA_ID"`, "case $REPLICA_ID in", "0) exit 0 ;;", "1) "+g.wait()+"; exit 7 ;;", "*) sleep 600 ;;", "esac"),
			configFile: workflow(phase{Name: "BUILD", PhaseType: 4, Parallelism: 3}),
		}))
		Eventually(func() int { return running(run) }).WithContext(ctx).Should(Equal(2))
		g.open(ctx)
		phase := expectPhaseFailed(ctx, run, "BUILD", v1alpha1.FailureUser, "CIScriptFailed", "replica 1: ci.sh exited with code 7; the other replicas were stopped")
		Expect(phase.Status.Attempts[0].Replicas).To(HaveExactElements(
			HaveField("ExitCode", HaveValue(BeEquivalentTo(0))), HaveField("ExitCode", HaveValue(BeEquivalentTo(7))), HaveField("ExitCode", HaveValue(BeEquivalentTo(143)))))
		Expect(logs(ctx, phase)[2]).To(HavePrefix("replica 2\n"))
	})

	It("leaves variables for later phases, which a re-run has, too, without building again", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		g := newGate(ctx)
		r := newRepository(ctx, map[string]string{
			"ci.sh": script("case $PHASE in", `BUILD) echo "VERSION=1.2 $(date +%N)" >>"$KATKIT_OUTPUT" ;;`,
				`TEST) echo "version: $VERSION"; `+g.isOpen()+" ;;", "esac"),
			configFile: workflow(build, phase{Name: "TEST", PhaseType: 4, Order: 1}),
		})
		link := t.link(ctx, r)
		run := failed(ctx, t.run(ctx, link, r.sha))
		Expect(run.Status.Outputs).To(HaveExactElements(And(HaveField("Name", "VERSION"), HaveField("Value", HavePrefix("1.2 ")))))
		version := run.Status.Outputs[0].Value
		Expect(logOf(ctx, phasesOf(ctx, run)["TEST"])).To(HavePrefix("version: " + version + "\n"))

		g.open(ctx)
		again := succeeded(ctx, t.run(ctx, link, "", func(spec *v1alpha1.CIRunSpec) {
			spec.Commit, spec.RerunOf = v1alpha1.CommitSelector{}, run.Name
		}))
		Expect(again.Status.SHA).To(Equal(r.sha))
		Expect(again.Status.Phases[0]).To(And(HaveField("State", v1alpha1.PhaseSucceeded), HaveField("CarriedFrom", run.Name)))
		Expect(phasesOf(ctx, again)).To(And(HaveLen(1), HaveKey("TEST")))
		Expect(logOf(ctx, phasesOf(ctx, again)["TEST"])).To(Equal("version: " + version + "\n"))
	})
})
