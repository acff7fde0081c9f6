package queue_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/queue"
)

// world plays many runs in a few tenants. One step is whatever may happen next: a run is made, a Phase whose turn it is
// begins, or one that is under way ends.
type world struct {
	board
	*rand.Rand
	t        *testing.T
	builders int
	deployed map[string][]string // by tenant and link: the runs that began to deploy, in order
}

func (w *world) newRun(i int) {
	shapes := [][]string{{"build"}, {"build", "deploy", "verify"}, {"deploy"}, {"build", "build", "deploy"}}
	run := w.run(fmt.Sprintf("t%d", w.IntN(3)), fmt.Sprintf("l%d", w.IntN(2)), fmt.Sprintf("r%03d", i), shapes[w.IntN(len(shapes))]...)
	run.CreationTimestamp = metav1.NewTime(noon.Add(time.Duration(i/3) * time.Second)) // some in one second
	for j := range w.phases {
		if phase := &w.phases[j]; phase.Spec.Run.Name == run.Name && phase.Spec.Execution != nil {
			phase.Spec.Execution.Parallelism = 1 + w.Int32N(3)
		}
	}
}

// begin lets a Phase begin whose turn it is; false when it is nobody's.
func (w *world) begin() bool {
	var turn []*v1alpha1.Phase
	turns := queue.New(w.phases, w.runs, w.pods, w.builders).Turns()
	for i := range w.phases {
		key := types.NamespacedName{Namespace: w.phases[i].Namespace, Name: w.phases[i].Name}
		if wait, ready := turns[key]; ready && wait == nil {
			turn = append(turn, &w.phases[i])
		}
	}
	if len(turn) == 0 {
		return false
	}
	slices.SortFunc(turn, func(a, b *v1alpha1.Phase) int { return cmp.Compare(a.Name, b.Name) })
	phase := turn[w.IntN(len(turn))]
	phase.Status.State, phase.Status.StartTime = v1alpha1.PhaseRunning, new(metav1.NewTime(noon))
	if phase.Spec.Type == v1alpha1.PhaseDeployment {
		run := w.runOf(phase)
		place := run.Namespace + "/" + run.Spec.Link.Name
		w.deployed[place] = append(w.deployed[place], run.Name)
	}
	w.check()
	return true
}

func (w *world) runOf(phase *v1alpha1.Phase) *v1alpha1.CIRun {
	return &w.runs[slices.IndexFunc(w.runs, func(r v1alpha1.CIRun) bool { return r.Name == phase.Spec.Run.Name })]
}

// end lets a Phase end that is under way; false when none is.
func (w *world) end() bool {
	var active []*v1alpha1.Phase
	for i := range w.phases {
		if w.phases[i].Status.State == v1alpha1.PhaseRunning {
			active = append(active, &w.phases[i])
		}
	}
	if len(active) == 0 {
		return false
	}
	phase := active[w.IntN(len(active))]
	phase.Status.State = v1alpha1.PhaseSucceeded
	run, left := w.runOf(phase), 0
	for i := range w.phases {
		if w.phases[i].Spec.Run.Name == run.Name && w.phases[i].Status.State != v1alpha1.PhaseSucceeded {
			left++
		}
	}
	if left == 0 {
		run.Status.State = v1alpha1.RunSucceeded
	}
	return true
}

// check: a deployment is alone in its tenant, and no more builders are in use than there are.
func (w *world) check() {
	w.t.Helper()
	used := int32(0)
	phases := 0
	for i, a := range w.phases {
		if a.Status.State != v1alpha1.PhaseRunning {
			continue
		}
		if a.Spec.Execution != nil {
			used += a.Spec.Execution.Parallelism
			phases++
		}
		for _, b := range w.phases[i+1:] {
			if b.Status.State == v1alpha1.PhaseRunning && a.Namespace == b.Namespace && a.Spec.Type != b.Spec.Type && a.Spec.Run != b.Spec.Run {
				w.t.Fatalf("%s and %s are under way in one tenant", a.Name, b.Name)
			}
			if b.Status.State == v1alpha1.PhaseRunning && a.Namespace == b.Namespace && a.Spec.Type == v1alpha1.PhaseDeployment && b.Spec.Type == a.Spec.Type {
				w.t.Fatalf("%s and %s deploy into one tenant", a.Name, b.Name)
			}
		}
	}
	if w.builders > 0 && used > int32(w.builders) && phases > 1 {
		w.t.Fatalf("%d of %d builders are in use", used, w.builders)
	}
}

// TestEveryRunGetsItsTurn: whatever happens in whatever order, everybody's turn comes, deployments are alone in their tenant,
// and those of a link come in the order of its runs.
func TestEveryRunGetsItsTurn(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := &world{Rand: rand.New(rand.NewPCG(seed, 1)), t: t, builders: int(seed % 4), deployed: map[string][]string{}}
			made := 0
			for range 2000 {
				switch choice := w.IntN(3); {
				case choice == 0 && made < 30:
					w.newRun(made)
					made++
				case choice == 1 && w.begin():
				case w.end():
				case w.begin():
				case made == 30:
				}
			}
			for _, run := range w.runs {
				if run.Status.State != v1alpha1.RunSucceeded {
					t.Fatalf("run %s never got its turn: %v", run.Name, w.turns(w.builders))
				}
			}
			for place, runs := range w.deployed {
				if !slices.IsSorted(runs) {
					t.Errorf("%s was deployed to in the order %v", place, runs)
				}
			}
		})
	}
}

// TestAThousandRunsOfOneTenantDoNotDelayAnother: a thousand runs wait in one tenant; the single one of another begins at once.
func TestAThousandRunsOfOneTenantDoNotDelayAnother(t *testing.T) {
	var b board
	for i := range 1000 {
		b.run("big", "x", fmt.Sprintf("a%04d", i), "build")
	}
	const builders = 10
	for i := range builders - 1 {
		b.phases[i].Status.State, b.phases[i].Status.StartTime = v1alpha1.PhaseRunning, new(metav1.NewTime(noon))
	}
	b.run("small", "x", "b", "build")
	turns := b.turns(builders)
	for name, wait := range turns {
		if (name == "b-0") != (wait == "") {
			t.Errorf("%s: %q", name, wait)
		}
	}
	if len(turns) != 1000-builders+1+1 {
		t.Errorf("%d wait", len(turns))
	}
}

func BenchmarkTurns(b *testing.B) {
	var crowd board
	for i := range 1000 {
		crowd.run("big", "x", fmt.Sprintf("a%04d", i), "build", "deploy", "verify")
	}
	crowd.phases[0].Status.State, crowd.phases[0].Status.StartTime = v1alpha1.PhaseRunning, new(metav1.NewTime(noon))
	for b.Loop() {
		queue.New(crowd.phases, crowd.runs, nil, 10).Turns()
	}
}
