package controller_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/controller/link"
	domain "katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/internal/source"
	"katkit.dev/katkit/test/fakegithub"
)

// attendant looks at a tenant's link when a story says so, while no manager runs.
type attendant struct {
	client.Client
	tenant     *tenant
	controller *link.Controller
	clock      *clocktesting.FakePassiveClock
	recorder   *events.FakeRecorder
	// did are the writes of runs, as in "create app-c1"; refuse makes one of them fail.
	did    []string
	refuse func(write string) error
}

// attended stops the manager until the story ends.
func (t *tenant) attended() *attendant {
	GinkgoHelper()
	katkit.stop()
	DeferCleanup(func() { katkit = startManager() })
	DeferCleanup(gh.ForgetFaults)
	factory, err := github.NewFactory(github.Options{Hosts: []github.Host{host}})
	Expect(err).NotTo(HaveOccurred())
	a := &attendant{
		Client: k8s, tenant: t, clock: clocktesting.NewFakePassiveClock(time.Now()), recorder: events.NewFakeRecorder(1000),
		refuse: func(string) error { return nil },
	}
	a.controller = &link.Controller{
		Client: a, Live: k8s, Source: &source.Opener{Secrets: k8s, GitHub: factory}, Recorder: a.recorder, Clock: a.clock, Workers: 1,
	}
	return a
}

// Create makes an object, unless the story refuses it.
func (a *attendant) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	return a.do("create "+object.GetName(), func() error { return a.Client.Create(ctx, object, options...) })
}

// Patch changes an object, unless the story refuses it.
func (a *attendant) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	return a.do("patch "+object.GetName(), func() error { return a.Client.Patch(ctx, object, patch, options...) })
}

func (a *attendant) do(write string, do func() error) error {
	if err := a.refuse(write); err != nil {
		return err
	}
	a.did = append(a.did, write)
	return do()
}

// looks is one look at the link, some time after the story began. It returns how far the comments were looked at.
func (a *attendant) looks(after time.Duration) (lastComment int64, result ctrl.Result, err error) {
	a.clock.SetTime(time.Now().Add(after))
	result, err = a.controller.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKey{Namespace: a.tenant.namespace, Name: linkName}})
	return a.tenant.seen().Triggers.LastComment, result, err
}

// lookedAt is one look that succeeds.
func (a *attendant) lookedAt(after time.Duration) (lastComment int64) {
	GinkgoHelper()
	lastComment, _, err := a.looks(after)
	Expect(err).NotTo(HaveOccurred())
	return lastComment
}

// told are the events since the last call.
func (a *attendant) told() []string {
	var list []string
	for len(a.recorder.Events) > 0 {
		list = append(list, <-a.recorder.Events)
	}
	return list
}

// comments writes a comment that nobody tells Katkit of.
func (a *attendant) comments(number int, body string) int64 {
	GinkgoHelper()
	id, err := a.tenant.repository.Comment(number, asker, body)
	Expect(err).NotTo(HaveOccurred())
	return id
}

// refusal is what an admission webhook of the cluster says.
func refusal(string) error {
	return apierrors.NewForbidden(schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "ciruns"}, "x",
		fmt.Errorf(`admission webhook "secret.internal" denied the request`))
}

// fails makes GitHub fail at a path below the repository's issues, again and again.
func (a *attendant) fails(method, path string, fault fakegithub.Fault) {
	GinkgoHelper()
	fault.Method, fault.Times = method, 1<<30
	fault.Path = fmt.Sprintf("^/api/v3/repos/%s/issues/%s$", a.tenant.repository.Name(), path)
	Expect(gh.Inject(fault)).To(Succeed())
}

var _ = Describe("A comment that cancels", func() {
	// pushedAfter is a story in which a commit is pushed after the comment and before the look that sees both.
	pushedAfter := func() (a *attendant, comment int64, run string) {
		GinkgoHelper()
		t := discussed(execution("BUILD", 0))
		change(&v1alpha1.TenantRepoLink{}, t.namespace, linkName, func(l *v1alpha1.TenantRepoLink) { l.Spec.Triggers.PullRequest = &v1alpha1.PullRequestTrigger{} })
		Eventually(func() []v1alpha1.TriggerName { return t.seen().Triggers.Active }).Should(ContainElement(v1alpha1.TriggerPullRequest))
		t.run(func(r *v1alpha1.CIRun) { r.Name, r.Spec.Commit = "by-hand", v1alpha1.CommitSelector{PullRequest: 1} })
		t.podOf("by-hand", "BUILD")
		a = t.attended()
		comment = a.comments(1, "/katkit cancel")
		sha := t.commitTo("topic", map[string]string{"a": "2"})
		return a, comment, domain.RunName(linkName, domain.Key(v1alpha1.TriggerPullRequest, sha))
	}

	It("does not reach the run of a commit that was pushed later", func() {
		a, comment, run := pushedAfter()
		Expect(a.lookedAt(time.Minute)).To(BeNumerically(">=", comment))
		Expect(a.did).To(Equal([]string{"patch by-hand", "create " + run}), "what the look itself makes is made afterwards")
		Expect(a.tenant.runNamed("by-hand").Spec.Cancelled).To(BeTrue())

		By("looking again, as when the record of the look was lost")
		link := get(&v1alpha1.TenantRepoLink{}, a.tenant.namespace, linkName)
		link.Status.Triggers.LastComment = comment - 1
		Expect(k8s.Status().Update(ctx, link)).To(Succeed())
		Expect(a.lookedAt(time.Minute)).To(BeNumerically(">=", comment))
		Expect(a.tenant.runNamed(run).Spec.Cancelled).To(BeFalse())
	})

	It("does not keep a trigger from making runs, where it cannot be obeyed", func() {
		a, comment, run := pushedAfter()
		a.refuse = func(write string) error {
			if write == "patch by-hand" {
				return apierrors.NewInternalError(fmt.Errorf("etcd is away"))
			}
			return nil
		}
		last, _, err := a.looks(time.Minute)
		Expect(err).To(MatchError(And(ContainSubstring("obeying comments"), ContainSubstring("etcd is away"))))
		Expect(last).To(BeNumerically("<", comment))
		Expect(a.did).To(Equal([]string{"create " + run}))
		Expect(a.tenant.seen().Triggers.Handled).To(ContainElement(strings.TrimPrefix(run, linkName+"-")))
		a.refuse = func(string) error { return nil }
		Expect(a.lookedAt(time.Minute)).To(BeNumerically(">=", comment))
		Expect(a.tenant.runNamed("by-hand").Spec.Cancelled).To(BeTrue())
		Expect(a.tenant.runNamed(run).Spec.Cancelled).To(BeFalse())
	})

	It("is obeyed, and recorded, where the API server refuses a trigger's run", func() {
		a, comment, run := pushedAfter()
		a.refuse = func(write string) error {
			if write == "create "+run {
				return refusal(write)
			}
			return nil
		}
		Expect(a.lookedAt(time.Minute)).To(BeNumerically(">=", comment))
		Expect(a.tenant.linkIs(metav1.ConditionFalse, v1alpha1.ReasonRunRefused)).To(ContainSubstring(run))
		Expect(a.tenant.runNamed("by-hand").Spec.Cancelled).To(BeTrue())
		Expect(a.tenant.reaction(comment)).To(Equal("+1"))
	})
})

var _ = Describe("A pull request whose comments cannot be answered", func() {
	DescribeTable("holds those of the others up for ten minutes, and no longer, where GitHub fails at", func(method, path string) {
		t := discussed(execution("BUILD", 0))
		other := t.open(fakegithub.PullRequest{Title: "Another", Author: asker, Head: "topic"})
		a := t.attended()
		first := a.comments(1, "/katkit run")
		second := a.comments(other, "/katkit run")
		a.fails(method, strings.ReplaceAll(path, "FIRST", fmt.Sprint(first)), fakegithub.Fault{Status: http.StatusBadGateway, Message: "Unicorn!"})
		last, result, err := a.looks(9 * time.Minute)
		Expect(err).NotTo(HaveOccurred())
		Expect(last).To(BeNumerically("<", first))
		Expect(result.RequeueAfter).To(Equal(15 * time.Second))
		Expect(a.told()).NotTo(ContainElement(ContainSubstring(v1alpha1.ReasonCommentNotAnswered)))

		last = a.lookedAt(11 * time.Minute)
		Expect(last).To(BeNumerically(">=", second))
		Expect(t.reaction(second)).To(Equal("+1"))
		Expect(t.answers(other)).To(HaveLen(1))
		Expect(a.told()).To(ContainElement(And(HavePrefix("Warning CommentNotAnswered "), ContainSubstring("comment %d on pull request #1", first))))
		Expect(t.runs()).To(ConsistOf(fmt.Sprintf("%s-c%d", linkName, first), fmt.Sprintf("%s-c%d", linkName, second)))
	},
		Entry("the search for Katkit's comment", http.MethodGet, "1/comments"),
		Entry("the comment itself", http.MethodPost, "1/comments"),
		Entry("the reaction", http.MethodPost, "comments/FIRST/reactions"),
	)

	It("has what was answered before it stay answered", func() {
		t := discussed(execution("BUILD", 0))
		other := t.open(fakegithub.PullRequest{Title: "Another", Author: asker, Head: "topic"})
		a := t.attended()
		first := a.comments(other, "/katkit help")
		second := a.comments(1, "/katkit help")
		a.comments(other, "/katkit help")
		a.fails(http.MethodPost, "1/comments", fakegithub.Fault{Status: http.StatusBadGateway, Message: "Unicorn!"})
		last := a.lookedAt(time.Minute)
		Expect(last).To(And(BeNumerically(">=", first), BeNumerically("<", second)))
	})

	It("waits as long as a rate limit lasts", func() {
		t := discussed(execution("BUILD", 0))
		other := t.open(fakegithub.PullRequest{Title: "Another", Author: asker, Head: "topic"})
		a := t.attended()
		first := a.comments(1, "/katkit help")
		a.comments(other, "/katkit help")
		a.fails(http.MethodPost, "1/comments", fakegithub.SecondaryRateLimit(http.StatusForbidden, time.Hour))
		last := a.lookedAt(11 * time.Minute)
		Expect(last).To(BeNumerically("<", first))
		Expect(a.told()).NotTo(ContainElement(ContainSubstring(v1alpha1.ReasonCommentNotAnswered)))
		Expect(t.answers(other)).To(BeEmpty())
	})
})

var _ = Describe("An answer to a comment", func() {
	It("does not tell what the API server says, which an event does", func() {
		t := discussed(execution("BUILD", 0))
		t.run(func(r *v1alpha1.CIRun) { r.Name, r.Spec.Commit = "by-hand", v1alpha1.CommitSelector{PullRequest: 1} })
		t.podOf("by-hand", "BUILD")
		a := t.attended()
		a.refuse = refusal
		for _, body := range []string{"/katkit run", "/katkit cancel"} {
			id := a.comments(1, body)
			a.lookedAt(time.Minute)
			Expect(t.reaction(id)).To(Equal("confused"))
			Expect(t.answers(1)).To(ConsistOf(And(ContainSubstring("the cluster refused it"), ContainSubstring("kubectl describe trl %s -n %s", linkName, t.namespace),
				Not(ContainSubstring("secret.internal")))))
			Expect(a.told()).To(ContainElement(And(HavePrefix("Warning RunRefused "), ContainSubstring("secret.internal"))))
		}
	})

	It("comes to no command that GitHub's text was cut in", func() {
		t := discussed(execution("BUILD", 0))
		const beginning = "\n/katkit run"
		id := t.says(1, asker, strings.Repeat("x", github.MaxCommentBody-len(beginning))+beginning+" BUILD")
		t.looked(id)
		Expect(t.runs()).To(BeEmpty())
		Expect(slices.Concat(t.answers(1), []string{t.reaction(id)})).To(HaveExactElements(""))
	})
})
