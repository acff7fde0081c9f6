// Package turn reads from the cluster whose turn it is: it makes the snapshot on which internal/domain/queue decides. The run
// and the phase controllers ask it.
//
// What always holds: it reads from the cache alone, which has seen what this manager wrote; it remembers nothing but who
// is just being let begin, lest two do at once.
package turn

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/queue"
)

// Keeper tells whose turn it is.
type Keeper struct {
	// Reader is the cache.
	Reader client.Reader
	// Builders is how many builder Pods the cluster may have at once; 0: any number.
	Builders int

	guard   sync.Mutex
	tenants map[string]*sync.Mutex
}

// Waits tells of every Phase of a tenant that is ready to begin why it waits; nil where it is its turn. planned are Phases
// that are about to be made.
func (k *Keeper) Waits(ctx context.Context, namespace string, planned ...*v1alpha1.Phase) (map[types.NamespacedName]*queue.Wait, error) {
	scope := []client.ListOption{client.UnsafeDisableDeepCopy, client.InNamespace(namespace)}
	if k.Builders > 0 {
		scope = scope[:1]
	}
	var phases v1alpha1.PhaseList
	if err := k.Reader.List(ctx, &phases, scope...); err != nil {
		return nil, fmt.Errorf("listing Phases: %w", err)
	}
	var runs v1alpha1.CIRunList
	if err := k.Reader.List(ctx, &runs, scope...); err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	all := phases.Items
	for _, phase := range planned {
		all = append(all, *phase)
	}
	return queue.New(all, runs.Items, k.Builders).Turns(), nil
}

// Wait tells why a Phase that is ready to begin waits; nil where it is its turn.
func (k *Keeper) Wait(ctx context.Context, phase *v1alpha1.Phase) (*queue.Wait, error) {
	waits, err := k.Waits(ctx, phase.Namespace)
	return waits[client.ObjectKeyFromObject(phase)], err
}

// Lock keeps others of a tenant from beginning until it is unlocked: between the question whose turn it is, and the status
// that tells of the answer. Where builders are shared, others of all tenants.
func (k *Keeper) Lock(namespace string) (unlock func()) {
	if k.Builders > 0 {
		namespace = ""
	}
	k.guard.Lock()
	if k.tenants == nil {
		k.tenants = map[string]*sync.Mutex{}
	}
	tenant := k.tenants[namespace]
	if tenant == nil {
		tenant = &sync.Mutex{}
		k.tenants[namespace] = tenant
	}
	k.guard.Unlock()
	tenant.Lock()
	return tenant.Unlock
}
