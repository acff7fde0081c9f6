package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/follow"
	"katkit.dev/katkit/internal/cli/view"
	"katkit.dev/katkit/internal/domain/text"
)

const (
	// pollInterval is that of a link which does not say.
	pollInterval = time.Minute
	// checkTime is how long a check of a link may take, after which its result is there.
	checkTime = 15 * time.Second
)

// errGone: the link was deleted while it was waited for.
var errGone = errors.New("the link was deleted")

// waiter waits until the manager has told whether a link works.
//
//	read link ──> told? ──no──> watch ──change──> told? ──yes──> link
//	    ^                         │
//	    └── pause ── the watch ended, or the connection is lost
type waiter struct {
	live client.WithWatch
	// now is the link as it was last seen.
	now *v1alpha1.TenantRepoLink
	// stale is a status that is not believed, since the token has changed after it; nil when there is none.
	stale *v1alpha1.TenantRepoLinkStatus
	say   func(line string)
	pause func(ctx context.Context, tries int)

	said string
}

// wait ends when the link's Ready is True or False for what the link is now, or with the context's error. A stale status that
// does not change is believed when the manager must have checked the link again.
func (w *waiter) wait(ctx context.Context) error {
	timer := time.NewTimer(interval(w.now) + checkTime)
	defer timer.Stop()
	for tries := 0; ; tries++ {
		told, err := w.session(ctx, timer.C)
		switch {
		case told:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errGone):
			return err
		case err != nil && follow.Permanent(err):
			return err
		case err != nil && tries == 0:
			w.say("the connection is lost, trying again: " + text.Line(err.Error()))
		}
		w.pause(ctx, tries+1)
	}
}

// session reads the link, and watches until the manager has told or the watch has ended.
func (w *waiter) session(ctx context.Context, settled <-chan time.Time) (told bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	only := []client.ListOption{client.InNamespace(w.now.Namespace), client.MatchingFields{"metadata.name": w.now.Name}}
	var list v1alpha1.TenantRepoLinkList
	if err := w.live.List(ctx, &list, only...); err != nil {
		return false, explain(err, "list", links, w.now.Namespace)
	}
	if len(list.Items) == 0 || list.Items[0].UID != w.now.UID {
		return false, errGone
	}
	if w.now = &list.Items[0]; w.told() {
		return true, nil
	}
	changes, err := w.live.Watch(ctx, &list, append(only, follow.From(list.ResourceVersion))...)
	if err != nil {
		return false, explain(err, "watch", links, w.now.Namespace)
	}
	defer changes.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-settled:
			w.stale = nil
		case event, open := <-changes.ResultChan():
			if !open {
				return false, nil
			}
			if err := w.take(event); err != nil {
				return false, err
			}
		}
		if w.told() {
			return true, nil
		}
	}
}

// take has the link as an event tells of it.
func (w *waiter) take(event watch.Event) error {
	link, ok := event.Object.(*v1alpha1.TenantRepoLink)
	switch {
	case !ok:
		return fmt.Errorf("watching: %w", apierrors.FromObject(event.Object)) // the link is read anew
	case event.Type == watch.Deleted || link.UID != w.now.UID:
		return errGone
	}
	w.now = link
	return nil
}

// told tells whether the manager has. What stands in the way for a while is said, once.
func (w *waiter) told() bool {
	if w.stale != nil && equality.Semantic.DeepEqual(*w.stale, w.now.Status) {
		return false
	}
	w.stale = nil
	condition := view.Ready(w.now)
	if condition == nil {
		return false
	}
	if condition.Status != metav1.ConditionUnknown {
		return true
	}
	if line := "not yet, Katkit tries again: " + text.Line(condition.Reason+": "+condition.Message); line != w.said {
		w.said = line
		w.say(line)
	}
	return false
}

// interval is how often the manager checks a link.
func interval(link *v1alpha1.TenantRepoLink) time.Duration {
	if link.Spec.PollInterval != nil {
		return link.Spec.PollInterval.Duration
	}
	return pollInterval
}
