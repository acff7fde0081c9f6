package controller_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/receiver"
)

const (
	receiverName  = "katkit-receiver"
	webhookSecret = "the-secret-of-the-webhook"
)

// endpoint is a receiver that runs.
type endpoint struct {
	url, probes string
	deliveries  int
}

// startReceiver starts the receiver as its own ServiceAccount, until the story ends.
func startReceiver() *endpoint {
	GinkgoHelper()
	file := filepath.Join(GinkgoT().TempDir(), "secret")
	Expect(os.WriteFile(file, []byte(webhookSecret+"\n"), 0o600)).To(Succeed())
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	free, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	probes := free.Addr().String()
	Expect(free.Close()).To(Succeed())
	mgr, err := receiver.NewManager(ctx, identity(managerNamespace, receiverName), ctrl.Options{
		Metrics: server.Options{BindAddress: "0"}, HealthProbeBindAddress: probes, GracefulShutdownTimeout: new(10 * time.Second),
	}, receiver.Settings{SecretFile: file, Listener: listener, Registerer: prometheus.NewRegistry()})
	Expect(err).NotTo(HaveOccurred())
	life, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(life) }()
	DeferCleanup(func() {
		cancel()
		Eventually(ended).Should(Receive(BeNil()))
	})
	e := &endpoint{url: "http://" + listener.Addr().String() + receiver.Path, probes: "http://" + probes}
	Eventually(func() (int, error) { return status(http.Get(e.probes + "/readyz")) }).Should(Equal(http.StatusOK))
	Expect(status(http.Get(e.probes + "/healthz"))).To(Equal(http.StatusOK))
	return e
}

func status(response *http.Response, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// deliver posts an event of a repository as GitHub does, signed with a secret, and returns the answer's status.
func (e *endpoint) deliver(event, repository, secret string) int {
	GinkgoHelper()
	return e.send(event, fmt.Appendf(nil, `{"number":%d,"repository":{"full_name":%q}}`, e.deliveries+1, repository), secret)
}

// send posts the body of an event, signed with a secret, and returns the answer's status.
func (e *endpoint) send(event string, body []byte, secret string) int {
	GinkgoHelper()
	e.deliveries++
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", event)
	request.Header.Set("X-GitHub-Delivery", fmt.Sprint("delivery-", e.deliveries))
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	code, err := status(http.DefaultClient.Do(request))
	Expect(err).NotTo(HaveOccurred())
	return code
}

// requested is what the annotation of the tenant's link says.
func (t *tenant) requested() string {
	GinkgoHelper()
	return get(&v1alpha1.TenantRepoLink{}, t.namespace, linkName).Annotations[v1alpha1.AnnotationSyncRequested]
}

// receiverPolicyIsInForce waits for what the API server learns of on its own time.
func receiverPolicyIsInForce() {
	GinkgoHelper()
	t := strangers()
	link := t.link()
	Eventually(func() bool {
		return refusedBy("katkit-receiver-links", as(identity(managerNamespace, receiverName)).Patch(ctx, link.DeepCopy(), merge(`{"metadata":{"labels":{"x":"y"}}}`), client.DryRunAll))
	}).Should(BeTrue())
}

var _ = Describe("A delivery of GitHub's", Ordered, func() {
	var webhook *endpoint

	BeforeAll(func() {
		receiverPolicyIsInForce()
		webhook = startReceiver()
	})

	// linked makes a tenant whose link names a repository, and polls it once an hour only.
	linked := func(repository string) *tenant {
		GinkgoHelper()
		t := newTenant()
		t.link(func(l *v1alpha1.TenantRepoLink) {
			l.Spec.Repository, l.Spec.PollInterval = repository, &metav1.Duration{Duration: time.Hour}
		})
		return t
	}

	It("annotates the links of its repository, in all tenants, and no other", func() {
		one, two := linked("shop/cart"), linked("Shop/Cart")
		other, elsewhere := linked("shop/cart-api"), newTenant()
		elsewhere.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.Repository, l.Spec.Host = "shop/cart", "ghe.example.com" })

		By("signing it; links were made a moment ago, so the receiver's cache may not have them yet")
		Eventually(func() string {
			Expect(webhook.deliver("push", "SHOP/cart", webhookSecret)).To(Equal(http.StatusAccepted))
			return two.requested()
		}).ShouldNot(BeEmpty())
		const value = `^[0-9T:.-]{19,29}Z push$`
		Eventually(one.requested).Should(MatchRegexp(value))
		Expect(two.requested()).To(MatchRegexp(value))
		Consistently(func() string { return other.requested() + elsewhere.requested() }).Should(BeEmpty())
		link := get(&v1alpha1.TenantRepoLink{}, one.namespace, linkName)
		Expect(link.Generation).To(BeEquivalentTo(1), "its spec is as it was")

		By("forging another")
		Expect(webhook.deliver("issue_comment", "shop/cart", "another-secret-of-this-length")).To(Equal(http.StatusUnauthorized))
		Consistently(func() string { return one.requested() + two.requested() }).ShouldNot(ContainSubstring("issue_comment"))

		By("knowing the link of an hour later")
		third := linked("shop/cart")
		Eventually(func() string {
			webhook.deliver("pull_request", "shop/cart", webhookSecret)
			return third.requested()
		}).Should(HaveSuffix("Z pull_request"))
	})

	It("brings a new commit into the link's status long before the poll", func() {
		t := newTenant()
		t.commit()
		t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.PollInterval = &metav1.Duration{Duration: time.Hour} })
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		newest := t.commit(map[string]string{"more": "x"})
		Expect(webhook.deliver("push", strings.ToUpper(t.repository.Name()), webhookSecret)).To(Equal(http.StatusAccepted))
		Eventually(func() *v1alpha1.CommitStatus {
			return get(&v1alpha1.TenantRepoLink{}, t.namespace, linkName).Status.HomeBranch
		}).Should(HaveValue(HaveField("SHA", newest)))
	})

	It("finds the link of a repository that was renamed, by the new name", func() {
		t := newTenant()
		t.commit()
		t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.PollInterval = &metav1.Duration{Duration: time.Hour} })
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		name := t.repository.Name()
		Expect(gh.Rename(name, name+"-renamed")).To(Succeed())
		t.nudge()
		Eventually(func() string { return t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady) }).Should(ContainSubstring("is called " + name + "-renamed now"))
		newest := t.commit(map[string]string{"more": "x"})
		Eventually(func() v1alpha1.TenantRepoLinkStatus {
			webhook.deliver("push", name+"-renamed", webhookSecret) // the receiver's cache may not have the new name yet
			return t.seen()
		}).Should(HaveField("HomeBranch.SHA", newest))
	})
})

var _ = Describe("The receiver's own rights", Ordered, func() {
	const clicked = "check_run/4711@2026-01-02T03:04:05.123Z"
	const asked = `"katkit.dev/sync-requested":"2026-01-02T03:04:05.123456789Z push"`
	var (
		t    *tenant
		link *v1alpha1.TenantRepoLink
		own  client.Client
	)

	BeforeAll(func() {
		receiverPolicyIsInForce()
		t = newTenant()
		link = t.link(func(l *v1alpha1.TenantRepoLink) {
			l.Annotations, l.Labels = map[string]string{"team": "cart"}, map[string]string{"team": "cart"}
			l.Finalizers = []string{"example.com/held"}
			l.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "owner", UID: "1"}}
		})
		DeferCleanup(func() {
			change(&v1alpha1.TenantRepoLink{}, t.namespace, linkName, func(l *v1alpha1.TenantRepoLink) { l.Finalizers = nil })
		})
		own = as(identity(managerNamespace, receiverName))
	})

	It("annotate a link", func() {
		Expect(own.Patch(ctx, link.DeepCopy(), merge(`{"metadata":{"annotations":{`+asked+`}}}`), client.DryRunAll)).To(Succeed())
		for _, clicks := range []string{clicked, strings.TrimSpace(strings.Repeat(clicked+" ", 16)), "check_suite/1@2026-01-02T03:04:05.123Z"} {
			Expect(own.Patch(ctx, link.DeepCopy(), merge(`{"metadata":{"annotations":{"katkit.dev/rerun-requested":"`+clicks+`"}}}`), client.DryRunAll)).To(Succeed())
		}
		bare := newTenant()
		Expect(own.Patch(ctx, bare.link(), merge(`{"metadata":{"annotations":{`+asked+`}}}`), client.DryRunAll)).To(Succeed())
	})

	DescribeTable("change nothing else of it", func(patch, why string) {
		err := own.Patch(ctx, link.DeepCopy(), merge(patch), client.DryRunAll)
		Expect(refusedBy("katkit-receiver-links", err)).To(BeTrue(), "%v", err)
		Expect(apierrors.IsForbidden(err)).To(BeTrue())
		Expect(err).To(MatchError(ContainSubstring(why)))
	},
		Entry("its spec", `{"spec":{"homeBranch":"evil"}}`, "spec"),
		Entry("its spec beside the annotation", `{"metadata":{"annotations":{`+asked+`}},"spec":{"env":"PROD"}}`, "spec"),
		Entry("the Secret that it names", `{"spec":{"secretRef":{"name":"other"}}}`, "spec"),
		Entry("a new annotation", `{"metadata":{"annotations":{`+asked+`,"x":"y"}}}`, "no annotation of a link but"),
		Entry("an annotation that is there", `{"metadata":{"annotations":{`+asked+`,"team":"evil"}}}`, "no annotation of a link but"),
		Entry("an annotation less", `{"metadata":{"annotations":{`+asked+`,"team":null}}}`, "no annotation of a link but"),
		Entry("all annotations", `{"metadata":{"annotations":null}}`, "no annotation of a link but"),
		Entry("a label", `{"metadata":{"annotations":{`+asked+`},"labels":{"x":"y"}}}`, "labels"),
		Entry("a label less", `{"metadata":{"annotations":{`+asked+`},"labels":null}}`, "labels"),
		Entry("its finalizers", `{"metadata":{"annotations":{`+asked+`},"finalizers":null}}`, "finalizers"),
		Entry("its owners", `{"metadata":{"annotations":{`+asked+`},"ownerReferences":null}}`, "owners"),
		Entry("text of its own where clicks stand", `{"metadata":{"annotations":{"katkit.dev/rerun-requested":"check_run/1@now"}}}`, "what was pressed and when"),
		Entry("more clicks than are kept", `{"metadata":{"annotations":{"katkit.dev/rerun-requested":"`+
			strings.TrimSpace(strings.Repeat(clicked+" ", 17))+`"}}}`, "what was pressed and when"),
		Entry("a label beside a click", `{"metadata":{"annotations":{"katkit.dev/rerun-requested":"`+clicked+`"},"labels":{"x":"y"}}}`, "labels"),
		Entry("text of its own", `{"metadata":{"annotations":{"katkit.dev/sync-requested":"now <script>"}}}`, "a time and an event"),
		Entry("an empty value", `{"metadata":{"annotations":{"katkit.dev/sync-requested":""}}}`, "a time and an event"),
	)

	It("reach nothing but links", func() {
		for what, try := range map[string]func() error{
			"write a status": func() error {
				return own.Status().Patch(ctx, link.DeepCopy(), merge(`{"status":{"homeBranch":null}}`))
			},
			"create a link": func() error {
				return own.Create(ctx, &v1alpha1.TenantRepoLink{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "x"}, Spec: link.Spec})
			},
			"update a link": func() error { return own.Update(ctx, link.DeepCopy()) },
			"delete a link": func() error { return own.Delete(ctx, link.DeepCopy()) },
			"list runs":     func() error { return own.List(ctx, &v1alpha1.CIRunList{}) },
			"list phases":   func() error { return own.List(ctx, &v1alpha1.PhaseList{}) },
		} {
			Expect(apierrors.IsForbidden(try())).To(BeTrue(), what)
		}
	})
})
