package main

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/buildpod"
)

// podBuilder makes a Pod of the namespace for bare Pods.
type podBuilder func(name string) *corev1.Pod

// credential is a Secret in the namespace for bare Pods.
const credential = "credential"

// barePod is as light as a Pod of the builder image can be.
func (b *bench) barePod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.bare, Name: name},
		Spec: corev1.PodSpec{
			RestartPolicy:                corev1.RestartPolicyNever,
			AutomountServiceAccountToken: new(false),
			EnableServiceLinks:           new(false),
			Containers:                   []corev1.Container{{Name: "bare", Image: b.images.Builder, Command: []string{"/bin/true"}}},
		},
	}
}

// idleBuilder is the Pod that Katkit makes of a phase where there is a log store, with nothing to do in any container: what
// its shape alone costs the cluster.
func (b *bench) idleBuilder(name string) *corev1.Pod {
	phase := &v1alpha1.Phase{Spec: v1alpha1.PhaseSpec{Execution: &v1alpha1.ExecutionSpec{CredentialSecret: credential}}}
	builder := &v1alpha1.BuilderStatus{Image: b.images.Builder, AgentImage: b.images.Agent}
	pod := buildpod.Build(phase, builder, 1, 0, nil, "")
	buildpod.ShipLog(pod, builder, buildpod.LogStore{URL: "http://nobody.asks"})
	pod.ObjectMeta = metav1.ObjectMeta{Namespace: b.bare, Name: name}
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].Command = []string{"/bin/true"}
	}
	return pod
}
