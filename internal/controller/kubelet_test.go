package controller_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

// What the kubelet and the controllers of workloads would do.

// builders waits for a phase to run and returns its builder Pods, by replica.
func (t *tenant) builders(phase string) []*corev1.Pod {
	GinkgoHelper()
	running := t.phaseIs(phase, v1alpha1.PhaseRunning)
	Expect(running.Status.Attempts).To(HaveLen(1))
	var pods []*corev1.Pod
	for _, replica := range running.Status.Attempts[0].Replicas {
		pods = append(pods, get(&corev1.Pod{}, t.namespace, replica.Pod))
	}
	return pods
}

// builder waits for a phase to run and returns its only builder Pod.
func (t *tenant) builder(phase string) *corev1.Pod {
	GinkgoHelper()
	pods := t.builders(phase)
	Expect(pods).To(HaveLen(1))
	return pods[0]
}

// setStatus writes the status of a Pod.
func setStatus(pod *corev1.Pod, status corev1.PodStatus) {
	GinkgoHelper()
	before := pod.DeepCopy()
	pod.Status = status
	Expect(k8s.Status().Patch(ctx, pod, client.MergeFrom(before))).To(Succeed())
}

// containers is a status in which the two containers of a builder Pod are in these states.
func containers(checkout, build corev1.ContainerState) corev1.PodStatus {
	return corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{
		{Name: contract.CheckoutContainer, State: checkout}, {Name: contract.BuildContainer, State: build},
	}}
}

func terminated(code int32, reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: code, Reason: reason, Message: message,
		StartedAt: metav1.NewTime(time.Now().Add(-3 * time.Second)), FinishedAt: metav1.Now(),
	}}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func running() corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}
}

// reported is the end of a container whose agent wrote a report.
func reported(report contract.Report) corev1.ContainerState {
	report.StartTime, report.FinishTime = time.Now().Add(-2*time.Second), time.Now()
	return terminated(int32(report.ExitCode), "", string(report.Marshal()))
}

func completed() corev1.ContainerState {
	const log = "built\n"
	return reported(contract.Report{Reason: contract.ReasonCompleted, Log: measure(log), Tail: log})
}

// measure is what the agent says of a short log whose lines all end.
func measure(log string) contract.Log {
	lines := int64(strings.Count(log, "\n"))
	return contract.Log{Bytes: int64(len(log)), Lines: lines, TailLines: lines}
}

// succeed lets ci.sh succeed.
func succeed(pods ...*corev1.Pod) {
	GinkgoHelper()
	for _, pod := range pods {
		setStatus(pod, containers(completed(), completed()))
	}
}

// toldToStop waits until a builder Pod is told to end, and lets its agent do so.
func (t *tenant) toldToStop(pod *corev1.Pod) {
	GinkgoHelper()
	Eventually(func() *int64 { return get(&corev1.Pod{}, t.namespace, pod.Name).Spec.ActiveDeadlineSeconds }).Should(HaveValue(BeEquivalentTo(1)))
	const log = "told to stop\n"
	setStatus(get(&corev1.Pod{}, t.namespace, pod.Name), containers(completed(), reported(contract.Report{
		Class: contract.ClassInfra, Reason: contract.ReasonTerminated, ExitCode: contract.ExitTerminated, Message: "told to stop (SIGTERM) before ci.sh had ended",
		Log: measure(log), Tail: log,
	})))
}

// exit lets ci.sh end with a code.
func exit(pod *corev1.Pod, code int, log string) {
	GinkgoHelper()
	setStatus(pod, containers(completed(), reported(contract.Report{
		Class: contract.ClassUser, Reason: contract.ReasonCIScriptFailed, ExitCode: code,
		Message: fmt.Sprintf("ci.sh exited with code %d", code),
		Log:     measure(log), Tail: log,
	})))
}

// newDeployment makes a running service of 3 replicas with env, resources and a second container.
func (t *tenant) newDeployment(name, image string) *appsv1.Deployment {
	GinkgoHelper()
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(3)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
			Template: podTemplate(name, image),
		},
	}
	create(d)
	return t.rollOut(name)
}

func podTemplate(name, image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{
			{Name: name, Image: image, Env: []corev1.EnvVar{{Name: "GREETING", Value: "hello"}, {Name: "LEVEL", Value: "2"}}},
			{Name: "proxy", Image: "proxy:v1"},
		}},
	}
}

// rollOut does what the Deployment's controller does in the end: all replicas are new and available.
func (t *tenant) rollOut(name string) *appsv1.Deployment {
	GinkgoHelper()
	d := get(&appsv1.Deployment{}, t.namespace, name)
	Expect(setRollout(d, available(d))).To(Succeed())
	return d
}

func setRollout(d *appsv1.Deployment, status appsv1.DeploymentStatus) error {
	before := d.DeepCopy()
	d.Status = status
	return k8s.Status().Patch(ctx, d, client.MergeFrom(before))
}

func available(d *appsv1.Deployment) appsv1.DeploymentStatus {
	n := *d.Spec.Replicas
	return appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
}

// imageOf returns the live image of a Deployment's container.
func (t *tenant) imageOf(deployment, container string) string {
	GinkgoHelper()
	for _, c := range get(&appsv1.Deployment{}, t.namespace, deployment).Spec.Template.Spec.Containers {
		if c.Name == container {
			return c.Image
		}
	}
	return ""
}

// imageBecomes waits for the live image of the container that is named like its Deployment.
func (t *tenant) imageBecomes(deployment, image string) {
	GinkgoHelper()
	Eventually(t.imageOf).WithArguments(deployment, deployment).Should(Equal(image), t.status())
}

// play does one round of what the kubelet and the Deployments' controller do when all goes well. It returns the
// run's state, so that a story can wait for it to end.
func (t *tenant) play() (v1alpha1.RunState, error) {
	var pods corev1.PodList
	if err := k8s.List(ctx, &pods, client.InNamespace(t.namespace)); err != nil {
		return "", err
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if len(pod.Status.ContainerStatuses) > 0 || pod.DeletionTimestamp != nil {
			continue
		}
		before := pod.DeepCopy()
		pod.Status = containers(completed(), completed())
		if err := k8s.Status().Patch(ctx, pod, client.MergeFrom(before)); err != nil && !apierrors.IsNotFound(err) {
			return "", err
		}
	}
	var deployments appsv1.DeploymentList
	if err := k8s.List(ctx, &deployments, client.InNamespace(t.namespace)); err != nil {
		return "", err
	}
	for i := range deployments.Items {
		d := &deployments.Items[i]
		if d.Status.ObservedGeneration != d.Generation {
			if err := setRollout(d, available(d)); err != nil {
				return "", err
			}
		}
	}
	var run v1alpha1.CIRun
	err := k8s.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: "run"}, &run)
	return run.Status.State, err
}
