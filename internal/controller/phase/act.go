package phase

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/buildpod"
	domain "katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/report"
	"katkit.dev/katkit/internal/workload"
)

// act carries out a plan, in the order of its fields. Each step may have been done before.
func (c *Controller) act(ctx context.Context, phase *v1alpha1.Phase, plan domain.Plan) error {
	if begun, err := c.createAll(ctx, phase, plan); err != nil {
		if cause, refused := errors.AsType[*problem.Problem](err); refused {
			return c.refused(ctx, phase, plan, cause, begun)
		}
		return err
	}
	for _, keep := range plan.KeepLogs {
		if err := c.keepLog(ctx, phase, keep, &plan.Status); err != nil {
			return err
		}
	}
	if err := c.removeCredentials(ctx, phase, plan.RemoveCredentials); err != nil {
		return err
	}
	if err := c.write(ctx, phase, plan.Status); err != nil {
		return err
	}
	if err := c.end(ctx, phase.Namespace, plan); err != nil {
		return err
	}
	for _, patch := range plan.PatchImages {
		if err := c.patch(ctx, phase, patch); err != nil {
			return err
		}
	}
	for _, remove := range plan.RemovePods {
		if err := c.remove(ctx, phase, remove); err != nil {
			return err
		}
	}
	if plan.Release {
		return report.Release(ctx, c.Client, phase.DeepCopy(), v1alpha1.FinalizerDeployment)
	}
	return nil
}

// createAll makes the builder Pods, and before them what they clone with. begun tells whether one of the attempt's is there.
func (c *Controller) createAll(ctx context.Context, phase *v1alpha1.Phase, plan domain.Plan) (begun bool, err error) {
	if plan.CreateCredential != nil {
		if err := c.createCredential(ctx, phase, plan.CreateCredential); err != nil {
			return false, err
		}
	}
	for i, pod := range plan.CreatePods {
		if err := c.create(ctx, phase, pod); err != nil {
			attempts := plan.Status.Attempts
			return i > 0 || len(plan.CreatePods) < len(attempts[len(attempts)-1].Replicas), err
		}
	}
	return true, nil
}

// stopNow is the patch by which the kubelet ends a Pod, with its grace period, and keeps it: it has lived longer than it may.
var stopNow = []byte(`{"spec":{"activeDeadlineSeconds":1}}`)

// end stops builder Pods, and removes those that are not needed for their results.
func (c *Controller) end(ctx context.Context, namespace string, plan domain.Plan) error {
	pods := c.Core.Pods(namespace)
	for _, name := range plan.StopPods {
		if _, err := pods.Patch(ctx, name, types.MergePatchType, stopNow, metav1.PatchOptions{}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("stopping builder Pod %s: %w", name, err)
		}
	}
	for _, name := range plan.DeletePods {
		if err := pods.Delete(ctx, name, metav1.DeleteOptions{}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing builder Pod %s: %w", name, err)
		}
	}
	for _, name := range plan.KillPods {
		if err := pods.Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing builder Pod %s: %w", name, err)
		}
	}
	return nil
}

// remove deletes a Pod of a service as the deployer. When that is refused for good, the service stays as it is.
func (c *Controller) remove(ctx context.Context, phase *v1alpha1.Phase, remove domain.RemovePod) error {
	err := c.Deployer.RemovePod(ctx, phase.Namespace, phase.Spec.Deployment.ServiceAccountName, remove.Pod.Name, remove.Pod.UID)
	if !apierrors.IsForbidden(err) {
		return err
	}
	cause := problem.Config(v1alpha1.ReasonDeployerForbidden, "kubectl delete pod %s -n %s lets it go on, which the deployer may not do: %v",
		remove.Pod.Name, phase.Namespace, err)
	return c.amend(ctx, phase, func(current *v1alpha1.Phase, status *v1alpha1.PhaseStatus) {
		domain.Refuse(current, status, remove.Role, cause, c.Clock.Now())
	})
}

// create makes a builder Pod. One that the Phase owns already is as good; one of somebody else is a problem,
// and never adopted. A full quota passes by itself.
func (c *Controller) create(ctx context.Context, phase *v1alpha1.Phase, pod *corev1.Pod) error {
	err := c.Client.Create(ctx, pod)
	switch {
	case err == nil:
		return nil
	case apierrors.IsAlreadyExists(err):
		var existing corev1.Pod
		if err := c.Live.Get(ctx, client.ObjectKeyFromObject(pod), &existing); err != nil {
			return fmt.Errorf("reading builder Pod %s: %w", pod.Name, err)
		}
		if !metav1.IsControlledBy(&existing, phase) {
			return problem.Config(v1alpha1.ReasonNameConflict,
				"Pod %s/%s is there already and is not this Phase's: delete it and start a new run", pod.Namespace, pod.Name)
		}
		return nil
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		cause := buildpod.Refused(pod, err.Error())
		if cause.Reason == v1alpha1.ReasonWaitingForQuota {
			cause.Message += c.alsoThere(ctx, pod.Namespace)
		}
		return cause
	}
	return fmt.Errorf("creating builder Pod %s: %w", pod.Name, err)
}

// alsoThere tells of builder Pods that take room in a namespace though their builds have ended; "" where there are none, or that cannot be told.
func (c *Controller) alsoThere(ctx context.Context, namespace string) string {
	var pods corev1.PodList
	if err := c.Client.List(ctx, &pods, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Info("the builder Pods of a namespace cannot be listed", "error", err.Error())
		return ""
	}
	if held := domain.StillDelivering(pods.Items); held != "" {
		return "; " + held
	}
	return ""
}

// patch changes an image as the deployer. When the API server refuses it for good, the deployment is taken back.
func (c *Controller) patch(ctx context.Context, phase *v1alpha1.Phase, patch domain.PatchImage) error {
	change := changeOf(phase, patch)
	err := c.Deployer.Apply(ctx, change)
	if err == nil {
		return nil
	}
	if cause := workload.Explain(change, err); cause != nil {
		return c.amend(ctx, phase, func(current *v1alpha1.Phase, status *v1alpha1.PhaseStatus) {
			domain.Refuse(current, status, patch.Receipt.Role, cause, c.Clock.Now())
		})
	}
	return err
}

func changeOf(phase *v1alpha1.Phase, patch domain.PatchImage) workload.Change {
	return workload.Change{
		Namespace: phase.Namespace, ServiceAccount: phase.Spec.Deployment.ServiceAccountName,
		Kind: patch.Receipt.Kind, Name: patch.Receipt.Name, Container: patch.Receipt.Container,
		Image: patch.Image, Annotations: patch.Annotations, ResourceVersion: patch.ResourceVersion,
	}
}

// refused tells why a builder Pod cannot be made: the phase fails, or waits and is tried again. With some of its Pods it has
// begun, and keeps its turn.
func (c *Controller) refused(ctx context.Context, phase *v1alpha1.Phase, plan domain.Plan, cause *problem.Problem, begun bool) error {
	if !cause.Transient {
		if plan.CreateCredential != nil {
			if err := c.removeCredentials(ctx, phase, []string{plan.CreateCredential.Name}); err != nil {
				return err
			}
		}
		return c.fail(ctx, phase, cause)
	}
	status := *phase.Status.DeepCopy()
	if begun {
		status.Builder = plan.Status.Builder // the Pods to come are to be like those that are there
	}
	if begun || status.StartTime != nil {
		domain.Hold(phase, &status, cause, c.Clock.Now())
	} else {
		domain.Queue(phase, &status, cause.Reason, cause.Message, c.Clock.Now())
	}
	return errors.Join(cause, c.write(ctx, phase, status))
}

// fail ends the phase for a problem that came up while it was carried out.
func (c *Controller) fail(ctx context.Context, phase *v1alpha1.Phase, cause *problem.Problem) error {
	return c.amend(ctx, phase, func(current *v1alpha1.Phase, status *v1alpha1.PhaseStatus) {
		domain.Fail(current, status, cause, c.Clock.Now())
	})
}

// amend changes the status as it is now, which may have been written since it was observed.
func (c *Controller) amend(ctx context.Context, phase *v1alpha1.Phase, change func(*v1alpha1.Phase, *v1alpha1.PhaseStatus)) error {
	var current v1alpha1.Phase
	if err := c.Client.Get(ctx, client.ObjectKeyFromObject(phase), &current); err != nil {
		return client.IgnoreNotFound(err)
	}
	status := *current.Status.DeepCopy()
	change(&current, &status)
	return c.write(ctx, &current, status)
}

// write stores the status, if it is another, and tells of what changed.
func (c *Controller) write(ctx context.Context, phase *v1alpha1.Phase, status v1alpha1.PhaseStatus) error {
	if equality.Semantic.DeepEqual(phase.Status, status) {
		return nil
	}
	after := phase.DeepCopy()
	after.Status = status
	if err := report.Status(ctx, c.Client, phase, after); err != nil {
		return err
	}
	report.Events(c.Recorder, after, happened(phase.Spec, phase.Status, status))
	return nil
}
