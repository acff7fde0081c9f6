package rerun

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/create"
	"katkit.dev/katkit/internal/cli/find"
	"katkit.dev/katkit/internal/domain/text"
)

// start makes a run that repeats another.
func (o options) start(ctx context.Context, live client.Client, namespace string) (*v1alpha1.CIRun, error) {
	if err := create.CheckName(o.name); err != nil {
		return nil, err
	}
	original, err := find.Run(ctx, live, namespace, o.run)
	if err != nil {
		return nil, err
	}
	if err := check(original, o.from); err != nil {
		return nil, err
	}
	return create.Run(ctx, live, namespace, o.name, v1alpha1.CIRunSpec{
		Link: original.Spec.Link, RerunOf: original.Name, FromPhase: o.from, AllowOlder: o.allowOlder,
	})
}

// check tells why a run cannot be repeated from a phase; "" is the first that did not succeed.
func check(original *v1alpha1.CIRun, from string) error {
	status := original.Status
	if !status.State.Terminal() {
		return fmt.Errorf("run %s has not ended (%s): wait for its end with kubectl katkit get %s -n %s --follow, or cancel it",
			original.Name, text.Line(string(status.State)), original.Name, original.Namespace)
	}
	if len(status.Phases) == 0 {
		return fmt.Errorf("run %s ended before it had phases, so there is nothing to repeat: kubectl katkit run %s -n %s starts a new one",
			original.Name, original.Spec.Link.Name, original.Namespace)
	}
	if status.TrimTime != nil {
		return fmt.Errorf("the phases of run %s were removed by the link's retention, so it cannot be repeated: kubectl katkit run %s -n %s starts a new one",
			original.Name, original.Spec.Link.Name, original.Namespace)
	}
	var names []string
	var first *v1alpha1.RunPhaseStatus
	for i, phase := range status.Phases {
		names = append(names, text.Line(phase.Name))
		if phase.Name == from {
			first = &status.Phases[i]
		}
	}
	switch {
	case from == "" && status.State == v1alpha1.RunSucceeded:
		return fmt.Errorf("every phase of run %s succeeded: say with --from which one to begin with (%s)", original.Name, strings.Join(names, ", "))
	case from == "":
		return nil
	case first == nil:
		return fmt.Errorf("run %s has no phase %q to begin with: it has %s", original.Name, from, strings.Join(names, ", "))
	}
	for _, phase := range status.Phases {
		if phase.Order < first.Order && phase.State != v1alpha1.PhaseSucceeded {
			return fmt.Errorf("run %s cannot be repeated from phase %s, since phase %s before it did not succeed (%s): begin with --from %s, or leave --from out",
				original.Name, text.Line(from), text.Line(phase.Name), phase.State, text.Line(phase.Name))
		}
	}
	return nil
}
