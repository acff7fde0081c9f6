package buildpod

import (
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// place says where a builder Pod runs, and with what its images are pulled. execution is not used by anybody else.
func place(pod *corev1.PodSpec, execution *v1alpha1.ExecutionSpec) {
	pod.NodeSelector, pod.Tolerations, pod.Affinity = execution.NodeSelector, execution.Tolerations, execution.Affinity
	if execution.RuntimeClassName != "" {
		pod.RuntimeClassName = new(execution.RuntimeClassName)
	}
	for _, secret := range execution.ImagePullSecrets {
		pod.ImagePullSecrets = append(pod.ImagePullSecrets, corev1.LocalObjectReference{Name: secret.Name})
	}
}
