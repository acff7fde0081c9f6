package queue_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/queue"
)

var noon = time.Date(2024, 5, 6, 12, 0, 0, 0, time.UTC)

// board is a tenant's runs and Phases, written down as they came.
type board struct {
	runs   []v1alpha1.CIRun
	phases []v1alpha1.Phase
	pods   []corev1.Pod
}

// run adds a run of a link, made a minute after the one before, with its Phases: "build" or "deploy", one after the other,
// each with its state, such as "build=Running".
func (b *board) run(tenant, link, name string, phases ...string) *v1alpha1.CIRun {
	run := v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{
		Namespace: tenant, Name: name, UID: types.UID(tenant + "/" + name), CreationTimestamp: metav1.NewTime(noon.Add(time.Duration(len(b.runs)) * time.Minute)),
	}}
	run.Spec.Link.Name = link
	run.Status.State = v1alpha1.RunRunning
	var after []string
	for i, words := range phases {
		kind, state, _ := strings.Cut(words, "=")
		phase := v1alpha1.Phase{ObjectMeta: metav1.ObjectMeta{
			Namespace: tenant, Name: fmt.Sprintf("%s-%d", name, i), UID: types.UID(fmt.Sprintf("%s/%s-%d", tenant, name, i)),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(&run, v1alpha1.GroupVersion.WithKind("CIRun"))},
		}}
		phase.Spec = v1alpha1.PhaseSpec{Run: v1alpha1.ObjectName{Name: name}, Name: kind, Type: v1alpha1.PhaseExecution, Order: int32(i), After: after}
		if kind == "deploy" {
			phase.Spec.Type = v1alpha1.PhaseDeployment
		} else {
			phase.Spec.Execution = &v1alpha1.ExecutionSpec{Parallelism: 1}
		}
		if state == "Manual" {
			phase.Spec.Approval, state = v1alpha1.ApprovalManual, "WaitingForApproval"
		}
		phase.Status.State = v1alpha1.PhaseState(state)
		if state != "" && state != "WaitingForApproval" && state != "Pending" {
			phase.Status.StartTime = &run.CreationTimestamp
		}
		run.Status.Phases = append(run.Status.Phases, v1alpha1.RunPhaseStatus{Name: kind, PhaseName: phase.Name, Type: phase.Spec.Type})
		after = []string{phase.Name}
		b.phases = append(b.phases, phase)
	}
	b.runs = append(b.runs, run)
	return &b.runs[len(b.runs)-1]
}

// pod adds a builder Pod of a Phase.
func (b *board) pod(phase string) {
	for i := range b.phases {
		if b.phases[i].Name == phase {
			owner := *metav1.NewControllerRef(&b.phases[i], v1alpha1.GroupVersion.WithKind("Phase"))
			b.pods = append(b.pods, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: b.phases[i].Namespace, OwnerReferences: []metav1.OwnerReference{owner}}})
		}
	}
}

// turns tells of each Phase that is ready what it waits for; "" when it is its turn.
func (b *board) turns(builders int) map[string]string {
	result := map[string]string{}
	for key, wait := range queue.New(b.phases, b.runs, b.pods, builders).Turns() {
		result[key.Name] = ""
		if wait != nil {
			result[key.Name] = wait.String()
		}
	}
	return result
}

func TestTurns(t *testing.T) {
	for name, c := range map[string]struct {
		board    func(b *board)
		builders int
		want     map[string]string
	}{
		"executions share the tenant": {
			board: func(b *board) {
				b.run("d", "x", "a", "build=Running", "deploy")
				b.run("d", "x", "b", "build")
				b.run("d", "y", "c", "build")
			},
			want: map[string]string{"b-0": "", "c-0": ""},
		},
		"executions wait while one deploys, across links": {
			board: func(b *board) {
				b.run("d", "x", "a", "build=Succeeded", "deploy=Running", "verify")
				b.run("d", "y", "b", "build")
				b.run("p", "x", "c", "build")
			},
			want: map[string]string{"b-0": "run a is deploying to d (position 1)", "c-0": ""},
		},
		"a deployment waits for what runs, and who comes later for it": {
			board: func(b *board) {
				b.run("d", "x", "a", "test=Running")
				b.run("d", "y", "b", "deploy")
				b.run("d", "z", "c", "build")
			},
			want: map[string]string{
				"b-0": "a deployment has the tenant for itself, and run a is under way in d (position 1)",
				"c-0": "run b came first and waits in d (position 2)",
			},
		},
		"the verification of a deployment comes before the next deployment": {
			board: func(b *board) {
				b.run("d", "x", "a", "deploy=Succeeded", "verify")
				b.run("d", "y", "b", "deploy")
			},
			want: map[string]string{"a-1": "", "b-0": "run a came first and waits in d (position 2)"},
		},
		"what has builder Pods is under way, also when the manager died before it said so": {
			board: func(b *board) {
				b.run("d", "x", "a", "build", "deploy")
				b.run("d", "y", "b", "deploy")
				b.pod("a-0")
				b.runs[0].CreationTimestamp = metav1.NewTime(noon.Add(time.Hour)) // or it would come first anyway
			},
			want: map[string]string{"b-0": "a deployment has the tenant for itself, and run a is under way in d (position 1)"},
		},
		"a builder that is not told of yet is one of the cluster's": {
			board: func(b *board) {
				b.run("d", "x", "a", "build")
				b.run("p", "x", "b", "build")
				b.pod("a-0")
			},
			builders: 1,
			want:     map[string]string{"b-0": "1 of the cluster's 1 builders are in use (position 1)"},
		},
		"phases of one run do not wait for each other": {
			board: func(b *board) {
				b.run("d", "x", "a", "deploy=Running", "build")
				b.phases[1].Spec.After = nil
			},
			want: map[string]string{"a-1": ""},
		},
		"deployments of a link keep the order of its runs": {
			board: func(b *board) {
				b.run("d", "x", "a", "build", "deploy")
				b.run("d", "x", "b", "deploy")
				b.phases[0].Status.State = v1alpha1.PhaseWaitingForApproval // not under way, nor ready
				b.phases[0].Spec.Approval = v1alpha1.ApprovalManual
			},
			want: map[string]string{"b-0": "run a of the same link came first and has yet to deploy (position 1)"},
		},
		"a run that only builds does not hold up deployments of its link": {
			board: func(b *board) {
				b.run("d", "x", "a", "build=Succeeded", "more=Succeeded", "approved=Manual")
				b.run("d", "x", "b", "deploy")
			},
			want: map[string]string{"b-0": ""},
		},
		"a re-run that does not deploy again does not either": {
			board: func(b *board) {
				b.run("d", "x", "a", "deploy=Succeeded", "verify=Succeeded", "later=Manual").Status.Phases[0].CarriedFrom = "before"
				b.run("d", "x", "b", "deploy")
			},
			want: map[string]string{"b-0": ""},
		},
		"a run that was not planned yet may deploy": {
			board: func(b *board) {
				b.run("d", "x", "a").Status.State = v1alpha1.RunPending
				b.run("d", "x", "b", "deploy")
			},
			want: map[string]string{"b-0": "run a of the same link came first and has yet to deploy (position 1)"},
		},
		"one that cannot be planned holds nobody up": {
			board: func(b *board) {
				a := b.run("d", "x", "a")
				a.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSucceeded, Reason: v1alpha1.ReasonGitHubUnavailable}}
				b.run("d", "x", "b", "deploy")
			},
			want: map[string]string{"b-0": ""},
		},
		"a run that waits for a person holds nobody up": {
			board: func(b *board) {
				b.run("d", "x", "a", "build=Succeeded", "deploy=Manual").Status.State = v1alpha1.RunWaitingForApproval
				b.run("d", "x", "b", "deploy")
			},
			want: map[string]string{"b-0": ""},
		},
		"a run that is being stopped asks for nothing, and holds what it has": {
			board: func(b *board) {
				b.run("d", "x", "a", "deploy=Running").Status.Stop = &v1alpha1.StopStatus{}
				b.run("d", "x", "b", "build").Status.Stop = &v1alpha1.StopStatus{}
				b.run("d", "x", "c", "build")
			},
			want: map[string]string{"c-0": "run a is deploying to d (position 1)"},
		},
		"a deployment whose run is gone has the tenant until it is taken back": {
			board: func(b *board) {
				b.run("d", "x", "a", "deploy=Running")
				b.runs = nil
				b.run("d", "x", "b", "build")
			},
			want: map[string]string{"b-0": "run a is deploying to d (position 1)"},
		},
		"runs of one second go by their names": {
			board: func(b *board) {
				b.run("d", "x", "b", "deploy")
				b.run("d", "y", "a", "deploy")
				b.runs[1].CreationTimestamp = b.runs[0].CreationTimestamp
			},
			want: map[string]string{"a-0": "", "b-0": "run a came first and waits in d (position 2)"},
		},
		"further back the place is rounded, and told by the run ahead": {
			board: func(b *board) {
				b.run("d", "x", "a", "deploy=Running")
				for i := range 6 {
					b.run("d", "x", fmt.Sprintf("b%d", i), "deploy")
				}
			},
			want: map[string]string{
				"b0-0": "run a is deploying to d (position 1)", "b1-0": "run a is deploying to d (position 2)", "b2-0": "run a is deploying to d (position 3)",
				"b3-0": "run b2 comes first in d (position about 5)", "b4-0": "run b3 comes first in d (position about 5)", "b5-0": "run b4 comes first in d (position about 10)",
			},
		},
		"what waits for room or for GitHub holds nobody up, and has to wait for who is under way": {
			board: func(b *board) {
				b.run("d", "x", "a", "build")
				b.run("d", "y", "b", "deploy")
				b.run("d", "z", "c", "deploy=Running")
				b.phases[0].Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSucceeded, Reason: v1alpha1.ReasonWaitingForQuota}}
				b.phases[1].Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSucceeded, Reason: v1alpha1.ReasonQueued}}
				b.run("p", "x", "d", "deploy")
				b.run("p", "x", "e", "build")
				b.phases[3].Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSucceeded, Reason: v1alpha1.ReasonGitHubUnavailable}}
			},
			want: map[string]string{
				"a-0": "run c is deploying to d (position 1)", "b-0": "run c is deploying to d (position 2)", "d-0": "", "e-0": "",
			},
		},
		"builders are shared in turns": {
			board: func(b *board) {
				for i := range 4 {
					b.run("big", "x", fmt.Sprintf("a%d", i), "build")
				}
				b.run("small", "x", "b", "build")
			},
			builders: 3,
			want: map[string]string{
				"a0-0": "", "b-0": "",
				"a1-0": "2 of the cluster's 3 builders are in use (position 1)", "a2-0": "2 of the cluster's 3 builders are in use (position 2)",
				"a3-0": "2 of the cluster's 3 builders are in use (position 3)",
			},
		},
		"the last builder is kept for a tenant that has none": {
			board: func(b *board) {
				b.run("big", "x", "a0", "build=Running")
				b.run("big", "x", "a1", "build")
			},
			builders: 2,
			want:     map[string]string{"a1-0": "1 of the cluster's 2 builders are in use (position 1)"},
		},
		"a single builder is not kept for anybody": {
			board:    func(b *board) { b.run("big", "x", "a", "build") },
			builders: 1,
			want:     map[string]string{"a-0": ""},
		},
		"a phase of more builders than there are gets them all": {
			board: func(b *board) {
				b.run("big", "x", "a", "build")
				b.phases[0].Spec.Execution.Parallelism = 64
			},
			builders: 2,
			want:     map[string]string{"a-0": ""},
		},
		"nobody overtakes a phase of many builders": {
			board: func(b *board) {
				b.run("other", "x", "z", "build=Running")
				b.run("big", "x", "a", "build")
				b.phases[1].Spec.Execution.Parallelism = 3
				b.run("small", "x", "b", "build")
			},
			builders: 3,
			want: map[string]string{
				"a-0": "1 of the cluster's 3 builders are in use (position 1)", "b-0": "1 of the cluster's 3 builders are in use (position 2)",
			},
		},
		"what waits for room in a quota takes no builder meanwhile": {
			board: func(b *board) {
				b.run("full", "x", "a", "build")
				b.run("other", "x", "b", "build")
				b.phases[0].Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSucceeded, Reason: v1alpha1.ReasonWaitingForQuota}}
			},
			builders: 1,
			want:     map[string]string{"a-0": "", "b-0": ""},
		},
		"what waited for GitHub does not pass the cap by": {
			board: func(b *board) {
				b.run("p", "x", "a", "build=Running")
				b.run("d", "x", "b", "build")
				b.run("d", "y", "c", "deploy")
				b.run("e", "x", "d", "build=Running")
				b.phases[1].Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSucceeded, Reason: v1alpha1.ReasonGitHubUnavailable}}
			},
			builders: 2,
			want:     map[string]string{"b-0": "2 of the cluster's 2 builders are in use (position 1)", "c-0": ""},
		},
		"deployments need no builder": {
			board: func(b *board) {
				b.run("d", "x", "a", "build=Running")
				b.run("p", "x", "b", "deploy")
			},
			builders: 1,
			want:     map[string]string{"b-0": ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var b board
			c.board(&b)
			if diff := cmp.Diff(c.want, b.turns(c.builders)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
