package run

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/retention"
	domain "katkit.dev/katkit/internal/domain/run"
)

// retain removes a run that has ended when its link does not keep it any more, unless a log of it is on its way to the log store: the
// change of the Phase that ends this brings the run here again. It tells whether it did, and else when to look again.
func (c *Controller) retain(ctx context.Context, run *v1alpha1.CIRun) (gone bool, next time.Duration, err error) {
	expired, next, err := c.expired(ctx, run)
	if err != nil {
		return false, 0, err
	}
	for _, old := range expired {
		if old.UID != run.UID {
			continue
		}
		phases, err := c.phases(ctx, run)
		if err != nil || domain.Delivering(phases) {
			return false, 0, err
		}
		return true, 0, c.remove(ctx, run)
	}
	return false, next, nil
}

// runsExpired finds the runs that their link does not keep any more since another one has ended.
func (c *Controller) runsExpired(ctx context.Context, o client.Object) []ctrl.Request {
	ended, isRun := o.(*v1alpha1.CIRun)
	if !isRun || !ended.Status.State.Terminal() || ended.Status.TrimTime != nil {
		return nil
	}
	expired, _, err := c.expired(ctx, ended)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "what is not kept could not be found out", "run", client.ObjectKeyFromObject(ended))
		return nil
	}
	requests := make([]ctrl.Request, 0, len(expired))
	for _, old := range expired {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(old)})
	}
	return requests
}

// expired are the runs of a run's link that it does not keep any more. The second result is when the next one will be, if
// nothing happens.
func (c *Controller) expired(ctx context.Context, run *v1alpha1.CIRun) ([]*v1alpha1.CIRun, time.Duration, error) {
	policy, err := c.policy(ctx, run)
	if err != nil {
		return nil, 0, err
	}
	var runs v1alpha1.CIRunList
	err = c.Client.List(ctx, &runs, client.InNamespace(run.Namespace), client.MatchingFields{indexEnded: run.Spec.Link.Name},
		client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	if err != nil {
		return nil, 0, fmt.Errorf("listing the runs of its link that have ended: %w", err)
	}
	expired, next := retention.Expired(runs.Items, policy, c.Clock.Now())
	return expired, next, nil
}

func (c *Controller) policy(ctx context.Context, run *v1alpha1.CIRun) (retention.Policy, error) {
	var link v1alpha1.TenantRepoLink
	err := c.Client.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Link.Name}, &link)
	if apierrors.IsNotFound(err) {
		return retention.PolicyOf(nil), nil
	}
	if err != nil {
		return retention.Policy{}, fmt.Errorf("reading its link: %w", err)
	}
	return retention.PolicyOf(&link), nil
}

// remove deletes a run that Katkit made. One that somebody applied would be applied again, and run again: of it the Phases and
// logs are deleted, and the run stays.
func (c *Controller) remove(ctx context.Context, run *v1alpha1.CIRun) error {
	ours, err := c.madeByKatkit(ctx, run)
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	if !ours {
		return c.trim(ctx, run)
	}
	err = c.Client.Delete(ctx, run, client.Preconditions{UID: &run.UID}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting run %s, which its link does not keep any more: %w", run.Name, err)
	}
	return nil
}

// madeByKatkit tells whether nobody but Katkit and its plugin wrote a run. Who did is not in the cache.
func (c *Controller) madeByKatkit(ctx context.Context, run *v1alpha1.CIRun) (bool, error) {
	var live metav1.PartialObjectMetadata
	live.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("CIRun"))
	if err := c.Live.Get(ctx, client.ObjectKeyFromObject(run), &live); err != nil {
		return false, fmt.Errorf("reading run %s: %w", run.Name, err)
	}
	for _, entry := range live.ManagedFields {
		if entry.Subresource == "" && entry.Manager != v1alpha1.ManagedBy {
			return false, nil
		}
	}
	return true, nil
}

// trim deletes the Phases of a run, with their logs, and notes that in its status.
func (c *Controller) trim(ctx context.Context, run *v1alpha1.CIRun) error {
	phases, err := c.phases(ctx, run)
	if err != nil {
		return err
	}
	for _, phase := range phases {
		err := c.Client.Delete(ctx, phase, client.Preconditions{UID: &phase.UID}, client.PropagationPolicy(metav1.DeletePropagationBackground))
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting Phase %s: %w", phase.Name, err)
		}
	}
	status := run.Status.DeepCopy()
	status.TrimTime = new(metav1.NewTime(c.Clock.Now().Truncate(time.Second)))
	status.Warnings, status.Outputs = nil, nil
	return c.write(ctx, run, *status)
}
