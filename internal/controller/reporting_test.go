package controller_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

// writerSecret is the Secret of a token that may write, of this tenant alone.
const writerSecret = "writer"

// reporting is a tenant of its own repository with a workflow, whose link has a token that may write.
func reporting(steps ...step) *tenant {
	GinkgoHelper()
	t := newTenant()
	t.commit(workflow(steps...), services(appName))
	t.newDeployment(appName, "registry.example/app:old")
	t.mayWrite("first")
	t.link(secretNamed(writerSecret))
	t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
	return t
}

func (t *tenant) writer(name string) string { return "writer-" + t.namespace + "-" + name }

// mayWrite gives the tenant a token that may write.
func (t *tenant) mayWrite(name string) {
	GinkgoHelper()
	gh.AddToken(t.writer(name), fakegithub.Account{Login: "katkit-bot", Repositories: map[string]fakegithub.Permission{"*": fakegithub.Write}})
	t.secret(writerSecret, v1alpha1.SecretKeyToken, t.writer(name))
}

// told is what GitHub was told of the tenant's repository, as "PHASE state: description", in its order.
func (t *tenant) told() []string {
	var lines []string
	for _, status := range t.repository.Sent().Statuses {
		if phase, ours := strings.CutPrefix(status.Context, "katkit/team-"+t.namespace+"/-/"); ours {
			lines = append(lines, fmt.Sprintf("%s %s: %s", phase, status.State, status.Description))
		}
	}
	return lines
}

// states are the states of the only deployment that GitHub was told of.
func (t *tenant) states() []string {
	GinkgoHelper()
	var states []string
	for _, deployment := range t.repository.Sent().Deployments {
		for _, status := range deployment.Statuses {
			states = append(states, status.State)
		}
	}
	return states
}

// report is what the run says of its reports; nil while it does not.
func (t *tenant) report() *metav1.Condition {
	GinkgoHelper()
	return meta.FindStatusCondition(get(&v1alpha1.CIRun{}, t.namespace, "run").Status.Conditions, v1alpha1.ConditionReported)
}

// isReported waits until the run says how its reports went.
func (t *tenant) isReported(is metav1.ConditionStatus, reason string) *metav1.Condition {
	GinkgoHelper()
	var condition *metav1.Condition
	Eventually(func() *metav1.Condition {
		condition = t.report()
		return condition
	}, time.Minute).Should(HaveValue(And(HaveField("Status", is), HaveField("Reason", reason))))
	return condition
}

// posts are the writes of a repository that GitHub saw, whatever became of them.
func (t *tenant) posts() int {
	count := 0
	for _, request := range requestsFor(t.repository.Name()) {
		if request.Method == http.MethodPost || request.Method == http.MethodPatch {
			count++
		}
	}
	return count
}

// reports are the calls that reports cost.
func (t *tenant) reports() []string {
	var calls []string
	for _, request := range requestsFor(t.repository.Name()) {
		if strings.Contains(request.Path, "/statuses") || strings.Contains(request.Path, "/deployments") {
			calls = append(calls, request.Method+" "+request.Path)
		}
	}
	return calls
}

// staysQuiet checks that neither GitHub nor the API server is told anything more, once the builder Pods are removed. A manager that
// is stopped while it removes one may leave it to the kubelet, which is not here.
func (t *tenant) staysQuiet() {
	GinkgoHelper()
	Eventually(t.pods).ShouldNot(ContainElement(HaveField("DeletionTimestamp", BeNil())))
	told := func() [2]int { return [2]int{t.posts(), len(katkit.wire.in(t.namespace))} }
	before := told()
	Eventually(func() bool {
		now := told()
		same := now == before
		before = now
		return same
	}).WithPolling(200 * time.Millisecond).MustPassRepeatedly(10).Should(BeTrue()) // a manager that has just begun looks at the link, too
	Consistently(told).Should(Equal(before))
}

var _ = Describe("GitHub shows a run", func() {
	It("phase by phase, with its deployment, and is then left alone", func() {
		t := reporting(execution("BUILD", 0), deployment("DEPLOY", 1), execution("LOAD", 2).with("IsPhaseAutomated", false))
		t.run()
		Eventually(t.told).Should(Equal([]string{"BUILD pending: running in run run"}))
		succeed(t.builder("BUILD"))
		t.imageBecomes(appName, t.newImage(appName))
		Eventually(t.states).Should(Equal([]string{"in_progress"}))
		t.rollOut(appName)
		Eventually(t.told).Should(ContainElement(HavePrefix("LOAD pending: ")))
		t.approve(t.phaseIs("LOAD", v1alpha1.PhaseWaitingForApproval))
		Eventually(t.told).Should(ContainElement("LOAD pending: running in run run"))
		succeed(t.builder("LOAD"))
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)

		Expect(t.told()).To(Equal([]string{
			"BUILD pending: running in run run", "BUILD success: succeeded in run run",
			"DEPLOY pending: running in run run", "DEPLOY success: succeeded in run run",
			"LOAD pending: run run waits for approval: kubectl katkit approve run LOAD -n " + t.namespace, "LOAD pending: running in run run",
			"LOAD success: succeeded in run run",
		}))
		run := get(&v1alpha1.CIRun{}, t.namespace, "run")
		Expect(t.repository.Sent().Statuses).To(HaveEach(And(HaveField("SHA", run.Status.SHA), HaveField("By", "katkit-bot"))))
		Expect(t.repository.Sent().Deployments).To(HaveExactElements(And(
			HaveField("SHA", run.Status.SHA), HaveField("Environment", "DEV"), HaveField("Task", "katkit/team-"+t.namespace+"/app"),
			HaveField("Payload", MatchJSON(fmt.Sprintf(`{"run": "run", "runUID": %q}`, run.UID))))))
		Expect(t.states()).To(Equal([]string{"in_progress", "success"}))
		Expect(len(t.reports())).To(BeElementOf(1+7+3, 1+7+1+3), "one look and each status; the deployment and its two states, and a look for it if the run was first seen when it had begun")
		Expect(t.events("CIRun", "run")).NotTo(ContainElement(ContainSubstring("Report")))
		t.staysQuiet()
	})

	It("that fails, with what was skipped for it", func() {
		t := reporting(execution("BUILD", 0), deployment("DEPLOY", 1))
		t.run()
		exit(t.builder("BUILD"), 3, "no\n")
		t.runIs(v1alpha1.RunFailed)
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.told()).To(ContainElements(HavePrefix("BUILD failure: failed in run run: ci.sh exited with code 3"), Equal("DEPLOY error: skipped in run run since BUILD failed")))
		Expect(t.repository.Sent().Deployments).To(BeEmpty())
		t.staysQuiet()
	})

	It("that the cluster failed, as nobody's fault, and one that is cancelled with its deployment", func() {
		t, u := reporting(execution("BUILD", 0)), reporting(deployment("DEPLOY", 0))
		t.run()
		Expect(k8s.Delete(ctx, t.builder("BUILD"))).To(Succeed())
		t.runIs(v1alpha1.RunFailed)
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.told()).To(ContainElement(Equal("BUILD error: failed in run run: PodGone: its Pod was deleted (kubectl katkit get run -n " + t.namespace + ")")))
		u.run()
		u.imageBecomes(appName, u.newImage(appName))
		Eventually(u.states).Should(Equal([]string{"in_progress"}))
		u.cancel("run")
		u.imageBecomes(appName, "registry.example/app:old")
		u.rollOut(appName)
		u.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(u.told()).To(ContainElement("DEPLOY error: cancelled in run run: run run was cancelled"))
		Expect(u.states()).To(Equal([]string{"in_progress", "error"}))
	})

	It("that could not begin, until one of the commit can", func() {
		t := reporting(deployment("DEPLOY", 0))
		Expect(k8s.Delete(ctx, get(&appsv1.Deployment{}, t.namespace, appName))).To(Succeed())
		t.run()
		t.runFails(v1alpha1.ReasonServiceNotFound)
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.told()).To(HaveExactElements("(config) failure: run run could not begin: ServiceNotFound: a role fits no workload of the tenant (kubectl katkit get run -n " + t.namespace + ")"))
		t.newDeployment(appName, "registry.example/app:old")
		t.run(func(r *v1alpha1.CIRun) {
			r.Name, r.Spec.Commit = "second", v1alpha1.CommitSelector{SHA: get(&v1alpha1.CIRun{}, t.namespace, "run").Status.SHA}
		})
		Eventually(t.told).Should(ContainElement("(config) success: run second could begin"))
	})

	It("before its link lets it go", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0)))
		t.mayWrite("first")
		t.link(secretNamed(writerSecret), func(l *v1alpha1.TenantRepoLink) { l.Spec.Retention.Succeeded = new(int32(0)) })
		run := t.newRun()
		Expect(k8s.Create(ctx, run, client.FieldOwner(v1alpha1.ManagedBy))).To(Succeed())
		down(t.repository.Name()+"/statuses", 2)
		succeed(t.builder("BUILD"))
		Eventually(gone).WithArguments(run).Should(BeTrue())
		Expect(t.told()).To(ContainElement("BUILD success: succeeded in run run"))
	})

	It("of each tenant on its own, of one commit of one repository", func() {
		t := reporting(execution("BUILD", 0))
		u := newTenant()
		u.repository = t.repository
		u.mayWrite("first")
		u.link(secretNamed(writerSecret), func(l *v1alpha1.TenantRepoLink) { l.Spec.Repository = t.repository.Name() })
		t.run()
		u.run()
		succeed(t.builder("BUILD"))
		exit(u.builder("BUILD"), 1, "")
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		u.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.told()).To(And(HaveLen(2), ContainElement("BUILD success: succeeded in run run")))
		Expect(u.told()).To(And(HaveLen(2), ContainElement(HavePrefix("BUILD failure: "))))
		Expect(t.repository.Sent().Statuses).To(HaveLen(4))
	})

	It("that is the newest of its commit, whatever an older one says afterwards", func() {
		t := reporting(execution("BUILD", 0), execution("TEST", 1))
		t.run()
		Eventually(t.told).Should(HaveLen(1))
		t.run(func(r *v1alpha1.CIRun) { r.Name = "second" })
		Eventually(t.told).Should(ContainElement("BUILD pending: running in run second"))
		exit(t.podOf("run", "BUILD"), 1, "")
		t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
		Expect(t.told()).To(Equal([]string{"BUILD pending: running in run run", "BUILD pending: running in run second"}))
	})
})

var _ = Describe("A token that may only read", func() {
	It("lets runs succeed, which say what it takes to be shown, at no cost for the next ones", func() {
		t := begun(execution("BUILD", 0), deployment("DEPLOY", 1))
		Eventually(t.play).Should(Equal(v1alpha1.RunSucceeded))
		Expect(t.isReported(metav1.ConditionFalse, v1alpha1.ReasonReportRefused).Message).To(And(
			ContainSubstring("commit statuses of "+t.repository.Name()+" cannot be written (token of Secret "+t.namespace+"/github): give it the permission 'Commit statuses: Read and write'"),
			ContainSubstring("Resource not accessible by personal access token")))
		Eventually(t.events).WithArguments("CIRun", "run").Should(ContainElement(HavePrefix("Warning ReportRefused: commit statuses of ")))
		Expect(t.posts()).To(BeNumerically("<=", 2))
		Expect(done(katkit.wire.in(t.namespace), http.MethodPatch, "ciruns")).To(BeNumerically("<=", 6), "one of them for this")
		t.staysQuiet()

		posts := t.posts()
		t.run(func(r *v1alpha1.CIRun) { r.Name = "second" })
		Eventually(func() *metav1.Condition {
			_, err := t.play()
			Expect(err).NotTo(HaveOccurred())
			return meta.FindStatusCondition(get(&v1alpha1.CIRun{}, t.namespace, "second").Status.Conditions, v1alpha1.ConditionReported)
		}).Should(HaveValue(HaveField("Status", metav1.ConditionFalse)))
		Expect(t.posts()).To(Equal(posts))
		Expect(t.events("CIRun", "second")).NotTo(ContainElement(ContainSubstring("ReportRefused")), "it is told once")
	})

	It("or none at all leaves the run as it is", func() {
		t := newTenant()
		public, err := gh.CreateRepository("acme/public-"+t.namespace, fakegithub.RepositoryOptions{})
		Expect(err).NotTo(HaveOccurred())
		t.repository = public
		t.commit(workflow(execution("BUILD", 0)))
		t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.SecretRef = nil })
		t.run()
		succeed(t.builder("BUILD"))
		t.runIs(v1alpha1.RunSucceeded)
		t.staysQuiet()
		Expect(get(&v1alpha1.CIRun{}, t.namespace, "run").Status.Conditions).To(HaveLen(1))
	})
})
