package e2e

import (
	"context"
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

// specBytes is a Deployment's spec as the API server writes it.
func (t *tenant) specBytes(ctx context.Context, name string) string {
	raw, err := suite.Clientset.AppsV1().RESTClient().Get().Namespace(t.namespace).Resource("deployments").Name(name).DoRaw(ctx)
	Expect(err).NotTo(HaveOccurred())
	var object struct {
		Spec json.RawMessage `json:"spec"`
	}
	Expect(json.Unmarshal(raw, &object)).To(Succeed())
	return string(object.Spec)
}

// history is the change-cause of each revision of a Deployment, as `kubectl rollout history` tells it.
func (t *tenant) history(ctx context.Context, name string) map[string]string {
	var sets appsv1.ReplicaSetList
	Expect(suite.Client.List(ctx, &sets, client.InNamespace(t.namespace), client.MatchingLabels{"app": name})).To(Succeed())
	causes := map[string]string{}
	for i := range sets.Items {
		annotations := sets.Items[i].Annotations
		causes[annotations["deployment.kubernetes.io/revision"]] = annotations["kubernetes.io/change-cause"]
	}
	return causes
}

var _ = Describe("A deployment", func() {
	It("changes the image and not one other byte of the spec", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		object := metav1.ObjectMeta{Namespace: t.namespace, Name: "settings"}
		Expect(suite.Client.Create(ctx, &corev1.ConfigMap{ObjectMeta: object, Data: map[string]string{"level": "7", "LOUD": "no"}})).To(Succeed())
		Expect(suite.Client.Create(ctx, &corev1.Secret{ObjectMeta: object, StringData: map[string]string{"password": "hush"}})).To(Succeed())
		t.service(ctx, "web", func(d *appsv1.Deployment) {
			spec := &d.Spec.Template.Spec
			main := &spec.Containers[0]
			settings := corev1.LocalObjectReference{Name: "settings"}
			main.Env = append(main.Env,
				corev1.EnvVar{Name: "EMPTY"},
				corev1.EnvVar{Name: "LEVEL", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: settings, Key: "level"}}},
				corev1.EnvVar{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: settings, Key: "password"}}},
				corev1.EnvVar{Name: "POD_IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}})
			main.EnvFrom = []corev1.EnvFromSource{{Prefix: "S_", ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: settings}}}
			main.VolumeMounts = []corev1.VolumeMount{{Name: "settings", MountPath: "/settings", ReadOnly: true}}
			spec.Volumes = []corev1.Volume{{Name: "settings", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "settings"}}}}
			spec.Containers = append(spec.Containers, corev1.Container{Name: "sidecar", Image: suite.images.Builder, Command: []string{"sleep", "infinity"}})
			spec.InitContainers = []corev1.Container{{Name: "prepare", Image: suite.images.Builder, Command: []string{"true"}}}
		})
		By("letting an autoscaler set the replicas")
		Expect(suite.Client.Create(ctx, &autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "web"},
			Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
				ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
				MinReplicas:    new(int32(2)), MaxReplicas: 3,
				Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
					Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(50))},
				}}},
			},
		})).To(Succeed())
		Eventually(t.specBytes).WithContext(ctx).WithArguments("web").Should(ContainSubstring(`"replicas":2`))
		delete(t.services, "Deployment/web") // it is compared here, and the autoscaler's change counts

		before := t.specBytes(ctx, "web")
		r := newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(deploy), descriptionFile: description("web")})
		run := succeeded(ctx, t.runOf(ctx, r))
		old, updated := `"name":"web","image":"`+suite.images.Builder+`"`, `"name":"web","image":"`+suite.serviceImage(r.sha)+`"`
		Expect(strings.Count(before, old)).To(Equal(1), before)
		Expect(t.specBytes(ctx, "web")).To(Equal(strings.Replace(before, old, updated, 1)))
		Expect(phasesOf(ctx, run)["DEPLOY"].Status.Receipts).To(ConsistOf(And(HaveField("Env", int32(6)), HaveField("Replicas", int32(2)))))
	})

	It("tells the commit in the workload's history, and of an older commit only when the run says so", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web")
		r := newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(deploy), descriptionFile: description("web")})
		link, older := t.link(ctx, r), r.sha
		first := succeeded(ctx, t.run(ctx, link, older))
		newer := r.commit(ctx, fakegithub.Commit{Message: "More", Files: fakegithub.Texts(map[string]string{"more": "x"})})
		second := succeeded(ctx, t.run(ctx, link, newer))

		refused := t.run(ctx, link, older)
		expectRefused(ctx, refused, v1alpha1.ReasonOlderCommit, "Deployment web runs commit "+newer, "which comes after "+older, "spec.allowOlder: true")
		Expect(t.image(ctx, "web")).To(Equal(suite.serviceImage(newer)))
		back := succeeded(ctx, t.run(ctx, link, older, func(run *v1alpha1.CIRunSpec) { run.AllowOlder = true }))
		Expect(t.image(ctx, "web")).To(Equal(suite.serviceImage(older)))
		Expect(t.history(ctx, "web")).To(Equal(map[string]string{
			"1": "", "3": "Katkit run " + second.Name + ": commit " + newer, "4": "Katkit run " + back.Name + ": commit " + older,
		}), "revision 2 of run %s became 4", first.Name)
	})

	It("that fails is taken back, also when the manager is killed in the middle of that", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		// Going back takes a while: new Pods count as available after ten seconds.
		t.service(ctx, "web", func(d *appsv1.Deployment) {
			d.Spec.MinReadySeconds = 10
			d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
		})
		r := newUnreleased(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(deploy, verify), descriptionFile: description("web")})
		run := t.runOf(ctx, r)
		Eventually(func() *v1alpha1.RollbackStatus { return phasesOf(ctx, run)["DEPLOY"].Status.Rollback }).WithContext(ctx).ShouldNot(BeNil())
		kill(ctx, "manager")(ctx)
		phase := expectPhaseFailed(ctx, run, "DEPLOY", v1alpha1.FailureUser, v1alpha1.ReasonImagePullFailed, suite.serviceImage(r.sha),
			"rolled back: Deployment web runs "+suite.images.Builder+" again")
		Expect(phase.Status.Receipts).To(ConsistOf(HaveField("Result", v1alpha1.ReceiptRolledBack)))
		Expect(condition(phase.Status.Conditions, v1alpha1.ConditionRolledBack)).To(haveStatus(metav1.ConditionTrue, v1alpha1.ReasonRolledBack))
		expectEvent(ctx, &phase, corev1.EventTypeNormal, v1alpha1.ReasonRolledBack, "runs "+suite.images.Builder+" again")
	})

	It("that fails and cannot be taken back says what to do, which helps", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web", func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Command = []string{"sh", "-c", needsCurl}
		})
		r := newBad(ctx)
		run := t.runOf(ctx, r)
		Eventually(t.image).WithContext(ctx).WithArguments("web").Should(Equal(suite.serviceImage(r.sha)))
		binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: v1alpha1.DefaultDeployer}}
		Expect(suite.Client.Delete(ctx, binding)).To(Succeed())
		phase := expectPhaseFailed(ctx, run, "DEPLOY", v1alpha1.FailureUser, v1alpha1.ReasonCrashLoop, "exited with code 3", "panic: curl is missing",
			"rollback failed: Deployment web: ", "To go back by hand: kubectl set image deployment/web web="+suite.images.Builder+" -n "+t.namespace)
		Expect(phase.Status.Receipts).To(ConsistOf(HaveField("Result", v1alpha1.ReceiptRollbackFailed)))
		Expect(condition(phase.Status.Conditions, v1alpha1.ConditionRolledBack)).To(haveStatus(metav1.ConditionFalse, v1alpha1.ReasonRollbackFailed))
		Expect(condition(phase.Status.Conditions, v1alpha1.ConditionRolledBack).Message).To(contain("may not change Deployment web", "kubectl create rolebinding"))

		By("doing as it says")
		byHand := client.RawPatch("application/strategic-merge-patch+json",
			[]byte(`{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"`+suite.images.Builder+`"}]}}}}`))
		deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "web"}}
		Expect(suite.Client.Patch(ctx, deployment, byHand)).To(Succeed())
		delete(t.services, "Deployment/web") // it was changed by hand
		Eventually(func(g Gomega, ctx context.Context) {
			g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(deployment), deployment)).To(Succeed())
			g.Expect(deployment.Status).To(And(HaveField("ObservedGeneration", deployment.Generation), HaveField("AvailableReplicas", int32(1)), HaveField("Replicas", int32(1))))
		}).WithContext(ctx).Should(Succeed())
	})
})
