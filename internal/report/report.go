// Package report writes what the controllers found: the one status patch of a reconciliation, and the
// events of what changed by it. No other package writes a status or an event.
package report

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"katkit.dev/katkit/internal/domain/text"
)

// maxNote is the bound of an event's note in the API, in bytes.
const maxNote = 1024

// Event is something that happened to an object, for people who `kubectl describe` it.
type Event struct {
	// Warning: somebody should look.
	Warning bool
	// Reason is one word in CamelCase, Action what Katkit was doing, in CamelCase, too.
	Reason, Action string
	// Note is the sentence for people.
	Note string
}

// Status patches the status of an object from what it was in before to what it is in after. It fails with a
// Conflict when somebody else changed the object in between, which makes the caller look again.
func Status(ctx context.Context, c client.StatusClient, before, after client.Object) error {
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := c.Status().Patch(ctx, after, patch); err != nil {
		return fmt.Errorf("writing the status of %s/%s: %w", after.GetNamespace(), after.GetName(), err)
	}
	return nil
}

// Release removes a finalizer from an object, as it is now. One that is gone has none.
func Release(ctx context.Context, c client.Client, object client.Object, finalizer string) error {
	if err := c.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return client.IgnoreNotFound(err)
	}
	before, isObject := object.DeepCopyObject().(client.Object)
	if !isObject || !controllerutil.RemoveFinalizer(object, finalizer) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := c.Patch(ctx, object, patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing the finalizer %s of %s/%s: %w", finalizer, object.GetNamespace(), object.GetName(), err)
	}
	return nil
}

// Events tells of what happened to an object. Those of one reason and action are told in one event, since the
// recorder takes a second one about the same version of an object for a repetition, and drops what it says.
func Events(recorder events.EventRecorder, object runtime.Object, happened []Event) {
	for _, event := range joined(happened) {
		kind := corev1.EventTypeNormal
		if event.Warning {
			kind = corev1.EventTypeWarning
		}
		recorder.Eventf(object, nil, kind, event.Reason, event.Action, "%s", text.Cut(event.Note, maxNote))
	}
}

// joined makes one event of those that differ in nothing but their note.
func joined(happened []Event) []Event {
	var result []Event
	for _, event := range happened {
		same := func(other Event) bool {
			return other.Warning == event.Warning && other.Reason == event.Reason && other.Action == event.Action
		}
		if i := slices.IndexFunc(result, same); i >= 0 {
			result[i].Note += "; " + event.Note
			continue
		}
		result = append(result, event)
	}
	return result
}
