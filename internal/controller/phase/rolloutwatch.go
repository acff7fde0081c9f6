package phase

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

const (
	// settle is how long changes are gathered before a Phase is looked at, so that a service of many Pods costs no more
	// than one of a few.
	settle = 300 * time.Millisecond
	// wellAfter is how long a watch has to last for the next one to be opened without a longer delay.
	wellAfter = 30 * time.Second
)

// reconnect is the delay before a watch that ended is opened again.
var reconnect = wait.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 8, Cap: time.Minute}

// rolloutWatches watch what belongs to the rollouts that Phases wait for, and have a Phase looked at when something of it
// changes. They keep nothing of what they see. A watch lives until its Phase does not want it any more, or the
// controller ends; losing one loses time, but nothing else: a rollout has its deadline.
type rolloutWatches struct {
	core corev1client.CoreV1Interface
	// look has a Phase looked at.
	look func(types.NamespacedName)

	mu sync.Mutex
	// life is the controller's: watches outlive the reconciliation that wants them.
	life context.Context
	open map[types.NamespacedName]map[target]context.CancelFunc
}

// source makes the watches feed the controller's queue, for as long as the controller runs.
func (w *rolloutWatches) source() source.Source {
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[ctrl.Request]) error {
		w.begin(ctx, func(phase types.NamespacedName) {
			queue.AddAfter(ctrl.Request{NamespacedName: phase}, settle)
		})
		return nil
	})
}

func (w *rolloutWatches) begin(life context.Context, look func(types.NamespacedName)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life, w.look, w.open = life, look, map[types.NamespacedName]map[target]context.CancelFunc{}
}

// keep makes these the watches of a Phase: those that are open go on, others are opened or ended.
func (w *rolloutWatches) keep(phase types.NamespacedName, wanted []target) {
	w.mu.Lock()
	defer w.mu.Unlock()
	open := w.open[phase]
	kept := make(map[target]context.CancelFunc, len(wanted))
	for _, target := range wanted {
		if end, found := open[target]; found {
			kept[target] = end
		} else if kept[target] == nil {
			ctx, end := context.WithCancel(w.life)
			kept[target] = end
			go w.follow(ctx, phase, target)
		}
		delete(open, target)
	}
	for _, end := range open {
		end()
	}
	if w.open[phase] = kept; len(kept) == 0 {
		delete(w.open, phase)
	}
}

// follow watches a target until the context ends.
func (w *rolloutWatches) follow(ctx context.Context, phase types.NamespacedName, of target) {
	log := ctrl.Log.WithName("phase").WithValues("phase", phase)
	again := reconnect.DelayWithReset(clock.RealClock{}, wellAfter)
	_ = again.Until(ctx, true, true, func(ctx context.Context) (bool, error) { // ends with the context
		if err := w.watch(ctx, phase, of); err != nil && ctx.Err() == nil {
			log.Info("a watch of a rollout is opened again", "error", err.Error())
		}
		return false, nil
	})
}

// watch has the Phase looked at when it begins and at each change, until the API server ends the watch.
func (w *rolloutWatches) watch(ctx context.Context, phase types.NamespacedName, of target) error {
	// Without a version to begin at the API server tells first of all that is there, so nothing is missed in between.
	stream, err := w.stream(ctx, of)
	if err != nil {
		return fmt.Errorf("opening the watch: %w", err)
	}
	defer stream.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, more := <-stream.ResultChan():
			switch {
			case !more:
				return nil
			case event.Type == watch.Error:
				return fmt.Errorf("watching: %v", event.Object)
			case event.Type != watch.Bookmark:
				w.look(phase)
			}
		}
	}
}

func (w *rolloutWatches) stream(ctx context.Context, of target) (watch.Interface, error) {
	if of.eventsOf != "" {
		failures := fields.Set{"involvedObject.uid": string(of.eventsOf), "reason": "FailedCreate"}
		return w.core.Events(of.namespace).Watch(ctx, metav1.ListOptions{FieldSelector: failures.String()})
	}
	return w.core.Pods(of.namespace).Watch(ctx, metav1.ListOptions{LabelSelector: of.pods})
}
