package controller_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

var _ = Describe("A re-run", func() {
	again := func(from string) func(*v1alpha1.CIRun) {
		return func(r *v1alpha1.CIRun) {
			r.Name = "again"
			r.Spec.Commit, r.Spec.RerunOf, r.Spec.FromPhase = v1alpha1.CommitSelector{}, "run", from
		}
	}

	It("runs the same commit from the first phase that did not succeed, with the same variables", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(execution("BUILD", 0), execution("TEST", 1), deployment("DEPLOY", 2)), services(appName))
		t.link()
		t.run(func(r *v1alpha1.CIRun) { r.Spec.Env = []v1alpha1.EnvVar{{Name: "COLOUR", Value: "blue"}} })
		succeed(t.builder("BUILD"))
		exit(t.builder("TEST"), 1, "")
		before := t.runIs(v1alpha1.RunFailed)
		t.commit(map[string]string{"more": "x"})

		t.run(again(""))
		pod := t.podOf("again", "TEST")
		Expect(pod.Spec.Containers[1].Env).To(ContainElements(
			corev1.EnvVar{Name: "COLOUR", Value: "blue"}, corev1.EnvVar{Name: "GIT_SHA", Value: before.Status.SHA}, corev1.EnvVar{Name: "KATKIT_BRANCH", Value: "main"}))
		run := get(&v1alpha1.CIRun{}, t.namespace, "again")
		Expect(run.Status.SHA).To(Equal(before.Status.SHA))
		Expect(run.Status.Phases[0]).To(And(HaveField("State", v1alpha1.PhaseSucceeded), HaveField("CarriedFrom", "run"), HaveField("Message", "carried over from run run")))
		succeed(pod)
		t.imageBecomes(appName, "registry.example/app:"+before.Status.SHA)
		t.rollOut(appName)
		Eventually(t.stateOf).WithArguments("again").Should(Equal(v1alpha1.RunSucceeded))
		Expect(t.phases()).To(HaveLen(5), "three of the run, two of the re-run")
	})

	DescribeTable("that makes no sense says why:", func(from, reason, text string) {
		t := begun(execution("BUILD", 0))
		if text != "has not ended" {
			succeed(t.builder("BUILD"))
			t.runIs(v1alpha1.RunSucceeded)
		}
		t.run(again(from), func(r *v1alpha1.CIRun) {
			if from == "gone" {
				r.Spec.RerunOf = "gone"
			}
		})
		Eventually(t.stateOf).WithArguments("again").Should(Equal(v1alpha1.RunFailed))
		Expect(meta.FindStatusCondition(get(&v1alpha1.CIRun{}, t.namespace, "again").Status.Conditions, v1alpha1.ConditionSucceeded)).To(And(
			HaveField("Reason", reason), HaveField("Message", ContainSubstring(text))))
	},
		Entry("its run has not ended", "", v1alpha1.ReasonRerunNotPossible, "has not ended"),
		Entry("its run is not there", "gone", v1alpha1.ReasonRerunNotFound, "is not there"),
		Entry("all succeeded", "", v1alpha1.ReasonRerunNotPossible, "all phases of run run succeeded"),
		Entry("no such phase", "TEST", v1alpha1.ReasonRerunNotPossible, `no phase "TEST"`),
	)

	It("does not verify what is not deployed any more", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(deployment("DEPLOY", 0), execution("VERIFY", 1)), services(appName))
		t.link()
		t.run()
		t.imageBecomes(appName, t.newImage(appName))
		t.rollOut(appName)
		exit(t.builder("VERIFY"), 1, "")
		t.runIs(v1alpha1.RunFailed)
		change(&appsv1.Deployment{}, t.namespace, appName, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "registry.example/app:newer" })
		t.run(again(""))
		Eventually(t.stateOf).WithArguments("again").Should(Equal(v1alpha1.RunFailed))
		Expect(meta.FindStatusCondition(get(&v1alpha1.CIRun{}, t.namespace, "again").Status.Conditions, v1alpha1.ConditionSucceeded).Message).To(
			ContainSubstring("runs registry.example/app:newer by now: begin with that phase (fromPhase: DEPLOY)"))
	})
})

var _ = Describe("What a phase leaves in $KATKIT_OUTPUT", func() {
	leaves := func(pod *corev1.Pod, outputs ...contract.Output) {
		setStatus(pod, containers(completed(), reported(contract.Report{Reason: contract.ReasonCompleted, Outputs: outputs})))
	}

	It("is seen by later phases, told in the status, and carried over by a re-run", func() {
		t := begun(execution("BUILD", 0), execution("TEST", 1), execution("PACK", 2))
		leaves(t.builder("BUILD"), contract.Output{Name: "VERSION", Value: "1.0"}, contract.Output{Name: "KIND", Value: "full"})
		test := t.builder("TEST")
		Expect(test.Spec.Containers[1].Env).To(ContainElements(corev1.EnvVar{Name: "VERSION", Value: "1.0"}, corev1.EnvVar{Name: "KIND", Value: "full"}))
		leaves(test, contract.Output{Name: "VERSION", Value: "1.1"})
		pack := t.builder("PACK")
		Expect(pack.Spec.Containers[1].Env).To(ContainElements(corev1.EnvVar{Name: "VERSION", Value: "1.1"}, corev1.EnvVar{Name: "KIND", Value: "full"}))
		exit(pack, 1, "")
		want := ConsistOf(v1alpha1.Output{Name: "VERSION", Value: "1.1"}, v1alpha1.Output{Name: "KIND", Value: "full"})
		Expect(t.runIs(v1alpha1.RunFailed).Status.Outputs).To(want)

		create(t.newRun(func(r *v1alpha1.CIRun) {
			r.Name = "again"
			r.Spec.Commit, r.Spec.RerunOf = v1alpha1.CommitSelector{}, "run"
		}))
		again := t.podOf("again", "PACK")
		Expect(again.Spec.Containers[1].Env).To(ContainElements(corev1.EnvVar{Name: "VERSION", Value: "1.1"}, corev1.EnvVar{Name: "KIND", Value: "full"}))
		succeed(again)
		Eventually(t.stateOf).WithArguments("again").Should(Equal(v1alpha1.RunSucceeded))
		Expect(get(&v1alpha1.CIRun{}, t.namespace, "again").Status.Outputs).To(want)
	})
})
