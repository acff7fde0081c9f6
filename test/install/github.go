package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"katkit.dev/katkit/test/fakegithub"
)

// Tokens of the stand-in, as test/fakegithub/deploy.yaml has them.
const (
	// ReporterToken may read every repository, and write statuses and deployments. Tenants get it.
	ReporterToken = "fakegithub-reporter"
	adminToken    = "fakegithub-admin"

	githubNamespace = "github"
	githubPort      = 8080
)

// GitHub is the stand-in in the cluster. Its Control works through a port-forward until Close.
type GitHub struct {
	*fakegithub.Control
	stop context.CancelFunc
	done chan struct{}
}

// Close ends the port-forward. The stand-in stays.
func (g *GitHub) Close() {
	g.stop()
	<-g.done
}

// GitHub applies test/fakegithub/deploy.yaml, waits until the stand-in is ready, and connects to its control API.
func (c *Cluster) GitHub(ctx context.Context, images Images) (*GitHub, error) {
	var github *GitHub
	err := c.step(ctx, "github stand-in", func(ctx context.Context, tell func(string)) error {
		ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("after %s", Seconds(readyTimeout)))
		defer cancel()
		objects, err := c.githubManifests(images.GitHub)
		if err != nil {
			return err
		}
		if err := c.apply(ctx, objects...); err != nil {
			return err
		}
		tell("waiting for it")
		if err := c.RolledOut(ctx, githubNamespace, "github"); err != nil {
			return err
		}
		if github, err = c.forwardGitHub(ctx); err != nil {
			return err
		}
		tell("ready at " + GitHubURL)
		return nil
	})
	return github, err
}

func (c *Cluster) githubManifests(image string) ([]*unstructured.Unstructured, error) {
	path := filepath.Join(c.Root, "test", "fakegithub", "deploy.yaml")
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the stand-in's manifests: %w", err)
	}
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4<<10)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		if object.GetKind() == "Deployment" {
			if err := change(object, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = image }); err != nil {
				return nil, err
			}
		}
		objects = append(objects, object)
	}
}

// forwardGitHub connects a port of this machine to the stand-in's Pod.
func (c *Cluster) forwardGitHub(ctx context.Context) (*GitHub, error) {
	pod, err := c.githubPod(ctx)
	if err != nil {
		return nil, err
	}
	roundTripper, upgrader, err := spdy.RoundTripperFor(c.Config)
	if err != nil {
		return nil, fmt.Errorf("forwarding a port: %w", err)
	}
	target := c.Clientset.CoreV1().RESTClient().Post().Resource("pods").Namespace(githubNamespace).Name(pod).SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: roundTripper}, http.MethodPost, target)
	forwarding, stop := context.WithCancel(context.WithoutCancel(ctx))
	ready, failed, done := make(chan struct{}), make(chan error, 1), make(chan struct{})
	complaints := &tail{}
	forwarder, err := portforward.NewOnAddressesWithContext(forwarding, dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", githubPort)}, ready, io.Discard, complaints)
	if err != nil {
		stop()
		return nil, fmt.Errorf("forwarding a port: %w", err)
	}
	go func() {
		defer close(done)
		failed <- forwarder.ForwardPorts()
	}()
	select {
	case <-ready:
	case err = <-failed:
		err = fmt.Errorf("forwarding a port to Pod %s/%s: %w %s", githubNamespace, pod, err, complaints)
	case <-ctx.Done():
		err = fmt.Errorf("forwarding a port to Pod %s/%s: %w", githubNamespace, pod, context.Cause(ctx))
	}
	var ports []portforward.ForwardedPort
	if err == nil {
		ports, err = forwarder.GetPorts()
	}
	if err != nil {
		stop()
		return nil, err
	}
	return &GitHub{
		Control: &fakegithub.Control{URL: fmt.Sprintf("http://127.0.0.1:%d", ports[0].Local), AdminToken: adminToken},
		stop:    stop, done: done,
	}, nil
}

func (c *Cluster) githubPod(ctx context.Context) (string, error) {
	pods, err := c.Clientset.CoreV1().Pods(githubNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=fakegithub"})
	if err != nil {
		return "", fmt.Errorf("looking for the stand-in's Pod: %w", err)
	}
	for _, pod := range pods.Items {
		ready := slices.ContainsFunc(pod.Status.Conditions, func(condition corev1.PodCondition) bool {
			return condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
		})
		if ready && pod.DeletionTimestamp == nil {
			return pod.Name, nil
		}
	}
	return "", errors.New("the stand-in's Pod is gone: " + strings.TrimSpace(c.trouble(ctx, githubNamespace, "")))
}
