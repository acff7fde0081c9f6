package workload

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
)

// Deployer changes images as ServiceAccounts of tenants.
type Deployer struct {
	// Config of the manager, which may impersonate the deployers.
	Config *rest.Config
	Scheme *runtime.Scheme
	Mapper meta.RESTMapper
}

// Change is one container's image to be set.
type Change struct {
	Namespace, ServiceAccount string
	Kind, Name, Container     string
	Image                     string
	// Annotations of the workload that go with the image. One that an earlier change of the same container set and
	// that is absent here is removed.
	Annotations map[string]string
	// ResourceVersion is that of the workload that was looked at. The change is refused with a Conflict when
	// the workload is another by then. Empty in a dry run.
	ResourceVersion string
}

// DryRun asks the API server whether the change would be accepted: rights, admission and validation. The
// error is that of Explain's input.
func (d *Deployer) DryRun(ctx context.Context, change Change) error {
	return d.apply(ctx, change, client.DryRunAll)
}

// Apply sets the image and the annotations, by server-side apply of nothing else.
func (d *Deployer) Apply(ctx context.Context, change Change) error {
	return d.apply(ctx, change)
}

func (d *Deployer) apply(ctx context.Context, change Change, options ...client.ApplyOption) error {
	c, err := d.as(change.Namespace, change.ServiceAccount)
	if err != nil {
		return err
	}
	// The field manager is one per container, so that applying one image never gives up another.
	options = append(options, client.FieldOwner(v1alpha1.ManagedBy+"-"+change.Container), client.ForceOwnership)
	if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(imageOnly(change)), options...); err != nil {
		return fmt.Errorf("setting the image of %s %s/%s: %w", change.Kind, change.Namespace, change.Name, err)
	}
	return nil
}

// RemovePod deletes a Pod of a namespace as its deployer, if it is the one of that UID. One that is gone is no error.
func (d *Deployer) RemovePod(ctx context.Context, namespace, serviceAccount, name string, uid types.UID) error {
	c, err := d.as(namespace, serviceAccount)
	if err != nil {
		return err
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	err = c.Delete(ctx, pod, client.Preconditions{UID: &uid})
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("deleting Pod %s/%s: %w", namespace, name, err)
}

func imageOnly(change Change) *unstructured.Unstructured {
	metadata := map[string]any{"name": change.Name, "namespace": change.Namespace}
	if len(change.Annotations) > 0 {
		annotations := make(map[string]any, len(change.Annotations))
		for key, value := range change.Annotations {
			annotations[key] = value
		}
		metadata["annotations"] = annotations
	}
	if change.ResourceVersion != "" {
		metadata["resourceVersion"] = change.ResourceVersion
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1",
		"kind":       change.Kind,
		"metadata":   metadata,
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
			"containers": []any{map[string]any{"name": change.Container, "image": change.Image}},
		}}},
	}}
}

// as is a client that acts as a ServiceAccount. Connections are shared with the manager's own.
func (d *Deployer) as(namespace, serviceAccount string) (client.Client, error) {
	config := rest.CopyConfig(d.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + namespace + ":" + serviceAccount}
	c, err := client.New(config, client.Options{Scheme: d.Scheme, Mapper: d.Mapper})
	if err != nil {
		return nil, fmt.Errorf("acting as ServiceAccount %s/%s: %w", namespace, serviceAccount, err)
	}
	return c, nil
}

// mayNot tells the API server's own words for a missing right (`User "…" cannot patch resource …`) from those
// of an admission webhook, which often answers Forbidden as well.
func mayNot(err error) bool { return strings.Contains(err.Error(), `" cannot `) }

// Explain makes a problem of a refused change, with the command that mends it. It is nil when the error is
// not the API server's answer but a failure to get one, which passes by itself.
func Explain(change Change, err error) *problem.Problem {
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), `" cannot impersonate `) {
		return problem.Config(v1alpha1.ReasonDeployerForbidden,
			"Katkit may not act as ServiceAccount %[1]s/%[2]s, but only as those named %[3]s: %[4]v. A cluster admin grants it with: "+
				"kubectl create role impersonate-%[2]s -n %[1]s --verb=impersonate --resource=serviceaccounts --resource-name=%[2]s; "+
				"kubectl create rolebinding impersonate-%[2]s -n %[1]s --role=impersonate-%[2]s --serviceaccount=katkit-system:katkit-manager",
			change.Namespace, change.ServiceAccount, v1alpha1.DefaultDeployer, err)
	}
	if apierrors.IsForbidden(err) && mayNot(err) {
		return problem.Config(v1alpha1.ReasonDeployerForbidden,
			"ServiceAccount %[1]s/%[2]s may not change %[3]s %[4]s: %[5]v. A cluster admin grants it with: "+
				"kubectl create serviceaccount %[2]s -n %[1]s; kubectl create rolebinding %[2]s -n %[1]s --clusterrole=katkit-deployer --serviceaccount=%[1]s:%[2]s",
			change.Namespace, change.ServiceAccount, change.Kind, change.Name, err)
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		if code := status.Status().Code; code >= http.StatusBadRequest && code < http.StatusInternalServerError &&
			code != http.StatusUnauthorized && code != http.StatusConflict && code != http.StatusTooManyRequests {
			return problem.Config(v1alpha1.ReasonPatchRejected, "%v. Nothing was changed by this", err)
		}
	}
	return nil
}
