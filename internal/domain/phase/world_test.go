package phase_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/phase"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rollout"
)

// world is a cluster as one phase sees it. Everything in it happens in any order, and each step of a plan may
// be the last one before the manager is killed.
type world struct {
	*rand.Rand
	t        *testing.T
	phase    *v1alpha1.Phase // as stored
	before   states
	pods     map[string]*corev1.Pod
	services map[string]rollout.Service
	active   bool
	stop     *v1alpha1.StopStatus
	at       time.Time
	logs     *buildpod.LogStore

	// What a cache may still say of what others wrote; of its own writes it says the newest.
	older struct {
		before states
		pods   map[string]*corev1.Pod
		active bool
	}

	secrets map[string]bool // by name, of an App's phase
	made    map[string]int  // how often a Pod was made
	patched map[string]int  // how often an image was set by Katkit
	writes  int
	told    int // writes that tell of troubles while a rollout goes on, or of a token that cannot be had
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := &world{
		Rand: rand.New(rand.NewPCG(seed, 7)), t: t, active: true, at: start.Time,
		before: states{}, pods: map[string]*corev1.Pod{}, secrets: map[string]bool{}, made: map[string]int{}, patched: map[string]int{},
	}
	if seed%2 == 0 {
		w.logs = &buildpod.LogStore{URL: "http://logs"}
	}
	if w.IntN(2) == 0 {
		w.phase = newExecution(1 + w.Int32N(4))
		if w.IntN(2) == 0 {
			w.phase.Spec.Execution.CredentialSecret, w.phase.Spec.Execution.CredentialKind = "github", v1alpha1.CredentialApp
		}
		w.phase.Spec.Execution.FailFast, w.phase.Spec.Execution.RetryOnInfra = w.IntN(2) == 0, w.IntN(2) == 0
	} else {
		w.phase = newDeployment([]string{"api", "web", "worker"}[:1+w.IntN(3)]...)
		w.services = services(w.phase, []string{"old", "old", "new"}[w.IntN(3)])
	}
	for i := range w.IntN(3) {
		name := fmt.Sprintf("run-0-%d", i)
		w.phase.Spec.After = append(w.phase.Spec.After, name)
		w.before[name] = v1alpha1.PhasePending
	}
	if w.IntN(3) == 0 {
		w.phase.Spec.Approval = v1alpha1.ApprovalManual
	}
	return w
}

// happen changes one thing that Katkit does not.
func (w *world) happen() {
	switch w.IntN(8) {
	case 0:
		w.at = w.at.Add(time.Duration(w.IntN(30)) * time.Second)
	case 1:
		for name, state := range w.before {
			if !state.Terminal() {
				w.before[name] = w.state(v1alpha1.PhaseRunning, v1alpha1.PhaseSucceeded, v1alpha1.PhaseSucceeded, v1alpha1.PhaseSucceeded, v1alpha1.PhaseFailed)
			}
		}
	case 2:
		w.phase.Spec.Approved = true
	case 3, 4:
		for name, pod := range w.pods {
			w.pods[name] = w.kubelet(pod)
		}
	case 5, 6:
		for role, s := range w.services {
			if s.Progress.Done {
				continue
			}
			s = rolling(s, []rollout.Progress{{Message: "1 of 2"}, {Done: true}, {Done: true}, {Failed: true, FailedAt: metav1.NewTime(w.at), Message: "no"}}[w.IntN(4)])
			s.Trouble = []*rollout.Trouble{nil, nil, unseen, crash}[w.IntN(4)]
			w.services[role] = s
		}
	case 7:
		switch w.IntN(20) {
		case 0:
			w.active = false
		case 1:
			if w.phase.Status.StartTime != nil {
				clear(w.pods) // kubectl delete pod --force
			}
		case 2:
			w.stop = &v1alpha1.StopStatus{Reason: v1alpha1.ReasonCancelled, Message: "cancelled", StartTime: metav1.NewTime(w.at)}
		}
	}
}

func (w *world) state(choices ...v1alpha1.PhaseState) v1alpha1.PhaseState {
	return choices[w.IntN(len(choices))]
}

// kubelet brings a Pod forward; a container that has ended stays so.
func (w *world) kubelet(pod *corev1.Pod) *corev1.Pod {
	checkout, build := creating, creating
	for _, status := range pod.Status.ContainerStatuses {
		switch status.Name {
		case contract.BuildContainer:
			build = status.State
		default:
			checkout = status.State
		}
	}
	if checkout.Terminated == nil {
		ends := []corev1.ContainerState{creating, running, done, done, terminated(137, "")}
		if slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return len(c.Command) == 3 }) { // checkout, and ship
			ends = []corev1.ContainerState{creating, running, running, shipped, unshipped, unheard, terminated(137, "")}
		}
		checkout = ends[w.IntN(len(ends))]
	}
	if build.Terminated == nil {
		build = []corev1.ContainerState{
			creating, running, running, waiting("ErrImagePull", "no"), succeeded, succeeded, failed, terminated(0, "forged"), terminated(137, ""),
		}[w.IntN(9)]
	}
	return is(pod, checkout, build)
}

// observe reads the services live, and everything else as it is or as it was.
func (w *world) observe() phase.Observation {
	o := phase.Observation{
		Phase: w.phase.DeepCopy(), RunActive: w.active, Before: maps.Clone(w.before), Pods: maps.Clone(w.pods), Services: maps.Clone(w.services),
		RunStop: w.stop, LogStore: w.logs,
	}
	if w.older.pods != nil && w.IntN(3) == 0 {
		maps.Copy(o.Before, w.older.before)
		maps.Copy(o.Pods, w.older.pods)
		o.RunActive = w.older.active
	}
	if phase.NeedsCredential(o, w.at) {
		o.Credential = &phase.Credential{Token: "ghs_token"}
		if w.IntN(4) == 0 {
			o.Credential = &phase.Credential{Problem: problem.Transient(v1alpha1.ReasonGitHubUnavailable, "502")}
		}
	}
	if phase.NeedsBuilder(o) {
		o.Builder = []*phase.Builder{madeBy("1"), madeBy("2"), madeBy("3"), {Problem: problem.Config(v1alpha1.ReasonImageNotAllowed, "no")}}[max(w.IntN(20)-16, 0)]
	}
	w.older.before, w.older.pods, w.older.active = maps.Clone(w.before), maps.Clone(w.pods), w.active
	return o
}

// reconcile observes, decides and acts; the manager is killed before the step of the number crash.
func (w *world) reconcile(crash int) {
	w.t.Helper()
	o := w.observe()
	plan := decide(w.t, o, w.at)
	w.check(o, plan)
	step := 0
	killed := func() bool { step++; return crash == step }
	if plan.CreateCredential != nil {
		if killed() {
			return
		}
		w.secrets[plan.CreateCredential.Name] = true
	}
	for _, pod := range plan.CreatePods {
		if killed() {
			return
		}
		if w.pods[pod.Name] == nil {
			w.made[pod.Name]++
			w.pods[pod.Name] = pod
		}
	}
	for _, name := range plan.RemoveCredentials {
		if killed() {
			return
		}
		delete(w.secrets, name)
	}
	if killed() {
		return
	}
	if !equality.Semantic.DeepEqual(w.phase.Status, plan.Status) {
		same := w.phase.Status.State == plan.Status.State && w.phase.Status.Rollback == nil && plan.Status.Rollback == nil
		if same || (o.Credential != nil && o.Credential.Problem != nil) {
			w.told++
		}
		w.checkRetry(plan.Status)
		w.phase.Status = *plan.Status.DeepCopy()
		w.writes++
	}
	for _, name := range plan.StopPods {
		if killed() {
			return
		}
		if pod := w.pods[name]; pod != nil {
			pod = pod.DeepCopy()
			pod.Spec.ActiveDeadlineSeconds = new(int64(1))
			w.pods[name] = pod
		}
	}
	for _, name := range plan.DeletePods {
		if killed() {
			return
		}
		if w.pods[name] != nil {
			w.pods[name].DeletionTimestamp = &start
		}
	}
	for _, name := range plan.KillPods {
		delete(w.pods, name)
	}
	for _, patch := range plan.PatchImages {
		if killed() {
			return
		}
		s := w.services[patch.Receipt.Role]
		if w.IntN(4) == 0 {
			s.ResourceVersion += "0" // somebody scales it in this moment
			w.services[patch.Receipt.Role] = s
		}
		if s.ResourceVersion != patch.ResourceVersion {
			return // a Conflict
		}
		w.services[patch.Receipt.Role] = apply(s, patch)
		w.patched[patch.Image]++
	}
}

// settle lets everything before the phase end, and the time run out.
func (w *world) settle() {
	for name, state := range w.before {
		if !state.Terminal() {
			w.before[name] = v1alpha1.PhaseSucceeded
		}
	}
	w.phase.Spec.Approved = true
	for range 6 {
		w.reconcile(0)
		w.at = w.at.Add(2 * time.Hour)
	}
	if w.active && !w.phase.Status.State.Terminal() {
		w.t.Errorf("never ends: %+v", w.phase.Status)
	}
	writes := w.writes
	w.reconcile(0)
	if w.writes != writes {
		w.t.Error("is not quiet after its end")
	}
}
