package controller_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	domain "katkit.dev/katkit/internal/domain/reporting"
	"katkit.dev/katkit/test/fakegithub"
)

// mayCheck are the permissions of an App that may all that reports need.
func mayCheck() map[string]string {
	return map[string]string{"contents": "read", "pull_requests": "write", "checks": "write", "statuses": "write", "deployments": "write"}
}

// checking is a tenant of its own repository with a workflow, whose link has an App with these permissions.
func checking(permissions map[string]string, steps ...step) *tenant {
	GinkgoHelper()
	installApp(permissions)
	t := newTenant()
	t.commit(workflow(steps...), services(appName))
	t.newDeployment(appName, "registry.example/app:old")
	t.appSecret()
	t.link(secretNamed("app"))
	t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
	return t
}

// check is a check run of the tenant, by its phase: the newest.
func (t *tenant) check(phase string) *fakegithub.CheckRun {
	for _, check := range slices.Backward(t.repository.Sent().CheckRuns) {
		if check.Name == "katkit/team-"+t.namespace+"/-/"+phase {
			return &check
		}
	}
	return nil
}

// checks are all check runs of the repository, as "PHASE conclusion: title", the newest last.
func (t *tenant) checks() []string {
	var lines []string
	for _, check := range t.repository.Sent().CheckRuns {
		word := check.Conclusion
		if check.Status != "completed" {
			word = check.Status
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s", check.Name[strings.LastIndex(check.Name, "/")+1:], word, check.Title))
	}
	return lines
}

var _ = Describe("With an App that may write check runs, GitHub shows", func() {
	It("each phase as one, with its deployment, and no status", func() {
		t := checking(mayCheck(), execution("BUILD", 0), deployment("DEPLOY", 1))
		run := t.run()
		Eventually(t.checks).Should(Equal([]string{"BUILD in_progress: running in run run"}))
		Expect(t.check("BUILD")).To(And(HaveField("ExternalID", domain.CheckID(run.UID, "BUILD")), HaveField("StartedAt", Not(BeNil())), HaveField("SHA", HaveLen(40))))
		succeed(t.builder("BUILD"))
		t.imageBecomes(appName, t.newImage(appName))
		t.rollOut(appName)
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.checks()).To(Equal([]string{"BUILD success: succeeded in run run", "DEPLOY success: succeeded in run run"}))
		Expect(t.check("DEPLOY").Summary).To(And(ContainSubstring("**Succeeded**"), ContainSubstring("`kubectl katkit get run -n "+t.namespace+"`"), ContainSubstring("- `app` (Deployment `app`): Upgraded")))
		Expect(t.states()).To(Equal([]string{"in_progress", "success"}))
		Expect(t.repository.Sent().Statuses).To(BeEmpty())
		t.staysQuiet()
	})

	It("the last lines of a log that failed, beside the code where they name it, and as cancelled what never began", func() {
		t := checking(mayCheck(), execution("BUILD", 0), execution("TEST", 1))
		t.run()
		exit(t.builder("BUILD"), 2, "building\nmain.go:7:3: undefined: x\n```\n@everyone <img src=x>\n")
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.checks()).To(Equal([]string{"BUILD failure: failed in run run: ci.sh exited with code 2", "TEST cancelled: skipped in run run since BUILD failed"}))
		build := t.check("BUILD")
		Expect(build.Text).To(Equal("The last lines of the log:\n\n````text\nbuilding\nmain.go:7:3: undefined: x\n```\n@everyone <img src=x>\n````\n"))
		Expect(build.Annotations).To(ConsistOf(And(HaveKeyWithValue("path", "main.go"), HaveKeyWithValue("start_line", BeEquivalentTo(7)),
			HaveKeyWithValue("start_column", BeEquivalentTo(3)), HaveKeyWithValue("annotation_level", "failure"), HaveKeyWithValue("message", "undefined: x"))))
		Expect(build.Summary).To(ContainSubstring("```text\nci.sh exited with code 2\n```"))
		Expect(build.CompletedAt).NotTo(BeNil())
	})

	It("what kind of failure the cluster's are, and neither its objects nor the admin's lists, which everybody could read", func() {
		t := checking(mayCheck(), execution("BUILD", 0))
		t.run()
		setStatus(t.builder("BUILD"), containers(completed(), waiting("CreateContainerConfigError", `secret "npm-of-ada" not found`)))
		t.phaseFails("BUILD", v1alpha1.FailureConfig, v1alpha1.ReasonEnvSourceMissing, "npm-of-ada")
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		more := "kubectl katkit get run -n " + t.namespace
		Expect(t.checks()).To(Equal([]string{"BUILD failure: failed in run run: EnvSourceMissing: a Secret or ConfigMap of its variables is missing (" + more + ")"}))
		Expect(t.check("BUILD")).To(HaveField("Summary", And(ContainSubstring("EnvSourceMissing: a Secret or ConfigMap of its variables is missing"),
			ContainSubstring("`"+more+"`"), Not(ContainSubstring("ada")))))

		By("a builder image that the class does not allow")
		u := newTenant()
		newClass("strict", func(c *v1alpha1.BuilderClass) { c.Spec.AllowedImages = []string{"registry.example/private/*"} })
		u.commit(workflow(execution("BUILD", 0).with("ContainerImage", "golang:1")))
		u.appSecret()
		u.link(secretNamed("app"), ofClass("strict"))
		u.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		u.run()
		u.runFails(v1alpha1.ReasonImageNotAllowed, "registry.example/private/*")
		u.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(u.checks()).To(Equal([]string{"(config) failure: run run could not begin: ImageNotAllowed: its builder image is not allowed (kubectl katkit get run -n " + u.namespace + ")"}))
		Expect(u.check("(config)").Summary).NotTo(ContainSubstring("private"))
	})

	It("a run that could not begin, and then one that could", func() {
		t := checking(mayCheck(), execution("BUILD", 0))
		t.run(func(r *v1alpha1.CIRun) { r.Spec.PhaseNames = []string{"NONE"} })
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.checks()).To(ConsistOf(HavePrefix("(config) failure: run run could not begin: ")))
		t.run(func(r *v1alpha1.CIRun) { r.Name = "second" })
		Eventually(t.checks).Should(ContainElements("BUILD in_progress: running in run second", "(config) success: run second could begin"))
	})

	It("a run of its own for each run of a commit", func() {
		t := checking(mayCheck(), execution("BUILD", 0))
		t.run()
		exit(t.builder("BUILD"), 1, "")
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		second := t.run(func(r *v1alpha1.CIRun) { r.Name = "second" })
		Eventually(t.checks).Should(Equal([]string{"BUILD failure: failed in run run: ci.sh exited with code 1", "BUILD in_progress: running in run second"}))
		Expect(t.check("BUILD").ExternalID).To(Equal(domain.CheckID(second.UID, "BUILD")))
	})

	It("the end of each, once, though the manager is replaced, and a third of what it is asked fails", func() {
		t := checking(mayCheck(), execution("BUILD", 0), execution("TEST", 1))
		DeferCleanup(gh.ForgetFaults)
		Expect(gh.Inject(fakegithub.Fault{Path: "^/api/v3/repos/" + t.repository.Name() + "/(commits/[0-9a-f]{40}/check-runs|check-runs)", Percent: 30, Times: 1000, Status: http.StatusBadGateway})).To(Succeed())
		t.run()
		Eventually(t.checks).Should(HaveLen(1))
		restart()
		succeed(t.builder("BUILD"))
		exit(t.builder("TEST"), 1, "a.go:1:1: no\n")
		t.runIs(v1alpha1.RunFailed)
		restart()
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.checks()).To(Equal([]string{"BUILD success: succeeded in run run", "TEST failure: failed in run run: ci.sh exited with code 1"}))
		Expect(t.check("TEST").Annotations).To(HaveLen(1))
		t.look() // a manager that has just begun writes what its link sees anew
		t.staysQuiet()
	})

	It("statuses where the App may not write check runs", func() {
		permissions := maps.Clone(mayCheck())
		delete(permissions, "checks")
		t := checking(permissions, execution("BUILD", 0))
		t.run()
		succeed(t.builder("BUILD"))
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.told()).To(Equal([]string{"BUILD pending: running in run run", "BUILD success: succeeded in run run"}))
		Expect(t.checks()).To(BeEmpty())
	})
})
