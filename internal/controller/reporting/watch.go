package reporting

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	domain "katkit.dev/katkit/internal/domain/reporting"
)

// indexCommit finds the runs of a commit.
const indexCommit = "katkit.reporting.commit"

func indexFields(indexer client.FieldIndexer) error {
	commit := func(o client.Object) []string {
		if run, isRun := o.(*v1alpha1.CIRun); isRun && domain.Commit(run) != "" {
			return []string{domain.Commit(run)}
		}
		return nil
	}
	if err := indexer.IndexField(context.Background(), &v1alpha1.CIRun{}, indexCommit, commit); err != nil {
		return fmt.Errorf("indexing runs by commit: %w", err)
	}
	return nil
}

// becameReady lets updates of links through that work again: with another token, say.
func becameReady() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		DeleteFunc:  func(event.DeleteEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
		UpdateFunc:  func(e event.UpdateEvent) bool { return !ready(e.ObjectOld) && ready(e.ObjectNew) },
	}
}

func ready(o client.Object) bool {
	link, isLink := o.(*v1alpha1.TenantRepoLink)
	return isLink && meta.IsStatusConditionTrue(link.Status.Conditions, v1alpha1.ConditionReady)
}

// runsOf finds the runs of a link that GitHub may take now.
func (c *Controller) runsOf(ctx context.Context, o client.Object) []ctrl.Request {
	link, isLink := o.(*v1alpha1.TenantRepoLink)
	if !isLink {
		return nil
	}
	var runs v1alpha1.CIRunList
	if err := c.Client.List(ctx, &runs, client.InNamespace(link.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "runs could not be listed", "namespace", link.Namespace)
		return nil
	}
	var requests []ctrl.Request
	for i := range runs.Items {
		if run := &runs.Items[i]; run.Spec.Link.Name == link.Name && domain.Due(run, link, c.began) {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(run)})
		}
	}
	return requests
}
