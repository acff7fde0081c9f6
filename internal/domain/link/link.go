// Package link decides what the status of a TenantRepoLink says, which commits its triggers run, and whom it trusts. It is
// pure; the link controller observes and writes.
//
// What always holds of triggers: a commit of a fork, or of a pull request of somebody without write permission, is not run by
// itself; a commit is run once by a trigger, since its run's name is made of it, and remembered when that run is gone.
package link

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
)

const (
	defaultPollInterval = time.Minute
	// retryInterval is when a problem that passes by itself is looked at again, where it does not say.
	retryInterval = 15 * time.Second
)

// Observation is all that Decide looks at.
type Observation struct {
	Link *v1alpha1.TenantRepoLink
	// Findings are what GitHub says; nil when Problem is set.
	Findings *Findings
	// Problem stands in the way of the link; nil when nothing does.
	Problem *problem.Problem
	// Evidence about the Candidates, by their ID. What is missing is judged at a later look.
	Evidence map[string]Evidence
	// RateLimit of the link's token.
	RateLimit RateLimit
}

// Findings are what GitHub says of a link's repository.
type Findings struct {
	Repository v1alpha1.RepositoryStatus
	// Commits are the newest ones of the home branch, the newest first; one at least.
	Commits []v1alpha1.CommitStatus
	// Pushes to the home branch, the newest first; none where GitHub was not asked, or does not tell.
	Pushes []Push
	// PullRequests are the open ones into the home branch, in any order.
	PullRequests []PullRequest
	// MorePullRequests: there are more.
	MorePullRequests bool
}

// RateLimit is how many calls of GitHub a token has in an hour, and how many are left. Limit 0: GitHub has not said.
type RateLimit struct{ Limit, Remaining int32 }

// Plan is what is to be done.
type Plan struct {
	// CreateRuns are to be made in this order, before the status says that they were handled.
	CreateRuns []*v1alpha1.CIRun
	// Status is what the link's status shall be.
	Status v1alpha1.TenantRepoLinkStatus
	// RequeueAfter is when to check again.
	RequeueAfter time.Duration
}

// NotATenant is the problem of a namespace without the tenant's label, which only a cluster admin can set.
func NotATenant(namespace string) *problem.Problem {
	return problem.Config(v1alpha1.ReasonNotATenant,
		"namespace %s is not a tenant: a cluster admin makes it one with: kubectl label namespace %s %s=NAME",
		namespace, namespace, v1alpha1.LabelTenant)
}

// Decide tells what the link's status shall say, and when to look again.
func Decide(o Observation, now time.Time) Plan {
	plan := Plan{Status: *o.Link.Status.DeepCopy(), RequeueAfter: pollInterval(o.Link)}
	ready := metav1.Condition{
		Type: v1alpha1.ConditionReady, ObservedGeneration: o.Link.Generation,
		LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
	}
	plan.Status.RateLimit = roughly(o.RateLimit)
	cause := o.Problem
	if cause == nil {
		cause = Replaced(o.Link, o.Findings.Repository)
	}
	if cause == nil {
		cause = invalidTriggers(o.Link.Spec.Triggers)
	}
	switch {
	case cause == nil:
		ready.Status, ready.Reason = metav1.ConditionTrue, v1alpha1.ReasonReady
		ready.Message = found(o.Link.Spec, o.Findings.Repository.FullName)
		create, done, said := runs(o.Link, Candidates(o.Link, *o.Findings), o.Evidence)
		if said != nil {
			ready.Message += "; pull requests do not run by themselves: " + said.Message
		}
		plan.CreateRuns, plan.Status.Triggers = create, record(o.Link, *o.Findings, done)
		note(&plan.Status, *o.Findings)
	case cause.Transient:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionUnknown, cause.Reason, cause.Message
		plan.RequeueAfter = retryInterval
		if cause.RetryAfter > 0 {
			// Not later than a poll: a new token need not wait for the old one's limit, and asking too early asks nobody.
			plan.RequeueAfter = min(cause.RetryAfter, pollInterval(o.Link))
		}
	default:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, cause.Reason, cause.Message
	}
	meta.SetStatusCondition(&plan.Status.Conditions, ready)
	return plan
}

// note puts what GitHub says into the status.
func note(status *v1alpha1.TenantRepoLinkStatus, findings Findings) {
	status.Repository = &findings.Repository
	status.HomeBranch, status.Commits = &findings.Commits[0], findings.Commits
	known := status.PullRequests
	status.PullRequests, status.MorePullRequests = nil, findings.MorePullRequests
	for _, pull := range findings.PullRequests {
		pull.FirstSHA = firstSHA(known, pull.PullRequestStatus)
		status.PullRequests = append(status.PullRequests, pull.PullRequestStatus)
	}
	slices.SortFunc(status.PullRequests, func(a, b v1alpha1.PullRequestStatus) int { return cmp.Compare(b.Number, a.Number) })
}

// roughly is a rate limit in tenths, so that the status is not written with each call.
func roughly(exact RateLimit) *v1alpha1.RateLimitStatus {
	if exact.Limit < 1 {
		return nil
	}
	const steps = 10
	step := max(exact.Limit/steps, 1)
	return &v1alpha1.RateLimitStatus{Limit: exact.Limit, Remaining: new(max(exact.Remaining, 0) / step * step)}
}

// found is what a person reads of a link that works. A name in another letter case is the same name.
func found(spec v1alpha1.TenantRepoLinkSpec, fullName string) string {
	message := fmt.Sprintf("branch %s of %s was found", spec.HomeBranch, spec.Repository)
	if !strings.EqualFold(fullName, spec.Repository) {
		message += fmt.Sprintf("; the repository is called %s now", fullName)
	}
	return message
}

// Replaced is the problem of a name that another repository has now: it may be somebody else's, and its code runs in the tenant.
// nil where it is the linked one, or none was linked before.
func Replaced(link *v1alpha1.TenantRepoLink, now v1alpha1.RepositoryStatus) *problem.Problem {
	known := link.Status.Repository
	if known == nil || known.ID == now.ID {
		return nil
	}
	return problem.Config(v1alpha1.ReasonRepositoryReplaced,
		"%s is another repository (number %d) than the one that was linked (number %d), and nothing of it is run: if that is meant, delete this link and make it again",
		now.FullName, now.ID, known.ID)
}

// Repository is the name by which GitHub is asked for a link's repository: the one that it has now, where that is known.
func Repository(link *v1alpha1.TenantRepoLink) string {
	if link.Status.Repository != nil {
		return link.Status.Repository.FullName
	}
	return link.Spec.Repository
}

func pollInterval(link *v1alpha1.TenantRepoLink) time.Duration {
	if link.Spec.PollInterval != nil {
		return link.Spec.PollInterval.Duration
	}
	return defaultPollInterval
}
