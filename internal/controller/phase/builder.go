package phase

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/builderclass"
	domain "katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/problem"
)

// builder finds out what the builder Pods of a phase that is about to begin are made by: its BuilderClass as it is now.
func (c *Controller) builder(ctx context.Context, phase *v1alpha1.Phase) (*domain.Builder, error) {
	var classes v1alpha1.BuilderClassList
	if err := c.Client.List(ctx, &classes, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing builder classes: %w", err)
	}
	namespace, err := c.readNamespace(ctx, phase.Namespace)
	if err != nil {
		return nil, err
	}
	status, cause := c.madeBy(phase, namespace.Labels, classes.Items)
	return &domain.Builder{Status: status, Problem: cause}, nil
}

// madeBy chooses the class, if it allows what the phase asks for. labels are those of its namespace.
func (c *Controller) madeBy(phase *v1alpha1.Phase, labels map[string]string, classes []v1alpha1.BuilderClass) (*v1alpha1.BuilderStatus, *problem.Problem) {
	asked, link := phase.Spec.Execution.Builder, phase.Labels[v1alpha1.LabelLink]
	class, cause := builderclass.Choose(builderclass.Ask{
		Namespace: phase.Namespace, Labels: labels, Link: link, ClassName: asked.ClassName, Fallback: asked.DefaultClassName,
	}, classes)
	if cause != nil {
		return nil, cause
	}
	return builderclass.Resolve(class, asked, c.AgentDelivery, builderclass.Askers{
		Phase: "phase " + phase.Spec.Name,
		Image: fmt.Sprintf("phase %s (its ContainerImage, or builder.image of TenantRepoLink %s)", phase.Spec.Name, link),
	})
}
