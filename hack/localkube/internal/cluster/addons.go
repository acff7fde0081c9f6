package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// collections are the API paths of the kinds in addons.yaml; %s is the namespace.
var collections = map[string]string{
	"Namespace":          "/api/v1/namespaces",
	"Service":            "/api/v1/namespaces/%s/services",
	"EndpointSlice":      "/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices",
	"ClusterRole":        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
	"ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}

var (
	kindPattern = regexp.MustCompile(`(?m)^kind: (\S+)$`)
	metaPattern = regexp.MustCompile(`(?m)^metadata: {name: ([^,}]+)(?:, namespace: ([^,}]+))?`)
)

// applyAddons applies the objects that belong to every cluster, as server-side apply does: again and again
// with the same result.
func (c *Cluster) applyAddons(ctx context.Context, v values) error {
	manifest, err := render("addons.yaml", v)
	if err != nil {
		return err
	}
	client, err := c.apiClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	for document := range strings.SplitSeq(string(manifest), "\n---\n") {
		path, err := objectPath(document)
		if err != nil {
			return err
		}
		url := c.apiURL() + path + "?fieldManager=localkube&force=true"
		if _, err := request(ctx, client, http.MethodPatch, url, "application/apply-patch+yaml", []byte(document)); err != nil {
			return fmt.Errorf("apply %s: %w", path, err)
		}
	}
	return nil
}

// objectPath is the API path of an object of addons.yaml, which writes `kind` and `metadata` a line each.
func objectPath(document string) (string, error) {
	kind, meta := kindPattern.FindStringSubmatch(document), metaPattern.FindStringSubmatch(document)
	if kind == nil || meta == nil || collections[kind[1]] == "" {
		return "", fmt.Errorf("addons.yaml: no known kind or no name in %q", document)
	}
	collection := collections[kind[1]]
	if strings.Contains(collection, "%s") {
		collection = fmt.Sprintf(collection, meta[2])
	}
	return collection + "/" + meta[1], nil
}

// testPod is what shows, once in a cluster's life, that Pods run: image, sandbox, network and log folder.
const testPod = `{
  "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "first-pod", "namespace": "localkube"},
  "spec": {"restartPolicy": "Never", "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 0,
           "containers": [{"name": "once", "image": "` + pauseImage + `", "args": ["once"]}]}
}`

const testPodPath = "/api/v1/namespaces/localkube/pods"

// runTestPod runs the test Pod to its end and removes it.
func (c *Cluster) runTestPod(ctx context.Context) error {
	client, err := c.apiClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	create := func(ctx context.Context) error {
		// Until the controller manager has made the namespace's ServiceAccount, Pods are refused.
		_, err := request(ctx, client, http.MethodPost, c.apiURL()+testPodPath, "application/json", []byte(testPod))
		var status *statusError
		if errors.As(err, &status) && status.Code == http.StatusConflict {
			return nil // of an `up` that did not get to its end
		}
		return err
	}
	if err := waitFor(ctx, 30*time.Second, create, nil); err != nil {
		return fmt.Errorf("create a test Pod: %w", err)
	}
	if err := waitFor(ctx, 60*time.Second, c.testPodSucceeded, nil); err != nil {
		return fmt.Errorf("test Pod localkube/first-pod (`kubectl describe` it): %w", err)
	}
	_, err = request(ctx, client, http.MethodDelete, c.apiURL()+testPodPath+"/first-pod", "", nil)
	return err
}

func (c *Cluster) testPodSucceeded(ctx context.Context) error {
	var pod struct {
		Status struct {
			Phase             string
			Message           string
			ContainerStatuses []struct{ State json.RawMessage }
		}
	}
	if err := c.get(ctx, testPodPath+"/first-pod", &pod); err != nil {
		return err
	}
	if pod.Status.Phase == "Succeeded" {
		return nil
	}
	states := []string{pod.Status.Message}
	for _, s := range pod.Status.ContainerStatuses {
		states = append(states, string(s.State))
	}
	return fmt.Errorf("it is %s: %s", pod.Status.Phase, strings.Join(states, " "))
}
