package controller_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
)

// shipped is the end of a container that has brought everything to the store, or not.
func shipped(report contract.LogReport) corev1.ContainerState {
	code := int32(contract.ExitOK)
	if !report.Complete {
		code = contract.ExitInfra
	}
	return terminated(code, "", string(report.Marshal()))
}

// shipping is a status in which ci.sh, and what ships the log when its checkout is done, are in these states.
func shipping(build, log corev1.ContainerState) corev1.PodStatus { return containers(log, build) }

// logOf is what a phase says of its only replica's log in the store.
func (t *tenant) logOf(phase string) *v1alpha1.StoredLog {
	GinkgoHelper()
	attempts := t.phase(phase).Status.Attempts
	Expect(attempts).NotTo(BeEmpty())
	log := attempts[len(attempts)-1].Replicas[0].Log
	if log == nil {
		return nil
	}
	return log.Stored
}

// withLogStore has the stories beside it go on with a manager that has a log store.
func withLogStore(store *buildpod.LogStore) {
	BeforeEach(func() {
		katkit.stop()
		katkit = startManagerWith("", store)
		DeferCleanup(func() {
			katkit.stop()
			katkit = startManager()
		})
	})
}

var _ = Describe("The log of a build, where there is a log store,", func() {
	store := &buildpod.LogStore{URL: "https://katkit-logstore.katkit-system.svc", CABundle: "PEM"}
	withLogStore(store)

	It("is brought there by the container that checks out, which alone has a token for it", func() {
		t := begun(execution("BUILD", 0))
		pod := t.builder("BUILD")
		Expect(pod.Spec.Containers).To(HaveLen(2))
		checkout, build := pod.Spec.Containers[0], pod.Spec.Containers[1]
		Expect(checkout).To(HaveField("Command", []string{"/katkit-agent", "checkout", "ship"}))
		Expect(checkout.Env).To(ContainElements(
			corev1.EnvVar{Name: "KATKIT_LOG_STORE_URL", Value: store.URL}, corev1.EnvVar{Name: "KATKIT_LOG_STORE_CA", Value: "PEM"},
			corev1.EnvVar{Name: "KATKIT_POD_NAMESPACE", Value: t.namespace}, corev1.EnvVar{Name: "KATKIT_POD_NAME", Value: pod.Name}))
		Expect(mounts(build)).To(ConsistOf("/workspace", "/katkit", "/var/run/katkit/log"), "ci.sh never sees the token")
		Expect(mounts(checkout)).To(ContainElements("/var/run/katkit/log", "/var/run/katkit/log-token"))
		Expect(pod.Spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
		Expect(pod.Spec.Volumes).To(ContainElement(HaveField("Projected.Sources", ConsistOf(HaveField("ServiceAccountToken", HaveValue(And(
			HaveField("Audience", "katkit-logstore"), HaveField("Path", "token"))))))))
		for _, variable := range build.Env {
			Expect(variable.Name).NotTo(HavePrefix("KATKIT_LOG_STORE"))
		}
	})

	It("holds up neither the verdict nor what comes after, only the removal of its Pod", func() {
		t := begun(execution("BUILD", 0), execution("TEST", 1))
		build := t.builder("BUILD")
		setStatus(build, shipping(completed(), running()))
		t.phaseIs("BUILD", v1alpha1.PhaseSucceeded)
		Expect(t.logOf("BUILD")).To(HaveValue(HaveField("State", v1alpha1.StoredLogDelivering)))
		test := t.builder("TEST")
		setStatus(test, shipping(completed(), shipped(contract.LogReport{Bytes: 6, Complete: true})))
		t.runIs(v1alpha1.RunSucceeded)
		Consistently(t.pods).Should(HaveEach(HaveField("DeletionTimestamp", BeNil())))
		Expect(t.pods()).To(HaveLen(2))

		setStatus(get(&corev1.Pod{}, t.namespace, build.Name), shipping(completed(), shipped(contract.LogReport{Bytes: 6, Complete: true})))
		Eventually(t.pods).Should(BeEmpty())
		for _, phase := range []string{"BUILD", "TEST"} {
			Expect(t.logOf(phase)).To(HaveValue(Equal(v1alpha1.StoredLog{State: v1alpha1.StoredLogComplete, Bytes: 6})))
		}
		Expect(t.events("Phase", t.phase("BUILD").Name)).NotTo(ContainElement(ContainSubstring("LogIncomplete")))
	})

	It("is told of where it takes the room in a quota that the next builder Pod waits for", func() {
		t := begun(execution("BUILD", 0), execution("TEST", 1))
		build := t.builder("BUILD")
		quota := t.quota("1", "1")
		Eventually(func() error { // it counts from when the API server knows of it
			return dryRun(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "one"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "one", Image: "one"}}}})
		}).Should(MatchError(ContainSubstring("exceeded quota")))
		setStatus(build, shipping(completed(), running()))
		t.phaseIs("BUILD", v1alpha1.PhaseSucceeded)
		Eventually(func() string { return t.phase("TEST").Status.Message }).Should(And(ContainSubstring("exceeded quota: few"),
			ContainSubstring("builder Pods whose builds have ended (1) still bring their logs"), ContainSubstring("kubectl logs "+build.Name+" -n "+t.namespace+" -c checkout")))
		setQuota(quota, "1", "0")
		t.builder("TEST")
	})

	It("is told of once where it could not be stored, and the build is what it was", func() {
		t := begun(execution("BUILD", 0))
		build := t.builder("BUILD")
		setStatus(build, shipping(completed(), running()))
		t.runIs(v1alpha1.RunSucceeded)
		setStatus(get(&corev1.Pod{}, t.namespace, build.Name), shipping(completed(),
			shipped(contract.LogReport{Bytes: 2, Message: "there is no more time to bring the log to the store: connection refused"})))
		Eventually(t.pods).Should(BeEmpty())
		Expect(t.logOf("BUILD")).To(HaveValue(And(HaveField("State", v1alpha1.StoredLogIncomplete), HaveField("Bytes", int64(2)))))
		Expect(t.phase("BUILD").Status.State).To(Equal(v1alpha1.PhaseSucceeded))
		Eventually(t.events).WithArguments("Phase", t.phase("BUILD").Name).Should(ContainElement(And(
			HavePrefix("Warning LogIncomplete: the log store has only 2 bytes of the log of builder Pod "+build.Name), ContainSubstring("connection refused"))))
	})

	It("is waited for no longer than 20 minutes", func() {
		t := begun(execution("BUILD", 0))
		status := shipping(completed(), running())
		status.ContainerStatuses[1].State.Terminated.StartedAt = metav1.NewTime(time.Now().Add(-time.Hour))
		status.ContainerStatuses[1].State.Terminated.FinishedAt = metav1.NewTime(time.Now().Add(-21 * time.Minute))
		setStatus(t.builder("BUILD"), status)
		t.runIs(v1alpha1.RunSucceeded)
		Eventually(t.pods).Should(BeEmpty())
		Expect(t.logOf("BUILD")).To(HaveValue(And(HaveField("State", v1alpha1.StoredLogIncomplete), HaveField("Message", ContainSubstring("not done within 20m0s")))))
	})

	It("is brought there before its run goes, which its link does not keep", func() {
		t := newTenant()
		t.commit(workflow(execution("BUILD", 0)))
		t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.Retention.Succeeded = new(int32(0)) })
		Expect(k8s.Create(ctx, t.newRun(), client.FieldOwner(v1alpha1.ManagedBy))).To(Succeed())
		build := t.builder("BUILD")
		setStatus(build, shipping(completed(), running()))
		Eventually(t.logOf).WithArguments("BUILD").Should(HaveValue(HaveField("State", v1alpha1.StoredLogDelivering)))
		Eventually(func() *metav1.Condition { // from when on nothing else would keep it
			return meta.FindStatusCondition(get(&v1alpha1.CIRun{}, t.namespace, "run").Status.Conditions, v1alpha1.ConditionReported)
		}).ShouldNot(BeNil())
		Consistently(func() []string { return t.runs() }).Should(ConsistOf("run"))
		setStatus(get(&corev1.Pod{}, t.namespace, build.Name), shipping(completed(), shipped(contract.LogReport{Bytes: 6, Complete: true})))
		Eventually(func() []string { return t.runs() }).Should(BeEmpty())
	})

	It("is on its way when its run is cancelled", func() {
		t := begun(execution("BUILD", 0))
		build := t.builder("BUILD")
		setStatus(build, shipping(running(), running()))
		change(&v1alpha1.CIRun{}, t.namespace, "run", func(run *v1alpha1.CIRun) { run.Spec.Cancelled = true })
		Eventually(func() *int64 { return get(&corev1.Pod{}, t.namespace, build.Name).Spec.ActiveDeadlineSeconds }).Should(HaveValue(BeEquivalentTo(1)))
		stopped := reported(contract.Report{Class: contract.ClassInfra, Reason: contract.ReasonTerminated, ExitCode: contract.ExitTerminated})
		setStatus(get(&corev1.Pod{}, t.namespace, build.Name), shipping(stopped, running()))
		t.runIs(v1alpha1.RunCancelled)
		Consistently(t.pods).Should(ConsistOf(HaveField("DeletionTimestamp", BeNil())))
		setStatus(get(&corev1.Pod{}, t.namespace, build.Name), shipping(stopped, shipped(contract.LogReport{Bytes: 6, Complete: true})))
		Eventually(t.pods).Should(BeEmpty())
		Expect(t.logOf("BUILD")).To(HaveValue(HaveField("State", v1alpha1.StoredLogComplete)))
	})

	It("is followed by the next manager", func() {
		t := begun(execution("BUILD", 0))
		build := t.builder("BUILD")
		setStatus(build, shipping(completed(), running()))
		t.runIs(v1alpha1.RunSucceeded)
		katkit.stop()
		setStatus(get(&corev1.Pod{}, t.namespace, build.Name), shipping(completed(), shipped(contract.LogReport{Bytes: 6, Complete: true})))
		katkit = startManagerWith("", store)
		Eventually(t.pods).Should(BeEmpty())
		Expect(t.logOf("BUILD")).To(HaveValue(HaveField("State", v1alpha1.StoredLogComplete)))
	})

	It("costs one write, of what became of it", func() {
		t := begun(execution("BUILD", 0))
		build := t.builder("BUILD")
		setStatus(build, shipping(completed(), running()))
		t.runIs(v1alpha1.RunSucceeded)
		before := len(katkit.wire.in(t.namespace))
		setStatus(get(&corev1.Pod{}, t.namespace, build.Name), shipping(completed(), shipped(contract.LogReport{Bytes: 6, Complete: true})))
		Eventually(t.pods).Should(BeEmpty())
		writes := func() []write { return katkit.wire.in(t.namespace)[before:] } // a write is noted when its answer is there
		Eventually(func() int { return done(writes(), http.MethodDelete, "pods") }).Should(Equal(1))
		Expect(done(writes(), http.MethodPatch, "phases")).To(Equal(1), "%v", writes())
	})
})
