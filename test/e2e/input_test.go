package e2e

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

var _ = Describe("A run of a commit with wrong files", Ordered, ContinueOnFailure, func() {
	var t *tenant

	BeforeAll(func(ctx SpecContext) {
		t = newTenant(ctx, "DEV")
		t.service(ctx, "web")
	})

	DescribeTable("is refused before anything is done",
		func(ctx SpecContext, files func() map[string]string, reason string, parts ...string) {
			all := map[string]string{"ci.sh": script("true"), configFile: workflow(build, deploy), descriptionFile: description("web")}
			for path, text := range files() {
				all[path] = text
				if text == "" {
					delete(all, path)
				}
			}
			expectRefused(ctx, t.runOf(ctx, newRepository(ctx, all)), reason, parts...)
			Expect(t.image(ctx, "web")).To(Equal(suite.images.Builder))
		},
		Entry("malformed katkitconfig.js", file(configFile, "[{\n  \"EnvName\": \"default\" \"WorkFlow\": []}]"),
			v1alpha1.ReasonInvalidConfig, "katkitconfig.js:2:24: error: not valid JSON", "expecting ','"),
		Entry("oversized katkitconfig.js", file(configFile, "[]"+strings.Repeat(" ", 256<<10)),
			v1alpha1.ReasonInvalidConfig, "katkitconfig.js:1:1: error: the file is over 256 KiB", "make it smaller"),
		Entry("two deployment phases", func() map[string]string {
			return map[string]string{configFile: workflow(deploy, phase{Name: "AGAIN", PhaseType: 1, Order: 2})}
		}, v1alpha1.ReasonInvalidConfig, "katkitconfig.js:", "error: this is the second deployment phase", "remove one"),
		Entry("unknown PhaseType", func() map[string]string {
			return map[string]string{configFile: workflow(phase{Name: "ODD", PhaseType: 3})}
		}, v1alpha1.ReasonInvalidConfig, "katkitconfig.js:7:22: error: PhaseType must be 4 (execution) or 1 (deployment) (found 3)"),
		Entry("no entry for the tenant's env", file(configFile, `[{"EnvName": "PROD", "WorkFlow": [{"Name": "BUILD", "PhaseType": 4}]}]`),
			v1alpha1.ReasonInvalidConfig, "katkitconfig.js", "DEV", "PROD"),
		Entry("no katkitconfig.js", file(configFile, ""),
			v1alpha1.ReasonNoWorkflow, "the commit has no katkitconfig.js", "add one of them"),
		Entry("malformed servicedescription.js", file(descriptionFile, "{\"Roles\": [\n\t{\"Name\": web}]}"),
			v1alpha1.ReasonInvalidServiceDescription, "servicedescription/servicedescription.js:2:11: error: not valid JSON"),
		Entry("oversized servicedescription.js", file(descriptionFile, "{}"+strings.Repeat("\n", 256<<10)),
			v1alpha1.ReasonInvalidServiceDescription, "servicedescription/servicedescription.js:1:1: error: the file is over 256 KiB"),
		Entry("no servicedescription.js", file(descriptionFile, ""),
			v1alpha1.ReasonInvalidServiceDescription, "the commit has no servicedescription/servicedescription.js", "export the service"),
		Entry("a role without <hubtag> alone", file(descriptionFile, `{"Roles": [{"Name": "web", "DockerImage": "redis:7"}]}`),
			v1alpha1.ReasonInvalidServiceDescription, "servicedescription/servicedescription.js:1:1: error: no role's DockerImage has <hubtag>"),
		Entry("a role that no workload is named like", func() map[string]string {
			return map[string]string{descriptionFile: description("web", "worker")}
		}, v1alpha1.ReasonServiceNotFound, `role "worker" of servicedescription.js`, "has no Deployment, StatefulSet or DaemonSet of this name", "Deploy the service once"),
	)

	It("is refused when there is no such commit", func(ctx SpecContext) {
		link := t.link(ctx, newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(build)}))
		sha := strings.Repeat("0123456789", 4)
		expectRefused(ctx, t.run(ctx, link, sha), v1alpha1.ReasonCommitNotFound, sha)
		run := t.run(ctx, link, "", func(run *v1alpha1.CIRunSpec) { run.Commit = v1alpha1.CommitSelector{Branch: "gone"} })
		expectRefused(ctx, run, v1alpha1.ReasonCommitNotFound, "gone")
	})

	It("fails at its deployment, and changes nothing, when the deployer may not change the service", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web")
		r := newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(deploy, verify), descriptionFile: description("web")})
		Expect(suite.Clientset.RbacV1().RoleBindings(t.namespace).Delete(ctx, v1alpha1.DefaultDeployer, metav1.DeleteOptions{})).To(Succeed())
		expectPhaseFailed(ctx, t.runOf(ctx, r), "DEPLOY", v1alpha1.FailureConfig, v1alpha1.ReasonDeployerForbidden,
			"ServiceAccount "+t.namespace+"/katkit-deployer may not change Deployment web", "kubectl create rolebinding")
		Expect(t.image(ctx, "web")).To(Equal(suite.images.Builder))
	})
})

var _ = Describe("A link", func() {
	// applied makes a link as it is, without waiting for it to be ready.
	applied := func(ctx context.Context, t *tenant, r *repository, change func(*v1alpha1.TenantRepoLinkSpec)) *v1alpha1.TenantRepoLink {
		link := t.newLink("link", r)
		change(&link.Spec)
		Expect(suite.Client.Create(ctx, link)).To(Succeed())
		return link
	}
	expectReady := func(ctx context.Context, link *v1alpha1.TenantRepoLink, status metav1.ConditionStatus, reason string, parts ...string) {
		GinkgoHelper()
		Eventually(func(g Gomega, ctx context.Context) {
			g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(link), link)).To(Succeed())
			ready := condition(link.Status.Conditions, v1alpha1.ConditionReady)
			g.Expect(ready).To(haveStatus(status, reason), ready.Message)
			g.Expect(ready.Message).To(contain(parts...))
		}).WithContext(ctx).Should(Succeed())
		kind := corev1.EventTypeWarning
		if status == metav1.ConditionTrue {
			kind = corev1.EventTypeNormal
		}
		expectEvent(ctx, link, kind, reason, parts...)
	}

	DescribeTable("says what is wrong with it, and so do its runs",
		func(ctx SpecContext, change func(context.Context, *tenant, *v1alpha1.TenantRepoLinkSpec), reason string, parts ...string) {
			t := newTenant(ctx, "DEV")
			r := newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(build)})
			link := applied(ctx, t, r, func(spec *v1alpha1.TenantRepoLinkSpec) { change(ctx, t, spec) })
			expectReady(ctx, link, metav1.ConditionFalse, reason, parts...)
			if reason != v1alpha1.ReasonHomeBranchNotFound {
				expectRefused(ctx, t.run(ctx, link.Name, r.sha), reason, parts...)
			}
		},
		Entry("a wrong token", func(ctx context.Context, t *tenant, _ *v1alpha1.TenantRepoLinkSpec) {
			t.setToken(ctx, "wrong-"+suite.token)
		}, v1alpha1.ReasonTokenRejected, "token of Secret e2e-", "/github"),
		Entry("a Secret that is not there", func(_ context.Context, _ *tenant, link *v1alpha1.TenantRepoLinkSpec) {
			link.SecretRef = &v1alpha1.ObjectName{Name: "nothing"}
		}, v1alpha1.ReasonTokenMissing, "/nothing, which TenantRepoLink link names, is not there", "kubectl create secret generic nothing"),
		Entry("a private repository without a token", func(_ context.Context, _ *tenant, link *v1alpha1.TenantRepoLinkSpec) {
			link.SecretRef = nil
		}, v1alpha1.ReasonRepositoryNotFound, "names no Secret, so no token was used"),
		Entry("a home branch that is not there", func(_ context.Context, _ *tenant, link *v1alpha1.TenantRepoLinkSpec) {
			link.HomeBranch = "trunk"
		}, v1alpha1.ReasonHomeBranchNotFound, "trunk"),
		Entry("a host that the manager may not talk to", func(_ context.Context, _ *tenant, link *v1alpha1.TenantRepoLinkSpec) {
			link.Host = "ghe.example"
		}, v1alpha1.ReasonHostNotAllowed, "ghe.example"),
	)

	It("may come after its run, which waits for it", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		r := newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(build)})
		run := t.run(ctx, "link", r.sha)
		expectEvent(ctx, run, corev1.EventTypeWarning, v1alpha1.ReasonLinkNotFound, "waiting for TenantRepoLink "+t.namespace+"/link", "apply it, or delete this run")
		applied(ctx, t, r, func(*v1alpha1.TenantRepoLinkSpec) {})
		succeeded(ctx, run)
	})

	It("in a namespace that is no tenant does nothing, until an admin makes it one", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		label := func(value string) {
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"`+v1alpha1.LabelTenant+`":`+value+`}}}`))
			Expect(suite.Client.Patch(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.namespace}}, patch)).To(Succeed())
		}
		label("null")
		r := newRepository(ctx, map[string]string{"ci.sh": script("true"), configFile: workflow(build)})
		link := applied(ctx, t, r, func(*v1alpha1.TenantRepoLinkSpec) {})
		parts := []string{"namespace " + t.namespace + " is not a tenant", "kubectl label namespace " + t.namespace}
		expectReady(ctx, link, metav1.ConditionFalse, v1alpha1.ReasonNotATenant, parts...)
		expectRefused(ctx, t.run(ctx, link.Name, r.sha), v1alpha1.ReasonNotATenant, parts...)

		label(`"` + t.namespace + `"`)
		expectReady(ctx, link, metav1.ConditionTrue, v1alpha1.ReasonReady)
		succeeded(ctx, t.run(ctx, link.Name, r.sha))
	})
})

// file is one file of a repository, "" for none.
func file(path, text string) func() map[string]string {
	return func() map[string]string { return map[string]string{path: text} }
}
