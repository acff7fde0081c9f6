// Package turn reads from the cluster whose turn it is: it makes the snapshot on which internal/domain/queue decides. The run
// and the phase controllers ask it.
//
// What always holds: it reads from the cache alone; it remembers nothing but who is just being let begin, lest two do at once.
package turn

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/queue"
)

// Keeper tells whose turn it is.
type Keeper struct {
	// Reader is the cache. Of Pods it has builder Pods alone.
	Reader client.Reader
	// Builders is how many builder Pods the cluster may have at once; 0: any number.
	Builders int

	guard   sync.Mutex
	tenants map[string]*sync.Mutex
}

// Waits tells of every Phase of a tenant that is ready to begin why it waits; nil where it is its turn. planned are Phases
// that are about to be made. What this manager has just written may not be seen yet.
func (k *Keeper) Waits(ctx context.Context, namespace string, planned ...*v1alpha1.Phase) (map[types.NamespacedName]*queue.Wait, error) {
	snapshot, err := k.snapshot(ctx, namespace, planned, client.DisableReadYourWritesConsistency)
	return snapshot.Turns(), err
}

// Confirm tells, to whoever holds the lock, whether a Phase may begin. Else it is why the Phase waits, or nil when it is not
// known to be ready: its run may have been stopped or deleted in this moment. Every begin that this manager has written is seen.
func (k *Keeper) Confirm(ctx context.Context, phase *v1alpha1.Phase) (wait *queue.Wait, begins bool, err error) {
	snapshot, err := k.snapshot(ctx, phase.Namespace, nil)
	if err != nil {
		return nil, false, err
	}
	key := client.ObjectKeyFromObject(phase)
	wait = snapshot.Turns()[key]
	return wait, wait == nil && snapshot.Knows(key), nil
}

func (k *Keeper) snapshot(ctx context.Context, namespace string, planned []*v1alpha1.Phase, consistency ...client.ListOption) (queue.Snapshot, error) {
	scope := []client.ListOption{client.UnsafeDisableDeepCopy}
	if k.Builders == 0 {
		scope = append(scope, client.InNamespace(namespace))
	}
	var phases v1alpha1.PhaseList
	if err := k.Reader.List(ctx, &phases, append(consistency, scope...)...); err != nil {
		return queue.Snapshot{}, fmt.Errorf("listing Phases: %w", err)
	}
	// Runs may be a moment old: what they are asked for (who came first, who is stopped) lets nobody begin too early.
	var runs v1alpha1.CIRunList
	if err := k.Reader.List(ctx, &runs, append(scope, client.DisableReadYourWritesConsistency)...); err != nil {
		return queue.Snapshot{}, fmt.Errorf("listing runs: %w", err)
	}
	var pods corev1.PodList
	if err := k.Reader.List(ctx, &pods, append(scope, client.DisableReadYourWritesConsistency)...); err != nil {
		return queue.Snapshot{}, fmt.Errorf("listing builder Pods: %w", err)
	}
	all := phases.Items
	for _, phase := range planned {
		all = append(all, *phase)
	}
	return queue.New(all, runs.Items, pods.Items, k.Builders), nil
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
