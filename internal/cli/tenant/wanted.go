package tenant

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

const (
	// deployerRole is the ClusterRole of config/rbac that a tenant's deployer has.
	deployerRole = "katkit-deployer"
	// bounds is the name of the ResourceQuota and of its LimitRange.
	bounds = "katkit"
	// sampleQuota is what a small tenant gets along with.
	sampleQuota = "cpu=8,memory=16Gi,pods=50"
)

// wanted is the tenant that is asked for.
type wanted struct {
	name      string
	namespace string
	env       string // "" for none
	quota     corev1.ResourceList
	network   *network // what a NetworkPolicy holds builders to; nil for no policy
}

// parseQuota reads a list such as sampleQuota, which "sample" stands for. "" is none.
func parseQuota(list string) (corev1.ResourceList, error) {
	switch list {
	case "":
		return nil, nil
	case "sample":
		list = sampleQuota
	}
	// Requests are bounded and limits are not: a quota of limits refuses every Pod that has none.
	names := map[string]corev1.ResourceName{"cpu": corev1.ResourceRequestsCPU, "memory": corev1.ResourceRequestsMemory, "pods": corev1.ResourcePods}
	quota := corev1.ResourceList{}
	for _, part := range strings.Split(list, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		bound, known := names[name]
		amount, err := resource.ParseQuantity(value)
		if _, twice := quota[bound]; !known || err != nil || amount.Sign() <= 0 || twice {
			return nil, fmt.Errorf("--quota %q: %q is not one of cpu=N, memory=N and pods=N, each once and with an amount as Kubernetes writes it: %s", list, part, sampleQuota)
		}
		quota[bound] = amount
	}
	return quota, nil
}

// check tells what is wrong with the names.
func (w wanted) check() error {
	if w.name == "" {
		return errors.New("the name of the tenant is empty")
	}
	if wrong := validation.IsValidLabelValue(w.name); len(wrong) > 0 {
		return fmt.Errorf("%q is no name of a tenant, since it becomes a label: %s", w.name, wrong[0])
	}
	if wrong := validation.IsDNS1123Label(w.namespace); len(wrong) > 0 {
		return fmt.Errorf("%q is no name of a Namespace: %s; -n gives it another name than the tenant's", w.namespace, wrong[0])
	}
	return nil
}

// objects are what the tenant needs, in the order in which they are made.
func (w wanted) objects() ([]*unstructured.Unstructured, error) {
	namespace := &corev1.Namespace{TypeMeta: typed(corev1.SchemeGroupVersion.String(), "Namespace"),
		ObjectMeta: metav1.ObjectMeta{Name: w.namespace, Labels: map[string]string{v1alpha1.LabelTenant: w.name}}}
	if w.env != "" {
		namespace.Annotations = map[string]string{v1alpha1.AnnotationEnv: w.env}
	}
	in := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: w.namespace, Name: name} }
	all := []any{
		namespace,
		&corev1.ServiceAccount{TypeMeta: typed(corev1.SchemeGroupVersion.String(), "ServiceAccount"), ObjectMeta: in(v1alpha1.DefaultDeployer)},
		&rbacv1.RoleBinding{TypeMeta: typed(rbacv1.SchemeGroupVersion.String(), "RoleBinding"), ObjectMeta: in(v1alpha1.DefaultDeployer),
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: deployerRole},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: w.namespace, Name: v1alpha1.DefaultDeployer}}},
	}
	if w.quota != nil {
		all = append(all, &corev1.ResourceQuota{TypeMeta: typed(corev1.SchemeGroupVersion.String(), "ResourceQuota"), ObjectMeta: in(bounds),
			Spec: corev1.ResourceQuotaSpec{Hard: w.quota}})
	}
	if requests := w.requests(); len(requests) > 0 {
		all = append(all, &corev1.LimitRange{TypeMeta: typed(corev1.SchemeGroupVersion.String(), "LimitRange"), ObjectMeta: in(bounds),
			Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, DefaultRequest: requests}}}})
	}
	if w.network != nil {
		all = append(all, w.network.policy(w.namespace))
	}
	objects := make([]*unstructured.Unstructured, 0, len(all))
	for _, object := range all {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return nil, fmt.Errorf("making the manifests: %w", err)
		}
		delete(fields, "status") // nothing of it is asked for
		if spec, ok := fields["spec"].(map[string]any); ok && len(spec) == 0 {
			delete(fields, "spec")
		}
		objects = append(objects, &unstructured.Unstructured{Object: fields})
	}
	return objects, nil
}

// requests are what a container gets that says nothing, since the quota counts requests and refuses Pods without.
func (w wanted) requests() corev1.ResourceList {
	requests := corev1.ResourceList{}
	if _, bounded := w.quota[corev1.ResourceRequestsCPU]; bounded {
		requests[corev1.ResourceCPU] = resource.MustParse("100m")
	}
	if _, bounded := w.quota[corev1.ResourceRequestsMemory]; bounded {
		requests[corev1.ResourceMemory] = resource.MustParse("128Mi")
	}
	return requests
}

func typed(version, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: version, Kind: kind}
}

// yaml are the manifests.
func (w wanted) yaml() ([]byte, error) {
	objects, err := w.objects()
	if err != nil {
		return nil, err
	}
	var documents [][]byte
	for _, object := range objects {
		document, err := yaml.Marshal(object.Object)
		if err != nil {
			return nil, fmt.Errorf("writing the manifests: %w", err)
		}
		documents = append(documents, document)
	}
	return bytes.Join(documents, []byte("---\n")), nil
}
