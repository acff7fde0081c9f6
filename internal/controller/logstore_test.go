package controller_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/logstore"
)

// logServer is a log store that runs.
type logServer struct{ url string }

// startLogStore starts the log store as its own ServiceAccount, until the stories end.
func startLogStore() *logServer {
	GinkgoHelper()
	bucket, err := logstore.OpenBucket(ctx, "file://"+GinkgoT().TempDir()+"/logs")
	Expect(err).NotTo(HaveOccurred())
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	mgr, err := logstore.NewManager(identity(managerNamespace, "katkit-logstore"), ctrl.Options{
		Metrics: server.Options{BindAddress: "0"}, HealthProbeBindAddress: "0", GracefulShutdownTimeout: new(10 * time.Second),
	}, logstore.Settings{
		Bucket: bucket, Listener: listener, Retention: time.Hour, Limits: logstore.Limits{LogBytes: 1 << 20}, MaxWrites: 4, Registerer: prometheus.NewRegistry(),
	})
	Expect(err).NotTo(HaveOccurred())
	life, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(life) }()
	DeferCleanup(func() {
		cancel()
		Eventually(ended).Should(Receive(BeNil()))
		Expect(bucket.Close()).To(Succeed())
	})
	s := &logServer{url: "http://" + listener.Addr().String()}
	Eventually(func() (int, error) { return status(http.Get(s.url)) }).Should(Equal(http.StatusNotFound), "it serves")
	return s
}

// do sends a request, and returns status and body.
func (s *logServer) do(method, path, token, body string) (int, string) {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return response.StatusCode, string(content)
}

// podTokenFor is a token that a kubelet gets for a Pod, for some audiences; none is the API server's own.
func podTokenFor(pod *corev1.Pod, audiences ...string) string {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: "default"}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences:      audiences,
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	Expect(k8s.SubResource("token").Create(ctx, account, request)).To(Succeed())
	return request.Status.Token
}

// person is somebody with a token, and a role in a namespace unless it is "".
func person(namespace, name, role string) *rest.Config {
	GinkgoHelper()
	create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	if role != "" {
		create(&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}},
		})
	}
	return identity(namespace, name)
}

var _ = Describe("The log store", Ordered, func() {
	const phase = "app-1-0-build"
	var (
		logs       *logServer
		t          *tenant
		pod, other *corev1.Pod
		write      string
		podToken   string
	)

	BeforeAll(func() {
		logs, t = startLogStore(), newTenant()
		create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "default"}})
		pod, other = aPod(t.namespace, contract.PodName(phase, 1, "1-0")), aPod(t.namespace, contract.PodName(phase, 1, "1-1"))
		for _, p := range []*corev1.Pod{pod, other} {
			p.Spec.ServiceAccountName = "default"
			create(p)
		}
		write, podToken = contract.LogPath(t.namespace, pod.Name), podTokenFor(pod, contract.LogAudience)
	})

	It("takes a Pod's own log, with its own token, and no other", func() {
		code, answer := logs.do(http.MethodPut, write+"?offset=0", podToken, "one\n")
		Expect(code).To(Equal(http.StatusOK), answer)
		_, answer = logs.do(http.MethodPut, write+"?offset=4&complete=true", podToken, "two\n")
		Expect(answer).To(MatchJSON(`{"bytes":8,"complete":true}`))
	})

	It("tells a Pod's token from all others", func() {
		for name, token := range map[string]string{
			"of another Pod":                      podTokenFor(other, contract.LogAudience),
			"of no Pod":                           identity(t.namespace, "default").BearerToken,
			"for the API server":                  podTokenFor(pod),
			"for another audience":                podTokenFor(pod, "vault"),
			"with a signature that is not theirs": podToken[:len(podToken)-8] + "AAAAAAAA",
		} {
			code, answer := logs.do(http.MethodPut, write+"?offset=0", token, "x")
			Expect(code).To(BeElementOf(http.StatusUnauthorized, http.StatusForbidden), name)
			Expect(answer).To(ContainSubstring(`"error":`), name)
		}
	})

	It("lets those read who may get phases/log, through Kubernetes' own role view", func() {
		read := contract.ReadLogPath(t.namespace, phase, pod.Name)
		viewer, stranger := person(t.namespace, "viewer", "view"), person(t.namespace, "stranger", "")
		foreigner := person(newTenant().namespace, "foreigner", "admin")
		Eventually(func() int { // the API server learns of a role on its own time
			code, _ := logs.do(http.MethodGet, read, viewer.BearerToken, "")
			return code
		}).Should(Equal(http.StatusOK))
		_, text := logs.do(http.MethodGet, read+"?tail=1", viewer.BearerToken, "")
		Expect(text).To(Equal("two\n"))
		for _, who := range []*rest.Config{stranger, foreigner} {
			code, answer := logs.do(http.MethodGet, read, who.BearerToken, "")
			Expect(code).To(Equal(http.StatusForbidden))
			Expect(answer).To(ContainSubstring("may not get phases/log.katkit.dev " + phase))
		}
		code, _ := logs.do(http.MethodGet, read, podToken, "")
		Expect(code).To(Equal(http.StatusUnauthorized), "the token with which the log was written")
		code, answer := logs.do(http.MethodGet, contract.ReadLogPath(t.namespace, "app-1-0-other", pod.Name), viewer.BearerToken, "")
		Expect(code).To(Equal(http.StatusNotFound), answer)

		By("reaching it through the API server, which lets everybody pass, and to nothing else")
		const unserved = http.StatusNotFound // there are no endpoints here
		for service, want := range map[string]int{
			"http:katkit-logstore:http":    unserved,
			"https:katkit-logstore:http":   http.StatusForbidden,
			"http:katkit-logstore:probes":  http.StatusForbidden,
			"http:katkit-receiver:webhook": http.StatusForbidden,
		} {
			client, err := rest.HTTPClientFor(stranger)
			Expect(err).NotTo(HaveOccurred())
			path := "/api/v1/namespaces/" + managerNamespace + "/services/" + service + "/proxy" + read
			Expect(status(client.Get(stranger.Host+path))).To(Equal(want), service)
			request, err := http.NewRequestWithContext(ctx, http.MethodPut, stranger.Host+path, http.NoBody)
			Expect(err).NotTo(HaveOccurred())
			Expect(status(client.Do(request))).To(Equal(http.StatusForbidden), "writing to "+service)
		}
	})

	It("takes nothing of a Pod that is gone", func() {
		gone := podTokenFor(other, contract.LogAudience)
		Expect(k8s.Delete(ctx, other, client.GracePeriodSeconds(0))).To(Succeed())
		code, answer := logs.do(http.MethodPut, contract.LogPath(t.namespace, other.Name), gone, "x")
		Expect(code).To(Equal(http.StatusUnauthorized), answer)
	})

	It("may do nothing else in the cluster", func() {
		own := as(identity(managerNamespace, "katkit-logstore"))
		for _, list := range []client.ObjectList{&corev1.PodList{}, &corev1.SecretList{}, &corev1.NamespaceList{}} {
			Expect(own.List(ctx, list)).NotTo(Succeed())
		}
	})
})
