package controller_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

var _ = Describe("A link with variables from Secrets and ConfigMaps", func() {
	const value = "s3cr3t-of-the-tenant"

	// fromEverywhere is a link that takes variables from the Secret npm and the ConfigMap region.
	fromEverywhere := func(l *v1alpha1.TenantRepoLink) {
		l.Spec.Builder.Env = []v1alpha1.BuilderEnvVar{
			{Name: "NPM_TOKEN", ValueFrom: &v1alpha1.EnvVarSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "npm", Key: "token"}}},
			{Name: "PLAIN", Value: "plain"},
		}
		l.Spec.Builder.EnvFrom = []v1alpha1.EnvFromSource{
			{SecretRef: &v1alpha1.ObjectReference{Name: "npm"}},
			{Prefix: "CFG_", ConfigMapRef: &v1alpha1.ObjectReference{Name: "region", Optional: true}},
		}
	}
	// sources are what a container's variables come from.
	sources := func(container corev1.Container) (names []string) {
		for _, variable := range container.Env {
			if variable.ValueFrom != nil {
				names = append(names, variable.Name)
			}
		}
		for _, source := range container.EnvFrom {
			names = append(names, source.Prefix)
		}
		return names
	}

	It("hands them to ci.sh alone, and writes no value anywhere", func() {
		t := newTenant()
		t.secret("npm", "token", value)
		t.commit(workflow(execution("BUILD", 0)))
		t.link(fromEverywhere)
		t.run()
		pod := t.builder("BUILD")
		Expect(sources(pod.Spec.Containers[0])).To(BeEmpty())
		Expect(sources(pod.Spec.Containers[1])).To(ConsistOf("KATKIT_SECRET_NPM_TOKEN", "KATKIT_FROM_SECRET_0_", "KATKIT_FROM_CONFIGMAP_1_CFG_"))
		phase := t.phase("BUILD")
		Expect(phase.Spec.Execution.EnvFrom).To(HaveLen(2))
		Expect(env(phase, "FROM_CLASS")).To(Equal("class"))
		Expect(encode(pod) + encode(phase)).NotTo(ContainSubstring(value))
		for _, request := range katkit.wire.in(t.namespace) {
			Expect(request.Path).NotTo(HaveSuffix("/secrets/npm"), "the manager has no use for it")
		}
		succeed(pod)
		t.runIs(v1alpha1.RunSucceeded)
	})

	It("gives a fork's commit none of them, and says so", func() {
		t := newTenant()
		t.secret("npm", "token", value)
		t.commit(workflow(execution("BUILD", 0)))
		t.link(fromEverywhere)
		fork, err := gh.Fork(t.repository.Name(), "stranger-"+t.namespace+"/app")
		Expect(err).NotTo(HaveOccurred())
		_, err = fork.Commit(fakegithub.Commit{Branch: "mine", Message: "Mine", Files: fakegithub.Texts(workflow(execution("STEAL", 0)))})
		Expect(err).NotTo(HaveOccurred())
		number := t.open(fakegithub.PullRequest{Title: "Mine", Author: "stranger", Head: "mine", HeadRepository: fork.Name()})
		t.run(func(r *v1alpha1.CIRun) { r.Spec.Commit = v1alpha1.CommitSelector{PullRequest: int32(number)} })

		pod := t.builder("BUILD")
		Expect(sources(pod.Spec.Containers[1])).To(BeEmpty())
		Expect(pod.Spec.Containers[1].Env).To(ContainElement(corev1.EnvVar{Name: "PLAIN", Value: "plain"}))
		Eventually(t.events).WithArguments("CIRun", "run").Should(ContainElement(
			HavePrefix("Warning ConfigWarning: a fork's commit gets nothing of the tenant's Secrets and ConfigMaps: NPM_TOKEN, all of the 2 in builder.envFrom")))

		By("repeating that run")
		succeed(pod)
		t.runIs(v1alpha1.RunSucceeded)
		t.named("again", func(r *v1alpha1.CIRun) {
			r.Spec.Commit, r.Spec.RerunOf, r.Spec.FromPhase = v1alpha1.CommitSelector{}, "run", "BUILD"
		})
		Eventually(func() []string { return get(&v1alpha1.CIRun{}, t.namespace, "again").Status.Warnings }).Should(ContainElement(HavePrefix("a fork's commit gets nothing")))
	})

	It("runs nothing while it would show ci.sh the credential of another link", func() {
		t := newTenant()
		t.secret("other", v1alpha1.SecretKeyToken, token)
		t.commit(workflow(execution("BUILD", 0)))
		t.link(func(l *v1alpha1.TenantRepoLink) {
			l.Name, l.Spec.SecretRef = "other", &v1alpha1.ObjectName{Name: "other"}
		})
		t.link(func(l *v1alpha1.TenantRepoLink) {
			l.Spec.Builder.EnvFrom = []v1alpha1.EnvFromSource{{SecretRef: &v1alpha1.ObjectReference{Name: "other"}}}
		})
		t.run()
		t.runFails(v1alpha1.ReasonCredentialExposed, "builder.envFrom[0] of TenantRepoLink "+linkName+" names Secret other", "TenantRepoLink other (secretRef)")
	})
})
