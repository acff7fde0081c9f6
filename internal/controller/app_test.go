package controller_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/test/fakegithub"
)

// appKey is the private key of App 42, which is installed as 7 for all of acme's repositories.
var appKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	Expect(err).NotTo(HaveOccurred())
	return key
})

// appSecret is the data of a Secret with an App.
func appSecret(key *rsa.PrivateKey) map[string]string {
	return map[string]string{
		v1alpha1.SecretKeyAppID: "42", v1alpha1.SecretKeyAppInstallationID: "7",
		v1alpha1.SecretKeyAppPrivateKey: string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	}
}

// installApp makes App 42 known to GitHub, with these permissions.
func installApp(permissions map[string]string) {
	GinkgoHelper()
	installAppAs(42, permissions)
}

// installAppAs makes an App known to GitHub that has App 42's key.
func installAppAs(id int64, permissions map[string]string) {
	GinkgoHelper()
	public, err := x509.MarshalPKIXPublicKey(&appKey().PublicKey)
	Expect(err).NotTo(HaveOccurred())
	Expect(gh.AddApp(fakegithub.App{ID: id, Slug: fmt.Sprint("katkit-", id), PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		Installations: map[int64]fakegithub.Installation{7: {Account: "acme", Permissions: permissions}}})).To(Succeed())
}

// withApp is a tenant whose Secret app holds App 42.
func withApp() *tenant {
	GinkgoHelper()
	installApp(map[string]string{"contents": "read", "pull_requests": "write", "checks": "write"})
	t := newTenant()
	t.appSecret()
	return t
}

// appSecret makes the tenant's Secret app, which holds App 42.
func (t *tenant) appSecret() {
	GinkgoHelper()
	create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "app"}, StringData: appSecret(appKey())})
}

// cloneSecrets are those that the manager made.
func (t *tenant) cloneSecrets() []corev1.Secret {
	GinkgoHelper()
	var list corev1.SecretList
	Expect(k8s.List(ctx, &list, client.InNamespace(t.namespace))).To(Succeed())
	return slices.DeleteFunc(list.Items, func(s corev1.Secret) bool { return s.Type != v1alpha1.SecretTypeCloneCredential })
}

// secretVolumes are the Secrets that a Pod mounts.
func secretVolumes(pod *corev1.Pod) []string {
	var names []string
	for _, volume := range pod.Spec.Volumes {
		if volume.Secret != nil {
			names = append(names, volume.Secret.SecretName)
		}
	}
	return names
}

var _ = Describe("A link with a GitHub App", func() {
	It("is read by the App, and its builder Pods clone with a token that goes with them", func() {
		t := withApp()
		t.commit(workflow(execution("BUILD", 0).with("Parallelism", 2), execution("TEST", 1)))
		t.link(secretNamed("app"))
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		t.run()
		pods := t.builders("BUILD")
		phase := t.phase("BUILD")
		Expect(phase.Spec.Execution).To(And(HaveField("CredentialSecret", "app"), HaveField("CredentialKind", v1alpha1.CredentialApp)))

		By("mounting the token alone, into the checkout")
		name := buildpod.CredentialName(phase, 1)
		for _, pod := range pods {
			Expect(secretVolumes(pod)).To(ConsistOf(name), "never the App's key")
			Expect(mounts(pod.Spec.Containers[0])).To(ContainElement("/var/run/katkit/credential"))
			Expect(mounts(pod.Spec.Containers[1])).NotTo(ContainElement("/var/run/katkit/credential"))
		}
		secret := get(&corev1.Secret{}, t.namespace, name)
		Expect(secret.Immutable).To(HaveValue(BeTrue()))
		Expect(metav1.IsControlledBy(secret, phase)).To(BeTrue())
		Expect(secret.Labels).To(Equal(pods[0].Labels))
		Expect(secret.Data).To(HaveLen(1))
		token := string(secret.Data[v1alpha1.SecretKeyToken])
		Expect(token).To(HavePrefix("ghs_"))
		Expect(encode(pods[0]) + encode(phase)).NotTo(ContainSubstring(token))
		Expect(t.cloneSecrets()).To(HaveLen(1))

		By("removing it before it tells that the phase has ended")
		succeed(pods...)
		t.phaseIs("BUILD", v1alpha1.PhaseSucceeded)
		Expect(gone(secret)).To(BeTrue())
		test := t.builder("TEST")
		Expect(t.cloneSecrets()).To(ConsistOf(HaveField("Name", buildpod.CredentialName(t.phase("TEST"), 1))))
		succeed(test)
		t.runIs(v1alpha1.RunSucceeded)
		Expect(t.cloneSecrets()).To(BeEmpty())
		for _, event := range append(t.events("Phase", phase.Name), t.events("CIRun", "run")...) {
			Expect(event).NotTo(ContainSubstring(token))
		}
	})

	It("leaves no token behind when its run is cancelled", func() {
		t := withApp()
		t.commit(workflow(execution("BUILD", 0), execution("TEST", 1)))
		t.link(secretNamed("app"))
		t.run()
		pod := t.builder("BUILD")
		Expect(t.cloneSecrets()).To(HaveLen(1))
		change(&v1alpha1.CIRun{}, t.namespace, "run", func(r *v1alpha1.CIRun) { r.Spec.Cancelled = true })
		Eventually(func() bool { return gone(pod) }).Should(BeTrue(), "its containers had not started")
		t.runIs(v1alpha1.RunCancelled)
		Expect(t.cloneSecrets()).To(BeEmpty())
	})

	It("leaves no token behind, at whichever write the manager was killed", func() {
		for n := 1; ; n++ {
			By(fmt.Sprintf("write %d", n))
			t := withApp()
			t.commit(workflow(execution("BUILD", 0)))
			t.link(secretNamed("app"))
			t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
			first := katkit
			first.wire.killAt(t.namespace, n)
			t.run()
			Eventually(func() (bool, error) {
				state, err := t.play()
				return first.wire.isCut() || (state.Terminal() && len(t.pods()) == 0), err
			}).Should(BeTrue())
			if first.wire.isCut() {
				restart()
				Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded), t.status())
			}
			Expect(t.cloneSecrets()).To(BeEmpty())
			writes := first.wire.in(t.namespace)
			if !first.wire.isCut() {
				Expect(done(writes, http.MethodPost, "secrets")).To(Equal(1), "%v", writes)
				Expect(done(writes, http.MethodDelete, "secrets")).To(Equal(1), "%v", writes)
				return
			}
			writes = append(writes, katkit.wire.in(t.namespace)...)
			Expect(done(writes, http.MethodPost, "secrets")).To(Equal(1), "%v", writes)
			Expect(done(writes, http.MethodPost, "pods")).To(Equal(1), "%v", writes)
		}
	})

	It("never uses a Secret of somebody else's", func() {
		t := withApp()
		t.commit(workflow(execution("BUILD", 0), execution("TEST", 1).with("IsPhaseAutomated", false)))
		t.link(secretNamed("app"))
		t.run()
		pods := t.builders("BUILD")
		theirs := buildpod.CredentialName(t.phase("TEST"), 1)
		t.secret(theirs, v1alpha1.SecretKeyToken, "theirs")
		succeed(pods...)
		t.approve(t.phaseIs("TEST", v1alpha1.PhaseWaitingForApproval))
		t.phaseFails("TEST", v1alpha1.FailureConfig, v1alpha1.ReasonNameConflict, "Secret "+t.namespace+"/"+theirs+" is there already and is not this Phase's")
		Expect(get(&corev1.Secret{}, t.namespace, theirs).Data).To(HaveKeyWithValue("token", []byte("theirs")))
		Expect(t.cloneSecrets()).To(BeEmpty())
	})

	It("fails a phase whose App may not read the repository any more, and tells why", func() {
		t := withApp()
		t.commit(workflow(execution("BUILD", 0).with("IsPhaseAutomated", false)))
		t.link(secretNamed("app"))
		t.run()
		waits := t.phaseIs("BUILD", v1alpha1.PhaseWaitingForApproval)
		installApp(map[string]string{"pull_requests": "write"})
		DeferCleanup(installApp, map[string]string{"contents": "read", "pull_requests": "write"})
		t.approve(waits)
		t.phaseFails("BUILD", v1alpha1.FailureConfig, v1alpha1.ReasonTokenRejected, "may not read contents", "GitHub App of Secret "+t.namespace+"/app")
		Expect(t.cloneSecrets()).To(BeEmpty())
	})

	DescribeTable("is told what is wrong with its Secret", func(change func(map[string]string), reason string, texts ...string) {
		t := withApp()
		t.commit()
		data := appSecret(appKey())
		change(data)
		create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "odd"}, StringData: data})
		t.link(secretNamed("odd"))
		message := t.linkIs(metav1.ConditionFalse, reason)
		for _, text := range append(texts, "Secret "+t.namespace+"/odd") {
			Expect(message).To(ContainSubstring(text))
		}
		Expect(message).NotTo(ContainSubstring(strings.Split(appSecret(appKey())[v1alpha1.SecretKeyAppPrivateKey], "\n")[3]))
	},
		Entry("a token, too", func(d map[string]string) { d["token"] = token }, v1alpha1.ReasonCredentialInvalid, "leave the token or the GitHub App"),
		Entry("no installation", func(d map[string]string) { delete(d, "githubAppInstallationID") }, v1alpha1.ReasonCredentialInvalid, "lacks githubAppInstallationID"),
		Entry("a key that is none", func(d map[string]string) { d["githubAppPrivateKey"] = "secret" }, v1alpha1.ReasonCredentialInvalid, "not an RSA private key in PEM"),
		Entry("another App's key", func(d map[string]string) { d["githubAppID"] = "43" }, v1alpha1.ReasonTokenRejected, "the key was not accepted"),
		Entry("another installation", func(d map[string]string) { d["githubAppInstallationID"] = "8" }, v1alpha1.ReasonTokenRejected, "the App is not installed there"),
	)
})

var _ = Describe("Secrets, to the manager,", func() {
	It("are those that builder Pods of tenants clone with, and no others", func() {
		t, u := newTenant(), strangers()
		manager := as(managerConfig)
		phase := t.manualPhase()
		ours := func(mutate ...func(*corev1.Secret)) *corev1.Secret {
			secret := buildpod.BuildCredential(phase, 1, "ghs_token")
			for _, f := range mutate {
				f(secret)
			}
			return secret
		}
		for why, secret := range map[string]*corev1.Secret{
			"only Secrets of the type katkit.dev/clone-credential": ours(func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque }),
			"only Secrets that a Phase owns":                       ours(func(s *corev1.Secret) { s.OwnerReferences = nil }),
			"that a Phase owns":                                    ours(func(s *corev1.Secret) { s.OwnerReferences[0].Kind = "CIRun" }),
			"only Secrets that are immutable":                      ours(func(s *corev1.Secret) { s.Immutable = nil }),
			"have the key token alone":                             ours(func(s *corev1.Secret) { s.Data["other"] = []byte("x") }),
			"only in tenants, which are Namespaces":                ours(func(s *corev1.Secret) { s.Namespace = u.namespace }),
		} {
			err := manager.Create(ctx, secret)
			Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%s: %v", why, err)
			Expect(err).To(MatchError(ContainSubstring(why)))
		}
		for _, name := range []string{"github", "plain"} {
			if name == "plain" {
				t.secret(name, "password", "x")
			}
			err := manager.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: name}})
			Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		}
		typed := ours(func(s *corev1.Secret) { s.Name, s.OwnerReferences = "typed", nil })
		create(typed)
		Expect(apierrors.IsForbidden(manager.Delete(ctx, typed.DeepCopy()))).To(BeTrue(), "it is no Phase's")

		secret := ours()
		Expect(manager.Create(ctx, secret)).To(Succeed())
		Expect(apierrors.IsForbidden(manager.Patch(ctx, secret.DeepCopy(), merge(`{"metadata":{"labels":{"x":"y"}}}`)))).To(BeTrue())
		Expect(apierrors.IsForbidden(manager.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(t.namespace)))).To(BeTrue())
		Expect(manager.Delete(ctx, secret)).To(Succeed())
		Expect(gone(ours())).To(BeTrue())
		Expect(get(&corev1.Secret{}, t.namespace, "github").Data).To(HaveKey("token"))
	})
})
