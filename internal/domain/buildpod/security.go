package buildpod

import (
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// podSecurity is what holds of all containers of a builder Pod, by the Pod Security Standards.
func podSecurity(builder *v1alpha1.BuilderStatus) *corev1.PodSecurityContext {
	if builder.PodSecurity != v1alpha1.PodSecurityRestricted {
		return nil
	}
	return &corev1.PodSecurityContext{RunAsNonRoot: new(true)}
}

// hardened are the rights of a container that runs the agent alone: none.
func hardened() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// granted are the rights of the build container: those that the BuilderClass grants. A capability is of no use to a program that is not
// root's unless it may take it, as newuidmap does, which a rootless builder of images runs.
func granted(builder *v1alpha1.BuilderStatus) *corev1.SecurityContext {
	rights := hardened()
	for _, capability := range builder.Capabilities {
		rights.Capabilities.Add = append(rights.Capabilities.Add, corev1.Capability(capability))
	}
	if len(builder.Capabilities) > 0 && builder.PodSecurity != v1alpha1.PodSecurityRestricted {
		rights.AllowPrivilegeEscalation = new(true)
	}
	rights.SeccompProfile = seccomp(builder.SeccompProfile)
	return rights
}

func seccomp(profile *v1alpha1.SeccompProfile) *corev1.SeccompProfile {
	switch {
	case profile == nil || profile.Type == v1alpha1.SeccompRuntimeDefault:
		return &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	case profile.Type == v1alpha1.SeccompLocalhost:
		return &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: new(profile.LocalhostProfile)}
	}
	return nil
}
