package builderclass_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// amounts is a list of resources, as in "cpu 1, memory 2Gi".
func amounts(text string) corev1.ResourceList {
	if text == "" {
		return nil
	}
	list := corev1.ResourceList{}
	for entry := range strings.SplitSeq(text, ", ") {
		name, amount, _ := strings.Cut(entry, " ")
		list[corev1.ResourceName(name)] = resource.MustParse(amount)
	}
	return list
}

func requirements(requests, limits string) *corev1.ResourceRequirements {
	if requests == "" && limits == "" {
		return nil
	}
	return &corev1.ResourceRequirements{Requests: amounts(requests), Limits: amounts(limits)}
}

func TestResources(t *testing.T) {
	type pair struct{ requests, limits string }
	for name, c := range map[string]struct {
		class, link pair
		storage     string
		want        pair
	}{
		"nobody says anything": {want: pair{"memory 0, ephemeral-storage 0", "memory 4Gi, ephemeral-storage 20Gi"}},
		"the class does": {class: pair{"cpu 1, memory 1Gi", "memory 2Gi"},
			want: pair{"cpu 1, memory 1Gi, ephemeral-storage 0", "memory 2Gi, ephemeral-storage 20Gi"}},
		"the link does": {class: pair{"cpu 1, memory 1Gi", "memory 2Gi"}, link: pair{"cpu 2, memory 3Gi", "memory 8Gi"},
			want: pair{"cpu 2, memory 3Gi, ephemeral-storage 0", "memory 8Gi, ephemeral-storage 20Gi"}},
		"the link says something of one of them": {class: pair{"cpu 1, memory 1Gi", "memory 2Gi"}, link: pair{"cpu 2", ""},
			want: pair{"cpu 2, memory 1Gi, ephemeral-storage 0", "memory 2Gi, ephemeral-storage 20Gi"}},
		"a request of the class's is not held against a limit of the link's": {class: pair{"memory 4Gi", "memory 4Gi"}, link: pair{"", "memory 1Gi"},
			want: pair{"ephemeral-storage 0", "memory 1Gi, ephemeral-storage 20Gi"}},
		"a limit of the class's is not held against a request of the link's": {class: pair{"", "memory 1Gi"}, link: pair{"memory 2Gi", ""},
			want: pair{"memory 2Gi, ephemeral-storage 0", "memory 4Gi, ephemeral-storage 20Gi"}},
		"a request beyond the limit that nobody set": {link: pair{"memory 6Gi", ""},
			want: pair{"memory 6Gi, ephemeral-storage 0", "memory 6Gi, ephemeral-storage 20Gi"}},
		"a limit of 0 is none": {link: pair{"", "memory 0"}, want: pair{"memory 0, ephemeral-storage 0", "memory 4Gi, ephemeral-storage 20Gi"}},
		"no disk at all is the class's": {storage: "5Gi", link: pair{"", "ephemeral-storage 0"},
			want: pair{"memory 0, ephemeral-storage 0", "memory 4Gi, ephemeral-storage 5Gi"}},
		"less disk than the class allows": {storage: "5Gi", link: pair{"", "ephemeral-storage 1Gi"},
			want: pair{"memory 0, ephemeral-storage 0", "memory 4Gi, ephemeral-storage 1Gi"}},
		"more disk than the class allows": {storage: "5Gi", link: pair{"ephemeral-storage 6Gi", "ephemeral-storage 7Gi"},
			want: pair{"memory 0, ephemeral-storage 5Gi", "memory 4Gi, ephemeral-storage 5Gi"}},
		"other resources are the link's": {class: pair{"", "example.com/gpu 1"}, link: pair{"example.com/gpu 2", "example.com/gpu 2"},
			want: pair{"memory 0, ephemeral-storage 0, example.com/gpu 2", "memory 4Gi, ephemeral-storage 20Gi, example.com/gpu 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			class := class("standard", true, nil)
			class.Spec.Resources = requirements(c.class.requests, c.class.limits)
			if c.storage != "" {
				class.Spec.EphemeralStorageLimit = new(resource.MustParse(c.storage))
			}
			got := resolve(t, class, v1alpha1.BuilderRequest{Resources: requirements(c.link.requests, c.link.limits)}).Resources
			if diff := cmp.Diff(requirements(c.want.requests, c.want.limits), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Whatever class and link ask for: what comes of it has limits, none below its request, and no more disk than the class allows.
func TestResourcesAlwaysFit(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	pick := func() *corev1.ResourceRequirements { // one that the API server takes: no limit below its request
		result := &corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
			request, limit := random.Int64N(64), random.Int64N(64)
			if random.IntN(2) == 0 {
				result.Requests[name] = *resource.NewQuantity(min(request, limit)<<30, resource.BinarySI)
			}
			if random.IntN(2) == 0 {
				result.Limits[name] = *resource.NewQuantity(max(request, limit)<<30, resource.BinarySI)
			}
		}
		return result
	}
	for range 2000 {
		class := class("standard", true, nil)
		class.Spec.Resources = pick()
		class.Spec.EphemeralStorageLimit = resource.NewQuantity(1+random.Int64N(1<<36), resource.BinarySI)
		got := resolve(t, class, v1alpha1.BuilderRequest{Resources: pick()}).Resources
		for name, request := range got.Requests {
			if limit, set := got.Limits[name]; set && request.Cmp(limit) > 0 {
				t.Fatalf("%s: request %s, limit %s", name, request.String(), limit.String())
			}
		}
		if got.Limits.Memory().IsZero() || got.Limits.StorageEphemeral().Cmp(*class.Spec.EphemeralStorageLimit) > 0 {
			t.Fatalf("limits %v, the class allows %s of disk", got.Limits, class.Spec.EphemeralStorageLimit)
		}
	}
}
