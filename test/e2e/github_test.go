package e2e

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	domain "katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/test/fakegithub"
)

// mayReport are the permissions of an App that may all that Katkit does, but for check runs.
func mayReport() map[string]string {
	return map[string]string{"contents": "read", "metadata": "read", "pull_requests": "write", "issues": "write", "statuses": "write", "deployments": "write"}
}

// installApp makes a GitHub App that is installed on a repository, with these permissions, and a Secret of the tenant that holds it.
func (t *tenant) installApp(ctx context.Context, r *repository, permissions map[string]string) (secret string) {
	GinkgoHelper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	Expect(err).NotTo(HaveOccurred())
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	Expect(err).NotTo(HaveOccurred())
	sum := fnv.New32a()
	sum.Write([]byte(r.name))
	id := int64(sum.Sum32()) + 1
	owner, _, _ := strings.Cut(r.name, "/")
	Expect(suite.github.AddApp(ctx, fakegithub.App{
		ID: id, Slug: "katkit", PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		Installations: map[int64]fakegithub.Installation{7: {Account: owner, Repositories: []string{r.name}, Permissions: permissions}},
	})).To(Succeed())
	Expect(suite.Client.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "github-app"},
		StringData: map[string]string{
			v1alpha1.SecretKeyAppID: strconv.FormatInt(id, 10), v1alpha1.SecretKeyAppInstallationID: "7",
			v1alpha1.SecretKeyAppPrivateKey: string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		},
	})).To(Succeed())
	return "github-app"
}

// runNamed waits for a run of a name to succeed.
func (t *tenant) runNamed(ctx context.Context, name string) *v1alpha1.CIRun {
	GinkgoHelper()
	run := &v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: name}}
	Eventually(func() error { return suite.Client.Get(ctx, client.ObjectKeyFromObject(run), run) }).Should(Succeed())
	return succeeded(ctx, run)
}

var _ = Describe("People on GitHub", func() {
	It("push, open pull requests and comment, and see there what came of it", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "app")
		files := map[string]string{
			"ci.sh":    script(`echo "$KATKIT_BRANCH#$KATKIT_PULL_REQUEST: $(cat who)"`, `ls /var/run/katkit/credential /var/run/katkit/log-token 2>/dev/null || true`),
			"who":      "home",
			configFile: workflow(build, deploy), descriptionFile: description("app"),
		}
		r := newRepository(ctx, files)
		Expect(suite.github.SetRole(ctx, r.name, "ann", fakegithub.RoleWrite)).To(Succeed())
		Expect(suite.github.AddUser(ctx, "stranger")).To(Succeed())
		secret := t.installApp(ctx, r, mayReport())
		link := t.link(ctx, r, func(link *v1alpha1.TenantRepoLinkSpec) {
			link.SecretRef.Name, link.PollInterval = secret, &metav1.Duration{Duration: 10 * time.Second}
			link.EnvironmentURL = "https://app.dev.example.com"
			link.Triggers = v1alpha1.TriggersSpec{Push: &v1alpha1.PushTrigger{}, PullRequest: &v1alpha1.PullRequestTrigger{Phases: []string{"BUILD"}}, Comments: &v1alpha1.CommentTrigger{}}
		})

		By("pushing: built and deployed, with a token of the App")
		pushed := r.commit(ctx, fakegithub.Commit{Message: "More", Files: fakegithub.Texts(map[string]string{"who": "pushed"})})
		run := t.runNamed(ctx, domain.RunName(link, domain.Key(v1alpha1.TriggerPush, pushed)))
		Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(Equal("main#: pushed\n"))
		context := "katkit/" + t.namespace + "/-/"
		sent := func() fakegithub.Sent {
			GinkgoHelper()
			sent, err := suite.github.Sent(ctx, r.name)
			Expect(err).NotTo(HaveOccurred())
			return sent
		}
		statuses := func(sha string) []string {
			var list []string
			for _, status := range sent().Statuses {
				if status.SHA == sha {
					list = append(list, strings.TrimPrefix(status.Context, context)+" "+status.State)
				}
			}
			return list
		}
		Eventually(func() []string { return statuses(pushed) }).Should(HaveExactElements("BUILD pending", "BUILD success", "DEPLOY pending", "DEPLOY success"))
		Eventually(sent).Should(HaveField("Deployments", HaveExactElements(And(HaveField("Environment", "DEV"), HaveField("Statuses", ContainElement(And(
			HaveField("State", "success"), HaveField("EnvironmentURL", "https://app.dev.example.com"))))))))

		By("opening a pull request")
		topic := r.commit(ctx, fakegithub.Commit{Branch: "topic", Message: "Topic", Files: fakegithub.Texts(map[string]string{"who": "ann"})})
		number, err := suite.github.OpenPullRequest(ctx, r.name, fakegithub.PullRequest{Title: "Topic", Author: "ann", Head: "topic"})
		Expect(err).NotTo(HaveOccurred())
		run = t.runNamed(ctx, domain.RunName(link, domain.Key(v1alpha1.TriggerPullRequest, topic)))
		Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(Equal("topic#" + strconv.Itoa(number) + ": ann\n"))

		By("a stranger's fork, which runs when somebody who may write says so")
		fork := suite.name("stranger")
		Expect(suite.github.Fork(ctx, r.name, fork)).To(Succeed())
		foreign, err := suite.github.Commit(ctx, fork, fakegithub.Commit{Branch: "mine", Message: "Mine", Files: fakegithub.Texts(map[string]string{
			"who": "stranger", configFile: workflow(phase{Name: "STEAL", PhaseType: 4}),
		})})
		Expect(err).NotTo(HaveOccurred())
		number, err = suite.github.OpenPullRequest(ctx, r.name, fakegithub.PullRequest{Title: "Mine", Author: "stranger", Head: "mine", HeadRepository: fork})
		Expect(err).NotTo(HaveOccurred())
		_, err = suite.github.Comment(ctx, r.name, number, "stranger", "/katkit ok "+foreign)
		Expect(err).NotTo(HaveOccurred())
		_, err = suite.github.Comment(ctx, r.name, number, "ann", "/katkit ok "+foreign)
		Expect(err).NotTo(HaveOccurred())
		run = t.runNamed(ctx, domain.RunName(link, domain.Key("ok", foreign)))
		Expect(run.Status.Fork).To(BeTrue())
		Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(HaveSuffix(": stranger\n"))
		Expect(phasesOf(ctx, run)).To(HaveLen(1))
		Eventually(func() []string { return statuses(foreign) }).Should(HaveExactElements("BUILD pending", "BUILD success"))
		Eventually(func() []string {
			var ours []string
			for _, comment := range sent().Comments {
				if comment.By == "katkit[bot]" {
					ours = append(ours, comment.Body)
				}
			}
			return ours
		}).Should(HaveExactElements(ContainSubstring(run.Name)), "one comment, though two people wrote")
		var runs v1alpha1.CIRunList
		Expect(suite.Client.List(ctx, &runs, client.InNamespace(t.namespace))).To(Succeed())
		Expect(runs.Items).To(HaveLen(3))
	})
})
