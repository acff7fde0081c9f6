package buildpod

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// StateOf returns what a container of a builder Pod is about, as its node tells; the zero state while it tells nothing.
func StateOf(pod *corev1.Pod, container string) corev1.ContainerState {
	for _, status := range slices.Concat(pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses) {
		if status.Name == container {
			return status.State
		}
	}
	return corev1.ContainerState{}
}
