package buildpod

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/problem"
)

// The words of the API server's admission plugins LimitRanger and ResourceQuota. The former does not tell which container it is about, nor
// either what sets its resources.
var (
	limitRangeWords = regexp.MustCompile(`(?:minimum|maximum) ([a-z0-9./-]+) usage per (?:Container|Pod) is |([a-z0-9./-]+) max limit to request ratio per (?:Container|Pod) is `)
	aboveWords      = regexp.MustCompile(`must be less than or equal to ([a-z0-9./-]+) limit`)
	unsetWords      = regexp.MustCompile(`([a-z0-9./-]+) for: `)
	exceededWords   = regexp.MustCompile(`exceeded quota: .*, requested: (.*), used: .*, limited: (.*)`)
)

// Refused tells why the API server does not take a builder Pod, by what it said, and what is to be set where. A quota that is full passes by
// itself: WaitingForQuota; all else is PodRejected.
func Refused(pod *corev1.Pod, said string) *problem.Problem {
	if _, why, found := strings.Cut(said, " is forbidden: "); found { // which Pod it is tells nobody anything
		said = why
	}
	switch {
	case strings.HasPrefix(said, "exceeded quota: "):
		return problem.Transient(v1alpha1.ReasonWaitingForQuota, "the builder Pod waits for room in the namespace's quota: %s%s", said, neverFits(pod, said))
	case strings.HasPrefix(said, "failed quota: "):
		return problem.Config(v1alpha1.ReasonPodRejected,
			"a ResourceQuota of the namespace wants the resources of each container of the builder Pod told: %s%s. Or a LimitRange of the namespace gives defaults",
			said, shares(pod, mentioned(unsetWords, said)))
	case limitRangeWords.MatchString(said):
		return problem.Config(v1alpha1.ReasonPodRejected, "a LimitRange of the namespace (kubectl describe limitrange -n %s) does not allow the builder Pod: %s%s",
			pod.Namespace, said, shares(pod, mentioned(limitRangeWords, said)))
	case aboveWords.MatchString(said):
		return problem.Config(v1alpha1.ReasonPodRejected,
			"a container of the builder Pod requests more than its limit, which a LimitRange of the namespace may have given it (kubectl describe limitrange -n %s): %s%s",
			pod.Namespace, said, shares(pod, mentioned(aboveWords, said)))
	case strings.HasPrefix(said, "violates PodSecurity"):
		return problem.Config(v1alpha1.ReasonPodRejected,
			"the namespace is held to another level than the builder Pod: %s. Use a BuilderClass with podSecurity: Restricted, or ask a cluster admin for another level", said)
	}
	return problem.Config(v1alpha1.ReasonPodRejected, "the API server refused the builder Pod: %s", said)
}

// neverFits tells of a Pod that asks for more than a quota has in all; "" of one for which there will be room.
func neverFits(pod *corev1.Pod, said string) string {
	words := exceededWords.FindStringSubmatch(said)
	if words == nil {
		return ""
	}
	asked, limited := amounts(words[1]), amounts(words[2])
	var beyond []corev1.ResourceName
	for name, amount := range asked {
		if limit, bounded := limited[name]; bounded && amount.Cmp(limit) > 0 {
			beyond = append(beyond, containers(name))
		}
	}
	what := shares(pod, beyond)
	if what == "" {
		return ""
	}
	return ". That is more than the quota has in all, so it waits until somebody raises the quota" + what
}

// amounts reads a list such as "limits.memory=6Gi,pods=1"; what is no amount is left out.
func amounts(list string) map[string]resource.Quantity {
	result := map[string]resource.Quantity{}
	for entry := range strings.SplitSeq(list, ",") {
		name, amount, _ := strings.Cut(entry, "=")
		if quantity, err := resource.ParseQuantity(amount); err == nil {
			result[name] = quantity
		}
	}
	return result
}

// mentioned are the resources that a refusal is about.
func mentioned(words *regexp.Regexp, said string) []corev1.ResourceName {
	var names []corev1.ResourceName
	for _, match := range words.FindAllStringSubmatch(said, -1) {
		names = append(names, containers(strings.Join(match[1:], "")))
	}
	return names
}

// containers is what a resource of a quota is called in a container: "requests.memory" and "limits.memory" are both its memory.
func containers(ofQuota string) corev1.ResourceName {
	return corev1.ResourceName(strings.TrimPrefix(strings.TrimPrefix(ofQuota, "requests."), "limits."))
}

// shares tells what each container of a Pod has of some resources, and which field sets it; "" of what is no resource of a container.
func shares(pod *corev1.Pod, of []corev1.ResourceName) string {
	var has []string
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		if slices.Contains(of, name) {
			has = append(has, share(pod, name))
		}
	}
	if len(has) == 0 {
		return ""
	}
	var own []string
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if container.Name != contract.BuildContainer {
			own = append(own, container.Name)
		}
	}
	return fmt.Sprintf(". Requested and limited is %s. A cluster admin sets those of %s in agentResources of the BuilderClass; those of %s are builder.resources of the link, else resources of the BuilderClass",
		strings.Join(has, "; "), strings.Join(own, ", "), contract.BuildContainer)
}

func share(pod *corev1.Pod, name corev1.ResourceName) string {
	var has []string
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		has = append(has, fmt.Sprintf("%s %s/%s", container.Name, amount(container.Resources.Requests, name), amount(container.Resources.Limits, name)))
	}
	return fmt.Sprintf("%s: %s", name, strings.Join(has, ", "))
}

func amount(list corev1.ResourceList, name corev1.ResourceName) string {
	quantity, set := list[name]
	if !set {
		return "-"
	}
	return quantity.String()
}
