package retention_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/retention"
)

var now = time.Date(2024, 5, 6, 12, 0, 0, 0, time.UTC)

// run is one of a state that ended an age ago.
func run(state v1alpha1.RunState, age time.Duration) v1alpha1.CIRun {
	r := v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%s", state, age)}}
	r.Status.State = state
	if state.Terminal() {
		r.Status.CompletionTime = new(metav1.NewTime(now.Add(-age)))
	}
	return r
}

// begun gives a run phases.
func begun(r v1alpha1.CIRun) v1alpha1.CIRun {
	r.Status.Phases = []v1alpha1.RunPhaseStatus{{Name: "BUILD"}}
	return r
}

func reported(r v1alpha1.CIRun) v1alpha1.CIRun {
	r.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReported, Status: metav1.ConditionFalse}}
	return r
}

func TestExpired(t *testing.T) {
	const (
		ok     = v1alpha1.RunSucceeded
		failed = v1alpha1.RunFailed
		gone   = v1alpha1.RunCancelled
		hour   = time.Hour
	)
	trimmed := run(ok, 9*hour)
	trimmed.Status.TrimTime = new(metav1.NewTime(now))
	deleted := run(ok, 8*hour)
	deleted.DeletionTimestamp = new(metav1.NewTime(now))
	for name, c := range map[string]struct {
		policy retention.Policy
		runs   []v1alpha1.CIRun
		want   []string
		next   time.Duration
	}{
		"nothing": {policy: retention.Policy{Succeeded: 1, Failed: 1, TTL: hour}},
		"within all bounds": {
			policy: retention.Policy{Succeeded: 2, Failed: 2, TTL: 10 * hour},
			runs:   []v1alpha1.CIRun{run(ok, hour), run(ok, 2*hour), run(failed, 3*hour), run(gone, 4*hour)}, next: 6 * hour,
		},
		"too many: the oldest of each kind go, and the cancelled count as failed": {
			policy: retention.Policy{Succeeded: 1, Failed: 2, TTL: 100 * hour},
			runs:   []v1alpha1.CIRun{run(failed, 5*hour), run(ok, hour), run(ok, 3*hour), run(ok, 2*hour), run(gone, hour), run(failed, 2*hour)},
			want:   []string{"Failed-5h0m0s", "Succeeded-3h0m0s", "Succeeded-2h0m0s"}, next: 98 * hour,
		},
		"too old": {
			policy: retention.Policy{Succeeded: 9, Failed: 9, TTL: 2 * hour},
			runs:   []v1alpha1.CIRun{run(ok, 2*hour), run(failed, 3*hour), run(ok, 2*hour-1)},
			want:   []string{"Failed-3h0m0s", "Succeeded-2h0m0s"}, next: 1,
		},
		"what has not ended stays, and does not count": {
			policy: retention.Policy{TTL: hour},
			runs: []v1alpha1.CIRun{
				run(v1alpha1.RunRunning, 0), run(v1alpha1.RunQueued, 0), run(v1alpha1.RunWaitingForApproval, 0), run(v1alpha1.RunPending, 0), run("", 0),
			},
		},
		"what was trimmed or is being deleted stays, and does not count": {
			policy: retention.Policy{Succeeded: 1, TTL: 100 * hour},
			runs:   []v1alpha1.CIRun{trimmed, deleted, run(ok, 10*hour)}, next: 90 * hour,
		},
		"what GitHub does not show yet stays for an hour": {
			policy: retention.Policy{TTL: 100 * hour, Reports: true},
			runs:   []v1alpha1.CIRun{begun(run(ok, hour/4)), begun(run(failed, hour)), run(gone, 0)},
			want:   []string{"Failed-1h0m0s", "Cancelled-0s"}, next: 3 * hour / 4,
		},
		"what it shows, or refuses to, goes": {
			policy: retention.Policy{TTL: 100 * hour, Reports: true},
			runs:   []v1alpha1.CIRun{reported(begun(run(ok, hour/4)))},
			want:   []string{"Succeeded-15m0s"},
		},
		"none are kept": {policy: retention.Policy{TTL: hour}, runs: []v1alpha1.CIRun{run(ok, 0)}, want: []string{"Succeeded-0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			expired, next := retention.Expired(c.runs, c.policy, now)
			var names []string
			for _, r := range expired {
				names = append(names, r.Name)
			}
			if diff := cmp.Diff(c.want, names); diff != "" || next != c.next {
				t.Errorf("next in %s, want %s (-want +got)\n%s", next, c.next, diff)
			}
		})
	}
}

func TestPolicyOf(t *testing.T) {
	week := 7 * 24 * time.Hour
	if got := retention.PolicyOf(nil); got != (retention.Policy{Succeeded: 10, Failed: 20, TTL: week}) {
		t.Errorf("%+v", got)
	}
	link := &v1alpha1.TenantRepoLink{}
	link.Spec.SecretRef = &v1alpha1.ObjectName{Name: "github"}
	link.Spec.Retention = v1alpha1.RetentionSpec{Succeeded: new(int32(0)), Failed: new(int32(3)), TTL: &metav1.Duration{Duration: time.Hour}}
	if got := retention.PolicyOf(link); got != (retention.Policy{Failed: 3, TTL: time.Hour, Reports: true}) {
		t.Errorf("%+v", got)
	}
}
