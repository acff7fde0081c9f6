// Package retention decides which runs that have ended are kept. It is pure; the run controller asks it when a run has
// ended, and deletes or trims what is beyond.
//
// What always holds: a run that has not ended is never among them, nor one that was trimmed before, nor for an hour one of which
// GitHub does not show yet how it ended.
package retention

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// Defaults of TenantRepoLink's spec.retention, which also count for runs whose link is gone.
const (
	defaultSucceeded = 10
	defaultFailed    = 20
	defaultTTL       = 7 * 24 * time.Hour
	// reportPatience is how long a run that ended is kept until GitHub shows its end.
	reportPatience = time.Hour
)

// Policy says how many ended runs of a link are kept, and how long.
type Policy struct {
	Succeeded, Failed int
	TTL               time.Duration
	// Reports: runs of the link are reported to GitHub.
	Reports bool
}

// PolicyOf is that of a link; nil is one that is gone.
func PolicyOf(link *v1alpha1.TenantRepoLink) Policy {
	policy := Policy{Succeeded: defaultSucceeded, Failed: defaultFailed, TTL: defaultTTL}
	if link == nil {
		return policy
	}
	policy.Reports = link.Spec.SecretRef != nil
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
		age := now.Sub(run.Status.CompletionTime.Time)
		due := policy.TTL - age
		if left[succeeded]--; left[succeeded] < 0 {
			due = 0
		}
		if policy.Reports && unreported(run) {
			due = max(due, reportPatience-age)
		}
		if due <= 0 {
			expired = append(expired, run)
			continue
		}
		if next == 0 || due < next {
			next = due
		}
	}
	slices.Reverse(expired)
	return expired, next
}

// unreported tells whether GitHub may still have to be told how a run ended; one that never began says nothing of it.
func unreported(run *v1alpha1.CIRun) bool {
	return len(run.Status.Phases) > 0 && meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReported) == nil
}
