package controller_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

// events counts the writes of events in a namespace.
func (w *wire) events(namespace string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	count := 0
	for _, sent := range w.writes {
		if sent.event() && slices.Contains(strings.Split(sent.Path, "/"), namespace) {
			count++
		}
	}
	return count
}

var _ = Describe("Comments on pull requests, however many,", func() {
	It("are answered in one comment of Katkit's, which others cannot take over", func() {
		t := discussed(execution("BUILD", 0))
		_, err := t.repository.Comment(1, passerby, fmt.Sprintf("<!-- katkit %s/%s -->\n\n- <!-- 9999999 --> mine", t.namespace, linkName))
		Expect(err).NotTo(HaveOccurred())
		var asked []int64
		for i := range 40 {
			id, err := t.repository.Comment(1, asker, "/katkit nonsense"+strings.Repeat("!", i))
			Expect(err).NotTo(HaveOccurred())
			asked = append(asked, id)
		}
		t.nudge()
		t.looked(asked[39])
		for _, id := range asked {
			Expect(t.reaction(id)).To(Equal("confused"))
		}
		Expect(t.answers(1)).To(HaveLen(1))
		Expect(strings.Count(t.answers(1)[0], "\n- <!-- ")).To(Equal(5))
		Expect(t.answers(1)[0]).To(And(ContainSubstring("- <!-- %d -->", asked[39]), ContainSubstring("- <!-- %d -->", asked[35]), Not(ContainSubstring("mine"))))
	})

	It("are obeyed once each, though GitHub fails at every third request", func() {
		t := discussed(execution("BUILD", 0))
		Expect(gh.Inject(fakegithub.Fault{
			Path: fmt.Sprintf("^/api/v3/repos/%s/(issues|collaborators|pulls/)", t.repository.Name()), Times: 1 << 30, Percent: 30,
			Status: http.StatusBadGateway, Message: "Unicorn!",
		})).To(Succeed())
		DeferCleanup(gh.ForgetFaults)
		var asked []int64
		var names []any
		for range 6 {
			asked = append(asked, t.says(1, asker, "/katkit run"))
			names = append(names, fmt.Sprintf("%s-c%d", linkName, asked[len(asked)-1]))
		}
		Eventually(func() int64 {
			t.nudge()
			return t.seen().Triggers.LastComment
		}, "60s", "500ms").Should(BeNumerically(">=", asked[5]))
		Expect(t.runs()).To(ConsistOf(names...))
		for _, id := range asked {
			Expect(t.reaction(id)).To(Equal("+1"))
		}
		Expect(t.answers(1)).To(HaveLen(1))
	})

	It("are answered once, though GitHub's word that it has the answer is lost", func() {
		t := discussed(execution("BUILD", 0))
		Expect(gh.Inject(fakegithub.Fault{
			Method: http.MethodPost, Path: fmt.Sprintf("^/api/v3/repos/%s/issues/1/comments", t.repository.Name()), TruncateAfter: 1,
			Header: map[string]string{"Content-Length": "1000"},
		})).To(Succeed())
		id := t.says(1, asker, "/katkit run")
		Eventually(func() []string { return t.answers(1) }).Should(HaveLen(1))
		t.nudge()
		t.looked(id)
		Expect(t.answers(1)).To(HaveLen(1))
	})

	It("are answered later, where GitHub fails just then", func() {
		t := discussed(execution("BUILD", 0))
		for path, times := range map[string]int{"issues/comments/[0-9]+/reactions": 2, "issues/1/comments": 1} {
			Expect(gh.Inject(fakegithub.Fault{
				Method: http.MethodPost, Path: fmt.Sprintf("^/api/v3/repos/%s/%s", t.repository.Name(), path), Times: times,
				Status: http.StatusBadGateway, Message: "Unicorn!",
			})).To(Succeed())
		}
		looked := func() int64 { return t.seen().Triggers.LastComment }
		id := t.says(1, asker, "/katkit run")
		Eventually(t.runs).Should(HaveLen(1))
		Consistently(looked).Should(BeNumerically("<", id), "there is no reaction yet")
		t.nudge()
		Eventually(func() string { return t.reaction(id) }).Should(Equal("+1"))
		Consistently(looked).Should(BeNumerically("<", id), "there is no answer yet")
		t.nudge()
		t.looked(id)
		Expect(t.reaction(id)).To(Equal("+1"))
		Expect(t.answers(1)).To(HaveLen(1))
		Expect(t.runs()).To(HaveLen(1))
	})

	It("are obeyed once, at whichever write the manager is killed", func() {
		t := discussed(execution("BUILD", 0))
		for n := 1; ; n++ {
			By(fmt.Sprintf("write %d", n))
			t.nudge()
			first := katkit
			runs := len(t.runs())
			asked, err := t.repository.Comment(1, asker, "/katkit run")
			Expect(err).NotTo(HaveOccurred())
			cancels, err := t.repository.Comment(1, asker, "/katkit cancel")
			Expect(err).NotTo(HaveOccurred())
			later, err := t.repository.Comment(1, asker, "/katkit run")
			Expect(err).NotTo(HaveOccurred())
			first.wire.killAt(t.namespace, n)
			t.nudge()
			Eventually(func() bool { return first.wire.isCut() || t.seen().Triggers.LastComment >= later }).Should(BeTrue())
			cut := first.wire.isCut()
			restart()
			t.nudge()
			t.looked(later)
			Expect(t.runs()).To(HaveLen(runs + 2))
			Expect(t.runNamed(fmt.Sprintf("%s-c%d", linkName, asked)).Spec.Cancelled).To(BeTrue())
			Expect(t.runNamed(fmt.Sprintf("%s-c%d", linkName, later)).Spec.Cancelled).To(BeFalse())
			Expect(t.reaction(asked) + t.reaction(cancels) + t.reaction(later)).To(Equal("+1+1+1"))
			Expect(t.answers(1)).To(HaveLen(1))
			if !cut || n >= 6 {
				Expect(n).To(BeNumerically(">", 4), "so many writes it takes")
				return
			}
		}
	})

	It("are too many at more than 600 between two looks, and an event tells so", func() {
		t := discussed(execution("BUILD", 0))
		write := func(body string) int64 {
			id, err := t.repository.Comment(1, asker, body)
			Expect(err).NotTo(HaveOccurred())
			return id
		}
		left := write("/katkit run")
		for range 599 {
			write("talk")
		}
		last := write("/katkit run")
		t.nudge()
		t.looked(last)
		Expect(t.runs()).To(ConsistOf(fmt.Sprintf("%s-c%d", linkName, last)))
		Expect(t.reaction(left)).To(BeEmpty())
		Eventually(t.events).WithArguments("TenantRepoLink", linkName).Should(ContainElement(HavePrefix("Warning CommentsNotRead: there were too many comments")))
	})

	It("are not obeyed where the token may not write, and the link says so", func() {
		t := discussed(execution("BUILD", 0))
		change(&v1alpha1.TenantRepoLink{}, t.namespace, linkName, func(l *v1alpha1.TenantRepoLink) { l.Spec.SecretRef.Name = "github" })
		t.says(1, asker, "/katkit run")
		Eventually(func() string { return t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady) }).Should(ContainSubstring("comments are not obeyed: "))
		Eventually(t.events).WithArguments("TenantRepoLink", linkName).Should(ContainElement(HavePrefix("Warning CommentsNotRead: comments are not obeyed")))
		t.look()
		told, writes, refused := katkit.wire.events(t.namespace), len(katkit.wire.in(t.namespace)), len(t.asked(http.MethodGet, "/permission"))
		t.look()
		Expect(t.asked(http.MethodGet, "/permission")).To(HaveLen(refused), "what GitHub refuses is not asked for again at each look")
		Consistently(func() []int { return []int{katkit.wire.events(t.namespace), len(katkit.wire.in(t.namespace))} }).Should(Equal([]int{told, writes}))
		Expect(t.runs()).To(BeEmpty())

		By("giving it a token that may")
		change(&v1alpha1.TenantRepoLink{}, t.namespace, linkName, func(l *v1alpha1.TenantRepoLink) { l.Spec.SecretRef.Name = "answerer" })
		Eventually(t.runs).Should(HaveLen(1))
	})

	It("are obeyed also where GitHub takes no answer, and an event tells of it", func() {
		t := discussed(execution("BUILD", 0))
		Expect(gh.Inject(fakegithub.Fault{
			Method: http.MethodPost, Path: fmt.Sprintf("^/api/v3/repos/%s/issues", t.repository.Name()), Times: 1 << 30,
			Status: http.StatusForbidden, Message: "Unable to create comment because issue is locked.",
		})).To(Succeed())
		DeferCleanup(gh.ForgetFaults)
		id := t.says(1, asker, "/katkit run")
		t.looked(id)
		Expect(t.runs()).To(HaveLen(1))
		Eventually(t.events).WithArguments("TenantRepoLink", linkName).Should(ContainElement(And(HavePrefix("Warning CommentNotAnswered: "), ContainSubstring("locked"))))
		ready := meta.FindStatusCondition(t.seen().Conditions, v1alpha1.ConditionReady)
		Expect(ready.Message).To(HaveSuffix("was found"))
	})
})

var _ = Describe("A link that obeys comments costs nothing", func() {
	It("while nobody writes any", func() {
		t := discussed(execution("BUILD", 0))
		t.asks(1, "/katkit help", "+1")
		Eventually(func() int {
			t.nudge()
			lists := t.asked(http.MethodGet, "/issues/comments")
			return lists[len(lists)-1].Status
		}).Should(Equal(http.StatusNotModified))
		t.look()
		asked, writes := len(requestsFor(t.repository.Name())), len(katkit.wire.in(t.namespace))
		t.nudge()
		Eventually(func() int { return len(requestsFor(t.repository.Name())) }).Should(BeNumerically(">=", asked+4))
		for _, request := range requestsFor(t.repository.Name())[asked:] {
			Expect(request.Status).To(Equal(http.StatusNotModified), request.Path)
		}
		Expect(katkit.wire.in(t.namespace)).To(HaveLen(writes))
	})
})
