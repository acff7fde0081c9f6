package logs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/view"
	"katkit.dev/katkit/internal/domain/text"
)

// every is a number that stands for all replicas, or for the newest attempt.
const every = -1

// choice is which logs of a run are asked for.
type choice struct {
	phase   string // "" for all
	replica int32  // every for all
	attempt int32  // every for the newest one of each replica
}

// target is a replica whose log can be asked for.
type target struct {
	phase   *v1alpha1.Phase
	attempt int32
	replica v1alpha1.ReplicaStatus
}

// name is what a person calls the replica.
func (t target) name() string {
	name := text.Line(t.phase.Spec.Name)
	if t.phase.Spec.Execution != nil && t.phase.Spec.Execution.Parallelism > 1 {
		name += fmt.Sprintf("[%d]", t.replica.Index)
	}
	return name
}

// ended tells whether nothing more is to be expected of the replica.
func (t target) ended() bool {
	return t.phase.Status.State.Terminal() || t.replica.ExitCode != nil || t.replica.Log != nil || t.replica.Reason != ""
}

// behind tells whether the log of t is to be shown after that of the other: what it is of began when the other had ended.
func (t target) behind(other target) bool {
	return t.phase.Spec.Order > other.phase.Spec.Order ||
		t.phase.Name == other.phase.Name && t.replica.Index == other.replica.Index && t.attempt > other.attempt
}

// pick gives the replicas of a choice that have begun, in the order in which they are shown.
func (c choice) pick(s view.Snapshot) []target {
	var targets []target
	for _, phase := range c.executions(s) {
		newest := map[int32]target{}
		for _, attempt := range phase.Status.Attempts {
			if c.attempt != every && attempt.Number != c.attempt {
				continue
			}
			for _, replica := range attempt.Replicas {
				if c.replica == every || replica.Index == c.replica {
					newest[replica.Index] = target{phase, attempt.Number, replica}
				}
			}
		}
		for _, t := range newest {
			targets = append(targets, t)
		}
	}
	slices.SortFunc(targets, func(a, b target) int {
		return cmp.Or(cmp.Compare(a.phase.Spec.Order, b.phase.Spec.Order), strings.Compare(a.phase.Spec.Name, b.phase.Spec.Name),
			cmp.Compare(a.replica.Index, b.replica.Index))
	})
	return targets
}

// executions are the Phases of a choice that have logs.
func (c choice) executions(s view.Snapshot) []*v1alpha1.Phase {
	var phases []*v1alpha1.Phase
	for i := range s.Phases {
		phase := &s.Phases[i]
		if phase.Spec.Execution != nil && (c.phase == "" || phase.Spec.Name == c.phase) {
			phases = append(phases, phase)
		}
	}
	return phases
}

// several tells whether there will be more than one log.
func (c choice) several(s view.Snapshot) bool {
	logs := int32(0)
	for _, phase := range c.executions(s) {
		switch {
		case phase.Status.State.Terminal() && len(phase.Status.Attempts) == 0: // never began
		case c.replica == every:
			logs += phase.Spec.Execution.Parallelism
		default:
			logs++
		}
	}
	return logs > 1
}

// over tells whether no further log can begin.
func (c choice) over(s view.Snapshot) bool {
	if view.State(s.Run).Terminal() {
		return true
	}
	phases := c.executions(s)
	return c.phase != "" && len(phases) > 0 && !slices.ContainsFunc(phases, func(p *v1alpha1.Phase) bool { return !p.Status.State.Terminal() })
}

// refuse tells what is wrong with a choice, as far as the run's phases are known.
func (c choice) refuse(s view.Snapshot) error {
	known := names(s)
	if len(known) == 0 && !view.State(s.Run).Terminal() || c.phase == "" && c.replica == every && c.attempt == every {
		return nil
	}
	run := s.Run
	if c.phase != "" && !slices.Contains(known, text.Line(c.phase)) {
		if len(known) == 0 {
			return fmt.Errorf("run %s has no phases: %s", run.Name, cmp.Or(view.Why(run), string(view.State(run))))
		}
		return fmt.Errorf("run %s has no phase %s: it has %s", run.Name, text.Line(c.phase), strings.Join(known, ", "))
	}
	for _, glance := range run.Status.Phases {
		switch {
		case glance.Name != c.phase:
		case glance.Type == v1alpha1.PhaseDeployment:
			return fmt.Errorf("phase %s is a deployment, which has no log: kubectl katkit get %s -n %s shows what it did", c.phase, view.Quote(run.Name), view.Quote(run.Namespace))
		case glance.CarriedFrom != "":
			return fmt.Errorf("phase %s was carried over: kubectl katkit logs %s %s -n %s shows its log", c.phase, view.Quote(glance.CarriedFrom), view.Quote(c.phase), view.Quote(run.Namespace))
		}
	}
	most := int32(0)
	for _, phase := range c.executions(s) {
		most = max(most, phase.Spec.Execution.Parallelism)
	}
	if c.replica != every && most > 0 && c.replica >= most {
		return fmt.Errorf("there is no replica %d: they are numbered from 0 to %d", c.replica, most-1)
	}
	return nil
}

// nothing tells why there is no log to be shown yet, or none at all.
func (c choice) nothing(s view.Snapshot) error {
	run := s.Run
	what := "run " + run.Name
	if c.phase != "" {
		what = "phase " + text.Line(c.phase) + " of " + what
	}
	switch {
	case run.Status.TrimTime != nil:
		return fmt.Errorf("%s: its phases were removed at %s, as the retention of link %s says, and with them the names of its builder Pods, by which a log store keeps their logs", what, run.Status.TrimTime.UTC().Format("2006-01-02 15:04 UTC"), text.Line(run.Spec.Link.Name))
	case c.attempt != every && len(choice{c.phase, c.replica, every}.pick(s)) > 0:
		return fmt.Errorf("%s has no attempt %d", what, c.attempt)
	case c.over(s):
		return fmt.Errorf("%s has no log: it has ended as %s and nothing of it was built%s", what, c.state(s), because(view.Why(run)))
	}
	why := cmp.Or(text.Line(run.Status.WaitingFor), waits(c.executions(s), s), view.Why(run), "it is "+string(view.State(run)))
	return fmt.Errorf("%s has no log yet: %s. With -f it is waited for", what, why)
}

// state is that of the phase that is meant, or of the run.
func (c choice) state(s view.Snapshot) string {
	if phases := c.executions(s); c.phase != "" && len(phases) > 0 {
		return string(phases[0].Status.State)
	}
	return string(view.State(s.Run))
}

// waits tells what the first of some phases waits for.
func waits(phases []*v1alpha1.Phase, s view.Snapshot) string {
	for _, phase := range phases {
		for i := range s.Phases {
			if before := &s.Phases[i]; slices.Contains(phase.Spec.After, before.Name) && before.Status.State != v1alpha1.PhaseSucceeded {
				return fmt.Sprintf("it waits for phase %s, which is %s", text.Line(before.Spec.Name), cmp.Or(before.Status.State, v1alpha1.PhasePending))
			}
		}
		if phase.Status.Message != "" {
			return text.Line(phase.Status.Message)
		}
		if phase.Status.State == v1alpha1.PhaseWaitingForApproval {
			return "it waits for approval"
		}
	}
	return ""
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// names are those of the run's phases, as far as they are known, in their order.
func names(s view.Snapshot) []string {
	var known []string
	for _, glance := range s.Run.Status.Phases {
		known = append(known, text.Line(glance.Name))
	}
	for i := range s.Phases {
		if name := text.Line(s.Phases[i].Spec.Name); !slices.Contains(known, name) {
			known = append(known, name)
		}
	}
	return known
}
