package controller_test

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

// GitHub answers for the commits of all forks under the name of the repository itself.
var _ = Describe("A commit that is named by its sha", func() {
	var t *tenant
	var fork *fakegithub.Repository

	BeforeEach(func() {
		t = newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(execution("BUILD", 0), deployment("DEPLOY", 1)), services(appName))
		var err error
		fork, err = gh.Fork(t.repository.Name(), "stranger-"+t.namespace+"/app")
		Expect(err).NotTo(HaveOccurred())
		t.link()
		Eventually(func() *v1alpha1.CommitStatus { return t.seen().HomeBranch }).ShouldNot(BeNil())
	})

	// foreign is a commit of the fork that GitHub knows, and that no open pull request has any more.
	foreign := func() string {
		GinkgoHelper()
		sha, err := fork.Commit(fakegithub.Commit{Branch: "mine", Message: "Mine", Files: fakegithub.Texts(workflow(execution("STEAL", 0), deployment("DEPLOY", 1)))})
		Expect(err).NotTo(HaveOccurred())
		Expect(t.repository.ClosePullRequest(t.open(fakegithub.PullRequest{Title: "Mine", Author: "stranger", Head: "mine", HeadRepository: fork.Name()}))).To(Succeed())
		return sha
	}
	// begun is what has become of a run of a commit, when it has phases.
	begun := func(name string, commit v1alpha1.CommitSelector) (status v1alpha1.CIRunStatus, phases []string) {
		GinkgoHelper()
		t.named(name, func(r *v1alpha1.CIRun) { r.Spec.Commit = commit })
		Eventually(func() []v1alpha1.RunPhaseStatus {
			status = get(&v1alpha1.CIRun{}, t.namespace, name).Status
			return status.Phases
		}).ShouldNot(BeEmpty(), func() string { return encode(status) })
		for _, phase := range status.Phases {
			phases = append(phases, phase.Name)
		}
		return status, phases
	}

	It("is deployed from whichever branch of the repository", func() {
		released := t.commitTo("release", map[string]string{"a": "1"})
		within := t.commitTo("topic", map[string]string{"a": "2"})
		t.commitTo("topic", map[string]string{"a": "3"})
		t.open(fakegithub.PullRequest{Title: "Topic", Author: "ann", Head: "topic", Base: "release"})
		older, _ := t.repository.Head("main")
		t.commit(map[string]string{"a": "4"})
		for name, sha := range map[string]string{"released": released, "within": within, "older": older} {
			status, phases := begun(name, v1alpha1.CommitSelector{SHA: sha})
			Expect(phases).To(HaveExactElements("BUILD", "DEPLOY"), name)
			Expect(status.Fork).To(BeFalse(), name)
			Expect(status.Warnings).To(BeEmpty(), name)
		}
	})

	It("counts as a fork's when nothing shows that it is not, and tells what to do", func() {
		status, phases := begun("theirs", v1alpha1.CommitSelector{SHA: foreign()})
		Expect(phases).To(HaveExactElements("BUILD"))
		Expect(status.Fork).To(BeTrue())
		Eventually(t.events).WithArguments("CIRun", "theirs").Should(ContainElement(And(
			HavePrefix("Warning ConfigWarning: phase DEPLOY is left out"), ContainSubstring("name the branch beside the sha"))))
	})

	It("may be of a branch that is named beside it, and is not asked about again when it is repeated", func() {
		within := t.commitTo("topic", map[string]string{"a": "1"})
		t.commitTo("topic", map[string]string{"a": "2"})
		status, phases := begun("alone", v1alpha1.CommitSelector{SHA: within})
		Expect(phases).To(HaveExactElements("BUILD"))
		Expect(status.Fork).To(BeTrue())

		status, phases = begun("named", v1alpha1.CommitSelector{SHA: within, Branch: "topic"})
		Expect(phases).To(HaveExactElements("BUILD", "DEPLOY"))
		Expect(status).To(And(HaveField("Fork", false), HaveField("Ref", "topic"), HaveField("SHA", within)))

		By("repeating it, when the branch has the commit no more")
		t.cancel("named")
		Eventually(t.stateOf).WithArguments("named").Should(Equal(v1alpha1.RunCancelled))
		_, err := t.repository.Commit(fakegithub.Commit{Branch: "topic", From: "main", Message: "Again", Force: true})
		Expect(err).NotTo(HaveOccurred())
		asked := func() int {
			return len(t.asked(http.MethodGet, "/"+within+"/pulls")) + len(t.asked(http.MethodGet, "/branches-where-head"))
		}
		before := asked()
		Expect(before).To(Equal(2), "for the run of the sha alone")
		t.named("again", func(r *v1alpha1.CIRun) { r.Spec.Commit, r.Spec.RerunOf = v1alpha1.CommitSelector{}, "named" })
		Eventually(func() v1alpha1.CIRunStatus { return get(&v1alpha1.CIRun{}, t.namespace, "again").Status }).Should(And(
			HaveField("Phases", HaveLen(2)), HaveField("Fork", false), HaveField("Ref", "topic"), HaveField("SHA", within)))
		Expect(asked()).To(Equal(before))
	})

	It("does not run when the branch that is named beside it has it not, nor when that run is repeated", func() {
		sha := foreign()
		t.run(func(r *v1alpha1.CIRun) { r.Spec.Commit = v1alpha1.CommitSelector{SHA: sha, Branch: "main"} })
		t.runFails(v1alpha1.ReasonCommitNotFound, "branch main has no commit "+sha)
		Expect(get(&v1alpha1.CIRun{}, t.namespace, "run").Status.SHA).To(BeEmpty())

		t.named("again", func(r *v1alpha1.CIRun) { r.Spec.Commit, r.Spec.RerunOf = v1alpha1.CommitSelector{}, "run" })
		Eventually(t.stateOf).WithArguments("again").Should(Equal(v1alpha1.RunFailed))
		Expect(t.messageOf("again")).To(ContainSubstring("branch main has no commit " + sha))
		Expect(t.pods()).To(BeEmpty())
	})

	It("does not run when the pull request that is named beside it has it not", func() {
		sha := foreign()
		t.commitTo("topic", map[string]string{"a": "1"})
		number := t.open(fakegithub.PullRequest{Title: "Topic", Author: "ann", Head: "topic"})
		t.run(func(r *v1alpha1.CIRun) {
			r.Spec.Commit = v1alpha1.CommitSelector{SHA: sha, PullRequest: int32(number)}
		})
		t.runFails(v1alpha1.ReasonCommitNotFound, "has no commit "+sha)
	})
})
