package controller_test

import (
	"fmt"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

const oldImage = "registry.example/app:old"

// stuck is the status of a Deployment whose new version does not become available.
func stuck(d *appsv1.Deployment) appsv1.DeploymentStatus {
	return appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: 4, UpdatedReplicas: 1, ReadyReplicas: 3, AvailableReplicas: 3,
		Conditions: []appsv1.DeploymentCondition{
			{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", LastUpdateTime: metav1.Now()},
			{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "pods is forbidden: exceeded quota"},
		}}
}

// failRollout does what the Deployment's controller does when the new version does not become available.
func (t *tenant) failRollout(name string) {
	GinkgoHelper()
	d := get(&appsv1.Deployment{}, t.namespace, name)
	Expect(setRollout(d, stuck(d))).To(Succeed())
}

// playFailing does what the controller of the Deployment app does when the old image runs and every other does not. It
// returns the run's state.
func (t *tenant) playFailing() (v1alpha1.RunState, error) {
	d := get(&appsv1.Deployment{}, t.namespace, appName)
	if d.Status.ObservedGeneration != d.Generation {
		status := available(d)
		if d.Spec.Template.Spec.Containers[0].Image != oldImage {
			status = stuck(d)
		}
		if err := setRollout(d, status); err != nil {
			return "", err
		}
	}
	var run v1alpha1.CIRun
	err := k8s.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: "run"}, &run)
	return run.Status.State, err
}

// rolledBack matches a Phase whose rollback has an outcome.
func rolledBack(status metav1.ConditionStatus, reason string, texts ...string) gomegatypes.GomegaMatcher {
	matchers := []gomegatypes.GomegaMatcher{HaveField("Status", status), HaveField("Reason", reason)}
	for _, text := range texts {
		matchers = append(matchers, HaveField("Message", ContainSubstring(text)))
	}
	return WithTransform(func(p *v1alpha1.Phase) metav1.Condition {
		if condition := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionRolledBack); condition != nil {
			return *condition
		}
		return metav1.Condition{}
	}, And(matchers...))
}

var _ = Describe("A deployment that fails", func() {
	It("is taken back, with every service that it changed, and says why it failed and what came of that", func() {
		t := newTenant()
		t.newDeployment("one", "registry.example/one:old")
		t.newDeployment("two", "registry.example/two:old")
		t.commit(workflow(deployment("DEPLOY", 0), execution("VERIFY", 1)), map[string]string{"servicedescription/servicedescription.js": `{"Roles": [
			{"Name": "one", "DockerImage": "registry.example/one:<hubtag>"}, {"Name": "two", "DockerImage": "registry.example/two:<hubtag>"}]}`})
		t.link()
		t.run()
		t.imageBecomes("one", t.newImage("one"))
		t.imageBecomes("two", t.newImage("two"))
		t.rollOut("one")
		t.failRollout("two")

		By("going back")
		t.imageBecomes("one", "registry.example/one:old")
		t.imageBecomes("two", "registry.example/two:old")
		phase := t.phaseIs("DEPLOY", v1alpha1.PhaseRunning)
		Expect(phase).To(rolledBack(metav1.ConditionUnknown, v1alpha1.ReasonRollingBack))
		Expect(phase.Status.Rollback.Message).To(ContainSubstring("progress deadline exceeded"))
		t.rollOut("one")
		t.rollOut("two")
		phase = t.phaseFails("DEPLOY", v1alpha1.FailureUser, v1alpha1.ReasonQuotaExceeded,
			"Deployment two did not become available with image "+t.newImage("two")+": progress deadline exceeded", "exceeded quota",
			"rolled back: Deployment one runs registry.example/one:old again; Deployment two runs registry.example/two:old again")
		Expect(phase).To(rolledBack(metav1.ConditionTrue, v1alpha1.ReasonRolledBack))
		Expect(phase.Status.Receipts).To(HaveEach(HaveField("Result", v1alpha1.ReceiptRolledBack)))
		t.runIs(v1alpha1.RunFailed)
		Expect(t.phase("VERIFY").Status.State).To(Equal(v1alpha1.PhaseSkipped))

		By("telling so in the events and on the workload")
		Eventually(t.events).WithArguments("Phase", phase.Name).Should(ConsistOf(
			HavePrefix("Normal Started: "), HavePrefix("Warning RollingBack: Deployment two did not become available"),
			HavePrefix("Normal RolledBack: rolled back: Deployment one"), HavePrefix("Warning Failed: Deployment two did not")))
		Expect(get(&appsv1.Deployment{}, t.namespace, "two").Annotations).To(And(
			Not(HaveKey("katkit.dev/sha")), HaveKeyWithValue("kubernetes.io/change-cause", ContainSubstring("rolled back from commit"))))
		Expect(t.patches()).To(HaveLen(4))
		Expect(t.patches()).To(HaveEach(HaveField("As", "system:serviceaccount:"+t.namespace+":katkit-deployer")))
	})

	It("is taken back at its timeout", func() {
		t := begun(deployment("DEPLOY", 0))
		t.imageBecomes(appName, t.newImage(appName))
		t.hasBegun("DEPLOY", 31*time.Minute)
		t.imageBecomes(appName, oldImage)
		t.rollOut(appName)
		t.phaseFails("DEPLOY", v1alpha1.FailureUser, v1alpha1.ReasonTimedOut, "timeout of 30m0s", "at the end: app: ", "rolled back: ")
	})

	It("is taken back though the manager is killed, at whichever write", func() {
		for n := 1; ; n++ {
			By(fmt.Sprintf("write %d", n))
			t := newTenant()
			t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
			generation := t.newDeployment(appName, oldImage).Generation
			t.link()
			t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
			first := katkit
			first.wire.killAt(t.namespace, n)
			t.run()
			Eventually(func() (bool, error) {
				state, err := t.playFailing()
				return first.wire.isCut() || (state.Terminal() && t.report() != nil), err
			}).Should(BeTrue())
			if !first.wire.isCut() {
				Expect(n).To(BeNumerically(">", 7), "so many writes it takes")
				return
			}
			katkit.stop()
			katkit = startManager()
			Eventually(t.playFailing).Should(Equal(v1alpha1.RunFailed), t.status())
			Expect(t.imageOf(appName, appName)).To(Equal(oldImage))
			Expect(get(&appsv1.Deployment{}, t.namespace, appName).Generation).To(Equal(generation + 2))
			Expect(receipt(t.phase("DEPLOY"), appName).Result).To(Equal(v1alpha1.ReceiptRolledBack))
			writes := append(first.wire.in(t.namespace), katkit.wire.in(t.namespace)...)
			Expect(done(writes, http.MethodPatch, "deployments")).To(Equal(2), "%v", writes)
		}
	})

	It("and cannot be taken back says what to do", func() {
		t := begun(deployment("DEPLOY", 0))
		t.imageBecomes(appName, t.newImage(appName))
		Expect(k8s.Delete(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: v1alpha1.DefaultDeployer}})).To(Succeed())
		t.failRollout(appName)
		by := "To go back by hand: kubectl set image deployment/app app=" + oldImage + " -n " + t.namespace
		phase := t.phaseFails("DEPLOY", v1alpha1.FailureUser, v1alpha1.ReasonQuotaExceeded, "progress deadline exceeded", "rollback failed: Deployment app: ", by)
		Expect(phase).To(rolledBack(metav1.ConditionFalse, v1alpha1.ReasonRollbackFailed, "may not change Deployment app", by))
		Expect(receipt(phase, appName).Result).To(Equal(v1alpha1.ReceiptRollbackFailed))
		Expect(t.imageOf(appName, appName)).To(Equal(t.newImage(appName)))
	})
})

var _ = Describe("A deployment of an older commit", func() {
	// deployed is a tenant where a commit is live that comes after the one that is returned.
	deployed := func() (t *tenant, older string) {
		t = newTenant()
		older = t.commit(workflow(execution("BUILD", 0), deployment("DEPLOY", 1)), services(appName))
		t.commit(map[string]string{"newer": "x"})
		t.newDeployment(appName, t.newImage(appName))
		t.link()
		return t, older
	}

	It("is refused before anything is built", func() {
		t, older := deployed()
		live := t.newImage(appName)
		t.run(func(r *v1alpha1.CIRun) { r.Spec.Commit = v1alpha1.CommitSelector{SHA: older} })
		t.runFails(v1alpha1.ReasonOlderCommit, "Deployment app runs commit "+live[len(live)-40:], "which comes after "+older, "spec.allowOlder: true")
		Expect(t.pods()).To(BeEmpty())
		Expect(t.patches()).To(BeEmpty())
	})

	It("is refused when the newer one came while it was built", func() {
		t := newTenant()
		older := t.commit(workflow(execution("BUILD", 0), deployment("DEPLOY", 1)), services(appName))
		t.newDeployment(appName, oldImage)
		t.link()
		t.run()
		build := t.builder("BUILD")
		t.commit(map[string]string{"newer": "x"})
		change(&appsv1.Deployment{}, t.namespace, appName, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = t.newImage(appName) })
		succeed(build)
		t.phaseFails("DEPLOY", v1alpha1.FailureConfig, v1alpha1.ReasonOlderCommit, "which comes after "+older, "nothing was changed")
		Expect(t.patches()).To(BeEmpty())
	})

	It("is done when the run says so", func() {
		t, older := deployed()
		t.run(func(r *v1alpha1.CIRun) {
			r.Spec.Commit = v1alpha1.CommitSelector{SHA: older}
			r.Spec.AllowOlder = true
		})
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded), t.status())
		Expect(t.imageOf(appName, appName)).To(HaveSuffix(older))
	})

	It("is done when the live one is on another branch", func() {
		t, older := deployed()
		other := t.commitTo("other", map[string]string{"other": "x"})
		change(&appsv1.Deployment{}, t.namespace, appName, func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Image = "registry.example/app:" + other
		})
		newest := t.commit(map[string]string{"newest": "x"})
		t.run(func(r *v1alpha1.CIRun) { r.Spec.Commit = v1alpha1.CommitSelector{SHA: newest} })
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded), t.status())
		Expect(older).NotTo(Equal(newest))
	})
})

var _ = Describe("A deployment to a workload that another controller manages", func() {
	It("is done, with a warning that names the owner", func() {
		t := newTenant()
		t.newDeployment(appName, oldImage)
		change(&appsv1.Deployment{}, t.namespace, appName, func(d *appsv1.Deployment) {
			d.Labels = map[string]string{"argocd.argoproj.io/instance": "shop"}
		})
		t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
		t.link()
		t.run()
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded), t.status())
		phase := t.phase("DEPLOY")
		Expect(receipt(phase, appName).Owner).To(Equal("Argo CD"))
		Eventually(t.events).WithArguments("Phase", phase.Name).Should(ContainElement(
			HavePrefix("Warning OwnedByOthers: Deployment app is managed by Argo CD as well, which may bring its own image back")))
	})
})
