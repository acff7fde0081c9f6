package queue

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// Snapshot is who is under way and who waits, in the tenants that were looked at.
type Snapshot struct {
	entries []entry
	// planned are the runs that have yet to deploy, or may have.
	planned []ticket
	// builders is how many builder Pods the cluster may have at once; 0: any number.
	builders int32
}

// ticket is a run's place in the order of its tenant: first come, first served.
type ticket struct {
	tenant  string
	run     string
	uid     types.UID
	link    string
	created time.Time
}

// before tells whether a run came before another one of its tenant. Runs of one second go by their names.
func (t ticket) before(other ticket) bool {
	return cmp.Or(t.created.Compare(other.created), cmp.Compare(t.run, other.run)) < 0
}

// entry is a Phase that is under way, or ready to begin.
type entry struct {
	ticket
	phase      types.NamespacedName
	deployment bool
	// builders is the number of its builder Pods.
	builders int32
	active   bool
	// stuck: it had its turn, and waits for something that is missing: room in a quota, an answer of GitHub. Others pass it.
	stuck bool
}

// New makes the snapshot of some tenants: of all their Phases and builder Pods, and of their runs that have not ended. builders
// is how many builder Pods the cluster may have at once, which makes sense with the Phases of all tenants; 0: any number.
func New(phases []v1alpha1.Phase, runs []v1alpha1.CIRun, pods []corev1.Pod, builders int) Snapshot {
	s := Snapshot{builders: int32(min(builders, 1<<30))} //nolint:gosec // bounded, and a flag above zero
	tickets := make(map[types.UID]ticket, len(runs))
	for i := range runs {
		run := &runs[i]
		if run.Status.State.Terminal() || !run.DeletionTimestamp.IsZero() {
			continue
		}
		place := ticket{tenant: run.Namespace, run: run.Name, uid: run.UID, link: run.Spec.Link.Name, created: run.CreationTimestamp.Time}
		if run.Status.Stop == nil {
			tickets[run.UID] = place
		}
		if willDeploy(run) {
			s.planned = append(s.planned, place)
		}
	}
	building := map[types.UID]bool{}
	for i := range pods {
		if owner := metav1.GetControllerOf(&pods[i]); owner != nil {
			building[owner.UID] = true
		}
	}
	succeeded := map[types.NamespacedName]bool{}
	for i := range phases {
		if phases[i].Status.State == v1alpha1.PhaseSucceeded {
			succeeded[keyOf(&phases[i])] = true
		}
	}
	for i := range phases {
		if e, relevant := entryOf(&phases[i], tickets, succeeded, building); relevant {
			s.entries = append(s.entries, e)
		}
	}
	return s
}

func keyOf(phase *v1alpha1.Phase) types.NamespacedName {
	return types.NamespacedName{Namespace: phase.Namespace, Name: phase.Name}
}

// willDeploy tells whether later runs of the link let this one deploy first. One that waits for a person, or for something
// that is missing, does not hold them up.
func willDeploy(run *v1alpha1.CIRun) bool {
	if run.Status.Stop != nil || run.Status.State == v1alpha1.RunWaitingForApproval {
		return false
	}
	if len(run.Status.Phases) == 0 {
		return !Stuck(run.Status.Conditions)
	}
	for _, phase := range run.Status.Phases {
		if phase.Type == v1alpha1.PhaseDeployment && phase.CarriedFrom == "" {
			return true
		}
	}
	return false
}

// Stuck tells by the conditions of a run or a Phase that has not begun whether it waits for something that is missing, not for
// its turn or a person's word. It holds nobody up.
func Stuck(conditions []metav1.Condition) bool {
	for _, condition := range conditions {
		if condition.Type == v1alpha1.ConditionSucceeded {
			return !slices.Contains([]string{
				v1alpha1.ReasonPending, v1alpha1.ReasonQueued, v1alpha1.ReasonWaitingForApproval, v1alpha1.ReasonRunning,
			}, condition.Reason)
		}
	}
	return false
}

// entryOf tells whether a Phase is under way, or ready to begin. One that was begun counts until it has ended, whatever
// becomes of its run. One that has builder Pods was begun, also when the manager died before it could say so.
func entryOf(phase *v1alpha1.Phase, tickets map[types.UID]ticket, succeeded map[types.NamespacedName]bool, building map[types.UID]bool) (entry, bool) {
	e := entry{phase: keyOf(phase), deployment: phase.Spec.Type == v1alpha1.PhaseDeployment}
	if phase.Spec.Execution != nil {
		e.builders = max(phase.Spec.Execution.Parallelism, 1)
	}
	owner := metav1.GetControllerOf(phase)
	if owner == nil || phase.Status.State.Terminal() {
		return e, false
	}
	if phase.Status.StartTime != nil || building[phase.UID] {
		e.active = true
		e.ticket = ticket{tenant: phase.Namespace, run: phase.Spec.Run.Name, uid: owner.UID}
		return e, true
	}
	place, going := tickets[owner.UID]
	e.ticket, e.stuck = place, Stuck(phase.Status.Conditions)
	return e, going && phase.DeletionTimestamp.IsZero() && ready(phase, succeeded)
}

// ready tells whether nothing but its turn keeps a Phase from beginning.
func ready(phase *v1alpha1.Phase, succeeded map[types.NamespacedName]bool) bool {
	if phase.Spec.Approval == v1alpha1.ApprovalManual && !phase.Spec.Approved {
		return false
	}
	for _, name := range phase.Spec.After {
		if !succeeded[types.NamespacedName{Namespace: phase.Namespace, Name: name}] {
			return false
		}
	}
	return true
}
