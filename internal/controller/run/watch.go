package run

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	domain "katkit.dev/katkit/internal/domain/run"
)

func indexFields(indexer client.FieldIndexer) error {
	ctx := context.Background()
	owner := func(o client.Object) []string {
		if controller := metav1.GetControllerOf(o); controller != nil {
			return []string{string(controller.UID)}
		}
		return nil
	}
	if err := indexer.IndexField(ctx, &v1alpha1.Phase{}, indexOwner, owner); err != nil {
		return fmt.Errorf("indexing Phases by run: %w", err)
	}
	runUID := func(o client.Object) []string { return []string{o.GetLabels()[v1alpha1.LabelRunUID]} }
	if err := indexer.IndexField(ctx, &corev1.Pod{}, indexRunUID, runUID); err != nil {
		return fmt.Errorf("indexing builder Pods by run: %w", err)
	}
	for name, ended := range map[string]bool{indexLink: false, indexEnded: true} {
		ofLink := func(o client.Object) []string {
			if run, isRun := o.(*v1alpha1.CIRun); isRun && run.Status.State.Terminal() == ended {
				return []string{run.Spec.Link.Name}
			}
			return nil
		}
		if err := indexer.IndexField(ctx, &v1alpha1.CIRun{}, name, ofLink); err != nil {
			return fmt.Errorf("indexing runs by link: %w", err)
		}
	}
	return nil
}

// runsOf finds the runs that wait for a link, and those under way when it is deleted.
func (c *Controller) runsOf(ctx context.Context, link client.Object) []ctrl.Request {
	gone, err := c.linkGone(ctx, client.ObjectKeyFromObject(link))
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "a link could not be read", "link", client.ObjectKeyFromObject(link))
		return nil
	}
	return c.requests(ctx, link.GetNamespace(), client.MatchingFields{indexLink: link.GetName()}, func(run *v1alpha1.CIRun) bool {
		return gone || domain.NeedsMaterial(run)
	})
}

// runsSuperseded finds the runs whose place one of a newer commit takes.
func (c *Controller) runsSuperseded(ctx context.Context, o client.Object) []ctrl.Request {
	newer, isRun := o.(*v1alpha1.CIRun)
	if !isRun || newer.Status.SHA == "" || newer.Status.State.Terminal() {
		return nil
	}
	return c.requests(ctx, newer.Namespace, client.MatchingFields{indexLink: newer.Spec.Link.Name}, func(run *v1alpha1.CIRun) bool {
		return run.Status.Stop == nil && domain.Supersedes(newer, run)
	})
}

func (c *Controller) requests(ctx context.Context, namespace string, fields client.MatchingFields, wanted func(*v1alpha1.CIRun) bool) []ctrl.Request {
	var runs v1alpha1.CIRunList
	if err := c.Client.List(ctx, &runs, client.InNamespace(namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "runs could not be listed", "namespace", namespace)
		return nil
	}
	var requests []ctrl.Request
	for i := range runs.Items {
		if wanted(&runs.Items[i]) {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&runs.Items[i])})
		}
	}
	return requests
}
