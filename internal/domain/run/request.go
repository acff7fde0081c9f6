package run

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
)

// MaxRepeats is how many runs may repeat one another in a row.
const MaxRepeats = 32

// Request is what a run asks for: its spec says it, or that of the run that it repeats.
type Request struct {
	Commit v1alpha1.CommitSelector
	// Ref and PullRequest are those by which the repeated run asked for its commit.
	Ref         string
	PullRequest int32
	// Judged: it was found out for the repeated run whose its commit is. Fork: it counted as a fork's.
	Judged, Fork bool
	// HomeConfig: the home branch's katkitconfig.js says what is run, not the commit's. So it is of pull requests that a trigger or a
	// comment runs: who may push to a branch, and not merge, does not decide about deployments and approvals by that.
	HomeConfig bool
	// PhaseNames are the phases of the workflow that are run; none: all.
	PhaseNames []string
	// Phases override the workflow of the repository and the link.
	Phases []v1alpha1.PhaseTemplate
	// Env are the variables of the run and those that it repeats.
	Env []v1alpha1.EnvVar
}

// Ask tells what a run asks for. repeated are the run that it repeats, the one that this repeats, and so on to the first.
func Ask(run *v1alpha1.CIRun, repeated []*v1alpha1.CIRun) Request {
	if len(repeated) == 0 {
		return Request{
			Commit: run.Spec.Commit, Ref: run.Spec.Commit.Branch, PullRequest: run.Spec.Commit.PullRequest,
			HomeConfig: run.Labels[v1alpha1.LabelTrigger] != "" && run.Spec.Commit.PullRequest != 0,
			PhaseNames: run.Spec.PhaseNames, Phases: run.Spec.Phases, Env: run.Spec.Env,
		}
	}
	asked := Ask(repeated[0], repeated[1:])
	asked.Env = append(slices.Clone(asked.Env), run.Spec.Env...)
	if status := repeated[0].Status; status.SHA != "" {
		asked.Commit = v1alpha1.CommitSelector{SHA: status.SHA}
		asked.Ref, asked.PullRequest = cmp.Or(status.Ref, asked.Ref), cmp.Or(status.PullRequest, asked.PullRequest)
		asked.Judged, asked.Fork = true, status.Fork
	}
	return asked
}

// RepeatedNotFound is the problem of a re-run whose run, or one that this one repeats, is not there any more.
func RepeatedNotFound(run *v1alpha1.CIRun, name string) *problem.Problem {
	return problem.Config(v1alpha1.ReasonRerunNotFound,
		"run %s/%s, which is to be repeated, is not there (any more): start a run of the commit", run.Namespace, name)
}

// Repeatable tells whether a run can be repeated by another one at all.
func Repeatable(run, repeated *v1alpha1.CIRun) *problem.Problem {
	switch {
	case repeated.Spec.Link.Name != run.Spec.Link.Name:
		return impossible("run %s is of link %s, not of %s: name its link in spec.link", repeated.Name, repeated.Spec.Link.Name, run.Spec.Link.Name)
	case !repeated.Status.State.Terminal():
		return impossible("run %s has not ended: wait for its end, or cancel it, and then repeat it in a new run", repeated.Name)
	}
	return nil
}

// Carry tells which phases of a workflow a re-run does not run again: those that succeeded in the run that it repeats, before
// fromPhase and beside it. The problem is that of a re-run that cannot begin where it was asked to.
func Carry(run, repeated *v1alpha1.CIRun, phases []v1alpha1.PhaseTemplate) (map[string]v1alpha1.RunPhaseStatus, *problem.Problem) {
	before := map[string]v1alpha1.RunPhaseStatus{}
	for _, phase := range repeated.Status.Phases {
		before[phase.Name] = phase
	}
	first, cause := firstToRepeat(run, repeated, phases, before)
	if cause != nil || len(before) == 0 {
		return nil, cause
	}
	carried := map[string]v1alpha1.RunPhaseStatus{}
	for _, phase := range phases {
		was, same := before[phase.Name]
		switch {
		case !same || was.Order != phase.Order || was.Type != phase.Type || len(before) != len(phases):
			return nil, impossible("the workflow of the commit is another than run %s had, since link, env or katkitconfig.js's entry changed: start a run of the commit", repeated.Name)
		case phase.Order < first.Order && was.State != v1alpha1.PhaseSucceeded:
			return nil, impossible("phase %s comes before %s and did not succeed in run %s: begin with it", phase.Name, first.Name, repeated.Name)
		case phase.Order < first.Order, phase.Order == first.Order && phase.Name != first.Name && was.State == v1alpha1.PhaseSucceeded:
			was.CarriedFrom = cmp.Or(was.CarriedFrom, repeated.Name)
			was.Message = "carried over from run " + was.CarriedFrom
			carried[phase.Name] = was
		}
	}
	return carried, nil
}

// firstToRepeat is the phase that a re-run begins with.
func firstToRepeat(run, repeated *v1alpha1.CIRun, phases []v1alpha1.PhaseTemplate, before map[string]v1alpha1.RunPhaseStatus) (v1alpha1.PhaseTemplate, *problem.Problem) {
	names := make([]string, 0, len(phases))
	for _, phase := range phases {
		names = append(names, phase.Name)
		from := run.Spec.FromPhase
		if phase.Name == from || from == "" && before[phase.Name].State != v1alpha1.PhaseSucceeded {
			return phase, nil
		}
	}
	if run.Spec.FromPhase != "" {
		return v1alpha1.PhaseTemplate{}, impossible("the workflow has no phase %q to begin with: it has %s", run.Spec.FromPhase, strings.Join(names, ", "))
	}
	return v1alpha1.PhaseTemplate{}, impossible("all phases of run %s succeeded: name the one to begin with in spec.fromPhase", repeated.Name)
}

// StillLive tells whether what a deployment phase that is carried over had deployed is what runs now.
func StillLive(repeated *v1alpha1.CIRun, carried map[string]v1alpha1.RunPhaseStatus, receipts []v1alpha1.Receipt) *problem.Problem {
	for _, phase := range carried {
		if phase.Type != v1alpha1.PhaseDeployment {
			continue
		}
		for _, receipt := range receipts {
			if receipt.PreviousImage != receipt.Image {
				return impossible("phase %s succeeded in run %s, but %s %s runs %s by now: begin with that phase (fromPhase: %s)",
					phase.Name, repeated.Name, receipt.Kind, receipt.Name, receipt.PreviousImage, phase.Name)
			}
		}
	}
	return nil
}

// CarriedOutputs are those of the phases that are carried over, the later ones winning. phases are their objects, by name;
// one that is gone left none.
func CarriedOutputs(carried map[string]v1alpha1.RunPhaseStatus, phases map[string]*v1alpha1.Phase) []v1alpha1.Output {
	var kept []*v1alpha1.Phase
	for _, entry := range carried {
		if phase := phases[entry.PhaseName]; phase != nil {
			kept = append(kept, phase)
		}
	}
	return MergeOutputs(nil, kept)
}

// MergeOutputs adds the outputs of Phases to those that were there before them: of equal names that of the highest order
// counts, then that of the last name.
func MergeOutputs(outputs []v1alpha1.Output, phases []*v1alpha1.Phase) []v1alpha1.Output {
	phases = slices.Clone(phases)
	slices.SortFunc(phases, func(a, b *v1alpha1.Phase) int {
		return cmp.Or(cmp.Compare(a.Spec.Order, b.Spec.Order), cmp.Compare(a.Spec.Name, b.Spec.Name))
	})
	merged := slices.Clone(outputs)
	for _, phase := range phases {
		for _, output := range phase.Status.Outputs {
			at := slices.IndexFunc(merged, func(o v1alpha1.Output) bool { return o.Name == output.Name })
			if at >= 0 {
				merged[at] = output
				continue
			}
			merged = append(merged, output)
		}
	}
	return merged[:min(len(merged), maxOutputs)]
}

// maxOutputs is the bound of outputs in the API.
const maxOutputs = 128

func impossible(format string, args ...any) *problem.Problem {
	return problem.Config(v1alpha1.ReasonRerunNotPossible, "%s", fmt.Sprintf(format, args...))
}
