// Package retention decides which runs that have ended are kept. It is pure; the run controller asks it when a run has
// ended, and deletes or trims what is beyond.
//
// What always holds: a run that has not ended is never among them, nor one that was trimmed before.
package retention

import (
	"cmp"
	"slices"
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// Defaults of TenantRepoLink's spec.retention, which also count for runs whose link is gone.
const (
	defaultSucceeded = 10
	defaultFailed    = 20
	defaultTTL       = 7 * 24 * time.Hour
)

// Policy says how many ended runs of a link are kept, and how long.
type Policy struct {
	Succeeded, Failed int
	TTL               time.Duration
}

// PolicyOf is that of a link; nil is one that is gone.
func PolicyOf(link *v1alpha1.TenantRepoLink) Policy {
	policy := Policy{Succeeded: defaultSucceeded, Failed: defaultFailed, TTL: defaultTTL}
	if link == nil {
		return policy
	}
	spec := link.Spec.Retention
	if spec.Succeeded != nil {
		policy.Succeeded = int(*spec.Succeeded)
	}
	if spec.Failed != nil {
		policy.Failed = int(*spec.Failed)
	}
	if spec.TTL != nil {
		policy.TTL = spec.TTL.Duration
	}
	return policy
}

// Expired tells which runs of a link are beyond the policy, the oldest first. The second result is when the next of the
// others will be, if nothing happens; 0: none.
func Expired(runs []v1alpha1.CIRun, policy Policy, now time.Time) ([]*v1alpha1.CIRun, time.Duration) {
	var ended []*v1alpha1.CIRun
	for i := range runs {
		run := &runs[i]
		if run.Status.State.Terminal() && run.Status.TrimTime == nil && run.DeletionTimestamp.IsZero() && run.Status.CompletionTime != nil {
			ended = append(ended, run)
		}
	}
	slices.SortFunc(ended, func(a, b *v1alpha1.CIRun) int { // the newest first
		return -cmp.Or(a.Status.CompletionTime.Compare(b.Status.CompletionTime.Time), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	left := map[bool]int{true: policy.Succeeded, false: policy.Failed}
	var expired []*v1alpha1.CIRun
	next := time.Duration(0)
	for _, run := range ended {
		succeeded := run.Status.State == v1alpha1.RunSucceeded
		age := policy.TTL - now.Sub(run.Status.CompletionTime.Time)
		if left[succeeded]--; left[succeeded] < 0 || age <= 0 {
			expired = append(expired, run)
			continue
		}
		if next == 0 || age < next {
			next = age
		}
	}
	slices.Reverse(expired)
	return expired, next
}
