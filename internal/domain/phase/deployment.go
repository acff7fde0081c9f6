package phase

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rollout"
)

// orderPatience is when the order of commits is asked for again, when GitHub did not say when.
const orderPatience = 30 * time.Second

// beginDeployment checks everything and writes down what will be changed; the change itself comes when
// that is stored, so that a manager that is killed half way can take it back (ADR 7).
func beginDeployment(o Observation, plan *Plan, now time.Time) {
	receipts, cause := Receipts(o.Phase, o.Services)
	for _, found := range []*problem.Problem{o.DryRun, o.Older} {
		if cause == nil {
			cause = found
		}
	}
	switch {
	case cause == nil:
		plan.Status.Receipts = receipts
		run(o.Phase, &plan.Status, "", now)
	case cause.Transient:
		Wait(o.Phase, &plan.Status, cause.Reason, cause.Message, now)
		plan.RequeueAfter = cmp.Or(cause.RetryAfter, orderPatience)
	default:
		Fail(o.Phase, &plan.Status, cause, now)
	}
}

// Receipts plans the change of every service of a deployment phase. The problem is that of the first role
// that has no workload or no container to upgrade.
func Receipts(p *v1alpha1.Phase, services map[string]rollout.Service) ([]v1alpha1.Receipt, *problem.Problem) {
	receipts := make([]v1alpha1.Receipt, 0, len(p.Spec.Deployment.Services))
	for _, want := range p.Spec.Deployment.Services {
		service, found := services[want.Role]
		if !found {
			return nil, rollout.NotFound(p.Namespace, want.Role)
		}
		receipt, cause := service.Receipt(want)
		if cause != nil {
			return nil, cause
		}
		receipts = append(receipts, receipt)
	}
	return receipts, nil
}

// proceedDeployment changes the images and waits for the rollouts. When one fails, all
// are rolled back: the services of a commit are live together, or none of them is.
func proceedDeployment(o Observation, plan *Plan, now time.Time) {
	if o.Phase.Status.Rollback != nil {
		rollBack(o, plan, now)
		return
	}
	var waiting, troubles []string
	for i := range plan.Status.Receipts {
		receipt := &plan.Status.Receipts[i]
		service, found := o.Services[receipt.Role]
		cause := conflict(o.Phase, *receipt, service, found)
		if cause == nil && service.Image(receipt.Container) == receipt.Image {
			cause = rolloutFailure(*receipt, service, o.Phase.Status.StartTime.Time)
		}
		switch {
		case cause != nil:
			takeBack(o, plan, cause, now)
			return
		case service.Image(receipt.Container) != receipt.Image:
			plan.PatchImages = append(plan.PatchImages, upgrade(o.Phase, *receipt, service))
			waiting = append(waiting, receipt.Name+": image is being changed")
		case service.Progress.Done:
			receipt.Result = result(*receipt)
			if service.Progress.OnDelete {
				receipt.Message = service.Progress.Message
			}
		default:
			waiting = append(waiting, receipt.Name+": "+service.Progress.Message)
			if service.Trouble != nil {
				troubles = append(troubles, fmt.Sprintf("%s %s: %s", receipt.Kind, receipt.Name, service.Trouble.Message))
			}
		}
	}
	left := deadline(o, now)
	switch {
	case len(waiting) == 0:
		succeed(o.Phase, &plan.Status, summary(plan.Status.Receipts), now)
	case o.RunStop != nil:
		takeBack(o, plan, causeOf(o.RunStop), now)
	case left <= 0:
		takeBack(o, plan, timedOut(o, strings.Join(slices.Concat(waiting, troubles), "; ")), now)
	default:
		// The receipts' results are written with the phase's end, all at once.
		plan.Status = *o.Phase.Status.DeepCopy()
		tell(o.Phase, &plan.Status, strings.Join(troubles, "; "), now)
		plan.RequeueAfter = left
	}
}

// mark tells how far Katkit came with a service in this phase.
type mark int

const (
	untouched mark = iota // not changed by this phase
	upgraded              // changed to the new image
	reverted              // and back
)

// markOf reads what the phase left on the service together with the image.
func markOf(p *v1alpha1.Phase, service rollout.Service) mark {
	owner := metav1.GetControllerOf(p)
	switch {
	case owner == nil || service.Mark.RunUID != string(owner.UID):
		return untouched
	case service.Mark.SHA == p.Spec.SHA:
		return upgraded
	default:
		return reverted
	}
}

// conflict is the problem of a service that is not as it was recorded, nor as Katkit changed it.
func conflict(p *v1alpha1.Phase, receipt v1alpha1.Receipt, service rollout.Service, found bool) *problem.Problem {
	if !found {
		return problem.Config(v1alpha1.ReasonWorkloadChanged, "%s %s was deleted during its deployment", receipt.Kind, receipt.Name)
	}
	live := service.Image(receipt.Container)
	switch {
	case live == receipt.Image, live == receipt.PreviousImage && markOf(p, service) == untouched:
		return nil
	case live == receipt.PreviousImage:
		return problem.Config(v1alpha1.ReasonWorkloadChanged,
			"%s %s: Katkit changed container %s to %q, and somebody else brought %q back; it is left as it is. Start a new run if this commit shall be deployed",
			receipt.Kind, receipt.Name, receipt.Container, receipt.Image, live)
	}
	return problem.Config(v1alpha1.ReasonWorkloadChanged,
		"%s %s, container %s: somebody else changed the image to %q while Katkit was about to change it from %q to %q; it is left as it is. Start a new run if this commit shall be deployed",
		receipt.Kind, receipt.Name, receipt.Container, live, receipt.PreviousImage, receipt.Image)
}

// rolloutFailure is the problem of a service whose rollout has failed; nil while it may still succeed.
func rolloutFailure(receipt v1alpha1.Receipt, service rollout.Service, since time.Time) *problem.Problem {
	reason, why := whyFailed(service, since)
	if reason == "" {
		return nil
	}
	return &problem.Problem{
		Class: v1alpha1.FailureUser, Reason: reason,
		Message: fmt.Sprintf("%s %s did not become available with image %s: %s", receipt.Kind, receipt.Name, receipt.Image, why),
	}
}

// whyFailed tells why a rollout that began at a time or later has failed; "" while it may still succeed.
func whyFailed(service rollout.Service, since time.Time) (reason, why string) {
	trouble := service.Trouble
	exceeded := service.Progress.Failed && !service.Progress.FailedAt.Time.Before(since.Truncate(time.Second))
	switch {
	case service.Progress.Done:
		return "", ""
	case trouble != nil && trouble.Final:
		return trouble.Reason, trouble.Message
	case exceeded && trouble != nil:
		return trouble.Reason, service.Progress.Message + "; " + trouble.Message
	case exceeded:
		return v1alpha1.ReasonRolloutFailed, service.Progress.Message
	}
	return "", ""
}

func result(receipt v1alpha1.Receipt) v1alpha1.ReceiptResult {
	if receipt.PreviousImage == receipt.Image {
		return v1alpha1.ReceiptUnchanged
	}
	return v1alpha1.ReceiptUpgraded
}

func summary(receipts []v1alpha1.Receipt) string {
	lines := make([]string, 0, len(receipts))
	for _, receipt := range receipts {
		if receipt.Result == v1alpha1.ReceiptUnchanged {
			lines = append(lines, fmt.Sprintf("%s %s runs %s already", receipt.Kind, receipt.Name, receipt.Image))
			continue
		}
		line := fmt.Sprintf("%s %s: %s → %s", receipt.Kind, receipt.Name, receipt.PreviousImage, receipt.Image)
		if receipt.Message != "" {
			line += " (" + receipt.Message + ")"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}
