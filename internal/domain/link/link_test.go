package link_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/problem"
)

var (
	now  = time.Date(2024, 5, 6, 7, 8, 9, 987654321, time.UTC)
	then = metav1.NewTime(now.Add(-time.Hour).Truncate(time.Second))
	head = v1alpha1.CommitStatus{SHA: strings.Repeat("a", 40), Message: "New"}
	old  = v1alpha1.CommitStatus{SHA: strings.Repeat("b", 40), Message: "Old"}
)

// see is what GitHub says of a repository whose home branch has these commits.
func see(commits ...v1alpha1.CommitStatus) *link.Findings {
	return &link.Findings{
		Repository: v1alpha1.RepositoryStatus{ID: 7, FullName: "acme/taskrunner"}, Commits: commits,
		PullRequests: []link.PullRequest{pull(3, old.SHA), pull(12, head.SHA), pull(5, old.SHA)},
	}
}

func pull(number int32, sha string) link.PullRequest {
	return link.PullRequest{PullRequestStatus: v1alpha1.PullRequestStatus{Number: number, HeadSHA: sha}}
}

// seen is the status after that.
func seen(conditions []metav1.Condition, commits ...v1alpha1.CommitStatus) v1alpha1.TenantRepoLinkStatus {
	return v1alpha1.TenantRepoLinkStatus{
		Conditions: conditions, HomeBranch: &commits[0], Commits: commits,
		Repository:   &v1alpha1.RepositoryStatus{ID: 7, FullName: "acme/taskrunner"},
		PullRequests: []v1alpha1.PullRequestStatus{{Number: 12, HeadSHA: head.SHA}, {Number: 5, HeadSHA: old.SHA}, {Number: 3, HeadSHA: old.SHA}},
	}
}

func ready(status metav1.ConditionStatus, reason, message string, since metav1.Time) []metav1.Condition {
	return []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: message, ObservedGeneration: 3, LastTransitionTime: since,
	}}
}

func TestDecide(t *testing.T) {
	second := metav1.NewTime(now.Truncate(time.Second))
	const found = "branch main of acme/taskrunner was found"
	missing := problem.Config(v1alpha1.ReasonTokenMissing, "no token")
	limited := problem.Transient(v1alpha1.ReasonRateLimited, "limited")
	limited.RetryAfter = 7 * time.Minute
	was := seen(ready(metav1.ConditionTrue, v1alpha1.ReasonReady, found, then), old)
	renamed, shouted, another := see(head), see(head), see(head)
	renamed.Repository.FullName = "acme/jobs"
	shouted.Repository.FullName = "Acme/TaskRunner"
	another.Repository.ID = 8
	withLimit := func(limit, remaining int32) v1alpha1.TenantRepoLinkStatus {
		status := seen(ready(metav1.ConditionTrue, v1alpha1.ReasonReady, found, then), old)
		status.RateLimit = &v1alpha1.RateLimitStatus{Limit: limit, Remaining: &remaining}
		return status
	}
	inStatus := func(status v1alpha1.TenantRepoLinkStatus, name string) v1alpha1.TenantRepoLinkStatus {
		status.Repository = &v1alpha1.RepositoryStatus{ID: 7, FullName: name}
		return status
	}

	for name, c := range map[string]struct {
		before v1alpha1.TenantRepoLinkStatus
		poll   time.Duration
		sees   *link.Findings
		cause  *problem.Problem
		limit  link.RateLimit
		want   link.Plan
	}{
		"a new link that works is ready": {sees: see(head, old), want: link.Plan{
			Status:       seen(ready(metav1.ConditionTrue, v1alpha1.ReasonReady, found, second), head, old),
			RequeueAfter: time.Minute,
		}},
		"a new commit is told, and Ready stays since when it was": {before: was, sees: see(head, old), poll: 10 * time.Second, want: link.Plan{
			Status:       seen(ready(metav1.ConditionTrue, v1alpha1.ReasonReady, found, then), head, old),
			RequeueAfter: 10 * time.Second,
		}},
		"a repository that was renamed goes on under its new name": {before: was, sees: renamed, want: link.Plan{
			Status: inStatus(seen(ready(metav1.ConditionTrue, v1alpha1.ReasonReady,
				found+"; the repository is called acme/jobs now", then), head), "acme/jobs"),
			RequeueAfter: time.Minute,
		}},
		"a name in another letter case is the same": {before: was, sees: shouted, want: link.Plan{
			Status:       inStatus(seen(ready(metav1.ConditionTrue, v1alpha1.ReasonReady, found, then), head), "Acme/TaskRunner"),
			RequeueAfter: time.Minute,
		}},
		"another repository of the same name is refused": {before: was, sees: another, want: link.Plan{
			Status: seen(ready(metav1.ConditionFalse, v1alpha1.ReasonRepositoryReplaced,
				"acme/taskrunner is another repository (number 8) than the one that was linked (number 7), and nothing of it is run: "+
					"if that is meant, delete this link and make it again", second), old),
			RequeueAfter: time.Minute,
		}},
		"what a person has to mend is not ready, and polled": {before: was, cause: missing, want: link.Plan{
			Status:       seen(ready(metav1.ConditionFalse, v1alpha1.ReasonTokenMissing, "no token", second), old),
			RequeueAfter: time.Minute,
		}},
		"what passes by itself is unknown, and soon tried again": {before: was, poll: time.Hour,
			cause: problem.Transient(v1alpha1.ReasonGitHubUnavailable, "no answer"), want: link.Plan{
				Status:       seen(ready(metav1.ConditionUnknown, v1alpha1.ReasonGitHubUnavailable, "no answer", second), old),
				RequeueAfter: 15 * time.Second,
			}},
		"a rate limit says itself when to try again": {cause: limited, want: link.Plan{
			Status:       v1alpha1.TenantRepoLinkStatus{Conditions: ready(metav1.ConditionUnknown, v1alpha1.ReasonRateLimited, "limited", second)},
			RequeueAfter: time.Minute,
		}},
		"and no later than the next poll": {cause: limited, poll: time.Hour, want: link.Plan{
			Status:       v1alpha1.TenantRepoLinkStatus{Conditions: ready(metav1.ConditionUnknown, v1alpha1.ReasonRateLimited, "limited", second)},
			RequeueAfter: 7 * time.Minute,
		}},
		"the rate limit is told in tenths": {before: was, sees: see(old), limit: link.RateLimit{Limit: 5000, Remaining: 4321}, want: link.Plan{
			Status: withLimit(5000, 4000), RequeueAfter: time.Minute,
		}},
		"and when it is used up": {before: was, sees: see(old), limit: link.RateLimit{Limit: 60, Remaining: 5}, want: link.Plan{
			Status: withLimit(60, 0), RequeueAfter: time.Minute,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &v1alpha1.TenantRepoLink{
				ObjectMeta: metav1.ObjectMeta{Name: "taskrunner", Generation: 3},
				Spec:       v1alpha1.TenantRepoLinkSpec{Repository: "acme/taskrunner", HomeBranch: "main"},
				Status:     c.before,
			}
			if c.poll != 0 {
				l.Spec.PollInterval = &metav1.Duration{Duration: c.poll}
			}
			input := l.DeepCopy()
			got := link.Decide(link.Observation{Link: l, Findings: c.sees, Problem: c.cause, RateLimit: c.limit}, now)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(input, l); diff != "" {
				t.Errorf("the input was changed (-before +after)\n%s", diff)
			}
			l.Status = got.Status
			again := link.Decide(link.Observation{Link: l, Findings: c.sees, Problem: c.cause, RateLimit: c.limit}, now.Add(time.Hour))
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("an unchanged repository is written again (-first +second)\n%s", diff)
			}
		})
	}
}

func TestNotATenantSaysWhatToDo(t *testing.T) {
	cause := link.NotATenant("d-taskrunner")
	if cause.Transient || !strings.Contains(cause.Message, "kubectl label namespace d-taskrunner katkit.dev/tenant=") {
		t.Errorf("%+v", cause)
	}
}
