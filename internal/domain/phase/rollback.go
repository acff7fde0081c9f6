package phase

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rollout"
	"katkit.dev/katkit/internal/domain/text"
)

const (
	// rollbackTimeout bounds the wait for the previous images.
	rollbackTimeout = 10 * time.Minute
	// maxRollbackMessage and maxReceiptMessage are bounds of the API, in bytes.
	maxRollbackMessage = 2048
	maxReceiptMessage  = 1024
)

// Refuse tells that the API server refused for good to change a service: the deployment is taken back, or if that is
// what it refused, this service stays as it is and the others go on.
func Refuse(p *v1alpha1.Phase, status *v1alpha1.PhaseStatus, role string, cause *problem.Problem, now time.Time) {
	if status.State.Terminal() {
		return
	}
	if status.Rollback == nil {
		writeAhead(p, status, cause, now)
		return
	}
	for i := range status.Receipts {
		if status.Receipts[i].Role == role {
			giveUp(p, &status.Receipts[i], rollout.Service{}, cause.Message)
		}
	}
}

// takeBack ends a deployment for a problem, once every service that it changed is as it was. The problem is stored
// before the first of them is touched, so that a rollback is never left half way.
func takeBack(o Observation, plan *Plan, cause *problem.Problem, now time.Time) {
	plan.PatchImages = nil
	plan.Status = *o.Phase.Status.DeepCopy()
	writeAhead(o.Phase, &plan.Status, cause, now)
	rollBack(o, plan, now)
}

func writeAhead(p *v1alpha1.Phase, status *v1alpha1.PhaseStatus, cause *problem.Problem, now time.Time) {
	status.Rollback = &v1alpha1.RollbackStatus{
		FailureClass: cause.Class, Reason: cause.Reason, Message: text.Cut(cause.Message, maxRollbackMessage), StartTime: *timestamp(now),
	}
	status.Message = text.Cut("rolling back: "+cause.Message, maxMessage)
	setSucceeded(status, p.Generation, metav1.ConditionUnknown, v1alpha1.ReasonRollingBack, status.Message, now)
	setRolledBack(p, status, metav1.ConditionUnknown, v1alpha1.ReasonRollingBack, "the services are brought back to their previous images", now)
}

// rollBack brings every service that this phase changed back to its previous image, and ends the phase when that is
// done or cannot be done.
func rollBack(o Observation, plan *Plan, now time.Time) {
	rollback := plan.Status.Rollback
	left := rollback.StartTime.Add(rollbackTimeout).Sub(now)
	before := plan.Status.DeepCopy()
	waiting := false
	for i := range plan.Status.Receipts {
		receipt := &plan.Status.Receipts[i]
		service, found := o.Services[receipt.Role]
		step := bringBack(o.Phase, receipt, service, found, rollback.StartTime.Time)
		if step == done {
			continue
		}
		if left <= 0 {
			giveUp(o.Phase, receipt, service, fmt.Sprintf("it does not run %s again after %s: %s", receipt.PreviousImage, rollbackTimeout, service.Progress.Message))
			continue
		}
		waiting = true
		switch {
		case o.Phase.Status.Rollback == nil: // not stored yet
		case step == revert:
			plan.PatchImages = append(plan.PatchImages, downgrade(o.Phase, *receipt, service))
		case step == unblock:
			plan.RemovePods = append(plan.RemovePods, RemovePod{Role: receipt.Role, Pod: *service.Trouble.Blocker})
		}
	}
	if waiting {
		plan.Status = *before // the results are written with the phase's end, all at once
		plan.RequeueAfter = left
		return
	}
	plan.PatchImages, plan.RemovePods = nil, nil
	conclude(o.Phase, &plan.Status, now)
}

// step is what is left to do for a service.
type step int

const (
	done   step = iota // its receipt has the result
	revert             // its image has to be changed back
	settle             // it has its previous image, and its rollout goes on
	// unblock: it has its previous image, and a Pod of the failed version keeps the rollout from going on. A StatefulSet
	// with ordered Pods waits for it to become ready, which it will not.
	unblock
)

// bringBack tells the next step for a service, and writes the result into the receipt when there is none.
func bringBack(p *v1alpha1.Phase, receipt *v1alpha1.Receipt, service rollout.Service, found bool, since time.Time) step {
	live, far := service.Image(receipt.Container), markOf(p, service)
	switch {
	case receipt.Result == v1alpha1.ReceiptRollbackFailed: // refused before
	case !found:
		receipt.Result, receipt.Message = v1alpha1.ReceiptFailed, "it was deleted meanwhile"
	case live == receipt.Image && far == upgraded && receipt.PreviousImage != receipt.Image:
		return revert
	case live == receipt.Image && far == reverted:
		giveUp(p, receipt, service, fmt.Sprintf("somebody else brought %s again after Katkit had gone back", live))
	case live == receipt.PreviousImage && far != untouched:
		if !service.Progress.Done {
			if service.Trouble != nil && service.Trouble.Blocker != nil {
				return unblock
			}
			// To the second, a condition of the rollout that failed may be as old as the rollback.
			if reason, why := whyFailed(service, since.Add(time.Second)); reason != "" {
				giveUp(p, receipt, service, fmt.Sprintf("it has its previous image %s again and does not become available: %s", live, why))
				return done
			}
			return settle
		}
		receipt.Result, receipt.Message = v1alpha1.ReceiptRolledBack, service.Progress.Message
	case live == receipt.PreviousImage || live == receipt.Image:
		receipt.Result = v1alpha1.ReceiptUnchanged
	default:
		receipt.Result = v1alpha1.ReceiptFailed
		receipt.Message = text.Cut(fmt.Sprintf("somebody else set image %s meanwhile; it was left as it is", live), maxReceiptMessage)
	}
	return done
}

// giveUp tells that a service could not be brought back, and what a person does about it.
func giveUp(p *v1alpha1.Phase, receipt *v1alpha1.Receipt, service rollout.Service, why string) {
	kind := strings.ToLower(receipt.Kind)
	next := fmt.Sprintf("To go back by hand: kubectl set image %s/%s %s=%s -n %s", kind, receipt.Name, receipt.Container, receipt.PreviousImage, p.Namespace)
	if service.Image(receipt.Container) == receipt.PreviousImage {
		next = fmt.Sprintf("Its image is back; see its Pods, and then: kubectl rollout status %s/%s -n %s", kind, receipt.Name, p.Namespace)
	}
	receipt.Result = v1alpha1.ReceiptRollbackFailed
	receipt.Message = next + ". " + why // what to do comes first, lest it be cut where there is less room
	receipt.Message = text.Cut(receipt.Message, maxReceiptMessage)
}

// conclude ends the phase for the problem that began the rollback, and tells apart what came of the rollback.
func conclude(p *v1alpha1.Phase, status *v1alpha1.PhaseStatus, now time.Time) {
	cause := &problem.Problem{Class: status.Rollback.FailureClass, Reason: status.Rollback.Reason, Message: status.Rollback.Message}
	var back, stuck []string
	for _, receipt := range status.Receipts {
		switch receipt.Result {
		case v1alpha1.ReceiptRolledBack:
			back = append(back, fmt.Sprintf("%s %s runs %s again", receipt.Kind, receipt.Name, receipt.PreviousImage))
		case v1alpha1.ReceiptRollbackFailed:
			stuck = append(stuck, fmt.Sprintf("%s %s: %s", receipt.Kind, receipt.Name, receipt.Message))
		default: // nothing to bring back
		}
	}
	switch {
	case len(stuck) > 0:
		message := "rollback failed: " + strings.Join(append(stuck, back...), "; ")
		setRolledBack(p, status, metav1.ConditionFalse, v1alpha1.ReasonRollbackFailed, message, now)
		cause.Message += ". " + message
	case len(back) > 0:
		message := "rolled back: " + strings.Join(back, "; ")
		setRolledBack(p, status, metav1.ConditionTrue, v1alpha1.ReasonRolledBack, message, now)
		cause.Message += ". " + message
	default: // nothing had been changed
		status.Rollback = nil
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionRolledBack)
	}
	Fail(p, status, cause, now)
}

func setRolledBack(p *v1alpha1.Phase, status *v1alpha1.PhaseStatus, is metav1.ConditionStatus, reason, message string, now time.Time) {
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionRolledBack, Status: is, Reason: reason, Message: text.Cut(message, maxMessage),
		ObservedGeneration: p.Generation, LastTransitionTime: *timestamp(now),
	})
}
