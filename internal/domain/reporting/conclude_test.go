package reporting_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/reporting"
)

func TestConclude(t *testing.T) {
	down := problem.Transient(v1alpha1.ReasonGitHubUnavailable, "down")
	limited := func(after time.Duration) *problem.Problem {
		p := problem.Transient(v1alpha1.ReasonRateLimited, "limited")
		p.RetryAfter = after
		return p
	}
	broken := problem.Config(v1alpha1.ReasonCredentialInvalid, "half an App")
	refused, wrong := problem.Config(v1alpha1.ReasonReportRefused, "no"), problem.Config(v1alpha1.ReasonTokenRejected, "wrong")
	for name, c := range map[string]struct {
		state v1alpha1.RunState
		ended time.Duration // ago
		cause *problem.Problem
		want  string
		retry *problem.Problem
		after time.Duration
	}{
		"while it runs there is nothing to say":        {state: v1alpha1.RunRunning},
		"its end was told":                             {state: v1alpha1.RunFailed, want: "True Reported"},
		"GitHub is down":                               {state: v1alpha1.RunSucceeded, cause: down, retry: down},
		"a short limit":                                {state: v1alpha1.RunSucceeded, cause: limited(3 * time.Second), after: 3 * time.Second},
		"a long limit, which another token ends":       {state: v1alpha1.RunRunning, cause: limited(time.Hour), after: time.Minute},
		"a refusal while it runs may pass":             {state: v1alpha1.RunRunning, cause: refused, after: 10 * time.Minute},
		"a token that is not accepted, sooner":         {state: v1alpha1.RunRunning, cause: wrong, after: time.Minute},
		"an App that is being replaced, sooner":        {state: v1alpha1.RunRunning, cause: broken, after: time.Minute},
		"and is waited for":                            {state: v1alpha1.RunSucceeded, ended: time.Minute, cause: broken, after: 10 * time.Second},
		"a refusal at its end is told":                 {state: v1alpha1.RunSucceeded, cause: refused, want: "False ReportRefused"},
		"a token that is being replaced is waited for": {state: v1alpha1.RunSucceeded, ended: time.Minute, cause: wrong, after: 10 * time.Second},
		"one that is not is told":                      {state: v1alpha1.RunSucceeded, ended: 2 * time.Minute, cause: wrong, want: "False TokenRejected"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun("r", now)
			r.Status.State, r.Status.CompletionTime = c.state, new(metav1.NewTime(now.Add(-c.ended)))
			got := reporting.Conclude(r, c.cause, now)
			is := ""
			if got.Condition != nil {
				is = string(got.Condition.Status) + " " + got.Condition.Reason
			}
			if is != c.want || got.Retry != c.retry || got.RequeueAfter != c.after {
				t.Errorf("%q, retry %v, after %s", is, got.Retry, got.RequeueAfter)
			}
		})
	}
}

func TestDue(t *testing.T) {
	at := func(seconds int) metav1.Time { return metav1.NewTime(now.Add(time.Duration(seconds) * time.Second)) }
	told := func(is metav1.ConditionStatus, reason string) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.ConditionReported, Status: is, Reason: reason, LastTransitionTime: at(5)}}
	}
	for name, c := range map[string]struct {
		conditions []metav1.Condition
		ready      metav1.ConditionStatus
		since      int
		want       bool
	}{
		"until it says how that went":            {nil, metav1.ConditionTrue, 0, true},
		"not when it was reported":               {told(metav1.ConditionTrue, v1alpha1.ReasonReported), metav1.ConditionTrue, 9, false},
		"not when it was refused":                {told(metav1.ConditionFalse, v1alpha1.ReasonReportRefused), metav1.ConditionTrue, 9, false},
		"once the link has a token that works":   {told(metav1.ConditionFalse, v1alpha1.ReasonTokenRejected), metav1.ConditionTrue, 6, true},
		"or an App that is whole":                {told(metav1.ConditionFalse, v1alpha1.ReasonCredentialInvalid), metav1.ConditionTrue, 6, true},
		"not before":                             {told(metav1.ConditionFalse, v1alpha1.ReasonTokenRejected), metav1.ConditionFalse, 6, false},
		"not while the link knows nothing of it": {told(metav1.ConditionFalse, v1alpha1.ReasonTokenRejected), metav1.ConditionTrue, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, link := newRun("r", now), &v1alpha1.TenantRepoLink{}
			r.Status.Conditions = c.conditions
			link.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: c.ready, LastTransitionTime: at(c.since)}}
			if diff := cmp.Diff(c.want, reporting.Due(r, link, now)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatEndedLongBeforeTheManagerBeganIsLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		ended time.Time
		want  bool
	}{
		"long before":            {now.Add(-time.Hour - time.Second), false},
		"while it was restarted": {now.Add(-time.Hour), true},
		"since":                  {now.Add(time.Second), true},
	} {
		t.Run(name, func(t *testing.T) {
			r, link := newRun("r", now.Add(-5*time.Hour)), &v1alpha1.TenantRepoLink{}
			link.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(now)}}
			if !reporting.Due(r, link, now) {
				t.Error("not while it goes on")
			}
			r.Status.State, r.Status.CompletionTime = v1alpha1.RunSucceeded, new(metav1.NewTime(c.ended))
			if got := reporting.Due(r, link, now); got != c.want {
				t.Errorf("due: %t", got)
			}
		})
	}
}
