package buildpod

import (
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
)

const (
	volumeIdentity = "identity"
	// identityDir is where client libraries of Kubernetes look for a Pod's token.
	identityDir = "/var/run/secrets/kubernetes.io/serviceaccount"
	// identitySeconds is how long a token is good for; the kubelet replaces it before. It is what Kubernetes' own have.
	identitySeconds = 3607
	// rootCAConfigMap is in every namespace, made by Kubernetes.
	rootCAConfigMap = "kube-root-ca.crt"
)

// CheckAccount tells whether builder Pods may have the token of a ServiceAccount: if it is there, and its annotations say so. The
// problem is of reason ServiceAccountNotAllowed.
func CheckAccount(namespace, name string, found bool, annotations map[string]string) *problem.Problem {
	switch {
	case !found:
		return problem.Config(v1alpha1.ReasonServiceAccountNotAllowed,
			"ServiceAccount %[1]s/%[2]s, which the link names in spec.builder.serviceAccountName, is not there: make it with: kubectl create serviceaccount %[2]s -n %[1]s; "+
				"kubectl annotate serviceaccount %[2]s -n %[1]s %[3]s=true", namespace, name, v1alpha1.AnnotationBuilder)
	case annotations[v1alpha1.AnnotationBuilder] != "true":
		return problem.Config(v1alpha1.ReasonServiceAccountNotAllowed,
			"ServiceAccount %[1]s/%[2]s is not for builder Pods: if ci.sh may have all that it can reach, say so with: kubectl annotate serviceaccount %[2]s -n %[1]s %[3]s=true",
			namespace, name, v1alpha1.AnnotationBuilder)
	}
	return nil
}

// identify gives the build container, and no other, the token of the phase's ServiceAccount, as Kubernetes itself would give it to all.
// That the Pod has the ServiceAccount lets clouds give it their roles.
func identify(pod *corev1.Pod, execution *v1alpha1.ExecutionSpec, build *corev1.Container) {
	if execution.ServiceAccountName == "" {
		return
	}
	pod.Spec.ServiceAccountName = execution.ServiceAccountName
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: volumeIdentity, VolumeSource: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{DefaultMode: new(int32(0o644)), Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: new(int64(identitySeconds))}},
			{ConfigMap: &corev1.ConfigMapProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: rootCAConfigMap}, Items: []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}},
			}},
			{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{
				Path: "namespace", FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"},
			}}}},
		}},
	}})
	build.VolumeMounts = append(build.VolumeMounts, corev1.VolumeMount{Name: volumeIdentity, MountPath: identityDir, ReadOnly: true})
}
