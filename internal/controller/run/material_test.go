package run

import (
	"testing"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

func TestARunWhosePhasesAreMadeKeepsItsCommitAndWhatItIsOf(t *testing.T) {
	phases := map[string]*v1alpha1.Phase{"run-0-build": {Spec: v1alpha1.PhaseSpec{SHA: "made"}}}
	for name, c := range map[string]struct {
		asked, want v1alpha1.CommitSelector
		phases      map[string]*v1alpha1.Phase
	}{
		"before they are":   {asked: v1alpha1.CommitSelector{Branch: "main"}, want: v1alpha1.CommitSelector{Branch: "main"}},
		"of a branch":       {asked: v1alpha1.CommitSelector{Branch: "main"}, phases: phases, want: v1alpha1.CommitSelector{SHA: "made", Branch: "main"}},
		"of a pull request": {asked: v1alpha1.CommitSelector{PullRequest: 7}, phases: phases, want: v1alpha1.CommitSelector{SHA: "made", PullRequest: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := pinned(c.asked, c.phases); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}
