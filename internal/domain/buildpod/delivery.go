package buildpod

import (
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

// How the agent gets into the build container, and what runs before it:
//
//	ImageVolume     volume agent: the agent image             mounted at AgentMountDir   -
//	InitContainer   volume agent: a folder that it fills      mounted at AgentMountDir   agent
//	BuilderImage    -                                         it is there already        checkout

// order puts the containers where they start. An image that brings its agent runs what it likes from its first moment on, so it begins when
// the checkout, whose folder it shares, is over and its credential gone.
func order(pod *corev1.PodSpec, builder *v1alpha1.BuilderStatus, checkout, build corev1.Container) {
	if builder.AgentDelivery == v1alpha1.AgentInBuilderImage {
		pod.InitContainers, pod.Containers = []corev1.Container{checkout}, []corev1.Container{build}
		return
	}
	pod.InitContainers, pod.Containers = initContainers(builder), []corev1.Container{checkout, build}
}

// agentPath is the agent as the build container sees it.
func agentPath(builder *v1alpha1.BuilderStatus) string {
	if builder.AgentDelivery == v1alpha1.AgentInBuilderImage {
		return contract.AgentBinary
	}
	return contract.AgentPath
}

func agentMounts(builder *v1alpha1.BuilderStatus) []corev1.VolumeMount {
	if builder.AgentDelivery == v1alpha1.AgentInBuilderImage {
		return nil
	}
	return []corev1.VolumeMount{{Name: volumeAgent, MountPath: contract.AgentMountDir, ReadOnly: true}}
}

func agentVolumes(builder *v1alpha1.BuilderStatus) []corev1.Volume {
	volume := corev1.Volume{Name: volumeAgent}
	switch builder.AgentDelivery {
	case v1alpha1.AgentInBuilderImage:
		return nil
	case v1alpha1.AgentByInitContainer:
		volume.EmptyDir = &corev1.EmptyDirVolumeSource{}
	default:
		volume.Image = &corev1.ImageVolumeSource{Reference: builder.AgentImage}
	}
	return []corev1.Volume{volume}
}

// initContainers copy the agent where it cannot be mounted. The agent copies itself: its image need not have a shell.
func initContainers(builder *v1alpha1.BuilderStatus) []corev1.Container {
	if builder.AgentDelivery != v1alpha1.AgentByInitContainer {
		return nil
	}
	return []corev1.Container{{
		Name:            contract.AgentContainer,
		Image:           builder.AgentImage,
		Command:         []string{contract.AgentBinary, contract.InstallCommand, contract.AgentMountDir},
		VolumeMounts:    []corev1.VolumeMount{{Name: volumeAgent, MountPath: contract.AgentMountDir}},
		SecurityContext: hardened(),
		Resources:       agentResources(builder),
	}}
}
