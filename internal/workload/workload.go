// Package workload reads and changes the tenant's workloads: it finds the one that a role names, and sets a
// container's image as the tenant's deployer. The controllers of runs and phases use it.
//
// What always holds: a workload is read live, never from a cache; it is changed only as a ServiceAccount of
// its own namespace, by impersonation, and nothing of it but one container's image.
package workload

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"katkit.dev/katkit/internal/domain/rollout"
)

// Find returns the workload of a name: a Deployment, else a StatefulSet, else a DaemonSet. The second result
// is false when there is none; an error says that it could not be read.
func Find(ctx context.Context, live client.Reader, namespace, name string) (rollout.Service, bool, error) {
	for _, kind := range rollout.Kinds {
		service, found, err := Get(ctx, live, kind, namespace, name)
		if found || err != nil {
			return service, found, err
		}
	}
	return rollout.Service{}, false, nil
}

// Get returns the workload of a kind and name. The second result is false when there is none; an error says
// that it could not be read.
func Get(ctx context.Context, live client.Reader, kind, namespace, name string) (rollout.Service, bool, error) {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	var service rollout.Service
	var err error
	switch kind {
	case "Deployment":
		var d appsv1.Deployment
		err = live.Get(ctx, key, &d)
		service = rollout.FromDeployment(&d)
	case "StatefulSet":
		var s appsv1.StatefulSet
		err = live.Get(ctx, key, &s)
		service = rollout.FromStatefulSet(&s)
	case "DaemonSet":
		var d appsv1.DaemonSet
		err = live.Get(ctx, key, &d)
		service = rollout.FromDaemonSet(&d)
	default:
		return rollout.Service{}, false, fmt.Errorf("no workload is of kind %q", kind)
	}
	if apierrors.IsNotFound(err) {
		return rollout.Service{}, false, nil
	}
	if err != nil {
		return rollout.Service{}, false, fmt.Errorf("reading %s %s: %w", kind, key, err)
	}
	return service, true, nil
}
