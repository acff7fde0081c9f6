package run

import (
	"fmt"
	"slices"
	"strings"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
)

// Select leaves in a workflow the phases that a run is for: those that it names, all where it names none, and of a fork's commit
// none that deploys. What a fork leaves out is a warning. The problem is that of a name that the workflow has not, or of nothing
// that is left.
func Select(asked Request, commit Commit, all Workflow) (Workflow, *problem.Problem) {
	if missing := slices.DeleteFunc(slices.Clone(asked.PhaseNames), all.has); len(missing) > 0 {
		return Workflow{}, problem.Config(v1alpha1.ReasonInvalidConfig, "the run's phaseNames has %s, which the workflow of %s has not: it has %s",
			strings.Join(missing, ", "), all.Source, strings.Join(all.names(), ", "))
	}
	selected := all
	selected.Phases = nil
	var left []string
	for _, phase := range all.Phases {
		switch {
		case len(asked.PhaseNames) > 0 && !slices.Contains(asked.PhaseNames, phase.Name):
		case commit.Fork && phase.Type == v1alpha1.PhaseDeployment:
			left = append(left, phase.Name)
		default:
			selected.Phases = append(selected.Phases, phase)
		}
	}
	if len(left) == 0 {
		return selected, nil
	}
	why := fmt.Sprintf("phase %s is left out, since %s", strings.Join(left, ", "), notDeployed(commit))
	if len(selected.Phases) == 0 {
		return Workflow{}, problem.Config(v1alpha1.ReasonForkNotDeployed, "nothing is left to run: %s", why)
	}
	selected.Warnings = append(slices.Clone(all.Warnings), why)
	return selected, nil
}

// notDeployed tells why a fork's commit is not deployed, and what to do.
func notDeployed(commit Commit) string {
	if commit.PullRequest == 0 {
		return "nothing shows that a branch of the repository has the commit, and a fork's is not deployed: name the branch beside the sha, in a new run, if one has it; else merge it first"
	}
	return "a fork's commit is not deployed: merge the pull request first"
}

func (w Workflow) has(name string) bool { return slices.Contains(w.names(), name) }

func (w Workflow) names() []string {
	names := make([]string, 0, len(w.Phases))
	for _, phase := range w.Phases {
		names = append(names, phase.Name)
	}
	return names
}
