package controller_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

const (
	// answerer is the token of an account that may write comments.
	answerer = "token-of-the-answerer"
	// asker has write permission on the repositories of these stories, passerby has none.
	asker, passerby = "ann", "eve"
)

// discussed is a tenant whose link obeys comments, with one pull request of a branch, by somebody with write permission.
func discussed(steps ...step) *tenant {
	GinkgoHelper()
	t := newTenant()
	gh.AddToken(answerer, fakegithub.Account{Login: "katkit-bot", Repositories: map[string]fakegithub.Permission{"*": fakegithub.Write}})
	t.secret("answerer", v1alpha1.SecretKeyToken, answerer)
	Expect(t.repository.SetRole(asker, fakegithub.RoleWrite)).To(Succeed())
	Expect(gh.AddUser(passerby)).To(Succeed())
	t.commit(workflow(steps...), services(appName))
	t.commitTo("topic", map[string]string{"a": "1"})
	Expect(t.open(fakegithub.PullRequest{Title: "Mend the basket", Author: asker, Head: "topic"})).To(Equal(1))
	t.obeys()
	return t
}

// obeys makes a link that obeys comments from now on.
func (t *tenant) obeys(mutate ...func(*v1alpha1.TenantRepoLink)) {
	GinkgoHelper()
	t.link(append([]func(*v1alpha1.TenantRepoLink){secretNamed("answerer"), func(l *v1alpha1.TenantRepoLink) {
		l.Spec.Triggers.Comments = &v1alpha1.CommentTrigger{}
	}}, mutate...)...)
	t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
	Expect(t.seen().Triggers).To(HaveValue(HaveField("Active", ContainElement(v1alpha1.TriggerComments))))
}

// forked opens a pull request of a stranger's fork, and returns its number and a function that pushes to it.
func (t *tenant) forked() (number int, push func() string) {
	GinkgoHelper()
	fork, err := gh.Fork(t.repository.Name(), passerby+"-"+t.namespace+"/app")
	Expect(err).NotTo(HaveOccurred())
	push = func() string {
		GinkgoHelper()
		sha, err := fork.Commit(fakegithub.Commit{Branch: "mine", Message: "Mine", Author: asker}) // as anybody can say in git
		Expect(err).NotTo(HaveOccurred())
		return sha
	}
	push()
	return t.open(fakegithub.PullRequest{Title: "From a fork", Author: passerby, Head: "mine", HeadRepository: fork.Name()}), push
}

// says writes a comment, and lets a webhook tell of it.
func (t *tenant) says(number int, login, body string) int64 {
	GinkgoHelper()
	id, err := t.repository.Comment(number, login, body)
	Expect(err).NotTo(HaveOccurred())
	t.nudge()
	return id
}

// looked waits until comments up to one were looked at, and no later one.
func (t *tenant) looked(id int64) {
	GinkgoHelper()
	Eventually(func() int64 { return t.seen().Triggers.LastComment }).Should(BeNumerically(">=", id))
}

// reaction is Katkit's reaction to a comment; "" when there is none.
func (t *tenant) reaction(id int64) string {
	GinkgoHelper()
	comments := t.repository.Sent().Comments
	at := slices.IndexFunc(comments, func(c fakegithub.Comment) bool { return c.ID == id })
	Expect(at).To(BeNumerically(">=", 0))
	contents := make([]string, 0, 1)
	for _, reaction := range comments[at].Reactions {
		Expect(reaction.By).To(Equal("katkit-bot"))
		contents = append(contents, reaction.Content)
	}
	return strings.Join(contents, " ")
}

// answers are Katkit's comments on a pull request.
func (t *tenant) answers(number int) []string {
	var bodies []string
	for _, comment := range t.repository.Sent().Comments {
		if comment.Number == number && comment.By == "katkit-bot" {
			bodies = append(bodies, comment.Body)
		}
	}
	return bodies
}

// asks writes a comment and waits for the reaction. It returns the newest answer, and the name of the run that the comment makes, if it does.
func (t *tenant) asks(number int, body, reaction string) (answer, run string) {
	GinkgoHelper()
	id := t.says(number, asker, body)
	t.looked(id)
	Expect(t.reaction(id)).To(Equal(reaction), "%v", t.answers(number))
	Expect(t.answers(number)).To(HaveLen(1))
	lines := strings.Split(t.answers(number)[0], "\n")
	at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, fmt.Sprintf("- <!-- %d --> ", id)) })
	Expect(at).To(Equal(3), "the newest answer is the first: %v", lines)
	return lines[at], fmt.Sprintf("%s-c%d", linkName, id)
}

func (t *tenant) runNamed(name string) *v1alpha1.CIRun {
	GinkgoHelper()
	return get(&v1alpha1.CIRun{}, t.namespace, name)
}

// headOf is the newest commit of a pull request, as the link lists it.
func (t *tenant) headOf(number int) string {
	for _, pull := range t.seen().PullRequests {
		if int(pull.Number) == number {
			return pull.HeadSHA
		}
	}
	return ""
}

// edit changes a comment by somebody's token.
func (t *tenant) edit(id int64, body string) {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, fmt.Sprintf("%srepos/%s/issues/comments/%d", host.APIURL, t.repository.Name(), id),
		strings.NewReader(encode(map[string]string{"body": body})))
	Expect(err).NotTo(HaveOccurred())
	for name, value := range map[string]string{
		"Authorization": "Bearer " + answerer, "Accept": "application/vnd.github+json", "Content-Type": "application/json", "X-GitHub-Api-Version": "2022-11-28",
	} {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	Expect(response.StatusCode).To(Equal(http.StatusOK))
}

var _ = Describe("A comment on a pull request", func() {
	It("runs its newest commit, or some phases of it", func() {
		t := discussed(execution("BUILD", 0), execution("TEST", 1))
		answer, name := t.asks(1, "Looks good!\n\n/katkit run BUILD\n", "+1")
		Expect(answer).To(And(ContainSubstring("of `ann`"), ContainSubstring("`"+name+"`"), ContainSubstring("phases `BUILD`"), ContainSubstring("/pull/1#issuecomment-")))
		run := t.runNamed(name)
		Expect(run.Spec.Commit).To(Equal(v1alpha1.CommitSelector{SHA: t.headOf(1), PullRequest: 1}))
		Expect(run.Spec.PhaseNames).To(Equal([]string{"BUILD"}))
		Expect(run.Labels).To(HaveKeyWithValue(v1alpha1.LabelTrigger, "comments"))
		Expect(run.Annotations[v1alpha1.AnnotationAskedOnGitHub]).To(MatchRegexp(`^ann \(#\d+\) in comment \d+$`))
		Expect(run.ManagedFields).To(HaveEach(Or(HaveField("Manager", v1alpha1.ManagedBy), HaveField("Subresource", "status"))), "so that retention removes it")
		succeed(t.podOf(name, "BUILD"))
		Eventually(t.stateOf).WithArguments(name).Should(Equal(v1alpha1.RunSucceeded))

		_, name = t.asks(1, "/katkit run", "+1")
		t.podOf(name, "BUILD")
		Expect(t.phaseOf(name, "TEST")).NotTo(BeNil())
	})

	It("is obeyed when it comes after the trigger was set, and once", func() {
		t := discussed(execution("BUILD", 0))
		Expect(k8s.Delete(ctx, get(&v1alpha1.TenantRepoLink{}, t.namespace, linkName))).To(Succeed())
		before, err := t.repository.Comment(1, asker, "/katkit run")
		Expect(err).NotTo(HaveOccurred())
		t.obeys()
		Expect(t.seen().Triggers.LastComment).To(Equal(before))
		_, name := t.asks(1, "/katkit run", "+1")
		t.edit(before, "/katkit run\nnow")
		restart()
		t.nudge()
		last := t.says(1, asker, "Thanks.")
		t.looked(last)
		Expect(t.runs()).To(ConsistOf(name))
		Expect(t.reaction(before)).To(BeEmpty())

		By("unsetting the trigger")
		change(&v1alpha1.TenantRepoLink{}, t.namespace, linkName, func(l *v1alpha1.TenantRepoLink) { l.Spec.Triggers.Comments = nil })
		Eventually(func() *v1alpha1.TriggersStatus { return t.seen().Triggers }).Should(BeNil())
	})

	It("repeats its last run", func() {
		t := discussed(execution("BUILD", 0), execution("TEST", 1))
		t.asks(1, "/katkit rerun", "confused")
		_, first := t.asks(1, "/katkit run", "+1")
		succeed(t.podOf(first, "BUILD"))
		exit(t.podOf(first, "TEST"), 1, "")
		Eventually(t.stateOf).WithArguments(first).Should(Equal(v1alpha1.RunFailed))
		answer, again := t.asks(1, "/katkit rerun", "+1")
		Expect(answer).To(ContainSubstring("repeats `" + first + "`"))
		Expect(t.runNamed(again).Spec.RerunOf).To(Equal(first))
		succeed(t.podOf(again, "TEST"))
		Eventually(t.stateOf).WithArguments(again).Should(Equal(v1alpha1.RunSucceeded))
		answer, _ = t.asks(1, "/katkit rerun", "confused")
		Expect(answer).To(ContainSubstring("all phases of run `" + again + "` succeeded"))
	})

	It("cancels what is run of it, and of no other", func() {
		t := discussed(execution("BUILD", 0))
		t.run(func(r *v1alpha1.CIRun) { r.Name = "of-main" })
		t.run(func(r *v1alpha1.CIRun) { r.Name, r.Spec.Commit = "by-hand", v1alpha1.CommitSelector{PullRequest: 1} })
		_, name := t.asks(1, "/katkit run", "+1")
		t.podOf(name, "BUILD")
		t.podOf("by-hand", "BUILD")
		answer, _ := t.asks(1, "/katkit cancel", "+1")
		Expect(answer).To(HaveSuffix("cancelled `%s`, `by-hand`", name))
		for _, run := range []string{name, "by-hand"} {
			Expect(t.runNamed(run).Spec.Cancelled).To(BeTrue())
			Expect(t.runNamed(run).Annotations[v1alpha1.AnnotationCancelledOnGitHub]).To(HavePrefix("ann (#"))
		}
		t.asks(1, "/katkit cancel", "confused")
		Expect(t.runNamed("of-main").Spec.Cancelled).To(BeFalse())
	})

	It("approves a phase, when an admin of the tenant lets Katkit", func() {
		t := discussed(execution("LOAD TEST", 0).with("IsPhaseAutomated", false))
		t.grant("ada", "admin")
		t.open(fakegithub.PullRequest{Title: "Another", Author: asker, Head: "topic"})
		_, other := t.asks(2, "/katkit run", "+1")
		Eventually(t.stateOf).WithArguments(other).Should(Equal(v1alpha1.RunWaitingForApproval))
		answer, _ := t.asks(1, `/katkit approve "LOAD TEST"`, "confused")
		Expect(answer).To(ContainSubstring("no phase `LOAD TEST` of this pull request waits"))
		_, name := t.asks(1, "/katkit run", "+1")
		Eventually(t.stateOf).WithArguments(name).Should(Equal(v1alpha1.RunWaitingForApproval))
		answer, _ = t.asks(1, `/katkit approve "LOAD TEST"`, "confused")
		Expect(answer).To(ContainSubstring("Katkit may not approve phases of tenant `" + t.namespace + "`"))
		Expect(t.phaseOf(name, "LOAD TEST").Spec.Approved).To(BeFalse())
		Expect(t.phaseOf(name, "LOAD TEST").Annotations).To(BeEmpty())

		By("doing as the answer says")
		do(strings.TrimSuffix(answer, "`"), "ada")
		Eventually(func() string {
			id := t.says(1, asker, `/katkit approve "LOAD TEST"`)
			t.looked(id)
			return t.reaction(id)
		}).Should(Equal("+1"), "once the API server knows")
		phase := t.phaseOf(name, "LOAD TEST")
		Expect(phase.Spec).To(And(HaveField("Approved", true), HaveField("ApprovedBy", "system:serviceaccount:"+managerNamespace+":"+managerName)))
		Expect(phase.Annotations[v1alpha1.AnnotationApprovedOnGitHub]).To(MatchRegexp(`^ann \(#\d+\) in comment \d+$`))
		succeed(t.podOf(name, "LOAD TEST"))
		Eventually(t.stateOf).WithArguments(name).Should(Equal(v1alpha1.RunSucceeded))
		Expect(t.phaseOf(other, "LOAD TEST").Spec.Approved).To(BeFalse())
	})

	It("allows one commit of a fork by its whole sha, and no other", func() {
		t := discussed(execution("BUILD", 0))
		number, push := t.forked()
		old := push()
		answer, _ := t.asks(number, "/katkit run", "-1")
		Expect(answer).To(HaveSuffix("say `/katkit ok " + old + "`"))
		sha := push()
		answer, _ = t.asks(number, "/katkit ok "+old, "confused")
		Expect(answer).To(And(ContainSubstring("is not the newest one"), HaveSuffix("say `/katkit ok "+sha+"`")))
		answer, _ = t.asks(number, "/katkit ok "+sha[:12], "confused")
		Expect(answer).To(ContainSubstring("whole sha"))
		Expect(t.runs()).To(BeEmpty())

		By("copying the command")
		name := fmt.Sprintf("%s-ok-%s", linkName, sha[:16])
		answer, _ = t.asks(number, answer[strings.LastIndex(answer, "/katkit"):len(answer)-1], "+1")
		Expect(answer).To(ContainSubstring("`" + name + "`"))
		Expect(t.runNamed(name).Spec.Commit).To(Equal(v1alpha1.CommitSelector{SHA: sha, PullRequest: int32(number)}))
		push()
		t.asks(number, "/katkit ok "+sha, "+1")
		t.asks(number, "/katkit run", "-1")
		Expect(t.runs()).To(ConsistOf(name), "a later push needs another ok")
	})

	It("makes no run where another one has its name", func() {
		t := discussed(execution("BUILD", 0))
		number, _ := t.forked()
		t.nudge()
		Eventually(func() string { return t.headOf(number) }).ShouldNot(BeEmpty())
		sha := t.headOf(number)
		t.run(func(r *v1alpha1.CIRun) { r.Name = fmt.Sprintf("%s-ok-%s", linkName, sha[:16]) })
		answer, _ := t.asks(number, "/katkit ok "+sha, "confused")
		Expect(answer).To(ContainSubstring("another run of this name is there"))
	})

	It("of a stranger is as if it was not there", func() {
		t := discussed(execution("BUILD", 0))
		number, _ := t.forked()
		for _, body := range []string{"/katkit run", "/katkit ok " + t.headOf(1), "/katkit cancel", "/katkit help", "/katkit nonsense"} {
			for _, in := range []int{1, number} {
				for _, who := range []string{passerby, "helper[bot]"} {
					t.says(in, who, body)
				}
			}
		}
		Expect(t.repository.SetRole("roger", fakegithub.RoleTriage)).To(Succeed())
		last := t.says(1, "roger", "/katkit run")
		t.looked(last)
		for _, comment := range t.repository.Sent().Comments {
			Expect(comment).To(And(HaveField("By", Not(Equal("katkit-bot"))), HaveField("Reactions", BeEmpty())))
		}
		Expect(t.runs()).To(BeEmpty())
	})

	It("asks for help", func() {
		t := discussed(execution("BUILD", 0))
		change(&v1alpha1.TenantRepoLink{}, t.namespace, linkName, func(l *v1alpha1.TenantRepoLink) {
			l.Spec.Triggers.Comments.Commands = []v1alpha1.CommentCommand{v1alpha1.CommandCancel, v1alpha1.CommandRerun}
		})
		answer, _ := t.asks(1, "/katkit help", "+1")
		Expect(answer).To(And(ContainSubstring("`/katkit cancel`"), ContainSubstring("`/katkit rerun`"), Not(ContainSubstring("/katkit run"))))
		answer, _ = t.asks(1, "/katkit run", "-1")
		Expect(answer).To(ContainSubstring("link `app` does not obey `run`"))
		answer, _ = t.asks(1, "/katkit <b>@acme/all</b>", "confused")
		Expect(answer).To(ContainSubstring("there is no command `<b>@acme/all</b>`"))
	})

	It("is obeyed where the repository has another name now", func() {
		t := discussed(execution("BUILD", 0))
		Expect(gh.Rename(t.repository.Name(), t.repository.Name()+"-2")).To(Succeed())
		_, name := t.asks(1, "/katkit run", "+1")
		t.podOf(name, "BUILD")
	})

	It("is not obeyed on what is closed, nor on what is into another branch", func() {
		t := discussed(execution("BUILD", 0))
		t.commitTo("release", map[string]string{"b": "1"})
		other := t.open(fakegithub.PullRequest{Title: "Elsewhere", Author: asker, Head: "topic", Base: "release"})
		id := t.says(other, asker, "/katkit run")
		t.looked(id)
		Expect(t.reaction(id)).To(BeEmpty(), "that is another link's")
		Expect(t.repository.ClosePullRequest(1)).To(Succeed())
		answer, _ := t.asks(1, "/katkit run", "confused")
		Expect(answer).To(ContainSubstring("#1 is closed"))
		Expect(t.runs()).To(BeEmpty())
	})
})
