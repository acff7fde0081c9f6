package e2e

import (
	"context"
	"encoding/json"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// baseline is a workload as it was before any run.
type baseline struct {
	kind, name string
	spec       map[string]any
}

// service is a Deployment that runs the builder image, doing nothing. It is ready when its Pods are.
func (t *tenant) service(ctx context.Context, name string, changes ...func(*appsv1.Deployment)) {
	labels := map[string]string{"app": name}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(1)),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: idle(name, suite.images.Builder, labels),
		},
	}
	for _, change := range changes {
		change(deployment)
	}
	Expect(suite.Client.Create(ctx, deployment)).To(Succeed())
	Eventually(func(g Gomega, ctx context.Context) {
		g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(deployment), deployment)).To(Succeed())
		g.Expect(deployment.Status.AvailableReplicas).To(Equal(*deployment.Spec.Replicas))
		g.Expect(deployment.Status.ObservedGeneration).To(Equal(deployment.Generation))
	}).WithContext(ctx).Should(Succeed())
	t.remember(ctx, "Deployment", name)
}

// idle is a Pod of one container that waits to be ended, and ends at once.
func idle(container, image string, labels map[string]string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64(0)),
			Containers: []corev1.Container{{
				Name: container, Image: image, Command: []string{"sleep", "infinity"},
				Env: []corev1.EnvVar{{Name: "COLOUR", Value: "blue"}, {Name: "SIZE", Value: "7"}},
			}},
		},
	}
}

// remember takes a workload as it is now for what it shall stay, but for its image.
func (t *tenant) remember(ctx context.Context, kind, name string) {
	spec, _ := t.workload(ctx, kind, name)
	t.services[kind+"/"+name] = baseline{kind: kind, name: name, spec: spec}
}

// workload returns a workload's spec and generation.
func (t *tenant) workload(ctx context.Context, kind, name string) (spec map[string]any, generation int64) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind(kind))
	Expect(suite.Client.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: name}, object)).To(Succeed())
	return object.Object["spec"].(map[string]any), object.GetGeneration()
}

// imageOf returns the image of a workload's first container.
func (t *tenant) imageOf(ctx context.Context, kind, name string) string {
	spec, _ := t.workload(ctx, kind, name)
	return containersOf(spec)[0].(map[string]any)["image"].(string)
}

// image of a Deployment.
func (t *tenant) image(ctx context.Context, name string) string {
	return t.imageOf(ctx, "Deployment", name)
}

func containersOf(spec map[string]any) []any {
	return spec["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)
}

// imageless is a copy of a workload's spec without its images.
func imageless(spec map[string]any) map[string]any {
	text, err := json.Marshal(spec)
	Expect(err).NotTo(HaveOccurred())
	var result map[string]any
	Expect(json.Unmarshal(text, &result)).To(Succeed())
	for _, container := range containersOf(result) {
		delete(container.(map[string]any), "image")
	}
	return result
}
