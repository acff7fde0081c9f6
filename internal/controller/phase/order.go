package phase

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	domain "katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rollout"
)

// older tells whether the commit is older than the live one of a service, unless the phase may go back.
func (c *Controller) older(ctx context.Context, phase *v1alpha1.Phase, services map[string]rollout.Service) (*problem.Problem, error) {
	receipts, _ := domain.Receipts(phase, services) // what is wrong with them the decision finds itself
	compare := rollout.ToCompare(receipts, phase.Spec.SHA)
	if phase.Spec.Deployment.AllowOlder || len(compare) == 0 {
		return nil, nil
	}
	var link v1alpha1.TenantRepoLink
	key := types.NamespacedName{Namespace: phase.Namespace, Name: phase.Labels[v1alpha1.LabelLink]}
	if err := c.Client.Get(ctx, key, &link); err != nil {
		if apierrors.IsNotFound(err) {
			return problem.Config(v1alpha1.ReasonLinkNotFound,
				"TenantRepoLink %s is gone, so it cannot be told whether commit %s is older than the live one: apply it again and start a new run, "+
					"or start one with spec.allowOlder: true", key, phase.Spec.SHA), nil
		}
		return nil, fmt.Errorf("reading its link: %w", err)
	}
	repository, cause := c.Source.Open(ctx, &link)
	if cause != nil {
		return cause, nil
	}
	if cause := repository.Identify(ctx); cause != nil {
		return cause, nil
	}
	return repository.Older(ctx, compare, phase.Spec.SHA), nil
}
