package builderclass

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// Limits of a builder Pod that neither BuilderClass nor link sets.
var (
	defaultMemoryLimit           = resource.MustParse("4Gi")
	defaultEphemeralStorageLimit = resource.MustParse("20Gi")
)

// resources are those that are asked for, and the class's where nothing is said of one. Memory and disk always have a limit.
func resources(asked *corev1.ResourceRequirements, class v1alpha1.BuilderClassSpec) *corev1.ResourceRequirements {
	result := &corev1.ResourceRequirements{Limits: corev1.ResourceList{}, Requests: corev1.ResourceList{}}
	for _, from := range []*corev1.ResourceRequirements{class.Resources, asked} { // what is asked for over the class's
		if from != nil {
			takeOver(result, *from.DeepCopy())
		}
	}
	if limit, set := result.Limits[corev1.ResourceMemory]; !set || limit.IsZero() {
		setLimit(result, corev1.ResourceMemory, larger(defaultMemoryLimit, result.Requests[corev1.ResourceMemory]))
	}
	limit := StorageLimit(class)
	if asked, set := result.Limits[corev1.ResourceEphemeralStorage]; set && !asked.IsZero() {
		limit = smaller(limit, asked)
	}
	setLimit(result, corev1.ResourceEphemeralStorage, limit)
	return result
}

// takeOver sets each resource that is named, request and limit together: those of different people need not fit.
func takeOver(result *corev1.ResourceRequirements, from corev1.ResourceRequirements) {
	for _, list := range []corev1.ResourceList{from.Requests, from.Limits} {
		for name := range list {
			delete(result.Requests, name)
			delete(result.Limits, name)
		}
	}
	maps.Copy(result.Requests, from.Requests)
	maps.Copy(result.Limits, from.Limits)
}

// setLimit sets a limit that nobody asked for. Without a request the API server would have the node set all of it aside.
func setLimit(result *corev1.ResourceRequirements, name corev1.ResourceName, limit resource.Quantity) {
	result.Limits[name] = limit.DeepCopy()
	result.Requests[name] = smaller(result.Requests[name], limit).DeepCopy()
}

// StorageLimit is what a builder Pod of a class may write to its node's disk.
func StorageLimit(class v1alpha1.BuilderClassSpec) resource.Quantity {
	if class.EphemeralStorageLimit != nil {
		return *class.EphemeralStorageLimit
	}
	return defaultEphemeralStorageLimit
}

func larger(a, b resource.Quantity) resource.Quantity {
	if a.Cmp(b) < 0 {
		return b
	}
	return a
}

func smaller(a, b resource.Quantity) resource.Quantity {
	if a.Cmp(b) > 0 {
		return b
	}
	return a
}
