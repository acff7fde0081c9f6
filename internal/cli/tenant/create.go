package tenant

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/find"
	"katkit.dev/katkit/internal/domain/text"
)

// manager owns the fields that this verb applies.
const manager = "kubectl-katkit"

// ensure makes what is wanted, and tells what became of each object, and what is not as it should be. Nothing is made unless the
// API server takes all of it; of a Namespace that is not there yet it can be asked for the Namespace alone.
func ensure(ctx context.Context, live client.Client, w wanted, force bool) (made, warnings []string, err error) {
	found, err := read(ctx, live, w)
	if err != nil {
		return nil, nil, err
	}
	if err := decide(w, found, force); err != nil {
		return nil, nil, err
	}
	if found != nil && w.env == "" {
		w.env = found.Annotations[v1alpha1.AnnotationEnv] // not to be applied would take away what this verb had set
	}
	objects, err := w.objects()
	if err != nil {
		return nil, nil, err
	}
	asked := objects
	if found == nil {
		asked = objects[:1]
	}
	for _, object := range asked {
		if _, err := apply(ctx, client.NewDryRunClient(live), object.DeepCopy()); err != nil {
			return nil, nil, err
		}
	}
	for _, object := range objects {
		what, err := apply(ctx, live, object)
		if err != nil {
			if len(made) > 0 {
				err = fmt.Errorf("%w\nThe same command again goes on where this one ended", err)
			}
			return made, nil, err
		}
		made = append(made, what)
	}
	var role rbacv1.ClusterRole
	if apierrors.IsNotFound(live.Get(ctx, client.ObjectKey{Name: deployerRole}, &role)) {
		warnings = append(warnings, fmt.Sprintf("there is no ClusterRole %s, so nothing can be deployed: Katkit is not installed in this cluster yet", deployerRole))
	}
	return made, warnings, nil
}

// read gives nil for a Namespace that is not there.
func read(ctx context.Context, live client.Reader, w wanted) (*corev1.Namespace, error) {
	var found corev1.Namespace
	err := live.Get(ctx, client.ObjectKey{Name: w.namespace}, &found)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // absent
	case err != nil:
		return nil, explain(err, "get", "namespaces", w.namespace)
	}
	return &found, nil
}

// decide tells why a Namespace is not to be touched. found is nil where it is not there.
func decide(w wanted, found *corev1.Namespace, force bool) error {
	if found != nil && found.DeletionTimestamp != nil {
		return fmt.Errorf("namespace %s is being deleted: wait until it is gone", w.namespace)
	}
	if force {
		return nil
	}
	const anyway = "--force does it all the same"
	if strings.HasPrefix(w.namespace, "kube-") || slices.Contains([]string{"default", "katkit-system"}, w.namespace) {
		return fmt.Errorf("namespace %s is the system's: Katkit would run builds there. -n names another namespace; %s", w.namespace, anyway)
	}
	if found == nil {
		return nil
	}
	if tenant := found.Labels[v1alpha1.LabelTenant]; tenant != "" && tenant != w.name {
		return fmt.Errorf("namespace %s is the tenant %s: -n names another namespace; %s", w.namespace, text.Line(tenant), anyway)
	}
	if env := found.Annotations[v1alpha1.AnnotationEnv]; w.env != "" && env != "" && env != w.env {
		return fmt.Errorf("tenant %s has the env %s: with %s its links would run other phases; %s", w.name, text.Line(env), text.Line(w.env), anyway)
	}
	return nil
}

// apply makes an object be as wanted, and tells what became of it.
func apply(ctx context.Context, live client.Client, object *unstructured.Unstructured) (string, error) {
	kind := strings.ToLower(object.GetKind())
	group := object.GroupVersionKind().Group
	name := strings.TrimSuffix(kind+"."+group, ".") + "/" + object.GetName()
	resource := strings.TrimSuffix(strings.Replace(kind+"s", "ys", "ies", 1)+"."+group, ".")
	before := &unstructured.Unstructured{}
	before.SetGroupVersionKind(object.GroupVersionKind())
	err := live.Get(ctx, client.ObjectKeyFromObject(object), before)
	created := apierrors.IsNotFound(err)
	if err != nil && !created {
		return "", explain(err, "get", resource, object.GetNamespace())
	}
	err = live.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(manager), client.ForceOwnership)
	if err != nil {
		verb := "patch"
		if created && apierrors.IsForbidden(err) && strings.Contains(err.Error(), `cannot create resource`) {
			verb = "create"
		}
		return "", explain(err, verb, resource, object.GetNamespace())
	}
	switch {
	case created:
		return name + " created", nil
	case object.GetResourceVersion() == before.GetResourceVersion():
		return name + " unchanged", nil
	default:
		return name + " configured", nil
	}
}

// explain says which right is missing where one is, else what was tried.
func explain(err error, verb, resource, namespace string) error {
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot "+verb+" resource") {
		return fmt.Errorf("you may not %s %s: a tenant is made by a cluster admin, since its label lets Katkit act there. "+
			"-o yaml prints what is needed, for an admin to apply.\nThe API server said: %w", verb, resource, err)
	}
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "attempting to grant RBAC permissions") {
		return fmt.Errorf("you may not give the ClusterRole %s to a ServiceAccount, since you do not have its rights yourself: a cluster admin may.\nThe API server said: %w", deployerRole, err)
	}
	where := ""
	if namespace != "" {
		where = " in namespace " + namespace
	}
	return find.Explain(err, fmt.Sprintf("%s %s%s", verb, resource, where))
}
