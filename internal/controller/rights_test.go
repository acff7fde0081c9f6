package controller_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// as is a client of an identity.
func as(config *rest.Config) client.Client {
	GinkgoHelper()
	c, err := client.New(config, client.Options{Scheme: k8s.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// impersonating is the manager acting as somebody.
func impersonating(user string, groups ...string) *rest.Config {
	config := rest.CopyConfig(managerConfig)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	return config
}

func imagePatch() client.Patch {
	return client.RawPatch("application/strategic-merge-patch+json", []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"evil:v1"}]}}}}`))
}

var _ = Describe("The manager's own rights", func() {
	It("do not change a workload, see a list of Secrets or start a run as people do", func() {
		t := newTenant()
		d := t.newDeployment(appName, "registry.example/app:old")
		t.link()
		run := t.run(func(r *v1alpha1.CIRun) { r.Spec.Link.Name = "none" }) // so it waits
		phase := t.manualPhase()
		manager := as(managerConfig)
		for what, try := range map[string]func() error{
			"patch a Deployment":  func() error { return manager.Patch(ctx, d.DeepCopy(), imagePatch()) },
			"update a Deployment": func() error { return manager.Update(ctx, d.DeepCopy()) },
			"delete a Deployment": func() error { return manager.Delete(ctx, d.DeepCopy()) },
			"create a Deployment": func() error {
				return manager.Create(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "x"}})
			},
			"list Secrets": func() error { return manager.List(ctx, &corev1.SecretList{}, client.InNamespace(t.namespace)) },
			"create a Secret": func() error {
				return manager.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "x"}})
			},
			"read a ConfigMap": func() error {
				return manager.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: "x"}, &corev1.ConfigMap{})
			},
			"create a run that is no trigger's": func() error { return manager.Create(ctx, t.newRun(func(r *v1alpha1.CIRun) { r.Name = "x" })) },
			"delete a run that has not ended":   func() error { return manager.Delete(ctx, run.DeepCopy()) },
			"approve a phase": func() error {
				return manager.Patch(ctx, phase.DeepCopy(), merge(approval))
			},
			"approve a phase in its own name": func() error {
				return manager.Patch(ctx, phase.DeepCopy(), merge(`{"spec":{"approved":true,"approvedBy":"system:serviceaccount:katkit-system:katkit-manager"}}`))
			},
			"sign a phase": func() error {
				return manager.Patch(ctx, phase.DeepCopy(), merge(`{"spec":{"approvedBy":"system:serviceaccount:katkit-system:katkit-manager"}}`))
			},
			"change a run": func() error {
				return manager.Patch(ctx, run.DeepCopy(), merge(`{"metadata":{"annotations":{"x":"y"}}}`))
			},
			"update a phase":                    func() error { return manager.Update(ctx, phase.DeepCopy()) },
			"delete a phase that has not ended": func() error { return manager.Delete(ctx, phase.DeepCopy()) },
			"make a namespace a tenant": func() error {
				return manager.Patch(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.namespace}}, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"x":"y"}}}`)))
			},
			"grant itself a role": func() error {
				return manager.Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "x"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"}})
			},
			"act as another account": func() error {
				return as(impersonating("system:serviceaccount:kube-system:default")).List(ctx, &corev1.PodList{})
			},
			"act as a user": func() error { return as(impersonating("admin")).List(ctx, &corev1.PodList{}) },
			"act as a deployer in a group": func() error {
				return as(impersonating("system:serviceaccount:"+t.namespace+":katkit-deployer", "system:masters")).List(ctx, &corev1.PodList{})
			},
		} {
			Expect(apierrors.IsForbidden(try())).To(BeTrue(), what)
		}
		Expect(t.imageOf(appName, appName)).To(Equal("registry.example/app:old"))
	})

	It("make the runs of triggers, in tenants, and change nothing of a run but that it is cancelled", func() {
		t, others := newTenant(), strangers()
		manager := as(managerConfig)
		triggered := func(in *tenant) *v1alpha1.CIRun {
			return in.newRun(func(r *v1alpha1.CIRun) { r.Labels = map[string]string{v1alpha1.LabelTrigger: "comments"} })
		}
		run := triggered(t)
		run.Annotations = map[string]string{"theirs": "x"}
		Expect(manager.Create(ctx, run)).To(Succeed())
		err := manager.Create(ctx, triggered(others))
		Expect(err).To(MatchError(ContainSubstring("creates runs only in tenants")))
		const cancelled = `"spec":{"cancelled":true}`
		for patch, why := range map[string]string{
			`{"metadata":{"annotations":{"x":"y"}}}`:                                "changes a run only to cancel it",
			`{"metadata":{"annotations":{"katkit.dev/cancelled-on-github":"me"}}}`:  "changes a run only to cancel it",
			`{"metadata":{"annotations":{"x":"y"}},` + cancelled + `}`:              "changes nothing of a run but that it is cancelled",
			`{"metadata":{"annotations":{"theirs":"y"}},` + cancelled + `}`:         "changes nothing of a run but that it is cancelled",
			`{"metadata":{"annotations":{"theirs":null}},` + cancelled + `}`:        "changes nothing of a run but that it is cancelled",
			`{"metadata":{"annotations":null},` + cancelled + `}`:                   "changes nothing of a run but that it is cancelled",
			`{"metadata":{"labels":{"katkit.dev/trigger":"pr"}},` + cancelled + `}`: "changes nothing of a run but that it is cancelled",
			`{"metadata":{"finalizers":["x.example/y"]},` + cancelled + `}`:         "changes nothing of a run but that it is cancelled",
		} {
			err := manager.Patch(ctx, run.DeepCopy(), merge(patch))
			Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%s: %v", patch, err)
			Expect(err).To(MatchError(ContainSubstring(why)), patch)
		}
		Expect(manager.Patch(ctx, run, merge(`{"metadata":{"annotations":{"katkit.dev/cancelled-on-github":"me"}},`+cancelled+`}`))).To(Succeed())
		Expect(run.Annotations).To(And(HaveKeyWithValue("theirs", "x"), HaveKeyWithValue("katkit.dev/cancelled-on-github", "me")))
		without := t.run(func(r *v1alpha1.CIRun) { r.Name = "without" })
		Expect(manager.Patch(ctx, without, merge(`{`+cancelled+`}`))).To(Succeed())
	})

	It("hold a deployment phase by a finalizer, and change nothing that it is to do", func() {
		t := newTenant()
		phase := t.manualPhase()
		manager := as(managerConfig)
		for patch, why := range map[string]string{
			`{"spec":{"sha":"` + strings.Repeat("b", 40) + `"}}`:     "the spec of a Phase is immutable but for approved",
			`{"spec":{"approval":"Automatic"}}`:                      "approval is immutable",
			`{"spec":{"execution":{"builder":{"image":"evil:v1"}}}}`: "execution is immutable",
			`{"spec":{"timeout":"24h"}}`:                             "timeout is immutable",
		} {
			err := manager.Patch(ctx, phase.DeepCopy(), merge(patch))
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
			Expect(err).To(MatchError(ContainSubstring(why)))
		}
		Expect(manager.Patch(ctx, phase, merge(`{"metadata":{"finalizers":["`+v1alpha1.FinalizerDeployment+`"]}}`))).To(Succeed())
		Expect(manager.Patch(ctx, phase, merge(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		Expect(get(&v1alpha1.Phase{}, t.namespace, phase.Name).Finalizers).To(BeEmpty())
	})

	It("act as a tenant's deployer, who changes workloads of the tenant and nothing else", func() {
		t, u := newTenant(), newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		theirs := u.newDeployment(appName, "registry.example/app:old")
		deployer := as(impersonating("system:serviceaccount:" + t.namespace + ":katkit-deployer"))
		ours := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: appName}}
		Expect(deployer.Patch(ctx, ours.DeepCopy(), imagePatch(), client.DryRunAll)).To(Succeed())
		Expect(apierrors.IsForbidden(deployer.Patch(ctx, theirs.DeepCopy(), imagePatch(), client.DryRunAll))).To(BeTrue())
		Expect(apierrors.IsForbidden(deployer.Delete(ctx, ours.DeepCopy(), client.DryRunAll))).To(BeTrue())
		Expect(apierrors.IsNotFound(deployer.Delete(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "x"}}))).To(BeTrue())
		Expect(apierrors.IsForbidden(deployer.Delete(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: u.namespace, Name: "x"}}))).To(BeTrue())
		Expect(apierrors.IsForbidden(deployer.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: "github"}, &corev1.Secret{}))).To(BeTrue())
	})

	It("do not act as a deployer of another name, until a cluster admin lets it", func() {
		t := newTenant()
		create(&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "releaser"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "katkit-deployer"},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: t.namespace, Name: "releaser"}},
		})
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
		t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.Deployer.ServiceAccountName = "releaser" })
		t.run()
		t.phaseFails("DEPLOY", v1alpha1.FailureConfig, v1alpha1.ReasonDeployerForbidden, "may not act as ServiceAccount "+t.namespace+"/releaser",
			"kubectl create role impersonate-releaser -n "+t.namespace, "--serviceaccount=katkit-system:katkit-manager")
		t.stopped("DEPLOY")

		By("doing as the message says")
		for _, args := range [][]string{
			{"create", "role", "impersonate-releaser", "--verb=impersonate", "--resource=serviceaccounts", "--resource-name=releaser"},
			{"create", "rolebinding", "impersonate-releaser", "--role=impersonate-releaser", "--serviceaccount=katkit-system:katkit-manager"},
		} {
			Expect(kubectl(append(args, "-n", t.namespace)...)).To(ContainSubstring("created"))
		}
		create(t.newRun(func(r *v1alpha1.CIRun) { r.Name = "second" }))
		t.imageBecomes(appName, t.newImage(appName))
		Expect(t.patches()).To(ConsistOf(HaveField("As", "system:serviceaccount:"+t.namespace+":releaser")))
	})
})
