package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

const (
	byManager = `"user":{"username":"system:serviceaccount:katkit-system:katkit-manager"},`
	byKubelet = `"user":{"username":"system:node:n","groups":["system:serviceaccount:katkit-system:katkit-manager"]},`
	toPhases  = `"objectRef":{"resource":"phases","namespace":"t","subresource":"status"},`
)

func TestCountWritesTakesOnlyTheManagersWritesInTheNamespace(t *testing.T) {
	log := strings.Join([]string{
		`{"stage":"ResponseComplete","verb":"patch",` + byManager + toPhases + `"responseStatus":{"code":200}}`,
		`{"stage":"ResponseComplete","verb":"patch",` + byManager + toPhases + `"responseStatus":{"code":409}}`,
		`{"stage":"ResponseStarted","verb":"patch",` + byManager + toPhases + `"responseStatus":{"code":200}}`,
		`{"stage":"ResponseComplete","verb":"get",` + byManager + toPhases + `"responseStatus":{"code":200}}`,
		`{"stage":"ResponseComplete","verb":"patch",` + byKubelet + toPhases + `"responseStatus":{"code":200}}`,
		`{"stage":"ResponseComplete","verb":"create",` + byManager + `"objectRef":{"resource":"events","namespace":"t"},"responseStatus":{"code":201}}`,
		`{"stage":"ResponseComplete","verb":"create",` + byManager + `"objectRef":{"resource":"pods","namespace":"other"},"responseStatus":{"code":201}}`,
		`{"stage":"ResponseComplete","verb":"update",` + byManager + `"objectRef":{"resource":"leases","namespace":"katkit-system"}}`,
		`{"stage":"ResponseComplete","verb":"deletecollection",` + byManager + `"objectRef":{"resource":"pods","namespace":"t"},"responseStatus":{"code":200}}`,
		`{"stage":"ResponseComplete","verb":"create","user":{"username":"system:serviceaccount:katkit-sys`, // being written
	}, "\n")
	got, err := countWrites(strings.NewReader(log), "t")
	if err != nil {
		t.Fatal(err)
	}
	want := &writes{byKind: map[string]int{"patch phases/status": 2, "deletecollection pods": 1}, events: 1, refused: 1}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(writes{})); diff != "" {
		t.Error(diff)
	}
	if got.total() != 3 {
		t.Errorf("total() = %d, want 3: events are apart", got.total())
	}
}

func TestCountWritesRefusesALogThatIsNone(t *testing.T) {
	if _, err := countWrites(strings.NewReader(managerUser+" is no JSON\n"), "t"); err == nil {
		t.Error("no error")
	}
}

func TestMedianAndP90(t *testing.T) {
	for name, test := range map[string]struct {
		values      []float64
		median, p90 float64
	}{
		"none":             {nil, 0, 0},
		"one":              {[]float64{3}, 3, 3},
		"two":              {[]float64{4, 2}, 3, 4},
		"ten, in disorder": {[]float64{10, 1, 9, 2, 8, 3, 7, 4, 6, 5}, 5.5, 9},
		"eleven":           {[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 6, 10},
	} {
		if got := median(test.values); got != test.median {
			t.Errorf("%s: median = %v, want %v", name, got, test.median)
		}
		if got := p90(test.values); got != test.p90 {
			t.Errorf("%s: p90 = %v, want %v", name, got, test.p90)
		}
	}
}

func TestReadUsage(t *testing.T) {
	text := "# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.\n" +
		"process_cpu_seconds_total 1.25\nprocess_resident_memory_bytes 4.5e+07\nprocess_resident_memory_bytes_max 9\n"
	got, err := readUsage([]byte(text))
	if want := (usage{memory: 45_000_000, cpu: 1250 * time.Millisecond}); err != nil || got != want {
		t.Errorf("readUsage = %+v, %v, want %+v", got, err, want)
	}
	if _, err := readUsage([]byte("process_cpu_seconds_total 1\n")); err == nil {
		t.Error("no error though there is no memory")
	}
}

func TestJournalKeepsTheFirstTimeOfEachMark(t *testing.T) {
	j := &journal{entries: map[string]*entry{}, changed: make(chan struct{})}
	start := time.Now()
	report := contract.Report{Reason: contract.ReasonCompleted, StartTime: start, FinishTime: start.Add(time.Second)}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "p", Labels: map[string]string{v1alpha1.LabelRun: "r"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "Phase", Name: "r-1-first", Controller: new(true)}},
		},
	}
	j.record(pod, false, start)
	pod.Spec.NodeName = "n"
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{
		{Name: contract.CheckoutContainer, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
		{Name: contract.BuildContainer, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: string(report.Marshal())}}},
	}
	j.record(pod, false, start.Add(1))
	pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
	j.record(pod, false, start.Add(2))
	pod.Status.Phase = corev1.PodSucceeded
	j.record(pod, false, start.Add(3))
	j.record(pod, true, start.Add(4))

	got := j.all(func(*entry) bool { return true })
	want := []entry{{
		kind: kindPod, name: "p", run: "r", phase: "r-1-first",
		at: map[mark]time.Time{
			created: start, scheduled: start.Add(1), terminated: start.Add(2), succeeded: start.Add(3), deleted: start.Add(4),
		},
		steps: steps{scriptBegan: start, scriptEnded: start.Add(time.Second)},
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(entry{}, steps{})); diff != "" {
		t.Error(diff)
	}
}

func TestAwait(t *testing.T) {
	run := &v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Name: "r"}}
	for name, test := range map[string]struct {
		then    func(*journal)
		succeed bool
	}{
		"returns when the run succeeds": {succeed: true, then: func(j *journal) {
			run := run.DeepCopy()
			run.Status.State = v1alpha1.RunSucceeded
			j.record(run, false, time.Now())
		}},
		"fails when the run fails": {then: func(j *journal) {
			run := run.DeepCopy()
			run.Status.State = v1alpha1.RunFailed
			j.record(run, false, time.Now())
		}},
		"fails when the watch ends": {then: func(j *journal) { j.fail(errors.New("ended")) }},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			j := &journal{entries: map[string]*entry{}, changed: make(chan struct{})}
			j.record(run, false, time.Now())
			go test.then(j)
			_, err := j.await(ctx, kindRun, "r", succeeded)
			if (err == nil) != test.succeed || ctx.Err() != nil {
				t.Errorf("await: %v", err)
			}
		})
	}
}

func TestCountEventsTellsThoseOfPodsApart(t *testing.T) {
	about := func(kind, name string) corev1.Event {
		return corev1.Event{InvolvedObject: corev1.ObjectReference{Kind: kind, Name: name}}
	}
	var s stored
	err := s.countEvents([]corev1.Event{
		about("CIRun", "idle-000"), about("Phase", "idle-000-1-first"), about("Pod", "idle-000-1-first-x"), about("CIRun", "idle-0001"),
	}, "idle-000")
	if err != nil || s.katkitEvents != 2 || s.otherEvents != 1 || s.events == 0 {
		t.Errorf("countEvents: %+v, %v", s, err)
	}
}
