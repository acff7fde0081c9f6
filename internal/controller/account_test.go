package controller_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/test/fakegithub"
)

const testerName = "tester"

// fork opens a pull request of a stranger, with these files, and returns its number.
func (t *tenant) fork(files map[string]string) int32 {
	GinkgoHelper()
	fork, err := gh.Fork(t.repository.Name(), "stranger-"+t.namespace+"/app")
	Expect(err).NotTo(HaveOccurred())
	_, err = fork.Commit(fakegithub.Commit{Branch: "mine", Message: "Mine", Files: fakegithub.Texts(files)})
	Expect(err).NotTo(HaveOccurred())
	return int32(t.open(fakegithub.PullRequest{Title: "Mine", Author: "stranger", Head: "mine", HeadRepository: fork.Name()}))
}

// account makes a ServiceAccount; annotated says that builder Pods may have it.
func (t *tenant) account(name string, annotated bool) {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: name}}
	if annotated {
		account.Annotations = map[string]string{v1alpha1.AnnotationBuilder: "true"}
	}
	create(account)
}

func asTester(l *v1alpha1.TenantRepoLink) { l.Spec.Builder.ServiceAccountName = testerName }

// tokens are the names of the containers that have a token for the API server.
func tokens(pod *corev1.Pod) []string {
	volumes := map[string]bool{}
	for _, volume := range pod.Spec.Volumes {
		if volume.Projected != nil {
			for _, source := range volume.Projected.Sources {
				volumes[volume.Name] = volumes[volume.Name] || source.ServiceAccountToken != nil && source.ServiceAccountToken.Audience == ""
			}
		}
	}
	names := []string{}
	for _, container := range pod.Spec.Containers {
		for _, mount := range container.VolumeMounts {
			if volumes[mount.Name] {
				names = append(names, container.Name)
			}
		}
	}
	return names
}

var _ = Describe("A ServiceAccount for ci.sh", func() {
	It("is none where the link names none", func() {
		t := begun(execution("BUILD", 0))
		pod := t.builder("BUILD")
		Expect(pod.Spec.ServiceAccountName).To(BeEmpty())
		Expect(pod.Spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
		Expect(tokens(pod)).To(BeEmpty())
	})

	It("is the one that the link names, and its token in the build container alone", func() {
		t := newTenant()
		t.account(testerName, true)
		t.commit(workflow(execution("BUILD", 0)))
		t.link(asTester)
		t.run()
		pod := t.builder("BUILD")
		Expect(pod.Spec.ServiceAccountName).To(Equal(testerName))
		Expect(pod.Spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
		Expect(tokens(pod)).To(Equal([]string{contract.BuildContainer}))
		Expect(buildContainer(pod).VolumeMounts).To(ContainElement(HaveField("MountPath", "/var/run/secrets/kubernetes.io/serviceaccount")))
	})

	It("is missing, and the run says how to make it", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0)))
		t.link(asTester)
		t.run()
		t.runFails(v1alpha1.ReasonServiceAccountNotAllowed, "ServiceAccount "+t.namespace+"/tester", "is not there", "kubectl create serviceaccount tester -n "+t.namespace)
	})

	It("is not for builders, until somebody does as the run says", func() {
		t := newTenant()
		t.grant("ada", "admin")
		t.account(testerName, false)
		t.commit(workflow(execution("BUILD", 0)))
		t.link(asTester)
		t.run()
		t.runFails(v1alpha1.ReasonServiceAccountNotAllowed, "ServiceAccount "+t.namespace+"/tester is not for builder Pods")

		do(t.messageOf("run"), "ada")
		t.named("again")
		Expect(t.podOf("again", "BUILD").Spec.ServiceAccountName).To(Equal(testerName))
	})

	It("is asked for again before each phase", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.account(testerName, true)
		t.commit(workflow(execution("BUILD", 0), execution("TEST", 1)))
		t.link(asTester)
		t.run()
		pod := t.builder("BUILD")
		change(&corev1.ServiceAccount{}, t.namespace, testerName, func(a *corev1.ServiceAccount) { a.Annotations = nil })
		succeed(pod)
		t.phaseFails("TEST", v1alpha1.FailureConfig, v1alpha1.ReasonServiceAccountNotAllowed, "is not for builder Pods")
		t.stopped("TEST")
	})

	It("is never a stranger's", func() {
		t := newTenant()
		t.account(testerName, true)
		t.commit(workflow(execution("BUILD", 0)))
		t.link(asTester)
		theirs := t.fork(map[string]string{"ci.sh": "#!/bin/sh\ncat /var/run/secrets/kubernetes.io/serviceaccount/token\n"})
		t.run(func(r *v1alpha1.CIRun) { r.Spec.Commit = v1alpha1.CommitSelector{PullRequest: theirs} })
		pod := t.builder("BUILD")
		Expect(pod.Spec.ServiceAccountName).To(BeEmpty())
		Expect(tokens(pod)).To(BeEmpty())
		Eventually(t.events).WithArguments("CIRun", "run").Should(ContainElement(
			"Warning ConfigWarning: ci.sh gets no token of ServiceAccount tester, which the link names: the commit is a fork's"))
	})
})
