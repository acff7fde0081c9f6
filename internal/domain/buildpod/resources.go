package buildpod

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// agentResources bound a container that runs the agent alone, and ships no log.
func agentResources(builder *v1alpha1.BuilderStatus) corev1.ResourceRequirements {
	return asTheClassSays(builder, gitResources())
}

// gitResources are enough for git, which needs little for one commit; what it writes counts for the Pod as a whole.
func gitResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("16Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
	}
}

// logResources are the limits of a container that does nothing but ship the log.
func logResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")},
	}
}

// shipResources bound the container that ships the log, to the limits of own.
func shipResources(builder *v1alpha1.BuilderStatus, own corev1.ResourceRequirements) corev1.ResourceRequirements {
	own.Requests[corev1.ResourceCPU], own.Requests[corev1.ResourceMemory] = resource.MustParse("10m"), resource.MustParse("32Mi")
	if build := builder.Resources; build != nil && !build.Limits.StorageEphemeral().IsZero() {
		// Kubernetes holds the Pod to the sum of its containers' limits, so that what waits for the store would count on the build's.
		own.Limits[corev1.ResourceEphemeralStorage] = spoolLimit()
		own.Requests[corev1.ResourceEphemeralStorage] = resource.Quantity{}
	}
	return asTheClassSays(builder, own)
}

// asTheClassSays are the resources of a container of Katkit's own with what the BuilderClass says in place of them. A request of Katkit's
// that is beyond a limit of the class's goes down to it, a limit of Katkit's that is below a request of the class's goes up.
func asTheClassSays(builder *v1alpha1.BuilderStatus, own corev1.ResourceRequirements) corev1.ResourceRequirements {
	class := builder.AgentResources
	if class == nil {
		return own
	}
	maps.Copy(own.Requests, class.Requests)
	maps.Copy(own.Limits, class.Limits)
	for name, limit := range own.Limits {
		request, requested := own.Requests[name]
		if !requested || request.Cmp(limit) <= 0 {
			continue
		}
		if _, given := class.Requests[name]; given {
			own.Limits[name] = request
		} else {
			own.Requests[name] = limit
		}
	}
	return own
}
