package controller_test

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// newImage is the image that the run deploys of a role.
func (t *tenant) newImage(role string) string {
	GinkgoHelper()
	sha, err := t.repository.Head("main")
	Expect(err).NotTo(HaveOccurred())
	return "registry.example/" + role + ":" + sha
}

// patches are the writes that change Deployments, those that were only tried apart.
func (t *tenant) patches() []write {
	var found []write
	for _, sent := range katkit.wire.in(t.namespace) {
		if sent.is(http.MethodPatch, "deployments") && !sent.dry() {
			found = append(found, sent)
		}
	}
	return found
}

// receipt returns the receipt of a role, and whether there is one.
func receipt(phase *v1alpha1.Phase, role string) v1alpha1.Receipt {
	GinkgoHelper()
	for _, receipt := range phase.Status.Receipts {
		if receipt.Role == role {
			return receipt
		}
	}
	Fail("no receipt of role " + role)
	return v1alpha1.Receipt{}
}

var _ = Describe("A deployment phase", func() {
	It("changes the image and nothing else, once, as the tenant's deployer", func() {
		t := newTenant()
		before := t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
		t.link()
		t.run()
		t.imageBecomes(appName, t.newImage(appName))
		t.rollOut(appName)
		t.runIs(v1alpha1.RunSucceeded)

		after := get(&appsv1.Deployment{}, t.namespace, appName)
		want := before.Spec.DeepCopy()
		want.Template.Spec.Containers[0].Image = t.newImage(appName)
		Expect(after.Spec).To(Equal(*want))
		Expect(after.Generation).To(Equal(before.Generation + 1))
		Expect(after.Labels).To(Equal(before.Labels))
		By("telling whose change it is")
		run := get(&v1alpha1.CIRun{}, t.namespace, "run")
		Expect(before.Annotations).To(BeEmpty())
		Expect(after.Annotations).To(Equal(map[string]string{
			"katkit.dev/run": "run", "katkit.dev/run-uid": string(run.UID), "katkit.dev/sha": run.Status.SHA,
			"kubernetes.io/change-cause": "Katkit run run: commit " + run.Status.SHA,
		}))

		By("owning no other field")
		var ours []string
		for _, entry := range after.ManagedFields {
			if entry.Manager == "katkit-app" {
				ours = append(ours, entry.FieldsV1.GetRawString())
			}
		}
		Expect(ours).To(ConsistOf(MatchJSON(`{
			"f:metadata": {"f:annotations": {"f:katkit.dev/run": {}, "f:katkit.dev/run-uid": {}, "f:katkit.dev/sha": {}, "f:kubernetes.io/change-cause": {}}},
			"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}, "f:name": {}}}}}}}`)))

		By("being the deployer")
		Expect(t.patches()).To(ConsistOf(And(
			HaveField("As", "system:serviceaccount:"+t.namespace+":katkit-deployer"), HaveField("Status", http.StatusOK))))

		By("writing a receipt")
		phase := t.phase("DEPLOY")
		Expect(phase.Status.Receipts).To(ConsistOf(v1alpha1.Receipt{
			Role: appName, Kind: "Deployment", Name: appName, Container: appName, PreviousImage: "registry.example/app:old",
			Image: t.newImage(appName), Result: v1alpha1.ReceiptUpgraded, Env: 2, Replicas: 3,
		}))
		Eventually(t.events).WithArguments("Phase", phase.Name).Should(ConsistOf(
			Equal("Normal Started: Deployment app, container app: registry.example/app:old → "+t.newImage(appName)),
			Equal("Normal Deployed: Deployment app: registry.example/app:old → "+t.newImage(appName))))
	})

	It("records what it will change before it changes it", func() {
		var recorded []v1alpha1.Receipt
		t := newTenant()
		katkit.wire.stepIn(func(sent write) {
			if sent.is(http.MethodPatch, "deployments") && !sent.dry() {
				var phases v1alpha1.PhaseList
				if k8s.List(ctx, &phases, client.InNamespace(t.namespace)) == nil && len(phases.Items) == 1 {
					recorded = phases.Items[0].Status.Receipts
				}
			}
		})
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
		t.link()
		t.run()
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded))
		Expect(recorded).To(ConsistOf(And(HaveField("Result", v1alpha1.ReceiptPlanned), HaveField("PreviousImage", "registry.example/app:old"))))
	})

	It("upgrades all roles with the token, and leaves the others alone", func() {
		t := newTenant()
		t.newDeployment("one", "registry.example/one:old")
		t.newDeployment("two", "registry.example/two:old")
		t.newDeployment("fixed", "registry.example/fixed:v3")
		t.commit(workflow(deployment("DEPLOY", 0)), map[string]string{"servicedescription/servicedescription.js": `{"Roles": [
			{"Name": "one", "DockerImage": "registry.example/one:<hubtag>"},
			{"Name": "fixed", "DockerImage": "registry.example/fixed:v4"},
			{"Name": "two", "DockerImage": "registry.example/two:<hubtag>"}]}`})
		t.link()
		t.run()
		t.imageBecomes("one", t.newImage("one"))
		t.imageBecomes("two", t.newImage("two"))
		t.rollOut("one")
		Consistently(func() v1alpha1.PhaseState { return t.phase("DEPLOY").Status.State }).Should(Equal(v1alpha1.PhaseRunning))
		t.rollOut("two")
		t.runIs(v1alpha1.RunSucceeded)
		Expect(t.imageOf("fixed", "fixed")).To(Equal("registry.example/fixed:v3"))
		Expect(t.phase("DEPLOY").Status.Receipts).To(HaveLen(2))
	})

	It("keeps one image of a Pod when it changes the other", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
		t.link()
		t.run()
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded))
		t.commit(services(appName), map[string]string{"more": "x"})
		create(t.newRun(func(r *v1alpha1.CIRun) { r.Name = "second" }))
		t.imageBecomes(appName, t.newImage(appName))
		Expect(t.imageOf(appName, "proxy")).To(Equal("proxy:v1"))
		Expect(get(&appsv1.Deployment{}, t.namespace, appName).Spec.Template.Spec.Containers[0].Env).To(HaveLen(2))
	})

	It("has nothing to do when the service runs the image already", func() {
		t := newTenant()
		t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
		t.newDeployment(appName, t.newImage(appName))
		t.link()
		t.run()
		t.runIs(v1alpha1.RunSucceeded)
		phase := t.phase("DEPLOY")
		Expect(receipt(phase, appName).Result).To(Equal(v1alpha1.ReceiptUnchanged))
		Expect(phase.Status.Message).To(ContainSubstring("already"))
		Expect(t.patches()).To(BeEmpty())
	})

	It("upgrades a StatefulSet", func() {
		t := newTenant()
		s := &appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: appName},
			Spec: appsv1.StatefulSetSpec{Replicas: new(int32(2)), Template: podTemplate(appName, "registry.example/app:old"),
				Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": appName}}},
		}
		create(s)
		t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
		t.link()
		t.run()
		Eventually(func() string {
			return get(s, t.namespace, appName).Spec.Template.Spec.Containers[0].Image
		}).Should(Equal(t.newImage(appName)))
		Expect(t.phase("DEPLOY").Status.State).To(Equal(v1alpha1.PhaseRunning))
		s.Status = appsv1.StatefulSetStatus{ObservedGeneration: s.Generation, Replicas: 2, UpdatedReplicas: 2, ReadyReplicas: 2, AvailableReplicas: 2}
		Expect(k8s.Status().Update(ctx, s)).To(Succeed())
		t.runIs(v1alpha1.RunSucceeded)
		Expect(receipt(t.phase("DEPLOY"), appName)).To(And(HaveField("Kind", "StatefulSet"), HaveField("Replicas", int32(2))))
	})

	It("upgrades a DaemonSet", func() {
		t := newTenant()
		d := &appsv1.DaemonSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: appName},
			Spec: appsv1.DaemonSetSpec{Template: podTemplate(appName, "registry.example/app:old"),
				Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": appName}}},
		}
		create(d)
		t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
		t.link()
		t.run()
		Eventually(func() string {
			return get(d, t.namespace, appName).Spec.Template.Spec.Containers[0].Image
		}).Should(Equal(t.newImage(appName)))
		Expect(t.phase("DEPLOY").Status.State).To(Equal(v1alpha1.PhaseRunning))
		d.Status = appsv1.DaemonSetStatus{ObservedGeneration: d.Generation, DesiredNumberScheduled: 2, CurrentNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberAvailable: 2, NumberReady: 2}
		Expect(k8s.Status().Update(ctx, d)).To(Succeed())
		t.runIs(v1alpha1.RunSucceeded)
		Expect(receipt(t.phase("DEPLOY"), appName).Kind).To(Equal("DaemonSet"))
	})

	It("waits until every replica is new and available", func() {
		t := begun(deployment("DEPLOY", 0))
		t.imageBecomes(appName, t.newImage(appName))
		d := get(&appsv1.Deployment{}, t.namespace, appName)
		for _, status := range []appsv1.DeploymentStatus{
			{ObservedGeneration: d.Generation - 1, Replicas: 3, UpdatedReplicas: 3, ReadyReplicas: 3, AvailableReplicas: 3},
			{ObservedGeneration: d.Generation, Replicas: 3, UpdatedReplicas: 2, ReadyReplicas: 3, AvailableReplicas: 3},
			{ObservedGeneration: d.Generation, Replicas: 4, UpdatedReplicas: 3, ReadyReplicas: 4, AvailableReplicas: 4},
			{ObservedGeneration: d.Generation, Replicas: 3, UpdatedReplicas: 3, ReadyReplicas: 2, AvailableReplicas: 2},
		} {
			Expect(setRollout(d, status)).To(Succeed())
			Consistently(func() v1alpha1.PhaseState { return t.phase("DEPLOY").Status.State }, "150ms").Should(Equal(v1alpha1.PhaseRunning))
		}
		t.rollOut(appName)
		t.runIs(v1alpha1.RunSucceeded)
	})

	It("without a deployer's rights changes nothing and names the command that grants them", func() {
		t := newTenant()
		Expect(k8s.Delete(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: v1alpha1.DefaultDeployer}})).To(Succeed())
		before := t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(deployment("DEPLOY", 0), execution("VERIFY", 1)), services(appName))
		t.link()
		t.run()
		t.phaseFails("DEPLOY", v1alpha1.FailureConfig, v1alpha1.ReasonDeployerForbidden,
			"ServiceAccount "+t.namespace+"/katkit-deployer may not change Deployment app",
			"kubectl create rolebinding katkit-deployer -n "+t.namespace+" --clusterrole=katkit-deployer --serviceaccount="+t.namespace+":katkit-deployer")
		t.stopped("DEPLOY")
		Expect(get(&appsv1.Deployment{}, t.namespace, appName).ResourceVersion).To(Equal(before.ResourceVersion))
		Expect(t.patches()).To(BeEmpty(), "it was only tried")
	})

	It("leaves a service alone that somebody else changes at the same moment", func() {
		t := newTenant()
		once := make(chan struct{}, 1)
		once <- struct{}{}
		katkit.wire.stepIn(func(sent write) {
			if !sent.is(http.MethodPatch, "deployments") || sent.dry() {
				return
			}
			select {
			case <-once:
				d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: appName}}
				hotfix := client.RawPatch("application/strategic-merge-patch+json", []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"hotfix:v1"}]}}}}`))
				if err := k8s.Patch(ctx, d, hotfix); err != nil {
					GinkgoWriter.Println(err)
				}
			default:
			}
		})
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
		t.link()
		t.run()
		t.phaseFails("DEPLOY", v1alpha1.FailureConfig, v1alpha1.ReasonWorkloadChanged, `"hotfix:v1"`, "it is left as it is")
		Expect(t.imageOf(appName, appName)).To(Equal("hotfix:v1"))
		Expect(t.patches()).To(ConsistOf(HaveField("Status", http.StatusConflict)))
		Expect(receipt(t.phase("DEPLOY"), appName).Result).To(Equal(v1alpha1.ReceiptFailed))
	})

	It("leaves a service alone that somebody else changes during the rollout", func() {
		t := begun(deployment("DEPLOY", 0))
		t.imageBecomes(appName, t.newImage(appName))
		change(&appsv1.Deployment{}, t.namespace, appName, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "hotfix:v1" })
		t.phaseFails("DEPLOY", v1alpha1.FailureConfig, v1alpha1.ReasonWorkloadChanged, `"hotfix:v1"`)
		Expect(t.imageOf(appName, appName)).To(Equal("hotfix:v1"))
		Expect(t.patches()).To(HaveLen(1))
	})

	It("is not repeated when somebody goes back to the image before", func() {
		t := begun(deployment("DEPLOY", 0))
		t.imageBecomes(appName, t.newImage(appName))
		change(&appsv1.Deployment{}, t.namespace, appName, func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Image = "registry.example/app:old"
		})
		t.rollOut(appName)
		t.phaseFails("DEPLOY", v1alpha1.FailureConfig, v1alpha1.ReasonWorkloadChanged, `somebody else brought "registry.example/app:old" back`)
		t.stopped("DEPLOY")
		Expect(t.patches()).To(HaveLen(1))
	})

	It("goes on when somebody scales the service at the same moment, and keeps the new scale", func() {
		t := newTenant()
		once := make(chan struct{}, 1)
		once <- struct{}{}
		katkit.wire.stepIn(func(sent write) {
			if !sent.is(http.MethodPatch, "deployments") || sent.dry() {
				return
			}
			select {
			case <-once:
				d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: appName}}
				if err := k8s.Patch(ctx, d, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"replicas":5}}`))); err != nil {
					GinkgoWriter.Println(err)
				}
			default:
			}
		})
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
		t.link()
		t.run()
		t.imageBecomes(appName, t.newImage(appName))
		t.rollOut(appName)
		t.runIs(v1alpha1.RunSucceeded)
		Expect(get(&appsv1.Deployment{}, t.namespace, appName).Spec.Replicas).To(HaveValue(BeEquivalentTo(5)))
	})

	It("fails when the service is deleted meanwhile", func() {
		t := begun(deployment("DEPLOY", 0))
		t.imageBecomes(appName, t.newImage(appName))
		Expect(k8s.Delete(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: appName}})).To(Succeed())
		t.phaseFails("DEPLOY", v1alpha1.FailureConfig, v1alpha1.ReasonWorkloadChanged, "was deleted during its deployment")
	})

	It("fails when the service was deleted during the build", func() {
		t := begun(execution("BUILD", 0), deployment("DEPLOY", 1))
		build := t.builder("BUILD")
		Expect(k8s.Delete(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: appName}})).To(Succeed())
		succeed(build)
		t.phaseFails("DEPLOY", v1alpha1.FailureConfig, v1alpha1.ReasonServiceNotFound, `role "app"`)
	})

	It("waits for approval before anything is looked at or changed", func() {
		t := begun(deployment("DEPLOY", 0).with("IsPhaseAutomated", false))
		waits := t.phaseIs("DEPLOY", v1alpha1.PhaseWaitingForApproval)
		Expect(waits.Status.Receipts).To(BeEmpty())
		t.approve(waits)
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded))
		Expect(t.patches()).To(HaveLen(1))
	})
})
