// The stories of Katkit as a whole, on a real API server and etcd, with the GitHub stand-in in this process. No
// kubelet and no other controllers run, so the stories play them: see kubelet_test.go. The manager has exactly
// the rights of config/rbac, within the policies of config/policy.
package controller_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/controller"
	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
	"katkit.dev/katkit/test/fakegithub/openapi"
)

const (
	// token may read every repository of the stand-in.
	token = "token-of-the-reader"
	// managerNamespace and managerName are the manager's ServiceAccount in config/rbac.
	managerNamespace, managerName = "katkit-system", "katkit-manager"
	// defaultClass is the BuilderClass that links use when they name none.
	defaultClass = "standard"
)

var (
	ctx context.Context
	// cluster is the API server that was started.
	cluster *envtest.Environment
	// k8s is the cluster admin's client; it has no cache.
	k8s client.Client
	// gh is GitHub, and host what the manager's flag --github-host says of it.
	gh   *fakegithub.Server
	host github.Host
	// managerConfig is the manager's identity: its ServiceAccount's token.
	managerConfig *rest.Config
	// katkit is the manager that runs.
	katkit *process
)

func TestControllers(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Controllers")
}

var _ = BeforeSuite(func() {
	suite, cancel := context.WithCancel(context.Background())
	ctx = suite //nolint:fatcontext // made once, for all specs
	DeferCleanup(cancel)
	SetDefaultEventuallyTimeout(20 * time.Second)
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	SetDefaultConsistentlyDuration(300 * time.Millisecond)
	SetDefaultConsistentlyPollingInterval(20 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))

	startCluster()
	install()
	startGitHub()
	katkit = startManager()
	DeferCleanup(func() { katkit.stop() })
})

func startCluster() {
	GinkgoHelper()
	cluster = &envtest.Environment{
		CRDDirectoryPaths:        []string{filepath.Join("..", "..", "config", "crd")},
		ErrorIfCRDPathMissing:    true,
		UseExistingCluster:       new(false),
		ControlPlaneStartTimeout: time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	config, err := cluster.Start()
	Expect(err).NotTo(HaveOccurred(), "KUBEBUILDER_ASSETS is the folder that hack/envtest-assets.sh prints")
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	scheme, err := controller.Scheme()
	Expect(err).NotTo(HaveOccurred())
	k8s, err = client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
}

// install applies rights and policies as config/default and config/receiver do, and a builder class.
func install() {
	GinkgoHelper()
	create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: managerNamespace}})
	for _, folder := range []string{"rbac", "policy", "policy/mutating", "receiver", "logstore"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "config", folder, "*.yaml"))
		Expect(err).NotTo(HaveOccurred())
		Expect(files).NotTo(BeEmpty())
		for _, file := range files {
			if filepath.Base(file) != "kustomization.yaml" {
				apply(file)
			}
		}
	}
	aggregateRoles()
	create(&v1alpha1.BuilderClass{
		ObjectMeta: metav1.ObjectMeta{Name: defaultClass, Annotations: map[string]string{v1alpha1.AnnotationDefaultClass: "true"}},
		Spec: v1alpha1.BuilderClassSpec{
			Image: "builder:v1", AgentImage: "agent:v1",
			Scheduling: v1alpha1.Scheduling{
				NodeSelector: map[string]string{"pool": "builders"},
				Tolerations:  []corev1.Toleration{{Key: "builders", Operator: corev1.TolerationOpExists}},
			},
			Env: []v1alpha1.EnvVar{{Name: "FROM_CLASS", Value: "class"}, {Name: "WHO_WINS", Value: "class"}},
		},
	})
	managerConfig = identity(managerNamespace, managerName)
	policiesAreInForce()
}

// apply makes the objects of a file.
func apply(file string) {
	GinkgoHelper()
	reader, err := os.Open(file)
	Expect(err).NotTo(HaveOccurred())
	defer reader.Close()
	for decoder := yaml.NewYAMLOrJSONDecoder(reader, 4096); ; {
		object := &unstructured.Unstructured{}
		if decoder.Decode(&object.Object) != nil {
			return
		}
		if len(object.Object) > 0 {
			create(object)
		}
	}
}

// identity is a client configuration with the token of a ServiceAccount.
func identity(namespace, name string) *rest.Config {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	request := &authenticationv1.TokenRequest{}
	Expect(k8s.SubResource("token").Create(ctx, account, request)).To(Succeed())
	config := rest.AnonymousClientConfig(cluster.Config)
	config.BearerToken = request.Status.Token
	config.QPS, config.Burst = cluster.Config.QPS, cluster.Config.Burst
	return config
}

func startGitHub() {
	GinkgoHelper()
	var err error
	gh, err = fakegithub.New(fakegithub.Options{Dir: GinkgoT().TempDir(), Tokens: map[string]fakegithub.Account{token: reader()},
		RateLimit: 1 << 20, // each story that starts the manager anew has it ask for the repositories of all before it
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(gh.Close)
	gh.SetRateLimit("", 1<<20, 1<<20, time.Now().Add(24*time.Hour))
	server := httptest.NewServer(openapi.Check(GinkgoT(), gh))
	DeferCleanup(server.Close)
	host, err = github.ParseHost("github.com=" + server.URL)
	Expect(err).NotTo(HaveOccurred())
}

// caBundle is the manager's --github-ca-file: a certificate that nothing here needs.
var caBundle = sync.OnceValue(func() string {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
})

func reader() fakegithub.Account {
	return fakegithub.Account{Login: "katkit-bot", Repositories: map[string]fakegithub.Permission{"*": fakegithub.Read}}
}

func create(object client.Object) {
	GinkgoHelper()
	Expect(k8s.Create(ctx, object)).To(Succeed())
}

func get[T client.Object](object T, namespace, name string) T {
	GinkgoHelper()
	Expect(k8s.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)).To(Succeed())
	return object
}

// change patches an object that is there.
func change[T client.Object](object T, namespace, name string, mutate func(T)) T {
	GinkgoHelper()
	get(object, namespace, name)
	before, isObject := object.DeepCopyObject().(client.Object)
	Expect(isObject).To(BeTrue())
	mutate(object)
	Expect(k8s.Patch(ctx, object, client.MergeFrom(before))).To(Succeed())
	return object
}

// requestsFor returns what GitHub was asked about a repository.
func requestsFor(repository string) []fakegithub.Request {
	var found []fakegithub.Request
	for _, request := range gh.Requests() {
		if under(request.Path, "/api/v3/repos/"+repository) {
			found = append(found, request)
		}
	}
	return found
}

func under(path, folder string) bool {
	return path == folder || (len(path) > len(folder) && path[:len(folder)] == folder && (path[len(folder)] == '/' || path[len(folder)] == '?'))
}

// down makes GitHub fail the next requests about a repository.
func down(repository string, times int) {
	GinkgoHelper()
	Expect(gh.Inject(fakegithub.Fault{
		Path: fmt.Sprintf("^/api/v3/repos/%s(/|$)", repository), Times: times,
		Status: http.StatusBadGateway, Message: "Unicorn!",
	})).To(Succeed())
}
