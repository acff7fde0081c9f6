package controller_test

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// linkIs waits for the condition Ready of the tenant's link and returns its message.
func (t *tenant) linkIs(status metav1.ConditionStatus, reason string) string {
	GinkgoHelper()
	var message string
	Eventually(func() error {
		var link v1alpha1.TenantRepoLink
		if err := k8s.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: linkName}, &link); err != nil {
			return err
		}
		ready := meta.FindStatusCondition(link.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.Status != status || ready.Reason != reason {
			return fmt.Errorf("waiting for Ready %s %s, it is %+v", status, reason, ready)
		}
		if ready.ObservedGeneration != link.Generation {
			return errors.New("the condition is of an older generation")
		}
		message = ready.Message
		return nil
	}).Should(Succeed())
	return message
}

var _ = Describe("A person who links a repository", func() {
	It("sees that the link is ready, and the newest commit", func() {
		t := newTenant()
		sha := t.commit()
		t.link()
		Expect(t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)).To(ContainSubstring("branch main of " + t.repository.Name()))
		link := get(&v1alpha1.TenantRepoLink{}, t.namespace, linkName)
		Expect(link.Status.HomeBranch).To(HaveValue(And(
			HaveField("SHA", sha), HaveField("Message", "Mend it"), HaveField("Author", "ada"), HaveField("Time", Not(BeNil())))))
		Eventually(t.events).WithArguments("TenantRepoLink", linkName).Should(ContainElement(HavePrefix("Normal Ready: ")))
	})

	It("is told how the namespace becomes a tenant, and needs to do no more than that", func() {
		t := strangers()
		t.commit()
		t.link()
		Expect(t.linkIs(metav1.ConditionFalse, v1alpha1.ReasonNotATenant)).To(
			ContainSubstring("kubectl label namespace " + t.namespace + " katkit.dev/tenant=NAME"))
		Eventually(t.events).WithArguments("TenantRepoLink", linkName).Should(ContainElement(HavePrefix("Warning NotATenant: ")))
		Expect(requestsFor(t.repository.Name())).To(BeEmpty(), "a stranger's token is not used")
		t.label()
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
	})

	It("is told that the namespace is a tenant no more", func() {
		t := newTenant()
		t.commit()
		t.link()
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		change(&corev1.Namespace{}, "", t.namespace, func(n *corev1.Namespace) { n.Labels = nil })
		t.linkIs(metav1.ConditionFalse, v1alpha1.ReasonNotATenant)
	})

	DescribeTable("is told what is wrong with it",
		func(prepare func(*tenant), mutate func(*v1alpha1.TenantRepoLink), reason string, texts ...string) {
			t := newTenant()
			t.commit()
			prepare(t)
			t.link(mutate)
			message := t.linkIs(metav1.ConditionFalse, reason)
			for _, text := range texts {
				Expect(message).To(ContainSubstring(text))
			}
			Eventually(t.events).WithArguments("TenantRepoLink", linkName).Should(ContainElement(HavePrefix("Warning " + reason + ": ")))
		},
		Entry("the Secret is not there", func(*tenant) {}, secretNamed("none"),
			v1alpha1.ReasonTokenMissing, "none", "kubectl create secret generic none"),
		Entry("the Secret has no token", func(t *tenant) { t.secret("odd", "password", "x") }, secretNamed("odd"),
			v1alpha1.ReasonTokenMissing, "odd", `no key "token"`),
		Entry("the token is empty", func(t *tenant) { t.secret("odd", "token", "") }, secretNamed("odd"),
			v1alpha1.ReasonTokenMissing, `no key "token"`),
		Entry("GitHub does not know the token", func(t *tenant) { t.secret("odd", "token", "wrong") }, secretNamed("odd"),
			v1alpha1.ReasonTokenRejected, "wrong, expired or revoked", "/odd"),
		Entry("the token has a line break within", func(t *tenant) { t.secret("odd", "token", "a\nb") }, secretNamed("odd"),
			v1alpha1.ReasonTokenRejected, "line break"),
		Entry("the repository is hidden from those without a token", func(*tenant) {}, func(l *v1alpha1.TenantRepoLink) { l.Spec.SecretRef = nil },
			v1alpha1.ReasonRepositoryNotFound, "names no Secret"),
		Entry("there is no such repository", func(*tenant) {}, func(l *v1alpha1.TenantRepoLink) { l.Spec.Repository = "acme/nothing" },
			v1alpha1.ReasonRepositoryNotFound, "acme/nothing"),
		Entry("there is no such branch", func(*tenant) {}, func(l *v1alpha1.TenantRepoLink) { l.Spec.HomeBranch = "trunk" },
			v1alpha1.ReasonHomeBranchNotFound, "branch trunk"),
		Entry("the host is not allowed", func(*tenant) {}, func(l *v1alpha1.TenantRepoLink) { l.Spec.Host = "ghe.example.com" },
			v1alpha1.ReasonHostNotAllowed, "ghe.example.com", "--github-host"),
	)

	It("sees a correction at once", func() {
		t := newTenant()
		t.commit()
		t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.HomeBranch = "trunk" })
		t.linkIs(metav1.ConditionFalse, v1alpha1.ReasonHomeBranchNotFound)
		change(&v1alpha1.TenantRepoLink{}, t.namespace, linkName, func(l *v1alpha1.TenantRepoLink) { l.Spec.HomeBranch = "main" })
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
	})

	It("need not wait for the poll when somebody asks for a look now", func() {
		t := newTenant()
		first := t.commit()
		t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.PollInterval = &metav1.Duration{Duration: time.Hour} })
		head := func() string {
			link := get(&v1alpha1.TenantRepoLink{}, t.namespace, linkName)
			if link.Status.HomeBranch == nil {
				return ""
			}
			return link.Status.HomeBranch.SHA
		}
		Eventually(head).Should(Equal(first))
		annotate := func(name, value string) {
			change(&v1alpha1.TenantRepoLink{}, t.namespace, linkName, func(l *v1alpha1.TenantRepoLink) {
				l.Annotations = map[string]string{name: value}
			})
		}
		second := t.commit(map[string]string{"more": "x"})
		annotate("other.example/note", "now")
		Consistently(head).Should(Equal(first), "no other annotation asks for it")
		annotate(v1alpha1.AnnotationSyncRequested, "now")
		Eventually(head).Should(Equal(second))
		third := t.commit(map[string]string{"more": "y"})
		annotate(v1alpha1.AnnotationSyncRequested, "again")
		Eventually(head).Should(Equal(third))
	})

	It("waits for GitHub's rate limit, and no longer than that", func() {
		t := newTenant()
		t.commit()
		spent := "spent-" + t.namespace
		gh.AddToken(spent, reader())
		gh.SetRateLimit(spent, 5000, 0, time.Now().Add(2*time.Second))
		t.secret("spent", "token", spent)
		t.link(secretNamed("spent"))
		Expect(t.linkIs(metav1.ConditionUnknown, v1alpha1.ReasonRateLimited)).To(ContainSubstring("rate limit is used up until"))
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
	})

	It("need not do anything about what passes by itself", func() {
		polling := func(l *v1alpha1.TenantRepoLink) { l.Spec.PollInterval = &metav1.Duration{Duration: 10 * time.Second} }
		broken, growing, late := newTenant(), newTenant(), newTenant()
		for _, t := range []*tenant{broken, growing, late} {
			t.commit()
		}
		down(broken.repository.Name(), 2)
		broken.link()
		growing.link(polling)
		late.link(polling, secretNamed("later"))

		By("failing at first")
		Expect(broken.linkIs(metav1.ConditionUnknown, v1alpha1.ReasonGitHubUnavailable)).To(ContainSubstring("502"))
		growing.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		late.linkIs(metav1.ConditionFalse, v1alpha1.ReasonTokenMissing)

		By("looking again")
		newest := growing.commit(map[string]string{"more": "x"})
		late.secret("later", "token", token)
		Eventually(func() *v1alpha1.CommitStatus {
			return get(&v1alpha1.TenantRepoLink{}, growing.namespace, linkName).Status.HomeBranch
		}).Should(HaveValue(HaveField("SHA", newest)))
		late.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		broken.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
	})

	It("costs nothing while nothing changes: no write, and no rate limit", func() {
		t := newTenant()
		t.commit()
		t.link()
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		version := get(&v1alpha1.TenantRepoLink{}, t.namespace, linkName).ResourceVersion
		for i := range 3 {
			asked := len(requestsFor(t.repository.Name()))
			change(&corev1.Namespace{}, "", t.namespace, func(n *corev1.Namespace) { n.Labels["nudge"] = fmt.Sprint(i) })
			Eventually(func() int { return len(requestsFor(t.repository.Name())) }).Should(BeNumerically(">", asked))
		}
		requests := requestsFor(t.repository.Name())
		Expect(requests[len(requests)-1]).To(HaveField("Status", http.StatusNotModified))
		Expect(get(&v1alpha1.TenantRepoLink{}, t.namespace, linkName).ResourceVersion).To(Equal(version))
		Expect(katkit.wire.in(t.namespace)).To(HaveLen(1), "the one write that said Ready")
	})
})

func secretNamed(name string) func(*v1alpha1.TenantRepoLink) {
	return func(l *v1alpha1.TenantRepoLink) { l.Spec.SecretRef = &v1alpha1.ObjectName{Name: name} }
}
