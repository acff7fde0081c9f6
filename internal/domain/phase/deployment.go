package phase

import (
	"fmt"
	"strings"
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rollout"
)

// beginDeployment checks everything and writes down what will be changed; the change itself comes when
// that is stored (design §7, step 1).
func beginDeployment(o Observation, plan *Plan, now time.Time) {
	receipts, cause := Receipts(o.Phase, o.Services)
	if cause == nil {
		cause = o.DryRun
	}
	if cause != nil {
		Fail(o.Phase, &plan.Status, cause, now)
		return
	}
	plan.Status.Receipts = receipts
	run(o.Phase, &plan.Status, "", now)
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

// proceedDeployment changes the images and waits for the rollouts (design §7, steps 2, 3 and 5).
func proceedDeployment(o Observation, plan *Plan, now time.Time) {
	var waiting []string
	for i := range plan.Status.Receipts {
		receipt := &plan.Status.Receipts[i]
		service, found := o.Services[receipt.Role]
		cause := conflict(*receipt, service, found)
		if cause != nil {
			receipt.Result = v1alpha1.ReceiptFailed
			Fail(o.Phase, &plan.Status, cause, now)
			plan.PatchImages = nil
			return
		}
		switch {
		case service.Image(receipt.Container) != receipt.Image:
			plan.PatchImages = append(plan.PatchImages, PatchImage{Receipt: *receipt, ResourceVersion: service.ResourceVersion})
			waiting = append(waiting, receipt.Name+": image is being changed")
		case service.Progress.Failed:
			receipt.Result = v1alpha1.ReceiptFailed
			Fail(o.Phase, &plan.Status, rolloutFailed(*receipt, service), now)
			plan.PatchImages = nil
			return
		case service.Progress.Done:
			receipt.Result = result(*receipt)
		default:
			waiting = append(waiting, receipt.Name+": "+service.Progress.Message)
		}
	}
	left := deadline(o, now)
	switch {
	case len(waiting) == 0:
		succeed(o.Phase, &plan.Status, summary(plan.Status.Receipts), now)
	case left <= 0:
		plan.PatchImages = nil
		Fail(o.Phase, &plan.Status, timedOut(o, strings.Join(waiting, "; ")), now)
	default:
		// The receipts' results are written with the phase's end, all at once.
		plan.Status = *o.Phase.Status.DeepCopy()
		plan.RequeueAfter = left
	}
}

// conflict is the problem of a service that is not as it was recorded, nor as Katkit changed it.
func conflict(receipt v1alpha1.Receipt, service rollout.Service, found bool) *problem.Problem {
	if !found {
		return problem.Config(v1alpha1.ReasonWorkloadChanged, "%s %s was deleted during its deployment", receipt.Kind, receipt.Name)
	}
	live := service.Image(receipt.Container)
	// Katkit's change and a way back from it are two generations at least. One, with the image as before, is
	// somebody else's single change (an autoscaler's, say), and Katkit's is still to come.
	if live == receipt.Image || (live == receipt.PreviousImage && service.Generation <= receipt.Generation+1) {
		return nil
	}
	if live == receipt.PreviousImage {
		return problem.Config(v1alpha1.ReasonWorkloadChanged,
			"%s %s: somebody else changed it during its deployment (generation %d to %d), and container %s runs %q as before; it is left as it is. Start a new run if this commit shall be deployed",
			receipt.Kind, receipt.Name, receipt.Generation, service.Generation, receipt.Container, live)
	}
	return problem.Config(v1alpha1.ReasonWorkloadChanged,
		"%s %s, container %s: somebody else changed the image to %q while Katkit was about to change it from %q to %q; it is left as it is. Start a new run if this commit shall be deployed",
		receipt.Kind, receipt.Name, receipt.Container, live, receipt.PreviousImage, receipt.Image)
}

func rolloutFailed(receipt v1alpha1.Receipt, service rollout.Service) *problem.Problem {
	return &problem.Problem{
		Class: v1alpha1.FailureUser, Reason: v1alpha1.ReasonRolloutFailed,
		Message: fmt.Sprintf("%s %s did not become available with image %s: %s. It ran %s before: kubectl rollout undo %s/%s -n %s",
			receipt.Kind, receipt.Name, receipt.Image, service.Progress.Message, receipt.PreviousImage,
			strings.ToLower(receipt.Kind), receipt.Name, service.Namespace),
	}
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
		lines = append(lines, fmt.Sprintf("%s %s: %s → %s", receipt.Kind, receipt.Name, receipt.PreviousImage, receipt.Image))
	}
	return strings.Join(lines, "; ")
}
