package buildpod

import (
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

const volumeCache = "cache"

func cacheMounts(execution *v1alpha1.ExecutionSpec) []corev1.VolumeMount {
	if execution.Cache == nil {
		return nil
	}
	return []corev1.VolumeMount{{Name: volumeCache, MountPath: execution.Cache.Path}}
}

func cacheVolumes(execution *v1alpha1.ExecutionSpec) []corev1.Volume {
	if execution.Cache == nil {
		return nil
	}
	return []corev1.Volume{{Name: volumeCache, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: execution.Cache.ClaimName},
	}}}
}
