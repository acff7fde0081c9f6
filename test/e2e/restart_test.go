package e2e

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/install"
)

// That each attempt had one Pod and each workload one change is checked after every spec, so after these, too.
var _ = Describe("A manager that is killed", func() {
	It("goes on with every kind of phase, whatever happened meanwhile", func(ctx SpecContext) {
		t, u, v := newTenant(ctx, "DEV"), newTenant(ctx, "DEV"), newTenant(ctx, "DEV") // deployments are alone in their tenant
		g := newGate(ctx)
		// The first version is of another image, and ready at once. A new one is when the gate is open: its rollout lasts.
		u.service(ctx, "web", func(d *appsv1.Deployment) {
			container := &d.Spec.Template.Spec.Containers[0]
			container.Image = suite.images.Agent
			container.ReadinessProbe = &corev1.Probe{PeriodSeconds: 1, TimeoutSeconds: 5, ProbeHandler: corev1.ProbeHandler{
				Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "! command -v buildah || " + g.isOpen()}},
			}}
		})
		v.service(ctx, "api")
		waits := script(`echo "$PHASE $REPLICA_ID"`, g.wait())
		quick := script("echo $PHASE")
		executing := t.runOf(ctx, newRepository(ctx, map[string]string{"ci.sh": waits, configFile: workflow(
			phase{Name: "MANY", PhaseType: 4, Parallelism: 2}, phase{Name: "ONE", PhaseType: 4, Order: 1})}))
		fails := t.runOf(ctx, newRepository(ctx, map[string]string{"ci.sh": waits + "exit 4\n", configFile: workflow(build, verify)}))
		deploying := u.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh": quick, configFile: workflow(deploy, verify), descriptionFile: description("web"),
		}))
		approving := v.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh": quick, configFile: workflow(build, phase{Name: "DEPLOY", PhaseType: 1, Order: 1, IsPhaseAutomated: new(false)}), descriptionFile: description("api"),
		}))
		later := newRepository(ctx, map[string]string{"ci.sh": quick, configFile: workflow(build)})
		laterLink := t.link(ctx, later)

		By("waiting until each of them is in the middle")
		Eventually(func() int { return running(executing) + running(fails) }).WithContext(ctx).Should(Equal(3))
		Eventually(u.image).WithContext(ctx).WithArguments("web").Should(HaveSuffix(deploying.Spec.Commit.SHA))
		waiting := awaitPhase(ctx, approving, "DEPLOY", v1alpha1.PhaseWaitingForApproval)

		restarted := kill(ctx, "manager")
		By("going on while the manager is down: scripts end, the rollout ends, an approval and a run come")
		g.open(ctx)
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"approved":true}}`))
		Expect(suite.Client.Patch(ctx, &waiting, patch)).To(Succeed())
		created := t.run(ctx, laterLink, later.sha)
		restarted(ctx)

		run := succeeded(ctx, executing)
		Expect(logs(ctx, phasesOf(ctx, run)["MANY"])).To(Equal([]string{"MANY 0\n", "MANY 1\n"}))
		Expect(suite.pods.ofRun(run)).To(HaveLen(3))
		expectPhaseFailed(ctx, fails, "BUILD", v1alpha1.FailureUser, "CIScriptFailed", "ci.sh exited with code 4")
		succeeded(ctx, deploying)
		Expect(phasesOf(ctx, deploying)["DEPLOY"].Status.Receipts[0].PreviousImage).To(Equal(suite.images.Agent), "not lost by the restart")
		_, generation := u.workload(ctx, "Deployment", "web")
		Expect(generation).To(BeEquivalentTo(2), "one patch")
		succeeded(ctx, approving)
		succeeded(ctx, created)
	})

	It("at any moment of many runs loses none, and does nothing twice", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		var runs []*v1alpha1.CIRun
		for i := range 3 {
			name := fmt.Sprintf("web-%d", i)
			t.service(ctx, name)
			r := newRepository(ctx, map[string]string{
				"ci.sh": script("echo $PHASE"), configFile: workflow(build, deploy, verify), descriptionFile: description(name),
			})
			link := t.link(ctx, r)
			runs = append(runs, install.NewRun(t.namespace, "run-"+name, link, r.sha))
		}
		for i, run := range runs {
			Expect(suite.Client.Create(ctx, run)).To(Succeed())
			if i == len(runs)/2 {
				Expect(suite.Clientset.CoreV1().Pods(install.Namespace).Delete(ctx, podOfKatkit(ctx, "manager").Name,
					metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})).To(Succeed())
			}
		}
		for _, run := range runs {
			succeeded(ctx, run)
			Expect(suite.pods.ofRun(run)).To(HaveLen(2))
		}
	})
})

// running counts the builder Pods of a run whose ci.sh runs.
func running(run *v1alpha1.CIRun) int {
	count := 0
	for _, pod := range suite.pods.ofRun(run) {
		for _, container := range pod.Status.ContainerStatuses {
			if container.Name == "build" && container.State.Running != nil {
				count++
			}
		}
	}
	return count
}

// podOfKatkit is the one Pod of a component of Katkit, which is ready.
func podOfKatkit(ctx context.Context, component string) *corev1.Pod {
	GinkgoHelper()
	var pods corev1.PodList
	Eventually(func(g Gomega, ctx context.Context) {
		g.Expect(suite.Client.List(ctx, &pods, client.InNamespace(install.Namespace),
			client.MatchingLabels{"app.kubernetes.io/component": component})).To(Succeed())
		g.Expect(pods.Items).To(HaveLen(1))
		g.Expect(pods.Items[0].Status.ContainerStatuses).To(HaveLen(1))
		g.Expect(pods.Items[0].Status.ContainerStatuses[0].Ready).To(BeTrue())
	}).WithContext(ctx).Should(Succeed())
	return &pods.Items[0]
}

// kill ends the process of a component of Katkit by SIGKILL, from a Pod that sees the processes of the node, and returns when
// it has ended. What it returns waits until the kubelet has started it again.
func kill(ctx context.Context, component string) (restarted func(context.Context)) {
	GinkgoHelper()
	victim := podOfKatkit(ctx, component)
	before := victim.Status.ContainerStatuses[0]
	_, id, _ := strings.Cut(before.ContainerID, "://")
	Expect(id).NotTo(BeEmpty())

	namespace := newNamespaceName()
	Expect(suite.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	mark(ctx, namespace)
	DeferCleanup(func(ctx SpecContext) { Expect(deleteNamespace(ctx, namespace)).To(Succeed()) })
	killer := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "killer"},
		Spec: corev1.PodSpec{
			NodeName: victim.Spec.NodeName, HostPID: true, RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "killer", Image: suite.images.Builder,
				// A process belongs to the victim when its control group is named by the container's id.
				Command: []string{"bash", "-c", `cd /proc; for p in [0-9]*; do if grep -q "$ID" $p/cgroup 2>/dev/null; then kill -9 $p && echo killed $p; fi; done`},
				Env:     []corev1.EnvVar{{Name: "ID", Value: id}},
			}},
		},
	}
	Expect(suite.Client.Create(ctx, killer)).To(Succeed())
	status := func(ctx context.Context) (corev1.ContainerStatus, error) {
		pod := &corev1.Pod{}
		err := suite.Client.Get(ctx, client.ObjectKeyFromObject(victim), pod)
		return pod.Status.ContainerStatuses[0], err
	}
	Eventually(status).WithContext(ctx).Should(Or(
		HaveField("State.Terminated", Not(BeNil())), HaveField("RestartCount", BeNumerically(">", before.RestartCount))))
	return func(ctx context.Context) {
		GinkgoHelper()
		Eventually(status).WithContext(ctx).Should(And(
			HaveField("Ready", BeTrue()), HaveField("RestartCount", BeNumerically(">", before.RestartCount))))
		now, err := status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.LastTerminationState.Terminated).To(HaveField("ExitCode", BeEquivalentTo(137)), "it was killed, not told to stop")
	}
}
