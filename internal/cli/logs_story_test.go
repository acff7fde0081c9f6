package cli_test

import (
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

// logging is a run whose logs ann reads, while the test plays Katkit's controllers, the kubelet, and the log store. bob may not read
// Pods, and may not call services.
type logging struct {
	story
	bob     user
	kubelet *logServer
	store   *logServer
}

// TestLogsWhileARunBuildsAndAfterwards is told on a real API server, which passes on what the kubelet and the log store say.
func TestLogsWhileARunBuildsAndAfterwards(t *testing.T) {
	cluster, admin := start(t)
	fill(t, admin)
	katkit := []rbacv1.PolicyRule{
		{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"ciruns", "phases"}, Verbs: []string{"get", "list", "watch"}},
	}
	core := func(verbs []string, resources ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: resources, Verbs: verbs}
	}
	l := logging{story: story{T: t, admin: admin}, kubelet: newLogServer(true), store: newLogServer(false)}
	l.ann = person(t, cluster, admin, "ann", append(katkit, core([]string{"get", "list", "watch"}, "pods", "pods/log", "configmaps")))
	l.bob = person(t, cluster, admin, "bob", katkit)
	l.node()
	run := &v1alpha1.CIRun{ObjectMeta: meta("shop-1"), Spec: v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: "shop"}, Commit: v1alpha1.CommitSelector{SHA: sha}}}
	create(t, admin, run)
	for _, step := range []struct {
		name string
		tell func(logging)
	}{
		{"what has no log", logging.refusals},
		{"followed from the Pods", logging.fromPods},
		{"what is left", logging.kept},
		{"through the log store", logging.fromStore},
		{"at the log store's address", logging.direct},
		{"before the log store has the first byte", logging.beforeTheFirstByte},
	} {
		if !t.Run(step.name, func(t *testing.T) { l.T = t; step.tell(l) }) {
			return
		}
	}
}

// node is one whose kubelet is the test's.
func (l logging) node() {
	server := httptest.NewTLSServer(l.kubelet)
	l.Cleanup(server.Close)
	port := server.Listener.Addr().(*net.TCPAddr).Port
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}
	create(l.T, l.admin, node)
	node.Status = corev1.NodeStatus{
		Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(port)}},
	}
	if err := l.admin.Status().Update(l.Context(), node); err != nil {
		l.Fatal(err)
	}
}

func (l logging) refusals() {
	l.refused("has no log yet: it is Pending. With -f it is waited for", "logs", "shop-1")
	l.refused("namespace d-shop has no CIRun none: kubectl katkit runs -n d-shop lists them", "logs", "none")
	l.phases("shop-1")
	l.glance("shop-1", v1alpha1.RunRunning)
	l.refused("run shop-1 has no phase TEST: it has BUILD, DEPLOY", "logs", "shop-1", "TEST")
	l.refused("run shop-1 has no phase TEST: it has BUILD, DEPLOY", "logs", "shop-1", "TEST", "-f")
	l.refused("phase DEPLOY is a deployment, which has no log: kubectl katkit get shop-1 -n d-shop shows what it did", "logs", "shop-1", "DEPLOY")
	l.refused("there is no replica 3: they are numbered from 0 to 0", "logs", "shop-1", "BUILD", "--replica", "3")
	l.refused("--replica -1: it is 0 at least", "logs", "shop-1", "--replica", "-1")
	l.refused("--attempt 0: it is 1 at least", "logs", "shop-1", "--attempt", "0")
	l.refused("--attempt is of a phase that is over: leave --follow out", "logs", "shop-1", "--attempt", "1", "-f")
	l.refused("--since is how long ago, as 10m", "logs", "shop-1", "--since", "0s")
	l.refused("is not encrypted, and your token would go there", "logs", "shop-1", "--log-store", "http://192.0.2.1")
	if out, _, code := l.ann.run(l.T, "__complete", "logs", "shop-1", ""); code != 0 || out != "BUILD\n:4\n" {
		l.Errorf("completed to %q (exit code %d)", out, code)
	}
}

func (l logging) refused(said string, args ...string) {
	l.Helper()
	if out, got, code := l.ann.run(l.T, args...); code != 2 || out != "" || !strings.Contains(got, said) {
		l.Errorf("%v: exit code %d, output %s, said %s, want %s", args, code, out, got, said)
	}
}

// fromPods follows a run without a log store: a phase, and then two replicas of the next one.
func (l logging) fromPods() {
	test := &v1alpha1.Phase{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "shop-1-test", Labels: map[string]string{v1alpha1.LabelRun: "shop-1"},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(l.read("shop-1"), v1alpha1.GroupVersion.WithKind("CIRun"))}},
		Spec: v1alpha1.PhaseSpec{Name: "TEST", Type: v1alpha1.PhaseExecution, Approval: v1alpha1.ApprovalAutomatic, Run: v1alpha1.ObjectName{Name: "shop-1"}, SHA: sha,
			Order: 1, Timeout: metav1.Duration{Duration: time.Hour}, After: []string{"shop-1-build"},
			Execution: &v1alpha1.ExecutionSpec{RepositoryURL: "https://github.example.com/acme/shop", Parallelism: 2}}}
	create(l.T, l.admin, test)
	l.glance("shop-1", v1alpha1.RunRunning)
	l.refused("phase TEST of run shop-1 has no log yet: it waits for phase BUILD, which is Pending. With -f it is waited for", "logs", "shop-1", "TEST")
	all := l.ann.begin(l.T, "logs", "shop-1", "-f")
	one := l.ann.begin(l.T, "logs", "shop-1", "TEST", "--replica", "1", "-f")

	l.pod("build-0")
	l.attempt("shop-1-build", "build-0")
	l.refused("has no log yet: Pod build-0: it has not begun: ", "logs", "shop-1", "BUILD")
	l.runs("build-0")
	l.kubelet.add("build-0", "com\x1b[2Jpiling\n")
	all.out.Await(l.T, "BUILD | com\x1b[2Jpiling\n") // no terminal
	if out, said, code := l.ann.run(l.T, "logs", "shop-1", "BUILD"); code != 0 || out != "com\x1b[2Jpiling\n" || said != "" {
		l.Errorf("exit code %d, output %q, said %s", code, out, said)
	}
	l.kubelet.breaks("build-0")
	l.kubelet.add("build-0", "linking\n")
	all.out.Await(l.T, "BUILD | linking\n")
	l.ended("shop-1-build", v1alpha1.PhaseSucceeded, "build-0")

	l.pod("test-0")
	l.pod("test-1")
	l.attempt("shop-1-test", "test-0", "test-1")
	l.runs("test-0")
	l.runs("test-1")
	l.kubelet.add("test-0", "ok\n")
	all.out.Await(l.T, "TEST[0] | ok\n")
	l.kubelet.add("test-1", "FAIL\n")
	all.out.Await(l.T, "TEST[1] | FAIL\n")
	one.out.Await(l.T, "FAIL\n")
	l.ended("shop-1-test", v1alpha1.PhaseFailed, "test-0", "test-1")
	if code := one.code(l.T); code != 1 || one.out.String() != "FAIL\n" {
		l.Errorf("one replica: exit code %d, output %q", code, one.out)
	}
	l.setPhase("shop-1-deploy", v1alpha1.PhaseSkipped, "")
	l.glance("shop-1", v1alpha1.RunFailed)
	if code := all.code(l.T); code != 1 || all.out.String() != "BUILD | com\x1b[2Jpiling\nBUILD | linking\nTEST[0] | ok\nTEST[1] | FAIL\n" {
		l.Errorf("the run: exit code %d, output %q", code, all.out)
	}
	if said := all.said.String(); !strings.HasSuffix(said, "# run shop-1 Failed\n") {
		l.Errorf("the run: said %s", said)
	}
	if out, said, code := l.ann.run(l.T, "logs", "shop-1", "BUILD", "--tail", "1"); code != 0 || out != "linking\n" || said != "" {
		l.Errorf("exit code %d, output %q, said %s", code, out, said)
	}
	if out, said, code := l.bob.run(l.T, "logs", "shop-1", "BUILD"); code != 0 || out != "piling\nlinking\n" ||
		said != "# BUILD: only the last 15 bytes of 22 bytes are left: you may not call the log store: the verb \"get\" on services/proxy, name http:katkit-logstore:http, "+
			"in namespace katkit-system is needed; you may not read its Pod's log: the verb \"get\" on pods/log is needed\n" {
		l.Errorf("bob: exit code %d, output %q, said %s", code, out, said)
	}
}

// kept is what there is when the Pods are gone, and there is no log store.
func (l logging) kept() {
	for _, pod := range []string{"build-0", "test-0", "test-1"} {
		if err := l.admin.Delete(l.Context(), &corev1.Pod{ObjectMeta: meta(pod)}, client.GracePeriodSeconds(0)); err != nil {
			l.Fatal(err)
		}
	}
	create(l.T, l.admin, &corev1.ConfigMap{ObjectMeta: meta("build-0-log"), Data: map[string]string{v1alpha1.ConfigMapKeyLog: "com\x1b[2Jpiling\nlinking\n"}})
	for _, follow := range []string{"--follow=false", "--follow"} {
		out, said, code := l.ann.run(l.T, "logs", "shop-1", "TEST", follow, "--since", "10h")
		if want := map[string]int{"--follow": 1}[follow]; code != want || !strings.Contains(out, "TEST[0] | piling\nTEST[0] | linking\n") || !strings.Contains(out, "TEST[1] | piling\n") ||
			!strings.Contains(said, "# TEST[1]: only the last 15 bytes of 22 bytes are left: ") || !strings.Contains(said, "its Pod is gone") {
			l.Errorf("%s: exit code %d, output %q, said %s", follow, code, out, said)
		}
	}
	l.change("shop-1-build", func(phase *v1alpha1.Phase) { phase.Status.Attempts[0].Replicas[0].Log.ConfigMap = "build-0-log" })
	if out, said, code := l.ann.run(l.T, "logs", "shop-1", "BUILD"); code != 0 || out != "com\x1b[2Jpiling\nlinking\n" || said != "" {
		l.Errorf("exit code %d, output %q, said %s", code, out, said)
	}
	l.refused("phase BUILD of run shop-1 has no attempt 2", "logs", "shop-1", "BUILD", "--attempt", "2")
}

// fromStore has a log store in the cluster, which the API server passes requests on to.
func (l logging) fromStore() {
	address := outside(l.T)
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		l.Fatal(err)
	}
	server := httptest.NewUnstartedServer(l.store)
	_ = server.Listener.Close() // it was opened on the loopback interface
	server.Listener = listener
	server.Start()
	l.Cleanup(server.Close)
	const namespace, name = "katkit-system", "katkit-logstore"
	port := int32(listener.Addr().(*net.TCPAddr).Port)
	at := metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}}
	create(l.T, l.admin, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		&corev1.Service{ObjectMeta: at, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}})
	_, said, _ := l.ann.run(l.T, "logs", "shop-1", "TEST")
	if !strings.Contains(said, `you may not call the log store: the verb "get" on services/proxy, name http:katkit-logstore:http, in namespace katkit-system is needed`) {
		l.Errorf("said %s", said)
	}
	create(l.T, l.admin, &rbacv1.Role{ObjectMeta: at, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services/proxy"}, ResourceNames: []string{"http:katkit-logstore:http"}, Verbs: []string{"get"}}}},
		&rbacv1.RoleBinding{ObjectMeta: at, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "ann"}}})
	if _, said, _ := l.ann.run(l.T, "logs", "shop-1", "TEST"); !strings.Contains(said, "are left: the log store does not run: no endpoints available for service \"katkit-logstore\"; its Pod is gone") {
		l.Errorf("said %s", said)
	}
	pod := &corev1.Pod{ObjectMeta: at, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "logstore", Image: "l"}}}}
	create(l.T, l.admin, pod)
	pod.Status.PodIPs, pod.Status.PodIP = []corev1.PodIP{{IP: address}}, address
	if err := l.admin.Status().Update(l.Context(), pod); err != nil {
		l.Fatal(err)
	}
	create(l.T, l.admin, &discoveryv1.EndpointSlice{ObjectMeta: at, AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{address}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: name}}},
		Ports:     []discoveryv1.EndpointPort{{Name: new("http"), Port: &port}}})
	l.store.add("test-0", "everything\nof it\n")
	l.store.end("test-0")
	said = "no endpoints"
	for deadline := time.Now().Add(30 * time.Second); strings.Contains(said, "no endpoints") && time.Now().Before(deadline); { // the API server learns of them a little later
		_, said, _ = l.ann.run(l.T, "logs", "shop-1", "TEST", "--replica", "0")
	}
	if want := "# the log store wants a token, and your kubeconfig signs in without one: --token \"$(kubectl create token NAME -n NAMESPACE)\" of a ServiceAccount reads it\n" +
		"# TEST[0]: only the last 15 bytes of 22 bytes are left: the log store was not read; its Pod is gone\n"; said != want {
		l.Errorf("said %s, want %s", said, want)
	}
	l.store.token = "t0ken"
	for _, follow := range []string{"--follow=false", "--follow"} {
		out, said, code := l.ann.run(l.T, "logs", "shop-1", "TEST", "--replica", "0", "--token", "t0ken", follow)
		if want := map[string]int{"--follow": 1}[follow]; code != want || out != "everything\nof it\n" || said != "" {
			l.Errorf("%s: exit code %d, output %q, said %s", follow, code, out, said)
		}
	}
}

// direct calls the log store without the API server, and follows what grows.
func (l logging) direct() {
	server := httptest.NewServer(l.store)
	l.Cleanup(server.Close)
	create(l.T, l.admin, &v1alpha1.CIRun{ObjectMeta: meta("shop-2"), Spec: v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: "shop"}, Commit: v1alpha1.CommitSelector{SHA: sha}}})
	l.phases("shop-2")
	l.glance("shop-2", v1alpha1.RunRunning)
	l.store.add("second-0", "beg")
	l.attempt("shop-2-build", "second-0")
	create(l.T, l.admin, &v1alpha1.CIRun{ObjectMeta: meta("shop-3"), Spec: v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: "shop"}, Commit: v1alpha1.CommitSelector{SHA: sha}}})
	l.phases("shop-3")
	l.setPhase("shop-3-build", v1alpha1.PhaseSkipped, "")
	l.glance("shop-3", v1alpha1.RunRunning)
	if out, said, code := l.ann.run(l.T, "logs", "shop-3", "BUILD", "-f"); code != 3 || out != "" || said != "# phase BUILD of run shop-3 has no log: it has ended as Skipped and nothing of it was built\n" {
		l.Errorf("a phase that never began: exit code %d, output %s, said %s", code, out, said)
	}
	followed := l.ann.begin(l.T, "logs", "shop-2", "BUILD", "-f", "--log-store", server.URL, "--token", "t0ken")
	followed.out.Await(l.T, "beg")
	l.store.breaks("second-0")
	l.store.add("second-0", "un\n")
	followed.out.Await(l.T, "begun\n")
	l.store.end("second-0")
	l.setPhase("shop-2-build", v1alpha1.PhaseSucceeded, "")
	if code := followed.code(l.T); code != 0 || followed.out.String() != "begun\n" || !strings.HasPrefix(followed.said.String(), "# the log of Pod second-0 broke off at byte 3, going on from there: ") {
		l.Errorf("exit code %d, output %q, said %s", code, followed.out, followed.said)
	}
	stopped := l.ann.begin(l.T, "logs", "shop-2", "-f", "--log-store", server.URL, "--token", "t0ken")
	stopped.out.Await(l.T, "begun\n")
	stopped.interrupt()
	if code := stopped.code(l.T); code != 130 || stopped.said.String() != "# stopped following; run shop-2 goes on\n" {
		l.Errorf("exit code %d, said %s", code, stopped.said)
	}
}

// outside is an address of this machine that is not the loopback interface's, to which the API server connects no service.
func outside(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			return network.IP.String()
		}
	}
	t.Skip("this machine has no network interface")
	return ""
}

// pod is one of a phase, whose build has not begun.
func (l logging) pod(name string) {
	l.Helper()
	create(l.T, l.admin, &corev1.Pod{ObjectMeta: meta(name), Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: contract.BuildContainer, Image: "b"}}}})
}

// runs makes the build of a Pod begin.
func (l logging) runs(pod string) {
	l.Helper()
	l.kubelet.add(pod, "")
	patch := `{"status":{"containerStatuses":[{"name":"build","image":"b","imageID":"","ready":true,"restartCount":0,"state":{"running":{}}}]}}`
	if err := l.admin.Status().Patch(l.Context(), &corev1.Pod{ObjectMeta: meta(pod)}, client.RawPatch(types.StrategicMergePatchType, []byte(patch))); err != nil {
		l.Fatal(err)
	}
}

// attempt begins the Pods of a Phase.
func (l logging) attempt(name string, pods ...string) {
	l.Helper()
	l.change(name, func(phase *v1alpha1.Phase) {
		attempt := v1alpha1.AttemptStatus{Number: 1}
		for i, pod := range pods {
			attempt.Replicas = append(attempt.Replicas, v1alpha1.ReplicaStatus{Index: int32(i), Pod: pod})
		}
		phase.Status.State, phase.Status.Attempts = v1alpha1.PhaseRunning, []v1alpha1.AttemptStatus{attempt}
	})
}

// ended ends the Pods of a Phase, and the Phase.
func (l logging) ended(name string, state v1alpha1.PhaseState, pods ...string) {
	l.Helper()
	for _, pod := range pods {
		l.kubelet.end(pod)
		patch := `{"status":{"containerStatuses":[{"name":"build","image":"b","imageID":"","ready":false,"restartCount":0,"state":{"terminated":{"exitCode":0}}}]}}`
		if err := l.admin.Status().Patch(l.Context(), &corev1.Pod{ObjectMeta: meta(pod)}, client.RawPatch(types.StrategicMergePatchType, []byte(patch))); err != nil {
			l.Fatal(err)
		}
	}
	l.change(name, func(phase *v1alpha1.Phase) {
		phase.Status.State = state
		for i := range phase.Status.Attempts[0].Replicas {
			phase.Status.Attempts[0].Replicas[i].Log = &v1alpha1.LogStatus{Bytes: 22, Tail: "piling\nlinking\n"}
			if name == "shop-1-test" {
				continue
			}
			phase.Status.Attempts[0].Replicas[i].ExitCode = new(int32(0))
		}
	})
}

func (l logging) change(name string, change func(*v1alpha1.Phase)) {
	l.Helper()
	var phase v1alpha1.Phase
	if err := l.admin.Get(l.Context(), client.ObjectKey{Namespace: tenant, Name: name}, &phase); err != nil {
		l.Fatal(err)
	}
	change(&phase)
	if err := l.admin.Status().Update(l.Context(), &phase); err != nil {
		l.Fatal(err)
	}
}
