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

func TestImagesThatCannotBePulled(t *testing.T) {
	young := func(pod *corev1.Pod) { pod.Status.StartTime = new(ago(5 * time.Second)) }
	const timeout = `rpc error: code = DeadlineExceeded desc = failed to pull and unpack image "registry.example/acme/api:5fc1": failed to do request: Head "https://registry.example/v2/acme/api/manifests/5fc1": dial tcp 10.0.0.9:443: i/o timeout`
	for name, d := range map[string]diagnosis{
		"it is not there": {newPod(young, waits("ErrImagePull", notFound)), v1alpha1.ReasonImagePullFailed, true,
			[]string{`Pod api-6d5f-x7k2p, container app: image "registry.example/acme/api:5fc1" cannot be pulled: rpc error: code = NotFound`, "imagePullSecrets"}, ""},
		"it is not there, as told between two tries": {newPod(waits("ImagePullBackOff", `Back-off pulling image "registry.example/acme/api:5fc1": ErrImagePull: `+notFound)),
			v1alpha1.ReasonImagePullFailed, true, []string{`cannot be pulled: rpc error: code = NotFound`}, ""},
		"it is private": {newPod(young, waits("ErrImagePull", `failed to pull and unpack image "docker.io/acme/api:5fc1": failed to resolve reference "docker.io/acme/api:5fc1": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed`)),
			v1alpha1.ReasonImagePullFailed, true, []string{"pull access denied"}, ""},
		"the token is wrong": {newPod(young, waits("ErrImagePull", `failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://registry.example/token: 401 Unauthorized`)),
			v1alpha1.ReasonImagePullFailed, true, []string{"401"}, ""},
		"its name is not valid": {newPod(young, waits("InvalidImageName", `Failed to apply default image tag "registry.example/a:b:c": couldn't parse image name "registry.example/a:b:c": invalid reference format`)),
			v1alpha1.ReasonImagePullFailed, true, []string{"invalid reference format"}, ""},
		"it may not be pulled": {newPod(young, waits("ErrImageNeverPull", `Container image "registry.example/acme/api:5fc1" is not present with pull policy of Never`)),
			v1alpha1.ReasonImagePullFailed, true, []string{"pull policy of Never"}, ""},
		"the registry does not answer":               {newPod(young, waits("ErrImagePull", timeout)), v1alpha1.ReasonImagePullFailed, false, []string{"i/o timeout"}, ""},
		"the registry did not answer once":           {newPod(young, waits("ImagePullBackOff", `Back-off pulling image "registry.example/acme/api:5fc1": ErrImagePull: `+timeout)), v1alpha1.ReasonImagePullFailed, false, []string{"pulled: rpc error: code = DeadlineExceeded"}, ""},
		"the registry does not answer again":         {newPod(waits("ImagePullBackOff", `Back-off pulling image "registry.example/acme/api:5fc1": ErrImagePull: `+timeout)), v1alpha1.ReasonImagePullFailed, true, []string{"i/o timeout"}, ""},
		"it is tried again, and may come":            {newPod(waits("ErrImagePull", timeout)), v1alpha1.ReasonImagePullFailed, false, nil, ""},
		"too many pulls":                             {newPod(young, waits("ErrImagePull", `429 Too Many Requests - Server message: toomanyrequests: access denied for now`)), v1alpha1.ReasonImagePullFailed, false, nil, ""},
		"an image's name is no word of the registry": {newPod(young, renamed("registry.example/acme/access-denied:5fc1"), waits("ErrImagePull", strings.ReplaceAll(timeout, "acme/api", "acme/access-denied"))), v1alpha1.ReasonImagePullFailed, false, nil, ""},
		"it is being pulled":                         {newPod(waits("ContainerCreating", "")), "", false, nil, ""},
	} {
		t.Run(name, d.check)
	}
}

func renamed(image string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = image }
}

func TestContainersThatCannotBeMade(t *testing.T) {
	const noExec = `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: "/app": stat /app: no such file or directory`
	for name, d := range map[string]diagnosis{
		"a Secret is missing": {newPod(waits("CreateContainerConfigError", `secret "db" not found`)), v1alpha1.ReasonContainerConfig, true,
			[]string{`container app: cannot be made or started: CreateContainerConfigError: secret "db" not found`}, ""},
		"a key of a Secret is missing": {newPod(waits("CreateContainerConfigError", `couldn't find key password in Secret d-taskrunner/db`)), v1alpha1.ReasonContainerConfig, true,
			[]string{"key password in Secret d-taskrunner/db"}, ""},
		"the API server is slow":          {newPod(waits("CreateContainerConfigError", "failed to sync configmap cache: timed out waiting for the condition")), v1alpha1.ReasonContainerConfig, false, nil, ""},
		"there is no such program":        {newPod(waits("RunContainerError", noExec)), v1alpha1.ReasonContainerConfig, true, []string{"stat /app: no such file"}, ""},
		"nor at the next try":             {newPod(waits("CrashLoopBackOff", "back-off 10s restarting failed container=app"), crashed(1, startError(noExec))), v1alpha1.ReasonContainerConfig, true, []string{"stat /app"}, ""},
		"a name is taken":                 {newPod(waits("CreateContainerError", `failed to reserve container name`)), v1alpha1.ReasonContainerConfig, true, []string{"reserve container name"}, ""},
		"a reason of a newer kubelet":     {newPod(waits("PostStartHookError", "exit status 1")), v1alpha1.ReasonContainerConfig, false, []string{"does not start: PostStartHookError: exit status 1"}, ""},
		"its volumes are not mounted":     {newPod(noSandbox(time.Minute)), v1alpha1.ReasonContainerConfig, false, []string{"Pod api-6d5f-x7k2p: its volumes or its network have not been ready since 2026-05-01T11:59:00Z"}, ""},
		"its volumes are not mounted yet": {newPod(noSandbox(5 * time.Second)), "", false, nil, ""},
	} {
		t.Run(name, d.check)
	}
}

func startError(message string) *corev1.ContainerStateTerminated {
	last := end(128, "StartError", 0)
	last.Message = message
	return last
}

func noSandbox(old time.Duration) func(*corev1.Pod) {
	return both(waits("ContainerCreating", ""), func(pod *corev1.Pod) {
		pod.Status.Phase, pod.Status.StartTime = corev1.PodPending, new(ago(old))
		pod.Status.Conditions[0].Status = corev1.ConditionFalse
	})
}

func TestContainersThatCrash(t *testing.T) {
	backOff := waits("CrashLoopBackOff", "back-off 20s restarting failed container=app pod=api-6d5f-x7k2p_d-taskrunner(uid-1)")
	now := func(restarts int32, last *corev1.ContainerStateTerminated) func(*corev1.Pod) {
		return app(func(s *corev1.ContainerStatus) { s.RestartCount, s.State.Terminated = restarts, last })
	}
	word := end(3, "Error", time.Second)
	word.Message = "no DATABASE_URL"
	for name, d := range map[string]diagnosis{
		"once, just now":                      {newPod(now(0, end(3, "Error", time.Second))), v1alpha1.ReasonCrashLoop, false, []string{"container app: exited with code 3, not restarted yet"}, "current"},
		"once, and runs again":                {newPod(runsSince(time.Second), crashed(1, end(3, "Error", time.Second))), v1alpha1.ReasonCrashLoop, false, []string{"exited with code 3, restarted once"}, "previous"},
		"twice":                               {newPod(backOff, crashed(1, end(3, "Error", time.Second))), v1alpha1.ReasonCrashLoop, false, []string{"exited with code 3, restarted once"}, "previous"},
		"after the second restart":            {newPod(backOff, crashed(2, end(3, "Error", time.Second))), v1alpha1.ReasonCrashLoop, true, []string{"exited with code 3, restarted 2 times"}, "previous"},
		"after the second restart, just now":  {newPod(now(2, end(3, "Error", time.Second))), v1alpha1.ReasonCrashLoop, true, []string{"restarted 2 times"}, "current"},
		"but its third start may do":          {newPod(runsSince(time.Second), crashed(2, end(3, "Error", time.Second))), v1alpha1.ReasonCrashLoop, false, nil, "previous"},
		"with a last word of its own":         {newPod(backOff, crashed(2, word)), v1alpha1.ReasonCrashLoop, true, []string{"exited with code 3, restarted 2 times: no DATABASE_URL"}, ""},
		"for want of memory":                  {newPod(backOff, crashed(2, end(137, "OOMKilled", time.Hour))), v1alpha1.ReasonCrashLoop, true, []string{"exited with code 137 (OOMKilled: it ran out of memory, with a limit of 64Mi)"}, "previous"},
		"by a signal":                         {newPod(backOff, crashed(2, end(139, "Error", time.Second))), v1alpha1.ReasonCrashLoop, true, []string{"exited with code 139 (signal 11, SIGSEGV)"}, "previous"},
		"by coming to an end":                 {newPod(backOff, crashed(2, end(0, "Completed", time.Second))), v1alpha1.ReasonCrashLoop, true, []string{"exited with code 0"}, "previous"},
		"but is well again":                   {newPod(runsSince(time.Second), crashed(5, end(3, "Error", time.Second)), app(func(s *corev1.ContainerStatus) { s.Ready = true })), "", false, nil, ""},
		"and is being deleted":                {newPod(backOff, crashed(5, end(3, "Error", time.Second)), func(pod *corev1.Pod) { pod.DeletionTimestamp = new(ago(0)) }), "", false, nil, ""},
		"in an init container":                {newPod(initContainer("migrate", nil, corev1.ContainerStatus{RestartCount: 2, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}, LastTerminationState: corev1.ContainerState{Terminated: end(1, "Error", time.Second)}}), waits("PodInitializing", "")), v1alpha1.ReasonCrashLoop, true, []string{"container migrate: exited with code 1"}, "previous"},
		"not, when an init container is done": {newPod(initContainer("migrate", nil, corev1.ContainerStatus{State: corev1.ContainerState{Terminated: end(0, "Completed", time.Second)}}), waits("PodInitializing", "")), "", false, nil, ""},
		"in a sidecar that shall not end":     {newPod(initContainer("proxy", new(corev1.ContainerRestartPolicyAlways), corev1.ContainerStatus{RestartCount: 2, State: corev1.ContainerState{Terminated: end(0, "Completed", time.Second)}}), waits("PodInitializing", "")), v1alpha1.ReasonCrashLoop, true, []string{"container proxy: exited with code 0"}, "current"},
	} {
		t.Run(name, d.check)
	}
}

func initContainer(name string, policy *corev1.ContainerRestartPolicy, status corev1.ContainerStatus) func(*corev1.Pod) {
	status.Name = name
	return func(pod *corev1.Pod) {
		pod.Spec.InitContainers = []corev1.Container{{Name: name, Image: "acme/init:1", RestartPolicy: policy}}
		pod.Status.InitContainerStatuses = []corev1.ContainerStatus{status}
	}
}

func TestProbesThatDoNotPass(t *testing.T) {
	startup := func(pod *corev1.Pod) {
		pod.Spec.Containers[0].StartupProbe = &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 30, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"cat", "/tmp/up"}}}}
		pod.Status.ContainerStatuses[0].Started = new(false)
	}
	with := func(handler corev1.ProbeHandler) func(*corev1.Pod) {
		return func(pod *corev1.Pod) { pod.Spec.Containers[0].ReadinessProbe.ProbeHandler = handler }
	}
	for name, d := range map[string]diagnosis{
		"readiness": {newPod(runsSince(40 * time.Second)), v1alpha1.ReasonProbeFailing, false,
			[]string{"container app: its readiness probe (http-get :8080/ready every 10s) has not passed since 2026-05-01T11:59:20Z"}, ""},
		"readiness, but it has just begun": {newPod(runsSince(9 * time.Second)), "", false, nil, ""},
		"readiness, that passed before": {newPod(runsSince(50*time.Second), func(pod *corev1.Pod) { pod.Status.Conditions[2].LastTransitionTime = ago(20 * time.Second) }),
			v1alpha1.ReasonProbeFailing, false, []string{"since 2026-05-01T11:59:40Z"}, ""},
		"startup":   {newPod(runsSince(40*time.Second), startup), v1alpha1.ReasonProbeFailing, false, []string{`its startup probe (exec ["cat" "/tmp/up"] every 1s)`}, ""},
		"of a port": {newPod(runsSince(40*time.Second), with(corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("http")}})), v1alpha1.ReasonProbeFailing, false, []string{"tcp-socket :http"}, ""},
		"of gRPC":   {newPod(runsSince(40*time.Second), with(corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 9000, Service: new("api")}})), v1alpha1.ReasonProbeFailing, false, []string{"grpc :9000/api"}, ""},
		"by TLS":    {newPod(runsSince(40*time.Second), with(corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Host: "api", Port: intstr.FromInt32(443), Path: "/", Scheme: corev1.URISchemeHTTPS}})), v1alpha1.ReasonProbeFailing, false, []string{"https-get api:443/"}, ""},
		"liveness":  {newPod(runsSince(time.Second), crashed(1, end(137, "Error", 30*time.Second))), v1alpha1.ReasonProbeFailing, false, []string{"stopped with exit code 137 after 30s, restarted once, as by its liveness probe (http-get :8080/healthz every 10s)"}, ""},
		"liveness, and it ends by itself when asked":              {newPod(waits("CrashLoopBackOff", ""), crashed(4, end(0, "Completed", 30*time.Second))), v1alpha1.ReasonProbeFailing, false, []string{"exit code 0"}, ""},
		"not so: it ended before it was asked as often as may be": {newPod(waits("CrashLoopBackOff", ""), crashed(4, end(137, "Error", 19*time.Second))), v1alpha1.ReasonCrashLoop, true, []string{"SIGKILL"}, "previous"},
		"after a crash, which is long ago":                        {newPod(runsSince(40*time.Second), crashed(1, end(3, "Error", time.Second))), v1alpha1.ReasonProbeFailing, false, []string{"readiness probe"}, ""},
	} {
		t.Run(name, d.check)
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
