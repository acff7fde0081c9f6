package link

import (
	"slices"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// maxHandled is the bound of status.triggers.handled in the API.
const maxHandled = 256

// handled tells whether a commit needs no look any more.
func handled(record *v1alpha1.TriggersStatus, key string) bool {
	return record != nil && slices.Contains(record.Handled, key)
}

// active tells whether a trigger was set when the link was last looked at, and about the same branch.
func active(link *v1alpha1.TenantRepoLink, trigger v1alpha1.TriggerName) bool {
	record := link.Status.Triggers
	return record != nil && record.Branch == link.Spec.HomeBranch && slices.Contains(record.Active, trigger)
}

// record is the triggers' record after a look: which are set, and what was handled, also what was there before a trigger was set.
func record(link *v1alpha1.TenantRepoLink, findings Findings, done []string) *v1alpha1.TriggersStatus {
	after := link.Status.Triggers.DeepCopy()
	if after == nil {
		after = &v1alpha1.TriggersStatus{}
	}
	for trigger, set := range map[v1alpha1.TriggerName]bool{
		v1alpha1.TriggerPullRequest: link.Spec.Triggers.PullRequest != nil,
		v1alpha1.TriggerPush:        link.Spec.Triggers.Push != nil,
	} {
		after.Active = slices.DeleteFunc(after.Active, func(name v1alpha1.TriggerName) bool { return name == trigger })
		if set {
			after.Active = append(after.Active, trigger)
		}
	}
	slices.Sort(after.Active)
	after.Branch = link.Spec.HomeBranch
	current := map[string]bool{}
	for _, candidate := range candidates(link, findings) {
		current[candidate.Key()] = true
		if !active(link, candidate.Trigger) {
			done = append(done, candidate.Key())
		}
	}
	for _, key := range done {
		if !slices.Contains(after.Handled, key) {
			after.Handled = append(after.Handled, key)
		}
	}
	after.Handled = newest(after.Handled, current)
	if len(after.Active) == 0 && len(after.Handled) == 0 && after.LastComment == 0 {
		return nil
	}
	return after
}

// newest drops the oldest entries that are not current, as far as there is no room.
func newest(entries []string, current map[string]bool) []string {
	excess := len(entries) - maxHandled
	return slices.DeleteFunc(entries, func(key string) bool {
		if excess <= 0 || current[key] {
			return false
		}
		excess--
		return true
	})
}
