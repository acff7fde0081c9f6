package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"katkit.dev/katkit/internal/controller"
)

// FieldOwner is the field manager of everything that this package applies.
const FieldOwner = "katkit-install"

// localRegistry is the local cluster's registry as its Pods and its kubelet name it.
const localRegistry = "registry.localkube:5000"

// ErrNoCluster tells that no cluster can be used: tests skip, and say so with the error.
var ErrNoCluster = errors.New("no cluster")

// Cluster is a cluster to install on. Its methods may be used concurrently.
type Cluster struct {
	Config    *rest.Config
	Clientset kubernetes.Interface
	// Client reads and writes without a cache; it knows Kubernetes' and Katkit's kinds, and CustomResourceDefinitions.
	Client client.WithWatch
	// Registry carries images to the cluster.
	Registry Registry
	// Root is the folder of the checkout.
	Root string
	// Out gets a line about everything that is done.
	Out io.Writer
}

// Registry is where images are pushed to and pulled from.
type Registry struct {
	// Push is the registry's name on this machine, Pull its name in the cluster: HOST[:PORT][/PREFIX]. Empty: there is none.
	Push, Pull string
	// Scheme of its API: "https", or "http".
	Scheme string
	// Local is true for the local cluster's registry, which has a copy of the base images in library/.
	Local bool
}

// Connect finds the cluster of $KUBECONFIG. The error wraps [ErrNoCluster] when that is not set or no API server answers
// there. out gets a line about everything that is done; nil: nothing is told.
func Connect(ctx context.Context, out io.Writer) (*Cluster, error) {
	path := os.Getenv("KUBECONFIG")
	if path == "" {
		return nil, fmt.Errorf("%w: KUBECONFIG is not set: run this through hack/with-cluster.sh, or set it to a cluster for tests", ErrNoCluster)
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("%w: reading KUBECONFIG=%s: %w", ErrNoCluster, path, err)
	}
	config.QPS, config.Burst, config.UserAgent = -1, -1, FieldOwner // the API server's own fairness is enough
	root, err := checkout()
	if err != nil {
		return nil, err
	}
	if out == nil {
		out = io.Discard
	}
	c := &Cluster{Config: config, Root: root, Out: &lines{to: out}, Registry: registryFromEnv()}
	if c.Clientset, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	if err := c.answers(ctx); err != nil {
		return nil, fmt.Errorf("%w: %s of KUBECONFIG=%s does not answer: %w", ErrNoCluster, config.Host, path, err)
	}
	scheme, err := controller.Scheme()
	if err != nil {
		return nil, err
	}
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering CustomResourceDefinitions: %w", err)
	}
	if c.Client, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return c, nil
}

func (c *Cluster) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return c.Clientset.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

func registryFromEnv() Registry {
	if push := os.Getenv("LOCALKUBE_REGISTRY"); push != "" {
		return Registry{Push: push, Pull: localRegistry, Scheme: "http", Local: true}
	}
	scheme, name, found := strings.Cut(strings.TrimRight(os.Getenv("KATKIT_REGISTRY"), "/"), "://")
	if !found {
		scheme, name = "https", scheme
	}
	return Registry{Push: name, Pull: name, Scheme: scheme}
}

// checkout finds the project's root from the working directory upwards.
func checkout() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the checkout: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "config", "default", "kustomization.yaml")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not in a checkout of Katkit: there is no config/default in it or above it", start)
		}
	}
}

// Up brings everything that a run needs: images, Katkit and the stand-in for GitHub.
func (c *Cluster) Up(ctx context.Context) (*GitHub, error) {
	images, err := c.Images(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.Katkit(ctx, images); err != nil {
		return nil, err
	}
	return c.GitHub(ctx, images)
}
