package run_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/builderclass"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rollout"
	"katkit.dev/katkit/internal/domain/run"
)

// world is a tenant with one run, whose Phases are carried out by their own Decide. Everything happens in any
// order, and each step of a plan may be the last one before the manager is killed.
type world struct {
	*rand.Rand
	t        *testing.T
	at       time.Time
	run      *v1alpha1.CIRun
	material *run.Material
	phases   map[string]*v1alpha1.Phase
	older    map[string]*v1alpha1.Phase // as the run's controller may still see them
	pods     map[string]*corev1.Pod
	services map[string]rollout.Service
	made     map[string]int // how often each Pod was made
	// deploys and rollbacks are how often the service was changed, and back.
	deploys, rollbacks int
	writes             int // of the run's status
	logs               *buildpod.LogStore
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := &world{
		Rand: rand.New(rand.NewPCG(seed, 3)), t: t, at: now, run: newRun(), made: map[string]int{},
		phases: map[string]*v1alpha1.Phase{}, pods: map[string]*corev1.Pod{},
		services: map[string]rollout.Service{"taskrunner": {
			Kind: "Deployment", Name: "taskrunner", ResourceVersion: "1",
			Containers: []corev1.Container{{Name: "main", Image: "acme/taskrunner:old"}},
		}},
	}
	if seed%2 == 0 {
		w.logs = &buildpod.LogStore{URL: "http://logs"}
	}
	var templates []v1alpha1.PhaseTemplate
	order, deploy := int32(0), w.IntN(4)
	for i := range 1 + w.IntN(5) {
		next := template(fmt.Sprintf("P%d", i), order, v1alpha1.PhaseExecution)
		next.Parallelism = 1 + w.Int32N(2)
		if i == deploy {
			next.Type = v1alpha1.PhaseDeployment
		}
		if w.IntN(5) == 0 {
			next.Approval = v1alpha1.ApprovalManual
		}
		templates = append(templates, next)
		order += w.Int32N(2)
	}
	w.material = newMaterial(templates...)
	return w
}

func (w *world) ended(name string) bool { return w.phases[name].Status.State.Terminal() }

// reconcileRun observes, decides and acts; the manager is killed before the step of the number crash.
func (w *world) reconcileRun(crash int) {
	w.t.Helper()
	o := run.Observation{Run: w.run, Phases: maps.Clone(w.phases), BuilderPods: len(w.pods) > 0}
	if w.IntN(3) == 0 {
		maps.Copy(o.Phases, w.older)
	}
	w.older = map[string]*v1alpha1.Phase{}
	for name, p := range w.phases {
		w.older[name] = p.DeepCopy()
	}
	if run.NeedsMaterial(w.run) {
		if o.Material = w.material; w.IntN(4) == 0 {
			o.Material, o.Problem = nil, problem.Transient(v1alpha1.ReasonGitHubUnavailable, "no answer")
		}
	}
	plan := decide(w.t, o, w.at)
	step := 0
	killed := func() bool { step++; return step == crash }
	for _, p := range plan.CreatePhases {
		if killed() {
			return
		}
		if w.phases[p.Name] == nil {
			p = p.DeepCopy()
			p.UID = types.UID(p.Name)
			w.phases[p.Name] = p
		}
	}
	if killed() {
		return
	}
	if !equality.Semantic.DeepEqual(w.run.Status, plan.Status) {
		w.checkRun(w.run.Status, plan.Status)
		w.run = w.run.DeepCopy()
		w.run.Status = *plan.Status.DeepCopy()
		w.writes++
	}
	if plan.DeletePods && !killed() {
		for name := range w.pods {
			if w.delivering(name) {
				w.t.Fatalf("Pod %s is removed before its log is stored", name)
			}
		}
		clear(w.pods)
	}
}

// delivering tells whether a Phase waits for what a Pod brings to the log store.
func (w *world) delivering(pod string) bool {
	for _, p := range w.phases {
		for _, attempt := range p.Status.Attempts {
			for i := range attempt.Replicas {
				if attempt.Replicas[i].Pod == pod && phase.Delivering(&attempt.Replicas[i]) {
					return true
				}
			}
		}
	}
	return false
}

// checkRun checks a change of the run's status against the Phases as they are.
func (w *world) checkRun(before, after v1alpha1.CIRunStatus) {
	w.t.Helper()
	if before.SHA != "" && before.SHA != after.SHA || len(before.Phases) > 0 && len(before.Phases) != len(after.Phases) {
		w.t.Fatalf("the commit or the phases are others: %+v, then %+v", before, after)
	}
	for i, entry := range after.Phases {
		p := w.phases[entry.PhaseName]
		if p == nil {
			w.t.Fatalf("the status names Phase %s, which is not there", entry.PhaseName)
		}
		if entry.State.Terminal() && entry.State != p.Status.State {
			w.t.Fatalf("%s is %s, not %s", entry.PhaseName, p.Status.State, entry.State)
		}
		if len(before.Phases) > 0 && before.Phases[i].StartTime != nil && !before.Phases[i].StartTime.Equal(entry.StartTime) {
			w.t.Fatalf("%s began at %s and at %s", entry.PhaseName, before.Phases[i].StartTime, entry.StartTime)
		}
	}
	if after.State.Terminal() {
		for name := range w.phases {
			if !w.ended(name) {
				w.t.Fatalf("the run is %s, its Phase %s is %s", after.State, name, w.phases[name].Status.State)
			}
		}
	}
}

func (w *world) reconcilePhase(p *v1alpha1.Phase, crash int) {
	w.t.Helper()
	o := phase.Observation{
		Phase: p, RunActive: !w.run.Status.State.Terminal(), RunEnded: w.run.Status.State.Terminal(), RunStop: w.run.Status.Stop,
		Before: map[string]v1alpha1.PhaseState{}, Pods: w.podsOf(p), Services: w.services,
		LogStore: w.logs,
	}
	for name, before := range w.phases {
		o.Before[name] = before.Status.State
	}
	if phase.NeedsBuilder(o) {
		status, _ := builderclass.Resolve(newMaterial().Class, p.Spec.Execution.Builder, v1alpha1.AgentByImageVolume, builderclass.Askers{})
		o.Builder = &phase.Builder{Status: status}
	}
	plan := phase.Decide(o, w.at)
	if p.Status.StartTime == nil && (plan.Status.State == v1alpha1.PhaseRunning || len(plan.CreatePods) > 0) {
		for name, other := range w.phases {
			if other.Spec.Order < p.Spec.Order && other.Status.State != v1alpha1.PhaseSucceeded {
				w.t.Fatalf("%s begins while %s is %s", p.Name, name, other.Status.State)
			}
		}
	}
	for i, pod := range plan.CreatePods {
		if i+1 == crash {
			return
		}
		if w.pods[pod.Name] == nil {
			w.pods[pod.Name] = pod
			w.made[pod.Name]++
		}
	}
	if p.Status.State.Terminal() && p.Status.State != plan.Status.State {
		w.t.Fatalf("%s was %s and is %s", p.Name, p.Status.State, plan.Status.State)
	}
	p.Status = *plan.Status.DeepCopy()
	w.endPods(plan)
	for _, patch := range plan.PatchImages {
		if crash == 1 {
			return
		}
		if patch.Image == patch.Receipt.PreviousImage {
			w.rollbacks++
		} else {
			w.deploys++
		}
		w.services["taskrunner"] = rollout.Service{
			Kind: "Deployment", Name: "taskrunner", ResourceVersion: "2",
			Containers: []corev1.Container{{Name: "main", Image: patch.Image}},
			Mark:       rollout.Mark{RunUID: patch.Annotations[v1alpha1.AnnotationRunUID], SHA: patch.Annotations[v1alpha1.AnnotationSHA]},
			Progress:   rollout.Progress{Done: w.IntN(3) > 0, Message: "rolls"},
		}
	}
}

// podsOf are the builder Pods of a Phase.
func (w *world) podsOf(p *v1alpha1.Phase) map[string]*corev1.Pod {
	pods := map[string]*corev1.Pod{}
	for name, pod := range w.pods {
		if metav1.IsControlledBy(pod, p) {
			pods[name] = pod
		}
	}
	return pods
}

// endPods stops and removes builder Pods as the kubelet would, some at once, others never.
func (w *world) endPods(plan phase.Plan) {
	for _, name := range plan.StopPods {
		if w.pods[name] != nil {
			w.pods[name].Spec.ActiveDeadlineSeconds = new(int64(1))
		}
	}
	for _, name := range slices.Concat(plan.DeletePods, plan.KillPods) {
		delete(w.pods, name)
	}
}

// happen lets one Pod end, somebody approve, or time pass.
func (w *world) happen() {
	for _, pod := range w.pods {
		if w.IntN(3) > 0 || len(pod.Status.ContainerStatuses) > 0 {
			continue
		}
		r := contract.Report{Reason: contract.ReasonCompleted}
		if w.IntN(8) == 0 {
			r = contract.Report{Reason: contract.ReasonCIScriptFailed, Class: contract.ClassUser, ExitCode: 1, Message: "no"}
		}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: contract.BuildContainer, State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: int32(r.ExitCode), Message: string(r.Marshal()), FinishedAt: metav1.NewTime(w.at)},
		}}}
	}
	for _, pod := range w.pods {
		if slices.Contains(pod.Spec.Containers[0].Command, contract.ShipCommand) && len(pod.Status.ContainerStatuses) == 1 && w.IntN(3) == 0 {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: contract.CheckoutContainer, State: corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{Message: string(contract.LogReport{Complete: w.IntN(4) > 0}.Marshal())},
			}})
		}
	}
	for name, pod := range w.pods {
		if pod.Spec.ActiveDeadlineSeconds != nil && len(pod.Status.ContainerStatuses) == 0 && w.IntN(2) == 0 {
			r := contract.Report{Reason: contract.ReasonTerminated, Class: contract.ClassInfra, ExitCode: contract.ExitTerminated, StartTime: w.at, FinishTime: w.at}
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: contract.BuildContainer, State: corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{ExitCode: int32(r.ExitCode), Message: string(r.Marshal()), FinishedAt: metav1.NewTime(w.at)},
			}}}
		}
		if owner := w.phases[metav1.GetControllerOf(pod).Name]; owner.Status.StartTime != nil && w.IntN(60) == 0 {
			delete(w.pods, name) // kubectl delete pod --force
		}
	}
	for _, p := range w.phases {
		p.Spec.Approved = p.Spec.Approved || w.IntN(10) == 0
	}
	if w.IntN(150) == 0 {
		w.run.Spec.Cancelled = true
	}
	w.at = w.at.Add(time.Duration(w.IntN(20)) * time.Second)
}

// TestAnyOrderOfEvents: whatever happens in whatever order, and wherever the manager is killed, a run comes to
// an end that its Phases agree with, and leaves nothing running.
func TestAnyOrderOfEvents(t *testing.T) {
	ends := map[v1alpha1.RunState]int{}
	for seed := range uint64(120) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed)
			for range 400 {
				w.happen()
				w.reconcileRun(w.IntN(20)) // mostly beyond the last step
				for _, p := range w.phases {
					if w.IntN(2) == 0 {
						w.reconcilePhase(p, w.IntN(6))
					}
				}
				if w.run.Status.State.Terminal() && len(w.pods) == 0 {
					break
				}
			}
			if state := w.run.Status.State; !state.Terminal() {
				w.at = w.at.Add(3 * time.Hour) // a rollout that never ends
				for range 2 * len(w.phases) {
					for _, p := range w.phases {
						p.Spec.Approved = true
						w.reconcilePhase(p, 0)
						w.at = w.at.Add(3 * time.Hour)
					}
				}
			}
			w.older = nil
			w.reconcileRun(0)
			w.at = w.at.Add(time.Hour) // what is not stored by now never will be
			for _, p := range w.phases {
				w.reconcilePhase(p, 0)
			}
			w.reconcileRun(0)
			ends[w.run.Status.State]++
			if !w.run.Status.State.Terminal() || len(w.pods) > 0 {
				t.Fatalf("%s with %d Pods left: %+v", w.run.Status.State, len(w.pods), w.run.Status)
			}
			if w.deploys > 1 || w.rollbacks > w.deploys {
				t.Errorf("the service was changed %d times, and back %d times", w.deploys, w.rollbacks)
			}
			deployed := w.services["taskrunner"].Containers[0].Image == "acme/taskrunner:"+sha
			for _, p := range w.phases {
				if p.Spec.Type == v1alpha1.PhaseDeployment && (p.Status.State == v1alpha1.PhaseSucceeded) != deployed {
					t.Errorf("the deployment is %s, and the service runs %s", p.Status.State, w.services["taskrunner"].Containers[0].Image)
				}
			}
			for name, times := range w.made {
				if times > 1 {
					t.Errorf("Pod %s was made %d times", name, times)
				}
			}
			writes := w.writes
			w.at = w.at.Add(time.Hour)
			if w.reconcileRun(0); w.writes != writes {
				t.Error("is not quiet after its end")
			}
		})
	}
	if ends[v1alpha1.RunSucceeded] < 4 || ends[v1alpha1.RunFailed] < 4 || ends[v1alpha1.RunCancelled] < 4 {
		t.Errorf("the ends were %v: the test is too weak", ends)
	}
}

// FuzzDecide: no status of a run and of its Phases, however made, makes Decide panic, change its input or
// break what decide checks.
func FuzzDecide(f *testing.F) {
	status := v1alpha1.CIRunStatus{State: v1alpha1.RunRunning, Phases: []v1alpha1.RunPhaseStatus{{Name: "A", PhaseName: "taskrunner-7f3a-0-pre-deploy-build"}}}
	for _, state := range []v1alpha1.PhaseState{"", v1alpha1.PhaseRunning, v1alpha1.PhaseSucceeded, v1alpha1.PhaseFailed, "nonsense"} {
		one, _ := json.Marshal(status)
		two, _ := json.Marshal(v1alpha1.PhaseStatus{State: state, Message: "because"})
		f.Add(one, two, uint8(0))
		f.Add([]byte("{}"), two, uint8(0xff))
	}
	f.Fuzz(func(t *testing.T, runJSON, phaseJSON []byte, flags uint8) {
		var runStatus v1alpha1.CIRunStatus
		var phaseStatus v1alpha1.PhaseStatus
		if json.Unmarshal(runJSON, &runStatus) != nil || json.Unmarshal(phaseJSON, &phaseStatus) != nil {
			return
		}
		o := run.Observation{Run: newRun(), Phases: map[string]*v1alpha1.Phase{}, BuilderPods: flags&1 != 0}
		o.Run.Status = runStatus
		material := newMaterial(threePhases()...)
		if flags&2 != 0 {
			o.Material = material
		}
		if flags&4 != 0 {
			o.Problem = problem.Transient(v1alpha1.ReasonRateLimited, "limited")
		}
		for i, p := range run.BuildPhases(o.Run, *material) {
			if flags>>3>>i&1 == 0 {
				p.Status = *phaseStatus.DeepCopy()
				o.Phases[p.Name] = p
			}
		}
		input := clone(o)
		plan := run.Decide(o, now)
		if !equality.Semantic.DeepEqual(input, o) {
			t.Fatal("Decide changed what it looked at")
		}
		if !equality.Semantic.DeepEqual(plan, run.Decide(input, now)) {
			t.Fatal("the same observation gave another plan")
		}
		if runStatus.State.Terminal() && !equality.Semantic.DeepEqual(runStatus, plan.Status) {
			t.Fatal("a terminal state is not final")
		}
		if plan.DeletePods && !plan.Status.State.Terminal() {
			t.Fatal("removes the Pods of a run that goes on")
		}
	})
}
