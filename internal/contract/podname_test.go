package contract_test

import (
	"strings"
	"testing"

	"katkit.dev/katkit/internal/contract"
)

func TestPodOfPhase(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a.", 60)
	for name, test := range map[string]struct {
		pod, phase string
		want       bool
	}{
		"its own":                            {contract.PodName("run-0-build", 7, "1-0"), "run-0-build", true},
		"a later attempt's, twelfth replica": {contract.PodName("run-0-build", 7, "3-11"), "run-0-build", true},
		"of a name that is cut":              {contract.PodName(long, 7, "3-11"), long, true},
		"another phase's that begins alike":  {contract.PodName("run-0-build", 7, "1-0"), "run-0", false},
		"a longer phase's":                   {contract.PodName("run-0", 7, "1-0"), "run-0-build", false},
		"the clone credential's":             {contract.PodName("run-0", 7, "1-clone"), "run-0", false},
		"no builder Pod's":                   {"run-0", "run-0", false},
		"nothing":                            {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := contract.PodOfPhase(test.pod, test.phase); got != test.want {
				t.Errorf("PodOfPhase(%q, %q) = %v", test.pod, test.phase, got)
			}
			if len(test.pod) > 63 {
				t.Errorf("%s is no DNS label", test.pod)
			}
		})
	}
}
