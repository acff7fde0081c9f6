package run

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	domain "katkit.dev/katkit/internal/domain/run"
)

// repeated reads the run that a re-run repeats, the one that this repeats, and so on to the first.
func (c *Controller) repeated(ctx context.Context, run *v1alpha1.CIRun) ([]*v1alpha1.CIRun, *problem.Problem, error) {
	var chain []*v1alpha1.CIRun
	for name := run.Spec.RerunOf; name != ""; name = chain[len(chain)-1].Spec.RerunOf {
		var before v1alpha1.CIRun
		err := c.Client.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: name}, &before)
		if apierrors.IsNotFound(err) || len(chain) == domain.MaxRepeats {
			return nil, domain.RepeatedNotFound(run, name), nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading run %s, which is repeated: %w", name, err)
		}
		chain = append(chain, &before)
	}
	if len(chain) == 0 {
		return nil, nil, nil
	}
	return chain, domain.Repeatable(run, chain[0]), nil
}

// carry finds out which phases a re-run does not run again, and what they left.
func (c *Controller) carry(ctx context.Context, run *v1alpha1.CIRun, repeated []*v1alpha1.CIRun, m *domain.Material) (*problem.Problem, error) {
	if len(repeated) == 0 {
		return nil, nil
	}
	carried, cause := domain.Carry(run, repeated[0], m.Workflow.Phases)
	if cause != nil {
		return cause, nil
	}
	phases := map[string]*v1alpha1.Phase{}
	for _, entry := range carried {
		var phase v1alpha1.Phase
		err := c.Client.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: entry.PhaseName}, &phase)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading Phase %s: %w", entry.PhaseName, err)
		}
		if err != nil || phase.Spec.SHA != m.Commit.SHA || phase.Status.State != v1alpha1.PhaseSucceeded { // or one of a later run of that name
			m.Warnings = append(m.Warnings, fmt.Sprintf("phase %s is carried over, but what it left in $KATKIT_OUTPUT is gone with run %s", entry.Name, entry.CarriedFrom))
			continue
		}
		phases[phase.Name] = &phase
	}
	m.Carried, m.Outputs = carried, domain.CarriedOutputs(carried, phases)
	return nil, nil
}
