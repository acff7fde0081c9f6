package controller_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

// linkName is the link of a tenant, and appName the role and workload of its service.
const (
	linkName = "app"
	appName  = "app"
)

// tenants counts them, so that each story has a namespace and a repository of its own.
var tenants atomic.Int32

// tenant is a namespace with a repository.
type tenant struct {
	namespace  string
	repository *fakegithub.Repository
}

// newTenant makes a tenant of env DEV, as config/samples/tenant.yaml does, a Secret with a token, and an empty
// private repository.
func newTenant() *tenant {
	GinkgoHelper()
	t := strangers()
	t.label()
	create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: v1alpha1.DefaultDeployer},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "katkit-deployer"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: t.namespace, Name: v1alpha1.DefaultDeployer}},
	})
	return t
}

// strangers makes a namespace that is not a tenant, with a Secret and a repository all the same.
func strangers() *tenant {
	GinkgoHelper()
	t := &tenant{namespace: fmt.Sprintf("t%d", tenants.Add(1))}
	create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.namespace, Annotations: map[string]string{v1alpha1.AnnotationEnv: "DEV"}}})
	t.secret("github", v1alpha1.SecretKeyToken, token)
	var err error
	t.repository, err = gh.CreateRepository("acme/"+t.namespace, fakegithub.RepositoryOptions{Private: true})
	Expect(err).NotTo(HaveOccurred())
	return t
}

// label makes the namespace a tenant, as a cluster admin does.
func (t *tenant) label() {
	GinkgoHelper()
	change(&corev1.Namespace{}, "", t.namespace, func(n *corev1.Namespace) {
		n.Labels = map[string]string{v1alpha1.LabelTenant: "team-" + t.namespace}
	})
}

func (t *tenant) secret(name, key, value string) {
	GinkgoHelper()
	create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: name}, StringData: map[string]string{key: value}})
}

// commit adds files to the main branch and returns the sha.
func (t *tenant) commit(files ...map[string]string) string {
	GinkgoHelper()
	return t.commitTo("main", files...)
}

func (t *tenant) commitTo(branch string, files ...map[string]string) string {
	GinkgoHelper()
	all := map[string]string{"README.md": "about\n"}
	for _, some := range files {
		maps.Copy(all, some)
	}
	sha, err := t.repository.Commit(fakegithub.Commit{Branch: branch, Message: "Mend it\n\nThoroughly.", Author: "ada", Files: fakegithub.Texts(all)})
	Expect(err).NotTo(HaveOccurred())
	return sha
}

// link links the repository's main branch.
func (t *tenant) link(mutate ...func(*v1alpha1.TenantRepoLink)) *v1alpha1.TenantRepoLink {
	GinkgoHelper()
	link := &v1alpha1.TenantRepoLink{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: linkName},
		Spec: v1alpha1.TenantRepoLinkSpec{
			Repository: t.repository.Name(), HomeBranch: "main", SecretRef: &v1alpha1.ObjectName{Name: "github"},
		},
	}
	for _, f := range mutate {
		f(link)
	}
	create(link)
	return link
}

// run asks for a run of the main branch.
func (t *tenant) run(mutate ...func(*v1alpha1.CIRun)) *v1alpha1.CIRun {
	GinkgoHelper()
	run := t.newRun(mutate...)
	create(run)
	return run
}

func (t *tenant) newRun(mutate ...func(*v1alpha1.CIRun)) *v1alpha1.CIRun {
	run := &v1alpha1.CIRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "run"},
		Spec:       v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: linkName}, Commit: v1alpha1.CommitSelector{Branch: "main"}},
	}
	for _, f := range mutate {
		f(run)
	}
	return run
}

// runIs waits for the run to be in a state.
func (t *tenant) runIs(state v1alpha1.RunState) *v1alpha1.CIRun {
	GinkgoHelper()
	var run *v1alpha1.CIRun
	Eventually(func() error {
		run = &v1alpha1.CIRun{}
		if err := k8s.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: "run"}, run); err != nil {
			return err
		}
		return stateIs(run.Status.State, state, run.Status.State.Terminal(), run.Status)
	}).Should(Succeed())
	return run
}

// runFails waits for the run to fail for a reason, and checks that nothing of it was begun and an event tells of it.
func (t *tenant) runFails(reason string, texts ...string) {
	GinkgoHelper()
	run := t.runIs(v1alpha1.RunFailed)
	succeeded := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionSucceeded)
	Expect(succeeded).To(HaveField("Status", metav1.ConditionFalse))
	Expect(succeeded.Reason).To(Equal(reason), succeeded.Message)
	for _, text := range texts {
		Expect(succeeded.Message).To(ContainSubstring(text))
	}
	Expect(run.Status.CompletionTime).NotTo(BeNil())
	Eventually(t.events).WithArguments("CIRun", "run").Should(ContainElement(And(
		HavePrefix("Warning "+reason+": "), ContainSubstring(succeeded.Message[:min(len(succeeded.Message), 900)]))))
	Expect(t.phases()).To(BeEmpty())
	Expect(t.pods()).To(BeEmpty())
}

// phaseIs waits for a phase of the run to be in a state.
func (t *tenant) phaseIs(name string, state v1alpha1.PhaseState) *v1alpha1.Phase {
	GinkgoHelper()
	var phase *v1alpha1.Phase
	Eventually(func() error {
		var err error
		if phase, err = t.findPhase(name); err != nil {
			return err
		}
		return stateIs(phase.Status.State, state, phase.Status.State.Terminal(), phase.Status)
	}).Should(Succeed())
	return phase
}

// phase returns a phase of the run by the name that the workflow gives it.
func (t *tenant) phase(name string) *v1alpha1.Phase {
	GinkgoHelper()
	phase, err := t.findPhase(name)
	Expect(err).NotTo(HaveOccurred())
	return phase
}

func (t *tenant) findPhase(name string) (*v1alpha1.Phase, error) {
	for _, phase := range t.phases() {
		if phase.Spec.Name == name {
			return &phase, nil
		}
	}
	return nil, fmt.Errorf("there is no phase %s yet; the run: %s", name, t.status())
}

func (t *tenant) status() string {
	var run v1alpha1.CIRun
	if err := k8s.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: "run"}, &run); err != nil {
		return err.Error()
	}
	return encode(run.Status)
}

func stateIs[S comparable](is, wanted S, final bool, status any) error {
	if is == wanted {
		return nil
	}
	err := fmt.Errorf("waiting for %v, it is %s", wanted, encode(status))
	if final {
		return StopTrying(err.Error())
	}
	return err
}

func encode(status any) string {
	text, err := json.MarshalIndent(status, "", "  ")
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

func (t *tenant) phases() []v1alpha1.Phase {
	GinkgoHelper()
	var list v1alpha1.PhaseList
	Expect(k8s.List(ctx, &list, client.InNamespace(t.namespace))).To(Succeed())
	return list.Items
}

func (t *tenant) pods() []corev1.Pod {
	GinkgoHelper()
	var list corev1.PodList
	Expect(k8s.List(ctx, &list, client.InNamespace(t.namespace))).To(Succeed())
	return list.Items
}

// events are what `kubectl describe` shows of an object, as "Type Reason: note".
func (t *tenant) events(kind, name string) []string {
	GinkgoHelper()
	var list eventsv1.EventList
	Expect(k8s.List(ctx, &list, client.InNamespace(t.namespace))).To(Succeed())
	var lines []string
	for _, event := range list.Items {
		if event.Regarding.Kind == kind && event.Regarding.Name == name {
			lines = append(lines, fmt.Sprintf("%s %s: %s", event.Type, event.Reason, event.Note))
		}
	}
	return lines
}

// approve approves a phase, as its message says.
func (t *tenant) approve(phase *v1alpha1.Phase) {
	GinkgoHelper()
	change(&v1alpha1.Phase{}, t.namespace, phase.Name, func(p *v1alpha1.Phase) { p.Spec.Approved = true })
}

// gone tells whether an object is no longer there.
func gone(object client.Object) bool {
	return apierrors.IsNotFound(k8s.Get(ctx, client.ObjectKeyFromObject(object), object))
}

// step is an entry of WorkFlow in katkitconfig.js.
type step map[string]any

func execution(name string, order int) step {
	return step{"Name": name, "PhaseType": 4, "Order": order}
}

func deployment(name string, order int) step {
	return step{"Name": name, "PhaseType": 1, "Order": order}
}

// with adds a field.
func (s step) with(field string, value any) step {
	s = maps.Clone(s)
	s[field] = value
	return s
}

// workflow is a katkitconfig.js with these phases for every env.
func workflow(steps ...step) map[string]string {
	return map[string]string{"katkitconfig.js": configFile(map[string][]step{"default": steps})}
}

// configFile is the text of a katkitconfig.js.
func configFile(envs map[string][]step) string {
	type entry struct {
		EnvName  string
		WorkFlow []step
	}
	entries := make([]entry, 0, len(envs))
	for name, steps := range envs {
		entries = append(entries, entry{name, steps})
	}
	return encode(entries)
}

// services is a servicedescription.js whose roles all have the same image, but for their name.
func services(roles ...string) map[string]string {
	type role struct{ Name, DockerImage string }
	description := struct{ Roles []role }{}
	for _, name := range roles {
		description.Roles = append(description.Roles, role{name, "registry.example/" + name + ":<hubtag>"})
	}
	return map[string]string{"servicedescription/servicedescription.js": encode(description)}
}
