package e2e

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/install"
)

// tenant is a namespace of a spec.
type tenant struct {
	// namespace is also the tenant's name.
	namespace string
	// services as they were made, by kind/name.
	services map[string]baseline
}

// newTenant makes a tenant of an env ("" for none). When the spec is over, what it holds is checked against the rules
// that hold always, shown if the spec failed, and removed.
func newTenant(ctx context.Context, env string) *tenant {
	t := &tenant{namespace: newNamespaceName(), services: map[string]baseline{}}
	Expect(suite.Tenant(ctx, t.namespace, env)).To(Succeed())
	t.adopt(ctx)
	t.setToken(ctx, suite.token)
	return t
}

// adopt makes a tenant that is there one of this spec, as newTenant says.
func (t *tenant) adopt(ctx context.Context) {
	mark(ctx, t.namespace)
	// In reverse: what comes last here is done first.
	DeferCleanup(func(ctx SpecContext) { Expect(deleteNamespace(ctx, t.namespace)).To(Succeed()) })
	DeferCleanup(func(ctx SpecContext) {
		if CurrentSpecReport().Failed() {
			t.show(ctx)
		}
	})
	DeferCleanup(func(ctx SpecContext) {
		if !CurrentSpecReport().Failed() {
			t.checkInvariants(ctx)
		}
	})
}

// setToken changes the token that the tenant's links use.
func (t *tenant) setToken(ctx context.Context, token string) {
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name = t.namespace, "github"
	patch := client.MergeFrom(secret.DeepCopy())
	secret.Data = map[string][]byte{v1alpha1.SecretKeyToken: []byte(token)}
	Expect(suite.Client.Patch(ctx, secret, patch)).To(Succeed())
}

func newNamespaceName() string {
	return strings.ReplaceAll(suite.name("tenant"), "/", "-")
}

// mark makes a namespace one of this run of the suite, to be removed with it.
func mark(ctx context.Context, namespace string) {
	object := &corev1.Namespace{}
	object.Name = namespace
	patch := client.MergeFrom(object.DeepCopy())
	object.Labels = map[string]string{labelSuite: suite.id}
	Expect(suite.Client.Patch(ctx, object, patch)).To(Succeed())
}

// show tells all that is known of a failed spec's tenant.
func (t *tenant) show(ctx context.Context) {
	var runs v1alpha1.CIRunList
	if err := suite.Client.List(ctx, &runs, client.InNamespace(t.namespace)); err != nil {
		GinkgoWriter.Println("runs of", t.namespace, "could not be listed:", err)
	}
	for i := range runs.Items {
		suite.Explain(ctx, &runs.Items[i], GinkgoWriter)
	}
	for _, pod := range suite.pods.in(t.namespace) {
		GinkgoWriter.Printf("builder Pod %s (%s): %+v\n", pod.Name, pod.Status.Phase, pod.Status.ContainerStatuses)
	}
}

// newLink is a link to a repository's main branch and root, not applied yet.
func (t *tenant) newLink(name string, r *repository) *v1alpha1.TenantRepoLink {
	link := suite.NewLink(t.namespace, name, r.name)
	link.Spec.Builder.Env = nil
	return link
}

// link links a repository, changed by the given functions, and waits until the link is ready. Runs name it by the
// returned name.
func (t *tenant) link(ctx context.Context, r *repository, changes ...func(*v1alpha1.TenantRepoLinkSpec)) string {
	link := t.newLink("link-"+strings.ReplaceAll(r.name[strings.IndexByte(r.name, '/')+1:], "/", "-"), r)
	for _, change := range changes {
		change(&link.Spec)
	}
	Expect(suite.Link(ctx, link)).To(Succeed())
	return link.Name
}

// run starts a run of a commit.
func (t *tenant) run(ctx context.Context, link, sha string, changes ...func(*v1alpha1.CIRunSpec)) *v1alpha1.CIRun {
	name := strings.ReplaceAll(suite.name("run"), "/", "-")
	run := install.NewRun(t.namespace, name, link, sha)
	for _, change := range changes {
		change(&run.Spec)
	}
	Expect(suite.Client.Create(ctx, run)).To(Succeed())
	return run
}

// runOf links a repository and runs its newest commit.
func (t *tenant) runOf(ctx context.Context, r *repository, changes ...func(*v1alpha1.TenantRepoLinkSpec)) *v1alpha1.CIRun {
	return t.run(ctx, t.link(ctx, r, changes...), r.sha)
}

// ended waits until a run has ended, and returns it.
func ended(ctx context.Context, run *v1alpha1.CIRun) *v1alpha1.CIRun {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	run, err := suite.Follow(ctx, run, nil)
	Expect(err).NotTo(HaveOccurred())
	return run
}

// succeeded waits until a run has succeeded, and returns it.
func succeeded(ctx context.Context, run *v1alpha1.CIRun) *v1alpha1.CIRun {
	GinkgoHelper()
	run = ended(ctx, run)
	Expect(run.Status.State).To(Equal(v1alpha1.RunSucceeded), conditionOf(run).Message)
	Expect(conditionOf(run)).To(haveStatus("True", v1alpha1.ReasonSucceeded))
	return run
}

// failed waits until a run has failed, and returns it.
func failed(ctx context.Context, run *v1alpha1.CIRun) *v1alpha1.CIRun {
	GinkgoHelper()
	run = ended(ctx, run)
	Expect(run.Status.State).To(Equal(v1alpha1.RunFailed))
	return run
}

// phasesOf returns the Phases of a run by the names that the workflow gives them.
func phasesOf(ctx context.Context, run *v1alpha1.CIRun) map[string]v1alpha1.Phase {
	GinkgoHelper()
	list, err := suite.Phases(ctx, run)
	Expect(err).NotTo(HaveOccurred())
	phases := map[string]v1alpha1.Phase{}
	for _, phase := range list {
		phases[phase.Spec.Name] = phase
	}
	return phases
}

// awaitPhase waits until a phase of a run has a state, and returns it.
func awaitPhase(ctx context.Context, run *v1alpha1.CIRun, name string, state v1alpha1.PhaseState) v1alpha1.Phase {
	GinkgoHelper()
	var phase v1alpha1.Phase
	Eventually(func(g Gomega, ctx context.Context) {
		list, err := suite.Phases(ctx, run)
		g.Expect(err).NotTo(HaveOccurred())
		for _, phase = range list {
			if phase.Spec.Name == name {
				break
			}
		}
		g.Expect(phase.Spec.Name).To(Equal(name))
		g.Expect(phase.Status.State).To(Equal(state), phase.Status.Message)
	}).WithContext(ctx).Should(Succeed())
	return phase
}

// logOf returns what was kept of the log of a phase's only replica.
func logOf(ctx context.Context, phase v1alpha1.Phase) string {
	GinkgoHelper()
	return logs(ctx, phase)[0]
}

// logs returns what was kept of the logs of a phase's replicas.
func logs(ctx context.Context, phase v1alpha1.Phase) []string {
	GinkgoHelper()
	Expect(phase.Status.Attempts).To(HaveLen(1))
	var texts []string
	for _, replica := range phase.Status.Attempts[0].Replicas {
		text, err := suite.Log(ctx, phase.Namespace, replica)
		Expect(err).NotTo(HaveOccurred())
		texts = append(texts, text)
	}
	return texts
}
