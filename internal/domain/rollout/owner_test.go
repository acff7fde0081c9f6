package rollout_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/rollout"
)

func TestOwnerOfAnImage(t *testing.T) {
	const image = `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"api\"}":{"f:image":{}}}}}}}`
	const replicas = `{"f:spec":{"f:replicas":{}}}`
	managed := func(manager string, operation metav1.ManagedFieldsOperationType, fields string) metav1.ObjectMeta {
		return metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{
			{Manager: manager, Operation: operation, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields)},
		}}
	}
	for name, c := range map[string]struct {
		meta metav1.ObjectMeta
		want string
	}{
		"nobody":                            {},
		"Argo CD updates it":                {managed("argocd-controller", metav1.ManagedFieldsOperationUpdate, image), "Argo CD"},
		"Argo CD tracks it":                 {metav1.ObjectMeta{Annotations: map[string]string{"argocd.argoproj.io/tracking-id": "x"}}, "Argo CD"},
		"Flux applies it":                   {managed("kustomize-controller", metav1.ManagedFieldsOperationApply, image), "Flux (kustomize-controller)"},
		"Flux's label":                      {metav1.ObjectMeta{Labels: map[string]string{"helm.toolkit.fluxcd.io/name": "x"}}, "Flux (helm-controller)"},
		"Helm":                              {managed("Helm", metav1.ManagedFieldsOperationUpdate, image), "Helm"},
		"another applier":                   {managed("my-operator", metav1.ManagedFieldsOperationApply, image), "field manager my-operator"},
		"another one's update is once":      {managed("my-tool", metav1.ManagedFieldsOperationUpdate, image), ""},
		"a person who applies":              {managed("kubectl", metav1.ManagedFieldsOperationApply, image), ""},
		"Katkit itself":                     {managed("katkit-api", metav1.ManagedFieldsOperationApply, image), ""},
		"Flux, but only the replicas":       {managed("kustomize-controller", metav1.ManagedFieldsOperationApply, replicas), ""},
		"fields that nobody can read":       {managed("kustomize-controller", metav1.ManagedFieldsOperationApply, `{"f:`), ""},
		"a label of that name without text": {metav1.ObjectMeta{Labels: map[string]string{"argocd.argoproj.io/instance": ""}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			service := rollout.FromDeployment(&appsv1.Deployment{ObjectMeta: c.meta, Spec: appsv1.DeploymentSpec{
				Template: template(corev1.Container{Name: "api", Image: "acme/api:1"})}})
			receipt, cause := service.Receipt(v1alpha1.ServiceImage{Role: "api", Image: "acme/api:2"})
			if cause != nil || receipt.Owner != c.want {
				t.Errorf("owner %q, %v; want %q", receipt.Owner, cause, c.want)
			}
		})
	}
}
