package e2e

import (
	"context"
	"fmt"
	"io"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
	"katkit.dev/katkit/test/install"
)

const webhookSecret = "a secret of these tests"

// post is a shell command that delivers an event of a repository as GitHub does, and prints the status of the answer. more is what the
// payload says beside the repository, in JSON.
func post(repository, secret, event, more string) string {
	return fmt.Sprintf(`body='{"repository":{"full_name":"%s"}%s}'
curl --silent --retry 10 --retry-delay 1 --retry-connrefused --output /dev/null --write-out '%%{http_code}\n' --header 'Content-Type: application/json' --header 'X-GitHub-Event: %s' \
  --header "X-Hub-Signature-256: sha256=$(printf %%s "$body" | openssl dgst -sha256 -hmac '%s' -r | cut -d' ' -f1)" --data "$body" %s
`, repository, more, event, secret, install.ReceiverURL)
}

// receiver takes deliveries until the spec has ended.
func receiver(ctx SpecContext) {
	GinkgoHelper()
	Expect(suite.Receiver(ctx, suite.images, webhookSecret)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		Expect(suite.Client.Delete(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: install.ReceiverDeployment}})).To(Succeed())
	})
}

// prints runs commands in a Pod and returns what they print.
func (t *tenant) prints(ctx context.Context, commands string) string {
	GinkgoHelper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, GenerateName: "shell-"}, Spec: corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		Containers:    []corev1.Container{{Name: "shell", Image: suite.images.Builder, Command: []string{"bash", "-euc", commands}}},
	}}
	Expect(suite.Client.Create(ctx, pod)).To(Succeed())
	Eventually(func(g Gomega, ctx context.Context) {
		g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod)).To(Succeed())
		g.Expect(pod.Status.Phase).To(BeElementOf(corev1.PodSucceeded, corev1.PodFailed))
	}).WithContext(ctx).Should(Succeed())
	stream, err := suite.Clientset.CoreV1().Pods(t.namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).Stream(ctx)
	Expect(err).NotTo(HaveOccurred())
	defer stream.Close()
	printed, err := io.ReadAll(stream)
	Expect(err).NotTo(HaveOccurred())
	Expect(pod.Status.Phase).To(Equal(corev1.PodSucceeded), string(printed))
	return string(printed)
}

var _ = Describe("A webhook", func() {
	It("shows a push in the link at once, and a forged one does nothing", func(ctx SpecContext) {
		receiver(ctx)
		t := newTenant(ctx, "DEV")
		r := newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(build)})
		name := t.link(ctx, r, func(link *v1alpha1.TenantRepoLinkSpec) { link.PollInterval = &metav1.Duration{Duration: time.Hour} })
		link := &v1alpha1.TenantRepoLink{}
		seen := func(ctx context.Context) (string, error) {
			err := suite.Client.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: name}, link)
			return link.Status.HomeBranch.SHA, err
		}
		before := r.sha
		Expect(seen(ctx)).To(Equal(before))
		pushed := r.commit(ctx, fakegithub.Commit{Message: "More", Files: fakegithub.Texts(map[string]string{"more": "x"})})
		Expect(t.prints(ctx, post(r.name, "another secret of these tests", "push", ""))).To(Equal("401\n"))
		Expect(seen(ctx)).To(Equal(before))
		Expect(link.Annotations).NotTo(HaveKey(v1alpha1.AnnotationSyncRequested))
		Expect(t.prints(ctx, post(r.name, webhookSecret, "push", ""))).To(Equal("202\n"))
		Eventually(seen).WithContext(ctx).WithTimeout(5 * time.Second).Should(Equal(pushed))
		Expect(link.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationSyncRequested, HaveSuffix("Z push")))
	})
})
