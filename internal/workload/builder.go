package workload

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/problem"
)

// Hosts tells how the Pods of the workload of a name are scheduled; nil when there is no such workload.
func Hosts(ctx context.Context, live client.Reader, namespace, name string) (*v1alpha1.Scheduling, error) {
	service, found, err := Find(ctx, live, namespace, name)
	if !found || err != nil {
		return nil, err
	}
	return &service.Hosts, nil
}

// CheckBuilderAccount tells whether a ServiceAccount is there for builder Pods. The problem is that of buildpod.CheckAccount; an error
// says that it could not be read.
func CheckBuilderAccount(ctx context.Context, live client.Reader, namespace, name string) (*problem.Problem, error) {
	account := metav1.PartialObjectMetadata{}
	account.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ServiceAccount"))
	err := live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &account)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading ServiceAccount %s/%s: %w", namespace, name, err)
	}
	return buildpod.CheckAccount(namespace, name, err == nil, account.Annotations), nil
}
