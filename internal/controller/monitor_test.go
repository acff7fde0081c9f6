package controller_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

// nudge asks for the link to be looked at now, as a webhook does.
func (t *tenant) nudge() {
	GinkgoHelper()
	change(&v1alpha1.TenantRepoLink{}, t.namespace, linkName, func(l *v1alpha1.TenantRepoLink) {
		l.Annotations = map[string]string{v1alpha1.AnnotationSyncRequested: time.Now().UTC().Format(time.RFC3339Nano) + " test"}
	})
}

// seen is the link's status.
func (t *tenant) seen() v1alpha1.TenantRepoLinkStatus {
	GinkgoHelper()
	return get(&v1alpha1.TenantRepoLink{}, t.namespace, linkName).Status
}

// pulls are the pull requests that the link lists, as "#NUMBER TITLE".
func (t *tenant) pulls() []string {
	GinkgoHelper()
	var list []string
	for _, pull := range t.seen().PullRequests {
		list = append(list, fmt.Sprintf("#%d %s", pull.Number, pull.Title))
	}
	return list
}

func (t *tenant) open(request fakegithub.PullRequest) int {
	GinkgoHelper()
	number, err := t.repository.OpenPullRequest(request)
	Expect(err).NotTo(HaveOccurred())
	return number
}

var _ = Describe("A link shows what its repository is about", func() {
	It("as pull requests come, change and go", func() {
		t := newTenant()
		base := t.commit()
		topic := t.commitTo("topic", map[string]string{"a": "1"})
		t.commitTo("release", map[string]string{"b": "1"})
		fork, err := gh.Fork(t.repository.Name(), "stranger-"+t.namespace+"/app")
		Expect(err).NotTo(HaveOccurred())
		foreign, err := fork.Commit(fakegithub.Commit{Branch: "main", Message: "Mine"})
		Expect(err).NotTo(HaveOccurred())
		t.open(fakegithub.PullRequest{Title: "Mend the basket", Author: "ann", Head: "topic", Draft: true})
		t.open(fakegithub.PullRequest{Title: "Elsewhere", Author: "ann", Head: "topic", Base: "release"})
		t.open(fakegithub.PullRequest{Title: "From a fork", Author: "stranger", Head: "main", HeadRepository: fork.Name()})
		t.link()
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		status := t.seen()
		Expect(status.Repository).To(HaveValue(And(HaveField("FullName", t.repository.Name()), HaveField("ID", BeNumerically(">", 0)))))
		Expect(status.Commits).To(HaveExactElements(HaveField("SHA", base)))
		Expect(status.PullRequests).To(HaveExactElements(
			And(HaveField("Number", int32(3)), HaveField("Fork", true), HaveField("HeadSHA", foreign), HaveField("Author", "stranger"), HaveField("HeadRef", "main")),
			And(HaveField("Number", int32(1)), HaveField("Fork", false), HaveField("HeadSHA", topic), HaveField("Draft", true), HaveField("Title", "Mend the basket"),
				HaveField("URL", HaveSuffix("/pull/1"))),
		))

		By("pushing to one, by force too, closing and opening again")
		pushed := t.commitTo("topic", map[string]string{"a": "2"})
		Expect(t.repository.ClosePullRequest(3)).To(Succeed())
		t.nudge()
		Eventually(t.seen).Should(HaveField("PullRequests", HaveExactElements(HaveField("HeadSHA", pushed))))
		forced, err := t.repository.Commit(fakegithub.Commit{Branch: "topic", From: base, Message: "Again", Force: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(t.repository.ReopenPullRequest(3)).To(Succeed())
		t.nudge()
		Eventually(t.seen).Should(HaveField("PullRequests", HaveExactElements(HaveField("Number", int32(3)), HaveField("HeadSHA", forced))))

		By("deleting the fork")
		Expect(gh.DeleteRepository(fork.Name())).To(Succeed())
		t.nudge()
		Consistently(func() bool { return t.seen().PullRequests[0].Fork }, "500ms").Should(BeTrue())
	})

	It("with the newest commits of its home branch, whatever is pushed", func() {
		t := newTenant()
		var shas []string
		for i := range 12 {
			shas = append(shas, t.commit(map[string]string{"n": fmt.Sprint(i)}))
		}
		t.link()
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		Expect(t.seen().Commits).To(HaveLen(10))
		Expect(t.seen().Commits[9].SHA).To(Equal(shas[2]))

		forced, err := t.repository.Commit(fakegithub.Commit{Branch: "main", From: shas[0], Message: "Back", Force: true})
		Expect(err).NotTo(HaveOccurred())
		t.nudge()
		Eventually(t.seen).Should(HaveField("Commits", HaveExactElements(HaveField("SHA", forced), HaveField("SHA", shas[0]))))
		Expect(t.seen().HomeBranch.SHA).To(Equal(forced))
	})

	It("with more than 100 pull requests, of which it lists those that were updated last", func() {
		t := newTenant()
		t.commit()
		t.commitTo("topic", map[string]string{"a": "1"})
		for i := range 105 {
			t.open(fakegithub.PullRequest{Title: fmt.Sprint("number ", i+1), Author: "ann", Head: "topic"})
		}
		t.link()
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		Expect(t.pulls()).To(And(HaveLen(100), HaveEach(MatchRegexp(`^#\d+ number \d+$`))))
		Expect(t.pulls()[0]).To(Equal("#105 number 105"))
		Expect(t.seen().MorePullRequests).To(BeTrue())
		for number := range 10 {
			Expect(t.repository.ClosePullRequest(100 - number)).To(Succeed())
		}
		t.nudge()
		Eventually(t.pulls).Should(And(HaveLen(95), Not(ContainElement("#95 number 95"))))
		Expect(t.seen().MorePullRequests).To(BeFalse())
	})

	It("also when it is renamed, and refuses another one that takes its name", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0)))
		name := t.repository.Name()
		t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.Repository = "ACME" + name[len("acme"):] })
		Expect(t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)).To(HaveSuffix("was found"))
		Expect(gh.Rename(name, name+"-2")).To(Succeed())
		t.nudge()
		Eventually(func() string { return t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady) }).Should(ContainSubstring("is called " + name + "-2 now"))

		By("not asking under the former name any more, which somebody else may take")
		squatted, err := gh.CreateRepository(name, fakegithub.RepositoryOptions{DefaultBranch: "main"})
		Expect(err).NotTo(HaveOccurred())
		evil, err := squatted.Commit(fakegithub.Commit{Branch: "main", Message: "Evil", Files: fakegithub.Texts(workflow(execution("BUILD", 0)))})
		Expect(err).NotTo(HaveOccurred())
		sha := t.commit(workflow(execution("BUILD", 0)), map[string]string{"more": "x"})
		t.nudge()
		Eventually(t.seen).Should(HaveField("HomeBranch.SHA", sha))

		By("finding it by its number where its name is taken before the next look, which a run waits for")
		Expect(gh.Rename(name+"-2", name+"-3")).To(Succeed())
		Expect(gh.Rename(name, name+"-2")).To(Succeed())
		t.run(func(run *v1alpha1.CIRun) { run.Name, run.Spec.Commit = "meanwhile", v1alpha1.CommitSelector{SHA: evil} })
		Eventually(func() string { return t.messageOf("meanwhile") }).Should(ContainSubstring("is called " + name + "-3 now"))
		t.nudge()
		Eventually(t.seen).Should(HaveField("Repository.FullName", name+"-3"))
		Eventually(func() string { return t.messageOf("meanwhile") }).Should(ContainSubstring(name + "-3, commit " + evil + ": not found"))
		Expect(gh.Rename(name+"-2", name)).To(Succeed())
		Expect(gh.Rename(name+"-3", name+"-2")).To(Succeed())
		t.nudge()
		Eventually(t.seen).Should(HaveField("Repository.FullName", name+"-2"))

		By("refusing the other one where the new name is lost, too, before the next look as after it")
		Expect(gh.DeleteRepository(name + "-2")).To(Succeed())
		Expect(gh.Rename(name, name+"-2")).To(Succeed())
		t.run(func(run *v1alpha1.CIRun) { run.Spec.Commit = v1alpha1.CommitSelector{SHA: evil} })
		t.runFails(v1alpha1.ReasonRepositoryReplaced)
		Expect(t.phases()).To(BeEmpty())
		t.nudge()
		Expect(t.linkIs(metav1.ConditionFalse, v1alpha1.ReasonRepositoryReplaced)).To(ContainSubstring("delete this link and make it again"))
		Expect(t.seen().HomeBranch.SHA).To(Equal(sha))
	})

	It("with what is left of its token's rate limit, which the manager's metric tells exactly", func() {
		t := newTenant()
		t.commit()
		counted := "counted-" + t.namespace
		gh.AddToken(counted, reader())
		gh.SetRateLimit(counted, 5000, 4321, time.Now().Add(time.Hour))
		t.secret("counted", "token", counted)
		link := t.link(secretNamed("counted"))
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		Expect(t.seen().RateLimit).To(HaveValue(And(HaveField("Limit", int32(5000)), HaveField("Remaining", HaveValue(Equal(int32(4000)))))))
		Expect(t.remaining()).To(HaveExactElements(And(BeNumerically(">", 4300), BeNumerically("<=", 4321))))
		Expect(k8s.Delete(ctx, link)).To(Succeed())
		Eventually(t.remaining).Should(BeEmpty())
	})
})

// remaining is what the manager's metric tells of the tenant's links.
func (t *tenant) remaining() []float64 {
	GinkgoHelper()
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	var values []float64
	for _, family := range families {
		if family.GetName() != "katkit_github_rate_limit_remaining" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "namespace" && label.GetValue() == t.namespace {
					values = append(values, metric.GetGauge().GetValue())
				}
			}
		}
	}
	return values
}
