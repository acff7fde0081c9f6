package run

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
)

// create makes a Phase of the run. One that the run owns already is as good; one of somebody else is a
// problem, and never adopted.
func (c *Controller) create(ctx context.Context, run *v1alpha1.CIRun, phase *v1alpha1.Phase) error {
	err := c.Client.Create(ctx, phase)
	if err == nil {
		return nil
	}
	if apierrors.IsInvalid(err) || apierrors.IsRequestEntityTooLargeError(err) {
		return problem.Config(v1alpha1.ReasonPhaseRejected, "the API server refuses what the workflow makes of Phase %s: %v", phase.Name, err)
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating Phase %s: %w", phase.Name, err)
	}
	var existing v1alpha1.Phase
	if err := c.Live.Get(ctx, client.ObjectKeyFromObject(phase), &existing); err != nil {
		return fmt.Errorf("reading Phase %s: %w", phase.Name, err)
	}
	if !existing.DeletionTimestamp.IsZero() {
		return fmt.Errorf("creating Phase %s: that of an earlier run is being deleted", phase.Name)
	}
	if !metav1.IsControlledBy(&existing, run) {
		return problem.Config(v1alpha1.ReasonNameConflict,
			"Phase %s/%s is there already and does not belong to this run: delete it, or start a run of another name", phase.Namespace, phase.Name)
	}
	return nil
}

// deletePods removes the builder Pods of a run, all at once.
func (c *Controller) deletePods(ctx context.Context, run *v1alpha1.CIRun) error {
	ofRun := metav1.ListOptions{LabelSelector: v1alpha1.LabelRunUID + "=" + string(run.UID)}
	if err := c.Pods.Pods(run.Namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, ofRun); err != nil {
		return fmt.Errorf("removing the builder Pods: %w", err)
	}
	return nil
}
