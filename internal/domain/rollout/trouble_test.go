package rollout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/rollout"
)

// The statuses below are as a kubelet of Kubernetes 1.37 with containerd writes them.

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// ago is a time before noon.
func ago(d time.Duration) metav1.Time { return metav1.NewTime(noon.Add(-d)) }

// newPod is a scheduled Pod, a minute old, of one container "app" with probes.
func newPod(changes ...func(*corev1.Pod)) corev1.Pod {
	pod := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "api-6d5f-x7k2p", UID: "uid-1", CreationTimestamp: ago(time.Minute)},
		Spec: corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{
			Name: "app", Image: "registry.example/acme/api:5fc1",
			Resources:      corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}},
			ReadinessProbe: httpProbe("/ready"), LivenessProbe: httpProbe("/healthz"),
		}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, StartTime: new(ago(time.Minute)),
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionTrue, LastTransitionTime: ago(58 * time.Second)},
				{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: ago(time.Minute)},
				{Type: corev1.ContainersReady, Status: corev1.ConditionFalse, Reason: "ContainersNotReady", LastTransitionTime: ago(time.Minute)},
				{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "ContainersNotReady", LastTransitionTime: ago(time.Minute)},
			},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "app", Image: "registry.example/acme/api:5fc1"}},
		},
	}
	for _, change := range changes {
		change(&pod)
	}
	return pod
}

func httpProbe(path string) *corev1.Probe {
	return &corev1.Probe{PeriodSeconds: 10, FailureThreshold: 3, SuccessThreshold: 1, TimeoutSeconds: 1,
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(8080), Scheme: corev1.URISchemeHTTP}}}
}

// app changes the status of the container "app".
func app(change func(*corev1.ContainerStatus)) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { change(&pod.Status.ContainerStatuses[0]) }
}

func waits(reason, message string) func(*corev1.Pod) {
	return app(func(s *corev1.ContainerStatus) {
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
	})
}

func runsSince(d time.Duration) func(*corev1.Pod) {
	return app(func(s *corev1.ContainerStatus) {
		s.State.Running = &corev1.ContainerStateRunning{StartedAt: ago(d)}
		s.Started = new(true)
	})
}

// end is how an instance of a container ended, after it had run for some time.
func end(code int32, reason string, lived time.Duration) *corev1.ContainerStateTerminated {
	return &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, ContainerID: "containerd://1",
		StartedAt: ago(10*time.Second + lived), FinishedAt: ago(10 * time.Second)}
}

func crashed(restarts int32, last *corev1.ContainerStateTerminated) func(*corev1.Pod) {
	return app(func(s *corev1.ContainerStatus) { s.RestartCount, s.LastTerminationState.Terminated = restarts, last })
}

func both(changes ...func(*corev1.Pod)) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		for _, change := range changes {
			change(pod)
		}
	}
}

const notFound = `rpc error: code = NotFound desc = failed to pull and unpack image "registry.example/acme/api:5fc1": failed to resolve reference "registry.example/acme/api:5fc1": registry.example/acme/api:5fc1: not found`

type diagnosis struct {
	pod     corev1.Pod
	reason  string // "": nothing to tell
	final   bool
	message []string
	log     string // the clue: "previous", "current" or "" when it is no log
}

func (d diagnosis) check(t *testing.T) {
	t.Helper()
	got := rollout.Diagnose(rollout.Service{}, []corev1.Pod{d.pod}, noon)
	if got == nil || d.reason == "" {
		if got != nil || d.reason != "" {
			t.Fatalf("got %+v, want reason %q", got, d.reason)
		}
		return
	}
	if got.Reason != d.reason || got.Final != d.final {
		t.Errorf("got %+v, want reason %s, final %t", got, d.reason, d.final)
	}
	for _, part := range d.message {
		if !strings.Contains(got.Message, part) {
			t.Errorf("%q lacks %q", got.Message, part)
		}
	}
	log := ""
	if got.Clue != nil && got.Clue.Log {
		log = map[bool]string{true: "previous", false: "current"}[got.Clue.Previous]
	}
	if log != d.log {
		t.Errorf("log %q, want %q", log, d.log)
	}
}

func TestPodsWithoutANode(t *testing.T) {
	unscheduled := func(reason, message string) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			pod.Spec.NodeName, pod.Status = "", corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{
				{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason, Message: message}}}
		}
	}
	ready := func(reason, message string) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			pod.Status.ContainerStatuses[0].Ready = true
			pod.Status.Conditions[2].Status = corev1.ConditionTrue
			pod.Status.Conditions[3].Reason, pod.Status.Conditions[3].Message = reason, message
		}
	}
	for name, d := range map[string]diagnosis{
		"no node takes it": {newPod(unscheduled("Unschedulable", "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.")), v1alpha1.ReasonUnschedulable, false,
			[]string{"Pod api-6d5f-x7k2p: no node takes it: Unschedulable: 0/3 nodes are available: 1 node(s) were unschedulable"}, ""},
		"its gates are closed": {newPod(unscheduled("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")), v1alpha1.ReasonUnschedulable, false, []string{"scheduling gates"}, ""},
		"it is evicted": {newPod(func(pod *corev1.Pod) {
			pod.Status.Phase, pod.Status.Reason, pod.Status.Message = corev1.PodFailed, "Evicted", "The node was low on resource: memory. "
		}), v1alpha1.ReasonNodeTrouble, false, []string{"failed: Evicted: The node was low on resource: memory"}, ""},
		"its node is lost":                {newPod(runsSince(time.Minute), ready("", "")), v1alpha1.ReasonNodeTrouble, false, []string{"node-1 may be lost"}, ""},
		"a readiness gate is closed":      {newPod(runsSince(time.Minute), ready("ReadinessGatesNotReady", `the status of pod readiness gate "lb" is not "True", but False`)), v1alpha1.ReasonNotReady, false, []string{`readiness gate "lb"`}, ""},
		"an init container takes long":    {newPod(initContainer("wait-for-db", nil, corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: ago(30 * time.Second)}}}), waits("PodInitializing", "")), v1alpha1.ReasonNotReady, false, []string{"container wait-for-db: the init container has been running since"}, ""},
		"an init container takes a while": {newPod(initContainer("wait-for-db", nil, corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: ago(29 * time.Second)}}}), waits("PodInitializing", "")), "", false, nil, ""},
	} {
		t.Run(name, d.check)
	}
}

func TestTheWorstOfSeveralPods(t *testing.T) {
	named := func(name string, changes ...func(*corev1.Pod)) corev1.Pod {
		return newPod(append(changes, func(pod *corev1.Pod) { pod.Name = name })...)
	}
	missing := waits("CreateContainerConfigError", `secret "db" not found`)
	unready := runsSince(40 * time.Second)
	crashing := both(waits("CrashLoopBackOff", ""), crashed(1, end(3, "Error", time.Second)))
	for name, c := range map[string]struct {
		service rollout.Service
		pods    []corev1.Pod
		want    string // how the message begins
	}{
		"what is final comes first, then the first Pod of those": {
			pods: []corev1.Pod{named("a", waits("ErrImagePull", "i/o timeout")), named("c", missing), named("b", missing), named("d", crashing)},
			want: `Pod b (2 of 4 new Pods), container app: cannot be made`},
		"then what is worse": {pods: []corev1.Pod{named("a", unready), named("b", crashing)}, want: "Pod b (1 of 2 new Pods), container app: exited"},
		"a quota is worse than a probe": {service: rollout.Service{Trouble: rollout.FailedCreate(`pods "api-6d5f-zz" is forbidden: exceeded quota: small, requested: pods=1`)},
			pods: []corev1.Pod{named("a", unready)}, want: "a new Pod cannot be created: exceeded quota: small, requested: pods=1"},
		"and a crash than a quota": {service: rollout.Service{Trouble: rollout.FailedCreate("exceeded quota: small")}, pods: []corev1.Pod{named("a", crashing)}, want: "Pod a, container app: exited"},
	} {
		t.Run(name, func(t *testing.T) {
			got := rollout.Diagnose(c.service, c.pods, noon)
			if got == nil || !strings.HasPrefix(got.Message, c.want) {
				t.Errorf("got %+v, want %q", got, c.want)
			}
		})
	}
}

func TestFailedCreate(t *testing.T) {
	for message, want := range map[string]rollout.Trouble{
		`create Pod db-0 in StatefulSet db failed error: pods "db-0" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2`: {
			Reason: v1alpha1.ReasonQuotaExceeded, Message: "a new Pod cannot be created: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2"},
		`Error creating: admission webhook "images.example" denied the request: not signed`: {
			Reason: v1alpha1.ReasonFailedCreate, Message: `a new Pod cannot be created: Error creating: admission webhook "images.example" denied the request: not signed`},
	} {
		if got := rollout.FailedCreate(message); *got != want {
			t.Errorf("got %+v, want %+v", *got, want)
		}
	}
}

func TestAPodThatBlocksAStatefulSet(t *testing.T) {
	in := func(pod *corev1.Pod) { pod.Namespace = "d-taskrunner" }
	well := newPod(in, runsSince(time.Second))
	got := rollout.Blocked([]corev1.Pod{well, newPod(in, func(pod *corev1.Pod) { pod.Name = "db-1" }, waits("ErrImagePull", notFound))}, noon)
	if got == nil || got.Reason != v1alpha1.ReasonBlocked || !got.Final || !strings.HasPrefix(got.Message, "Pod db-1 is of another revision") ||
		!strings.Contains(got.Message, "kubectl delete pod db-1 -n d-taskrunner lets it go on. Container app of that Pod: image") {
		t.Errorf("got %+v", got)
	}
	if got := rollout.Blocked([]corev1.Pod{newPod(in, runsSince(time.Minute))}, noon); got == nil || got.Final {
		t.Errorf("a Pod that may become ready: %+v", got)
	}
	if got := rollout.Blocked([]corev1.Pod{well}, noon); got != nil {
		t.Errorf("a Pod that has just begun: %+v", got)
	}
	final := rollout.Service{Trouble: rollout.Blocked([]corev1.Pod{newPod(in, waits("ErrImagePull", notFound))}, noon)}
	if got := rollout.Diagnose(final, []corev1.Pod{newPod(waits("CreateContainerConfigError", "no Secret"))}, noon); got.Reason != v1alpha1.ReasonBlocked {
		t.Errorf("nothing is worse: %+v", got)
	}
}

func TestWhatAClueAdds(t *testing.T) {
	trouble := rollout.Trouble{Message: "Pod a, container app: exited with code 3"}
	for name, c := range map[string]struct{ got, want string }{
		"the last lines":              {trouble.WithLog("one\n\n  \x1b[31mtwo\x1b[0m\n").Message, trouble.Message + "; its log ends with: one | two"},
		"no log":                      {trouble.WithLog(" \n").Message, trouble.Message},
		"the end of many lines":       {trouble.WithLog(strings.Repeat("0123456789\n", 200) + "last\n").Message, "0123456789 | 0123456789 | last"},
		"the beginning of a long one": {trouble.WithLog(strings.Repeat("x", 3000)).Message, "xxxxxxxx […]"},
		"an event":                    {trouble.WithEvent("Readiness probe failed:\n503").Message, trouble.Message + ": Readiness probe failed: 503"},
		"no event":                    {trouble.WithEvent("").Message, trouble.Message},
	} {
		if !strings.HasSuffix(c.got, c.want) || len(c.got) > 1024 {
			t.Errorf("%s: got %q, want %q", name, c.got, c.want)
		}
	}
}

func TestAClueHasRoom(t *testing.T) {
	pod := newPod(runsSince(time.Minute), func(pod *corev1.Pod) {
		pod.Spec.Containers[0].ReadinessProbe = httpProbe("/" + strings.Repeat("x", 2000))
	})
	got := rollout.Diagnose(rollout.Service{}, []corev1.Pod{pod}, noon).WithEvent("HTTP probe failed with statuscode: 503")
	if !strings.HasSuffix(got.Message, " […]: HTTP probe failed with statuscode: 503") {
		t.Errorf("got %q", got.Message)
	}
}

func TestRecheck(t *testing.T) {
	for name, c := range map[string]struct {
		pods []corev1.Pod
		want time.Duration
	}{
		"when a probe should have passed":    {[]corev1.Pod{newPod(runsSince(4 * time.Second)), newPod(runsSince(7 * time.Second))}, 3 * time.Second},
		"when volumes should be mounted":     {[]corev1.Pod{newPod(noSandbox(2 * time.Second))}, 8 * time.Second},
		"never, when all is told":            {[]corev1.Pod{newPod(runsSince(time.Minute)), newPod(waits("ErrImagePull", notFound))}, 0},
		"never, when there is nothing wrong": {[]corev1.Pod{newPod(waits("ContainerCreating", ""))}, 0},
	} {
		if got := rollout.Recheck(c.pods, noon); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func FuzzDiagnose(f *testing.F) {
	f.Add("ImagePullBackOff", `Back-off pulling image "a:b": ErrImagePull: not found`, "a:b", "OOMKilled", "log \x1b[0m\xff", int32(137), int32(9), int32(3), uint8(0))
	f.Add("CrashLoopBackOff", "", "", "Error", "\n\n", int32(-1), int32(0), int32(-9), uint8(255))
	f.Fuzz(func(t *testing.T, reason, message, image, how, last string, code, signal, restarts int32, shape uint8) {
		is := func(bit int) bool { return shape>>bit&1 == 1 }
		ended := &corev1.ContainerStateTerminated{ExitCode: code, Signal: signal, Reason: how, Message: message, StartedAt: ago(time.Minute), FinishedAt: ago(0)}
		status := corev1.ContainerStatus{Name: "app", RestartCount: restarts}
		if is(0) {
			status.LastTerminationState.Terminated = ended
		}
		switch {
		case is(1) && is(2):
			status.State.Running = &corev1.ContainerStateRunning{StartedAt: ago(time.Duration(restarts))}
		case is(1):
			status.State.Terminated = ended
		case is(2):
			status.State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
		}
		var pods []corev1.Pod
		for i := range int(shape>>6) + 1 {
			pods = append(pods, newPod(renamed(image), func(pod *corev1.Pod) {
				pod.Name, pod.UID = fmt.Sprint(how, i), types.UID(how)
				pod.Status.ContainerStatuses[0] = status
				if is(3) {
					pod.Spec.Containers[0].StartupProbe = &corev1.Probe{PeriodSeconds: code, FailureThreshold: restarts, InitialDelaySeconds: signal}
				}
				if is(4) {
					pod.Status.Conditions[1] = corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason, Message: message}
				}
				if is(5) {
					pod.Status.Phase, pod.Status.Reason, pod.Status.Message = corev1.PodFailed, reason, message
				}
			}))
		}
		service := rollout.Service{}
		if is(0) && is(5) {
			service.Trouble = rollout.FailedCreate(message)
		}
		got := rollout.Diagnose(service, pods, noon)
		if rollout.Recheck(pods, noon) < 0 {
			t.Error("a recheck in the past")
		}
		if got == nil {
			return
		}
		for _, told := range []*rollout.Trouble{got, got.WithLog(last), got.WithEvent(last), got.WithEvent(last).WithLog(last)} {
			if told.Reason == "" || told.Message == "" || len(told.Message) > 1024 || !utf8.ValidString(told.Message) || strings.ContainsFunc(told.Message, unicode.IsControl) {
				t.Errorf("%d bytes: %+v", len(told.Message), told)
			}
		}
	})
}
