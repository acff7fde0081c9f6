// Package link decides what the status of a TenantRepoLink says. It is pure; the link controller observes
// and writes.
package link

import (
	"fmt"
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
	// Head is the newest commit of the home branch; nil when Problem is set.
	Head *v1alpha1.CommitStatus
	// Problem stands in the way of the link; nil when nothing does.
	Problem *problem.Problem
}

// Plan is what is to be done.
type Plan struct {
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
	switch {
	case o.Problem == nil:
		plan.Status.HomeBranch = o.Head
		ready.Status, ready.Reason = metav1.ConditionTrue, v1alpha1.ReasonReady
		ready.Message = fmt.Sprintf("branch %s of %s was found", o.Link.Spec.HomeBranch, o.Link.Spec.Repository)
	case o.Problem.Transient:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionUnknown, o.Problem.Reason, o.Problem.Message
		plan.RequeueAfter = retryInterval
		if o.Problem.RetryAfter > 0 {
			plan.RequeueAfter = o.Problem.RetryAfter
		}
	default:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, o.Problem.Reason, o.Problem.Message
	}
	meta.SetStatusCondition(&plan.Status.Conditions, ready)
	return plan
}

func pollInterval(link *v1alpha1.TenantRepoLink) time.Duration {
	if link.Spec.PollInterval != nil {
		return link.Spec.PollInterval.Duration
	}
	return defaultPollInterval
}
