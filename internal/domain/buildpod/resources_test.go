package buildpod_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
)

// list reads "cpu 1, memory 2Gi".
func list(text string) corev1.ResourceList {
	result := corev1.ResourceList{}
	for entry := range strings.SplitSeq(text, ", ") {
		if name, amount, found := strings.Cut(entry, " "); found {
			result[corev1.ResourceName(name)] = resource.MustParse(amount)
		}
	}
	return result
}

// withAgents is a builder Pod with containers of Katkit's own, whose class says this of them; nil: nothing.
func withAgents(delivery v1alpha1.AgentDelivery, class *corev1.ResourceRequirements, build *corev1.ResourceRequirements) *corev1.Pod {
	return newPhase(func(e parts) {
		e.AgentDelivery, e.AgentResources, e.Resources = delivery, class, build
	}).shipping(buildpod.LogStore{URL: "http://logs"})
}

func all(pod *corev1.Pod) []corev1.Container {
	return slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
}

func TestTheClassSetsTheResourcesOfKatkitsOwnContainers(t *testing.T) {
	type pair struct{ requests, limits string }
	build := &corev1.ResourceRequirements{Requests: list("cpu 3"), Limits: list("memory 5Gi, ephemeral-storage 20Gi")}
	for name, c := range map[string]struct {
		class      *corev1.ResourceRequirements
		agent, log pair
	}{
		"it says nothing": {
			agent: pair{"memory 16Mi", "memory 2Gi"}, log: pair{"cpu 10m, memory 32Mi, ephemeral-storage 0", "memory 128Mi, ephemeral-storage 1280Mi"}},
		"more is requested": {class: &corev1.ResourceRequirements{Requests: list("memory 64Mi")},
			agent: pair{"memory 64Mi", "memory 2Gi"}, log: pair{"cpu 10m, memory 64Mi, ephemeral-storage 0", "memory 128Mi, ephemeral-storage 1280Mi"}},
		"more is requested than is allowed otherwise": {class: &corev1.ResourceRequirements{Requests: list("memory 256Mi")},
			agent: pair{"memory 256Mi", "memory 2Gi"}, log: pair{"cpu 10m, memory 256Mi, ephemeral-storage 0", "memory 256Mi, ephemeral-storage 1280Mi"}},
		"less is allowed than is requested otherwise": {class: &corev1.ResourceRequirements{Limits: list("memory 24Mi, cpu 5m, ephemeral-storage 1Gi")},
			agent: pair{"memory 16Mi", "memory 24Mi, cpu 5m, ephemeral-storage 1Gi"}, log: pair{"cpu 5m, memory 24Mi, ephemeral-storage 0", "memory 24Mi, cpu 5m, ephemeral-storage 1Gi"}},
		"all of it": {class: &corev1.ResourceRequirements{Requests: list("cpu 100m, memory 128Mi, ephemeral-storage 1Gi"), Limits: list("cpu 1, memory 512Mi, ephemeral-storage 2Gi")},
			agent: pair{"cpu 100m, memory 128Mi, ephemeral-storage 1Gi", "cpu 1, memory 512Mi, ephemeral-storage 2Gi"},
			log:   pair{"cpu 100m, memory 128Mi, ephemeral-storage 1Gi", "cpu 1, memory 512Mi, ephemeral-storage 2Gi"}},
	} {
		t.Run(name, func(t *testing.T) {
			want := map[string]corev1.ResourceRequirements{
				contract.AgentContainer:    {Requests: list(c.agent.requests), Limits: list(c.agent.limits)},
				contract.CheckoutContainer: {Requests: list(c.agent.requests), Limits: list(c.agent.limits)},
				contract.LogContainer:      {Requests: list(c.log.requests), Limits: list(c.log.limits)},
				contract.BuildContainer:    *build,
			}
			got := map[string]corev1.ResourceRequirements{}
			for _, delivery := range []v1alpha1.AgentDelivery{v1alpha1.AgentByInitContainer, v1alpha1.AgentInBuilderImage} {
				for _, container := range all(withAgents(delivery, c.class, build)) {
					got[container.Name] = container.Resources
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestWhatShipsAndChecksOutMayHaveWhatBothNeed: the limit is git's, beside it is what waits for the store.
func TestWhatShipsAndChecksOutMayHaveWhatBothNeed(t *testing.T) {
	build := &corev1.ResourceRequirements{Limits: list("ephemeral-storage 20Gi")}
	want := corev1.ResourceRequirements{Requests: list("cpu 10m, memory 32Mi, ephemeral-storage 0"), Limits: list("memory 2Gi, ephemeral-storage 1280Mi")}
	for _, container := range all(withAgents(v1alpha1.AgentByImageVolume, nil, build)) {
		if diff := cmp.Diff(want, container.Resources); container.Name == contract.CheckoutContainer && diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

// Whatever a class says that the API server takes, no container requests more than its limit, which the API server would refuse; what the
// class says of one of them is so, and what it says is not changed.
func TestWhatAClassSaysOfKatkitsOwnContainersFits(t *testing.T) {
	random := rand.New(rand.NewPCG(24, 24))
	deliveries := slices.Sorted(maps.Keys(shippers))
	for range 2000 {
		class := &corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
			a, b := random.Int64N(1<<32), random.Int64N(1<<32)
			if random.IntN(2) == 0 {
				class.Requests[name] = *resource.NewQuantity(min(a, b), resource.BinarySI)
			}
			if random.IntN(2) == 0 {
				class.Limits[name] = *resource.NewQuantity(max(a, b), resource.BinarySI)
			}
		}
		before := class.DeepCopy()
		for _, container := range all(withAgents(deliveries[random.IntN(len(deliveries))], class, &corev1.ResourceRequirements{Limits: list("ephemeral-storage 1Gi")})) {
			if container.Name == contract.BuildContainer {
				continue
			}
			for name, request := range container.Resources.Requests {
				if limit, set := container.Resources.Limits[name]; set && request.Cmp(limit) > 0 {
					t.Fatalf("%s requests %s of %s and may have %s; the class says %v", container.Name, request.String(), name, limit.String(), class)
				}
			}
			if said, is := fmt.Sprint(class.Requests, class.Limits), fmt.Sprint(keysOf(container.Resources.Requests, class.Requests), keysOf(container.Resources.Limits, class.Limits)); said != is {
				t.Fatalf("%s has %s, the class says %s", container.Name, is, said)
			}
			for _, list := range []corev1.ResourceList{container.Resources.Requests, container.Resources.Limits} {
				for name := range list {
					list[name] = resource.MustParse("1")
				}
			}
		}
		if diff := cmp.Diff(before, class); diff != "" {
			t.Fatalf("a change of the Pod is one of the Phase (-before +after)\n%s", diff)
		}
	}
}

// keysOf is a list with the keys of another one alone.
func keysOf(list, keys corev1.ResourceList) corev1.ResourceList {
	result := corev1.ResourceList{}
	for name := range keys {
		result[name] = list[name]
	}
	return result
}
