package link

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/builderclass"
	"katkit.dev/katkit/internal/domain/problem"
)

// class tells what keeps a link from its BuilderClass, or the class from the image that the link brings. labels are those of its namespace.
func (c *Controller) class(ctx context.Context, link *v1alpha1.TenantRepoLink, labels map[string]string) (*problem.Problem, error) {
	var classes v1alpha1.BuilderClassList
	if err := c.Client.List(ctx, &classes, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing builder classes: %w", err)
	}
	class, cause := builderclass.Choose(builderclass.AskOf(link, labels), classes.Items)
	if cause != nil || link.Spec.Builder.Image == "" {
		return cause, nil
	}
	return builderclass.CheckImage(class, link.Spec.Builder.Image, "builder.image of TenantRepoLink "+link.Name), nil
}

// linksOf finds the links that a change of a BuilderClass means something to: those that it stands in the way of, or did.
func (c *Controller) linksOf(ctx context.Context, class client.Object) []ctrl.Request {
	return c.requests(ctx, func(link *v1alpha1.TenantRepoLink) bool {
		if name := link.Spec.Builder.ClassName; name != "" && name != class.GetName() {
			return false
		}
		ready := meta.FindStatusCondition(link.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || builderclass.Explains(ready.Reason) {
			return true
		}
		namespace, err := c.namespace(ctx, link.Namespace)
		if err != nil {
			return true // which will say so
		}
		cause, err := c.class(ctx, link, namespace.Labels)
		return cause != nil || err != nil
	})
}
