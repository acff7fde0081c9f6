package buildpod

import (
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// place says where a builder Pod runs, and with what its images are pulled. execution is not used by anybody else.
func place(pod *corev1.PodSpec, builder *v1alpha1.BuilderStatus) {
	pod.NodeSelector, pod.Tolerations, pod.Affinity = builder.NodeSelector, builder.Tolerations, builder.Affinity
	if builder.RuntimeClassName != "" {
		pod.RuntimeClassName = new(builder.RuntimeClassName)
	}
	for _, secret := range builder.ImagePullSecrets {
		pod.ImagePullSecrets = append(pod.ImagePullSecrets, corev1.LocalObjectReference{Name: secret.Name})
	}
}
