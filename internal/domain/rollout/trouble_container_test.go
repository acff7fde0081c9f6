package rollout_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

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
