package install

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Await watches the object with the namespace and name of the given one until condition is true for it, or returns an
// error. Afterwards object holds the version that condition saw last. An object that is not there yet is waited for; one
// that is deleted is an error. The deadline is ctx's.
func Await[P interface {
	*T
	client.Object
}, T any](ctx context.Context, c *Cluster, object P, condition func(P) (bool, error)) error {
	gvk, err := apiutil.GVKForObject(object, c.Client.Scheme())
	if err != nil {
		return fmt.Errorf("awaiting an object: %w", err)
	}
	key := client.ObjectKeyFromObject(object)
	seen := false
	_, err = watchtools.UntilWithSync(ctx, c.listWatch(gvk, key), P(new(T)), nil, func(event watch.Event) (bool, error) {
		if event.Type == watch.Error {
			return false, apierrors.FromObject(event.Object)
		}
		current, ok := event.Object.(P)
		if !ok || current.GetName() != key.Name {
			return false, nil
		}
		if event.Type == watch.Deleted {
			return false, fmt.Errorf("%s %s was deleted", gvk.Kind, key)
		}
		seen = true
		*object = *current
		return condition(object)
	})
	if err == nil || (ctx.Err() == nil && !wait.Interrupted(err) && !errors.Is(err, watchtools.ErrWatchClosed)) {
		return err
	}
	if !seen {
		return fmt.Errorf("%s %s did not appear in time: %w", gvk.Kind, key, context.Cause(ctx))
	}
	return fmt.Errorf("%s %s did not become in time what was awaited: %w", gvk.Kind, key, context.Cause(ctx))
}

// listWatch lists and watches one object.
func (c *Cluster) listWatch(gvk schema.GroupVersionKind, key client.ObjectKey) cache.ListerWatcher {
	newList := func() (client.ObjectList, error) {
		list, err := c.Client.Scheme().New(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", gvk.Kind, err)
		}
		return list.(client.ObjectList), nil
	}
	narrowed := func(options metav1.ListOptions) *client.ListOptions {
		selector := fields.OneTermEqualSelector(metav1.ObjectNameField, key.Name)
		options.FieldSelector = selector.String()
		return &client.ListOptions{Namespace: key.Namespace, FieldSelector: selector, Raw: &options}
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list, err := newList()
			if err != nil {
				return nil, err
			}
			return list, c.Client.List(ctx, list, narrowed(options))
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			list, err := newList()
			if err != nil {
				return nil, err
			}
			return c.Client.Watch(ctx, list, narrowed(options))
		},
	}
}
