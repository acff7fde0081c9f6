package phase_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/phase"
)

// check is what holds of every plan beside what decide checks.
func (w *world) check(o phase.Observation, plan phase.Plan) {
	w.t.Helper()
	mayBegin := o.RunActive && o.RunStop == nil && (w.phase.Spec.Approval == v1alpha1.ApprovalAutomatic || w.phase.Spec.Approved)
	for _, state := range w.before {
		mayBegin = mayBegin && state == v1alpha1.PhaseSucceeded
	}
	begins := w.phase.Status.State != v1alpha1.PhaseRunning && plan.Status.State == v1alpha1.PhaseRunning
	if (begins || len(plan.CreatePods) > 0) && !mayBegin {
		w.t.Fatalf("begins before those before it succeeded: %v, approved %t", w.before, w.phase.Spec.Approved)
	}
	for _, pod := range plan.CreatePods {
		last := plan.Status.Attempts[len(plan.Status.Attempts)-1]
		if !slices.ContainsFunc(last.Replicas, func(r v1alpha1.ReplicaStatus) bool { return r.Pod == pod.Name }) {
			w.t.Fatal("makes Pods that its status does not name")
		}
	}
	if stored := w.phase.Status.Stop; len(plan.StopPods)+len(plan.KillPods) > 0 && stored == nil && plan.Status.Stop == nil {
		w.t.Fatal("stops Pods without a word why")
	}
	if plan.Status.State.Terminal() && len(plan.PatchImages) > 0 {
		w.t.Fatal("changes a service after its end")
	}
	w.checkLogs(plan)
}

// checkLogs: in the end every log is whole or not, and before that a Pod that brings it to the store stays.
func (w *world) checkLogs(plan phase.Plan) {
	w.t.Helper()
	for _, attempt := range plan.Status.Attempts {
		for i := range attempt.Replicas {
			if name := attempt.Replicas[i].Pod; phase.Delivering(&attempt.Replicas[i]) && slices.Contains(slices.Concat(plan.DeletePods, plan.KillPods), name) {
				w.t.Fatalf("Pod %s is removed, and its log not stored", name)
			}
			if log := attempt.Replicas[i].Log; log != nil && log.Stored != nil && w.logs == nil {
				w.t.Fatalf("there is no log store, and %+v", log.Stored)
			}
		}
	}
}

// checkSecrets: none is left when the phase has ended.
func (w *world) checkSecrets() {
	w.t.Helper()
	if w.phase.Status.State.Terminal() && len(w.secrets) > 0 {
		w.t.Errorf("the phase is %s and leaves %v", w.phase.Status.State, w.secrets)
	}
}

// checkRetry: only the cluster's failures are tried again, and a ci.sh that had started only where that is allowed.
func (w *world) checkRetry(after v1alpha1.PhaseStatus) {
	w.t.Helper()
	for i, attempt := range after.Attempts {
		if attempt.RetryTime == nil {
			continue
		}
		for _, replica := range attempt.Replicas {
			tried := replica.Reason != string(contract.ReasonCompleted)
			if tried && (replica.Reason == string(contract.ReasonCIScriptFailed) || replica.StartTime != nil && !w.phase.Spec.Execution.RetryOnInfra) {
				w.t.Fatalf("attempt %d, replica %+v is tried again", i+1, replica)
			}
		}
	}
	if len(after.Attempts) > 3 {
		w.t.Fatalf("%d attempts", len(after.Attempts))
	}
}

// TestAnyOrderOfEvents: whatever happens in whatever order, and wherever the manager is killed, what the
// package promises holds, and a phase comes to an end.
func TestAnyOrderOfEvents(t *testing.T) {
	ends := map[v1alpha1.PhaseState]int{}
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed)
			for range 40 {
				w.happen()
				w.reconcile(w.IntN(12)) // mostly beyond the last step
			}
			w.settle()
			ends[w.phase.Status.State]++
			for name, times := range w.made {
				if times > 1 {
					t.Errorf("Pod %s was made %d times", name, times)
				}
			}
			for image, times := range w.patched {
				if times > 1 {
					t.Errorf("image %s was set %d times", image, times)
				}
			}
			w.checkEnd()
			w.checkSecrets()
			for _, attempt := range w.phase.Status.Attempts {
				for i := range attempt.Replicas {
					if phase.Delivering(&attempt.Replicas[i]) {
						t.Errorf("the log of %s is still on its way", attempt.Replicas[i].Pod)
					}
				}
			}
			limit := 3
			if w.phase.Status.Rollback != nil {
				limit++
			}
			if w.writes-w.told > limit || (w.writes-w.told == limit && w.phase.Spec.Approval == v1alpha1.ApprovalAutomatic) {
				t.Errorf("the status was written %d times", w.writes)
			}
		})
	}
	for _, state := range []v1alpha1.PhaseState{v1alpha1.PhaseSucceeded, v1alpha1.PhaseFailed, v1alpha1.PhaseSkipped, v1alpha1.PhaseCancelled} {
		if ends[state] < 4 {
			t.Errorf("only %d of the phases ended as %s: the test is too weak", ends[state], state)
		}
	}
}

// checkEnd: where a phase of an active run ended, no service is left with the new image unless it succeeded or says so.
func (w *world) checkEnd() {
	for _, receipt := range w.phase.Status.Receipts {
		live := w.services[receipt.Role].Image(receipt.Container)
		switch {
		case !w.phase.Status.State.Terminal(): // the run is gone
		case w.phase.Status.State == v1alpha1.PhaseSucceeded && live != receipt.Image,
			receipt.Result == v1alpha1.ReceiptRolledBack && live != receipt.PreviousImage,
			(w.phase.Status.State == v1alpha1.PhaseFailed || w.phase.Status.State == v1alpha1.PhaseCancelled) && receipt.Result != v1alpha1.ReceiptRollbackFailed && live != receipt.PreviousImage:
			w.t.Errorf("the phase is %s, service %s is %s and runs %s", w.phase.Status.State, receipt.Role, receipt.Result, live)
		}
	}
}

// FuzzDecide: no status of a Phase and of a Pod, however made, makes Decide panic, change its input or
// break what decide checks.
func FuzzDecide(f *testing.F) {
	add := func(status v1alpha1.PhaseStatus, pod corev1.PodStatus) {
		one, _ := json.Marshal(status)
		two, _ := json.Marshal(pod)
		f.Add(one, two, int64(0), uint8(0))
		f.Add(one, two, int64(7200), uint8(0xff))
	}
	plain := newExecution(2)
	add(plain.Status, corev1.PodStatus{})
	status := v1alpha1.PhaseStatus{State: v1alpha1.PhaseRunning, StartTime: &start, Attempts: []v1alpha1.AttemptStatus{
		{Number: 1, Replicas: []v1alpha1.ReplicaStatus{{Index: 0, Pod: podName(plain, 0)}, {Index: 1, Pod: podName(plain, 1)}}},
	}}
	for _, build := range []corev1.ContainerState{running, succeeded, failed, waiting("ErrImagePull", "x"), terminated(-1, "{}"), {}} {
		add(status, is(&corev1.Pod{}, done, build).Status)
	}
	add(v1alpha1.PhaseStatus{State: v1alpha1.PhaseRunning, StartTime: &start}, corev1.PodStatus{Phase: corev1.PodFailed})
	add(v1alpha1.PhaseStatus{State: v1alpha1.PhaseRunning, StartTime: &start, Receipts: []v1alpha1.Receipt{receipt("api", "Planned")}}, corev1.PodStatus{})
	f.Fuzz(func(t *testing.T, phaseJSON, podJSON []byte, seconds int64, flags uint8) {
		var status v1alpha1.PhaseStatus
		var podStatus corev1.PodStatus
		if json.Unmarshal(phaseJSON, &status) != nil || json.Unmarshal(podJSON, &podStatus) != nil || len(status.Message) > 4096 {
			return
		}
		at := now.Add(time.Duration(seconds%(1<<30)) * time.Second)
		for _, p := range []*v1alpha1.Phase{newExecution(2), newDeployment("api")} {
			p.Status = *status.DeepCopy()
			p.Spec.Timeout = metav1.Duration{Duration: time.Duration(seconds % (1 << 30))}
			if flags&1 != 0 {
				p.Spec.Approval = v1alpha1.ApprovalManual
			}
			o := phase.Observation{Phase: p, RunActive: flags&2 == 0, Services: services(p, "old"), Pods: map[string]*corev1.Pod{}}
			for replica := range int32(flags >> 2 & 3) {
				pod := is(&corev1.Pod{}, running, running)
				pod.Name, pod.Status = podName(p, replica), *podStatus.DeepCopy()
				o.Pods[pod.Name] = pod
			}
			input := clone(o)
			plan := phase.Decide(o, at)
			if !equality.Semantic.DeepEqual(input, o) {
				t.Fatal("Decide changed what it looked at")
			}
			if status.State.Terminal() && !equality.Semantic.DeepEqual(withoutDelivery(status, plan.Status), plan.Status) {
				t.Fatal("a terminal state is not final")
			}
			if len(plan.Status.Message) > 4096 {
				t.Fatalf("a message of %d bytes", len(plan.Status.Message))
			}
			if !o.RunActive && len(plan.CreatePods) > 0 {
				t.Fatal("goes on for a run that has ended")
			}
			checkPatches(t, o, plan)
		}
	})
}
