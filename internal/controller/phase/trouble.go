package phase

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/rollout"
	"katkit.dev/katkit/internal/workload"
)

// lookAgain is when the Pods of a service are looked at again that could not be read.
const lookAgain = 5 * time.Second

// outlook is how a Phase gets to know of the rollouts that it waits for. It is empty when it waits for none.
type outlook struct {
	// targets are what has to be watched.
	targets []target
	// recheck is when to look again though nothing changed; 0: need not.
	recheck time.Duration
}

// diagnose looks at the Pods of the services whose rollouts go on or have failed, and notes their troubles. When all are
// done it looks whether the Pods go on running. What cannot be read is not a trouble: the rollout goes on without it.
func (c *Controller) diagnose(ctx context.Context, phase *v1alpha1.Phase, services map[string]rollout.Service) outlook {
	var look outlook
	done := allDone(services)
	for role, service := range services {
		if service.Progress.Done && !(done && changedBy(phase, service)) {
			continue
		}
		seen, err := workload.Look(ctx, c.Live, service, phase.Status.StartTime.Time)
		if err != nil {
			ctrl.LoggerFrom(ctx).Info("the Pods of a service cannot be read", "service", service.Name, "error", err.Error())
			look.recheck = sooner(look.recheck, lookAgain)
		}
		if seen.Workload == "" {
			continue
		}
		now := c.Clock.Now()
		unproven := rollout.Unproven(seen.Pods, now)
		if service.Progress.Done && unproven <= 0 {
			continue
		}
		if service.Progress.Done {
			service.Progress = rollout.Progress{Message: "waiting until its new Pods have run for a moment"}
			look.recheck = sooner(look.recheck, unproven)
		}
		if seen.FailedCreate != "" {
			service.Trouble = rollout.FailedCreate(seen.FailedCreate)
		}
		if blocked := rollout.Blocked(seen.Blocking, now); blocked != nil {
			service.Trouble = blocked
		}
		service.Trouble = workload.Follow(ctx, c.Live, c.Core, phase.Namespace, rollout.Diagnose(service, seen.Pods, now))
		services[role] = service
		look.recheck = sooner(look.recheck, rollout.Recheck(seen.Pods, now))
		look.targets = append(look.targets, targets(service, seen)...)
	}
	return look
}

func allDone(services map[string]rollout.Service) bool {
	for _, service := range services {
		if !service.Progress.Done {
			return false
		}
	}
	return true
}

// changedBy tells whether the Phase's run was the last to change a service.
func changedBy(phase *v1alpha1.Phase, service rollout.Service) bool {
	owner := metav1.GetControllerOf(phase)
	return owner != nil && service.Mark.RunUID == string(owner.UID)
}

// targets are what has to be watched for a service: its Pods and, where the workload's status does not tell of Pods that
// cannot be created, the events that do.
func targets(service rollout.Service, seen workload.Rollout) []target {
	pods := target{namespace: service.Namespace, pods: seen.Selector}
	if service.Kind == "Deployment" {
		return []target{pods}
	}
	return []target{pods, {namespace: service.Namespace, eventsOf: seen.Workload}}
}

// sooner is the lesser of two delays, of which 0 means never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// target is what one watch is about: the Pods of a label selector, or the failures to create a Pod for a workload.
type target struct {
	namespace string
	pods      string
	eventsOf  types.UID
}
