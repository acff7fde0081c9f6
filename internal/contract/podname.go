package contract

import (
	"fmt"
	"regexp"
	"strings"
)

// maxPodName keeps a builder Pod's name within a DNS label, so that it is the Pod's hostname, too.
const maxPodName = 63

var podSuffix = regexp.MustCompile(`-[0-9a-f]{8}-[0-9]+-[0-9]+$`)

// PodName returns the name of something that belongs to a phase, such as a builder Pod ("1-0" for attempt 1 and replica 0): readable,
// a DNS label, and different for phases of the same name that did not live at the same time, which life tells apart.
func PodName(phase string, life uint32, what string) string {
	return cutName(phase, fmt.Sprintf("-%08x-%s", life, what))
}

// PodOfPhase tells whether a name is one that PodName gives a builder Pod of a phase. Phases whose names are alike in all that
// a Pod's name has room for are not told apart.
func PodOfPhase(pod, phase string) bool {
	suffix := podSuffix.FindString(pod)
	return suffix != "" && cutName(phase, suffix) == pod
}

func cutName(phase, suffix string) string {
	prefix := strings.ReplaceAll(phase, ".", "-")
	if keep := max(0, maxPodName-len(suffix)); len(prefix) > keep {
		prefix = prefix[:keep]
	}
	return strings.TrimRight(prefix, "-") + suffix
}
