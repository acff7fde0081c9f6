package controller_test

import (
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// replicaSet does what the Deployment's controller does first with a new template: it makes a ReplicaSet of it and says that
// one of three replicas is new.
func (t *tenant) replicaSet(deployment, hash string) *appsv1.ReplicaSet {
	GinkgoHelper()
	d := get(&appsv1.Deployment{}, t.namespace, deployment)
	template := d.Spec.Template.DeepCopy()
	template.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	selector := d.Spec.Selector.DeepCopy()
	selector.MatchLabels[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	set := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: deployment + "-" + hash, Labels: template.Labels, OwnerReferences: ownedBy(d)},
		Spec:       appsv1.ReplicaSetSpec{Replicas: new(int32(1)), Selector: selector, Template: *template},
	}
	create(set)
	Expect(setRollout(d, appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: 4, UpdatedReplicas: 1, ReadyReplicas: 3, AvailableReplicas: 3})).To(Succeed())
	return set
}

func ownedBy(owner client.Object) []metav1.OwnerReference {
	GinkgoHelper()
	kind, err := apiutil.GVKForObject(owner, k8s.Scheme())
	Expect(err).NotTo(HaveOccurred())
	return []metav1.OwnerReference{*metav1.NewControllerRef(owner, kind)}
}

// replica makes a Pod of a template.
func (t *tenant) replica(name string, owner client.Object, template corev1.PodTemplateSpec) *corev1.Pod {
	GinkgoHelper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: name, Labels: template.Labels, OwnerReferences: ownedBy(owner)},
		Spec:       *template.Spec.DeepCopy(),
	}
	create(pod)
	return pod
}

// appIs is the status of a Pod whose container app is in a state.
func appIs(state corev1.ContainerState, changes ...func(*corev1.ContainerStatus)) corev1.PodStatus {
	status := corev1.ContainerStatus{Name: appName, State: state}
	for _, change := range changes {
		change(&status)
	}
	return corev1.PodStatus{
		Phase: corev1.PodPending, StartTime: new(metav1.Now()),
		ContainerStatuses: []corev1.ContainerStatus{status, {Name: "proxy", State: running(), Ready: true}},
	}
}

// crashed is a container that ended with code 3 and was restarted some times before.
func crashed(restarts int32) func(*corev1.ContainerStatus) {
	return func(s *corev1.ContainerStatus) {
		s.RestartCount = restarts
		s.LastTerminationState = terminated(3, "Error", "")
	}
}

// tells waits for a phase that runs to say something in its message and its condition.
func (t *tenant) tells(phase string, texts ...string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		p := t.phase(phase)
		g.Expect(p.Status.State).To(Equal(v1alpha1.PhaseRunning), p.Status.Message)
		condition := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionSucceeded)
		g.Expect(condition.Status).To(Equal(metav1.ConditionUnknown))
		for _, text := range texts {
			g.Expect(p.Status.Message).To(ContainSubstring(text))
			g.Expect(condition.Message).To(ContainSubstring(text))
		}
		if len(texts) == 0 {
			g.Expect(p.Status.Message).To(BeEmpty())
		}
	}, 5*time.Second).Should(Succeed())
}

// isTakenBackFor waits for a phase to give up for a reason, plays the rollback of the Deployment app and returns when the
// phase has failed.
func (t *tenant) isTakenBackFor(phase, reason string, texts ...string) {
	GinkgoHelper()
	Eventually(t.imageOf, 5*time.Second).WithArguments(appName, appName).Should(Equal(oldImage), t.status())
	t.rollOut(appName)
	t.phaseFails(phase, v1alpha1.FailureUser, reason, texts...)
}

// podWatches is how many watches of the Pods of a namespace are open, as the API server counts them.
func podWatches() (int, error) {
	metrics, err := kubectl("get", "--raw", "/metrics")
	if err != nil {
		return 0, err
	}
	return count(metrics, "apiserver_longrunning_requests{", `resource="pods"`, `scope="namespace"`, `verb="WATCH"`)
}

// podWatchesAtRest is podWatches once those of earlier stories, which a manager that has just begun takes up again, are all there.
func podWatchesAtRest() int {
	GinkgoHelper()
	var watches int
	Eventually(func(g Gomega) {
		var err error
		watches, err = podWatches()
		g.Expect(err).NotTo(HaveOccurred())
		g.Consistently(podWatches, time.Second).Should(Equal(watches))
	}).Should(Succeed())
	return watches
}

// count adds up the lines of metrics that hold all texts.
func count(metrics string, texts ...string) (int, error) {
	sum := 0
next:
	for line := range strings.Lines(metrics) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		value, err := strconv.Atoi(strings.TrimSpace(line[strings.LastIndex(line, " ")+1:]))
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, nil
}

const imageMissing = `rpc error: code = NotFound desc = failed to pull and unpack image "registry.example/app": not found`

var _ = Describe("A rollout in trouble", func() {
	// deploying is a tenant whose new image is being rolled out, with one new Pod.
	deploying := func() (*tenant, *corev1.Pod) {
		GinkgoHelper()
		t := begun(deployment("DEPLOY", 0))
		t.imageBecomes(appName, t.newImage(appName))
		set := t.replicaSet(appName, "new")
		return t, t.replica("app-new-1", set, set.Spec.Template)
	}

	It("fails at once when the image is not there", func() {
		t, pod := deploying()
		setStatus(pod, appIs(waiting("ErrImagePull", imageMissing)))
		t.isTakenBackFor("DEPLOY", v1alpha1.ReasonImagePullFailed, "Pod app-new-1, container app: image", "cannot be pulled", "code = NotFound")
	})

	It("fails when a container has crashed again after its second restart, and tells of the crashes before", func() {
		t, pod := deploying()
		setStatus(pod, appIs(running(), crashed(1)))
		t.tells("DEPLOY", "Pod app-new-1, container app: exited with code 3, restarted once")
		setStatus(pod, appIs(waiting("CrashLoopBackOff", ""), crashed(2)))
		t.isTakenBackFor("DEPLOY", v1alpha1.ReasonCrashLoop, "exited with code 3, restarted 2 times")
	})

	It("fails when a Secret is missing, and names it", func() {
		t, pod := deploying()
		setStatus(pod, appIs(waiting("CreateContainerConfigError", `secret "db" not found`)))
		t.isTakenBackFor("DEPLOY", v1alpha1.ReasonContainerConfig, `secret "db" not found`)
	})

	It("tells of what may pass, and goes on when it has passed", func() {
		t, pod := deploying()
		setStatus(pod, corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available: 1 Insufficient cpu."},
		}})
		t.tells("DEPLOY", "Pod app-new-1: no node takes it: Unschedulable: 0/1 nodes are available")
		setStatus(pod, appIs(waiting("ContainerCreating", "")))
		t.tells("DEPLOY")
		setStatus(pod, appIs(running(), func(s *corev1.ContainerStatus) { s.Ready = true }))
		t.rollOut(appName)
		t.runIs(v1alpha1.RunSucceeded)
	})

	It("tells of a probe that does not pass when it should have, though nothing changes by then, and what it got for an answer", func() {
		t := newTenant()
		t.newDeployment(appName, oldImage)
		change(&appsv1.Deployment{}, t.namespace, appName, func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].ReadinessProbe = &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 1, InitialDelaySeconds: 1,
				ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"check"}}}}
		})
		t.rollOut(appName)
		t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
		t.link()
		t.run()
		t.imageBecomes(appName, t.newImage(appName))
		set := t.replicaSet(appName, "new")
		pod := t.replica("app-new-1", set, set.Spec.Template)
		t.event(pod, "Unhealthy", "Readiness probe failed: no such table", "spec.containers{app}")
		setStatus(pod, appIs(running(), func(s *corev1.ContainerStatus) { s.Started = new(true) }))
		t.tells("DEPLOY", `container app: its readiness probe (exec ["check"] every 1s) has not passed since`, ": Readiness probe failed: no such table")
	})

	It("is not over before a container without a readiness probe has shown that it goes on running", func() {
		t, pod := deploying()
		setStatus(pod, appIs(running()))
		t.rollOut(appName)
		Consistently(func() v1alpha1.PhaseState { return t.phase("DEPLOY").Status.State }, time.Second).Should(Equal(v1alpha1.PhaseRunning))
		setStatus(pod, appIs(terminated(3, "Error", "")))
		t.tells("DEPLOY", "Pod app-new-1, container app: exited with code 3, not restarted yet")
		setStatus(pod, appIs(running(), crashed(1)))
		t.runIs(v1alpha1.RunSucceeded)
		took := t.phase("DEPLOY").Status.CompletionTime.Sub(t.phase("DEPLOY").Status.StartTime.Time)
		Expect(took).To(BeNumerically(">=", 3*time.Second))
	})

	It("is told of the newest version's own Pods alone", func() {
		t := newTenant()
		t.newDeployment(appName, oldImage)
		old := t.replicaSet(appName, "old")
		oldPod := t.replica("app-old-1", old, old.Spec.Template)
		setStatus(oldPod, appIs(waiting("CrashLoopBackOff", ""), crashed(9)))
		t.rollOut(appName)
		t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
		t.link()
		t.run()
		t.imageBecomes(appName, t.newImage(appName))
		set := t.replicaSet(appName, "new")
		stranger := t.replica("stranger", old, set.Spec.Template)
		setStatus(stranger, appIs(waiting("CrashLoopBackOff", ""), crashed(9)))
		pod := t.replica("app-new-1", set, set.Spec.Template)
		Consistently(func() string { return t.phase("DEPLOY").Status.Message }, time.Second).Should(BeEmpty())
		setStatus(pod, appIs(running(), crashed(1)))
		t.tells("DEPLOY", "Pod app-new-1, container app: exited")
	})

	It("is watched once, and no longer than it goes on", func() {
		before := podWatchesAtRest()
		t, pod := deploying()
		Eventually(podWatches).Should(Equal(before + 1))
		setStatus(pod, appIs(running(), crashed(1)))
		t.tells("DEPLOY", "exited with code 3")
		Expect(podWatches()).To(Equal(before + 1))

		t.rollOut(appName)
		t.runIs(v1alpha1.RunSucceeded)
		Eventually(podWatches).Should(Equal(before))
	})

	It("is watched no longer than the manager lives, and again by the next one", func() {
		before := podWatchesAtRest()
		t, pod := deploying()
		Eventually(podWatches).Should(Equal(before + 1))
		katkit.stop()
		Eventually(podWatches).Should(BeNumerically("<=", before))
		setStatus(pod, appIs(waiting("CreateContainerConfigError", `secret "db" not found`)))
		katkit = startManager()
		t.isTakenBackFor("DEPLOY", v1alpha1.ReasonContainerConfig, `secret "db" not found`)
		Eventually(podWatches).Should(Equal(before))
	})

	It("of a StatefulSet is told, quota included", func() {
		t := newTenant()
		s := &appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: appName},
			Spec: appsv1.StatefulSetSpec{Replicas: new(int32(2)), Template: podTemplate(appName, oldImage),
				Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": appName}}},
		}
		create(s)
		t.event(s, "FailedCreate", "create Pod app-1 in StatefulSet app failed error: an hour ago", "", time.Hour)
		t.deploys(s, &s.Spec.Template)
		s.Status = appsv1.StatefulSetStatus{ObservedGeneration: s.Generation, Replicas: 1, UpdateRevision: "app-2"}
		Expect(k8s.Status().Update(ctx, s)).To(Succeed())
		Consistently(func() string { return t.phase("DEPLOY").Status.Message }, time.Second).Should(BeEmpty())
		t.event(s, "FailedCreate", `create Pod app-1 in StatefulSet app failed error: pods "app-1" is forbidden: exceeded quota: small, requested: pods=1`, "")
		t.tells("DEPLOY", "StatefulSet app: a new Pod cannot be created: exceeded quota: small")

		template := s.Spec.Template.DeepCopy()
		template.Labels[appsv1.ControllerRevisionHashLabelKey] = "app-2"
		pod := t.replica("app-1", s, *template)
		setStatus(pod, appIs(waiting("ErrImagePull", imageMissing)))
		Eventually(func() string { return t.phase("DEPLOY").Status.Message }).Should(ContainSubstring("Pod app-1, container app: image"))
	})

	It("of a DaemonSet is told", func() {
		t := newTenant()
		d := &appsv1.DaemonSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: appName},
			Spec: appsv1.DaemonSetSpec{Template: podTemplate(appName, oldImage),
				Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": appName}}},
		}
		create(d)
		t.deploys(d, &d.Spec.Template)
		for revision, hash := range []string{"old", "new"} {
			create(&appsv1.ControllerRevision{
				ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "app-" + hash, OwnerReferences: ownedBy(d),
					Labels: map[string]string{"app": appName, appsv1.ControllerRevisionHashLabelKey: hash}},
				Revision: int64(revision), Data: runtime.RawExtension{Raw: []byte("{}")},
			})
			template := d.Spec.Template.DeepCopy()
			template.Labels[appsv1.ControllerRevisionHashLabelKey] = hash
			setStatus(t.replica("app-"+hash, d, *template), appIs(running(), crashed(1)))
		}
		d.Status = appsv1.DaemonSetStatus{ObservedGeneration: d.Generation, DesiredNumberScheduled: 2, CurrentNumberScheduled: 2, UpdatedNumberScheduled: 1, NumberAvailable: 1}
		Expect(k8s.Status().Update(ctx, d)).To(Succeed())
		t.tells("DEPLOY", "DaemonSet app: Pod app-new, container app: exited with code 3, restarted once")
	})
})

// deploys runs a deployment of a workload until its image is changed, and reads it into object.
func (t *tenant) deploys(object client.Object, template *corev1.PodTemplateSpec) {
	GinkgoHelper()
	t.commit(workflow(deployment("DEPLOY", 0)), services(appName))
	t.link()
	t.run()
	Eventually(func() string {
		get(object, t.namespace, appName)
		return template.Spec.Containers[0].Image
	}).Should(Equal(t.newImage(appName)))
}

// event writes a warning as Kubernetes' own components do, now or some time ago.
func (t *tenant) event(about client.Object, reason, message, path string, ago ...time.Duration) {
	GinkgoHelper()
	at := metav1.Now()
	for _, d := range ago {
		at = metav1.NewTime(at.Add(-d))
	}
	create(&corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: t.namespace, GenerateName: about.GetName() + "."},
		InvolvedObject: corev1.ObjectReference{Namespace: t.namespace, Name: about.GetName(), UID: about.GetUID(), FieldPath: path},
		Type:           corev1.EventTypeWarning, Reason: reason, Message: message, FirstTimestamp: at, LastTimestamp: at, Count: 1,
	})
}
