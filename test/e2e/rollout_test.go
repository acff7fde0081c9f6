package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// needsCurl is a program that the version of releaseBad cannot run: it says so and exits with code 3.
const needsCurl = `echo "version 2 starts"; command -v curl >/dev/null || { echo "panic: curl is missing"; exit 3; }; exec sleep infinity`

// releaseBad makes an image of a commit available that lacks curl, which the version before has.
func releaseBad(ctx context.Context, sha string) {
	Expect(suite.tag(ctx, suite.images.Agent, suite.serviceImage(sha))).To(Succeed())
}

// settle is how long a Pod has to be ready until it counts, in seconds: a program without a readiness probe is ready as soon as
// it has started, and may crash only then.
const settle = 3

// hardly lets a rollout make progress for ten seconds only.
func hardly(d *appsv1.Deployment) { d.Spec.ProgressDeadlineSeconds = new(int32(10)) }

// limitPods lets a tenant have no more Pods than it has, and waits until the quota counts them.
func (t *tenant) limitPods(ctx context.Context, pods string) {
	GinkgoHelper()
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "pods"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse(pods)}},
	}
	Expect(suite.Client.Create(ctx, quota)).To(Succeed())
	Eventually(func(g Gomega, ctx context.Context) {
		g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(quota), quota)).To(Succeed())
		g.Expect(quota.Status.Used.Pods().String()).To(Equal(pods))
	}).WithContext(ctx).Should(Succeed())
}

// statefulSet is a service of two Pods that needs curl. It is ready when its Pods are.
func (t *tenant) statefulSet(ctx context.Context, policy appsv1.PodManagementPolicyType) *appsv1.StatefulSet {
	GinkgoHelper()
	labels := map[string]string{"app": "web"}
	template := idle("web", suite.images.Builder, labels)
	template.Spec.Containers[0].Command = []string{"sh", "-c", needsCurl}
	s := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "web"},
		Spec: appsv1.StatefulSetSpec{
			Replicas: new(int32(2)), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template, PodManagementPolicy: policy,
			MinReadySeconds: settle,
		},
	}
	Expect(suite.Client.Create(ctx, s)).To(Succeed())
	Eventually(func(g Gomega, ctx context.Context) {
		g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(s), s)).To(Succeed())
		g.Expect(s.Status.AvailableReplicas).To(Equal(int32(2)))
	}).WithContext(ctx).Should(Succeed())
	t.remember(ctx, "StatefulSet", "web")
	return s
}

// newBad makes a repository whose version releaseBad makes.
func newBad(ctx context.Context) *repository {
	r := newUnreleased(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(deploy, verify), descriptionFile: description("web")})
	releaseBad(ctx, r.sha)
	return r
}

// expectTakenBack checks a run whose deployment failed for a reason: how soon that was told, that the version before
// is back, and that it is well.
func (t *tenant) expectTakenBack(ctx context.Context, run *v1alpha1.CIRun, kind, reason string, within time.Duration, parts ...string) {
	GinkgoHelper()
	phase := expectPhaseFailed(ctx, run, "DEPLOY", v1alpha1.FailureUser, reason, parts...)
	Expect(phase.Status.Rollback.StartTime.Sub(phase.Status.StartTime.Time)).To(BeNumerically("<", within), "how long it took to be told")
	Expect(phase.Status.Receipts).To(ConsistOf(And(HaveField("Kind", kind), HaveField("Result", v1alpha1.ReceiptRolledBack))))
	Expect(t.imageOf(ctx, kind, "web")).To(Equal(suite.images.Builder))
	var pods corev1.PodList
	Expect(suite.Client.List(ctx, &pods, client.InNamespace(t.namespace), client.MatchingLabels{"app": "web"})).To(Succeed())
	Expect(pods.Items).To(ContainElement(And(
		HaveField("Spec.Containers", ContainElement(HaveField("Image", suite.images.Builder))),
		HaveField("Status.ContainerStatuses", HaveEach(HaveField("Ready", true))))))
	AddReportEntry("the phase's message", phase.Status.Message)
}

var _ = Describe("A rollout that fails tells the real reason and is taken back:", func() {
	It("an image that is not there", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web")
		r := newUnreleased(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(deploy, verify), descriptionFile: description("web")})
		t.expectTakenBack(ctx, t.runOf(ctx, r), "Deployment", v1alpha1.ReasonImagePullFailed, 15*time.Second,
			"container web: image \""+suite.serviceImage(r.sha)+"\" cannot be pulled", "not found")
	})

	It("a program that crashes, with its exit code and its last words", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web", func(d *appsv1.Deployment) {
			d.Spec.MinReadySeconds = settle
			d.Spec.Template.Spec.Containers[0].Command = []string{"sh", "-c", needsCurl}
		})
		t.expectTakenBack(ctx, t.runOf(ctx, newBad(ctx)), "Deployment", v1alpha1.ReasonCrashLoop, 45*time.Second,
			"container web: exited with code 3, restarted 2 times; its log ends with: version 2 starts | panic: curl is missing")
	})

	It("a Secret that is gone", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "db"}, StringData: map[string]string{"password": "hush"}}
		Expect(suite.Client.Create(ctx, secret)).To(Succeed())
		t.service(ctx, "web", func(d *appsv1.Deployment) {
			main := &d.Spec.Template.Spec.Containers[0]
			main.Env = append(main.Env, corev1.EnvVar{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{
				SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "db"}, Key: "password"}}})
		})
		Expect(suite.Client.Delete(ctx, secret)).To(Succeed())
		t.expectTakenBack(ctx, t.runOf(ctx, newBad(ctx)), "Deployment", v1alpha1.ReasonContainerConfig, 15*time.Second, `secret "db" not found`)
	})

	It("a readiness probe that does not pass, with what it answers", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web", hardly, func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].ReadinessProbe = &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{
				Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "command -v curl || { echo curl is missing; exit 1; }"}}}}
		})
		run := t.runOf(ctx, newBad(ctx))
		By("telling of it while it waits")
		Eventually(func() string { return phasesOf(ctx, run)["DEPLOY"].Status.Message }).WithContext(ctx).Should(
			contain("container web: its readiness probe (exec [", "has not passed since"))
		t.expectTakenBack(ctx, run, "Deployment", v1alpha1.ReasonProbeFailing, 30*time.Second,
			"progress deadline exceeded", "its readiness probe", "Readiness probe failed: curl is missing")
	})

	It("a quota that has no room", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web", hardly)
		t.limitPods(ctx, "1")
		run := t.runOf(ctx, newBad(ctx))
		Eventually(func() string { return phasesOf(ctx, run)["DEPLOY"].Status.Message }, 8*time.Second).WithContext(ctx).Should(
			contain("Deployment web: a new Pod cannot be created: exceeded quota: pods"))
		t.expectTakenBack(ctx, run, "Deployment", v1alpha1.ReasonQuotaExceeded, 30*time.Second, "progress deadline exceeded", "exceeded quota: pods, requested: pods=1")
	})

	It("no node that takes it", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		// No two of its Pods run on nodes of one operating system, so that while the old one is there the new one finds none.
		t.service(ctx, "web", hardly, func(d *appsv1.Deployment) {
			d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxSurge: new(intstr.FromString("100%")), MaxUnavailable: new(intstr.FromInt32(0))}
			d.Spec.Template.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
				RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
					LabelSelector: d.Spec.Selector, TopologyKey: corev1.LabelOSStable,
				}}}}
		})
		t.expectTakenBack(ctx, t.runOf(ctx, newBad(ctx)), "Deployment", v1alpha1.ReasonUnschedulable, 30*time.Second,
			"no node takes it: Unschedulable: ", "anti-affinity")
	})

	It("a StatefulSet whose program crashes", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.statefulSet(ctx, appsv1.ParallelPodManagement)
		t.expectTakenBack(ctx, t.runOf(ctx, newBad(ctx)), "StatefulSet", v1alpha1.ReasonCrashLoop, 45*time.Second,
			"container web: exited with code 3, restarted 2 times; its log ends with: version 2 starts | panic: curl is missing")
	})

	It("a StatefulSet that waits in vain for the Pod that failed, which is removed", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		s := t.statefulSet(ctx, appsv1.OrderedReadyPodManagement)
		r := newUnreleased(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(deploy, verify), descriptionFile: description("web")})
		run := t.runOf(ctx, r)
		phase := expectPhaseFailed(ctx, run, "DEPLOY", v1alpha1.FailureUser, v1alpha1.ReasonImagePullFailed, "Pod web-1, container web: image",
			"rolled back: StatefulSet web runs "+suite.images.Builder+" again")
		Expect(condition(phase.Status.Conditions, v1alpha1.ConditionRolledBack)).To(haveStatus(metav1.ConditionTrue, v1alpha1.ReasonRolledBack))
		Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(s), s)).To(Succeed())
		Expect(s.Status).To(And(HaveField("AvailableReplicas", int32(2)), HaveField("UpdatedReplicas", int32(2))))
	})

	It("a DaemonSet whose program crashes", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		labels := map[string]string{"app": "web"}
		template := idle("web", suite.images.Builder, labels)
		template.Spec.Containers[0].Command = []string{"sh", "-c", needsCurl}
		d := &appsv1.DaemonSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "web"},
			Spec:       appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template, MinReadySeconds: settle},
		}
		Expect(suite.Client.Create(ctx, d)).To(Succeed())
		Eventually(func(g Gomega, ctx context.Context) {
			g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(d), d)).To(Succeed())
			g.Expect(d.Status.NumberAvailable).To(And(BeNumerically(">", 0), Equal(d.Status.DesiredNumberScheduled)))
		}).WithContext(ctx).Should(Succeed())
		t.remember(ctx, "DaemonSet", "web")
		t.expectTakenBack(ctx, t.runOf(ctx, newBad(ctx)), "DaemonSet", v1alpha1.ReasonCrashLoop, 45*time.Second,
			"container web: exited with code 3, restarted 2 times; its log ends with: version 2 starts | panic: curl is missing")
	})
})
