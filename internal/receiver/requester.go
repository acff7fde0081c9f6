package receiver

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"katkit.dev/katkit/internal/domain/click"
)

const (
	// window is the time in which a link is annotated once at most.
	window = time.Second
	// annotateTimeout bounds one annotation.
	annotateTimeout = 10 * time.Second
	// maxRetryDelay bounds the wait after annotations that failed, maxRetries their number.
	maxRetryDelay = 30 * time.Second
	maxRetries    = 10
	workers       = 4
)

// Annotator annotates links.
type Annotator interface {
	// Annotate sets annotations of a link as a hint says. The error is the API server's: a conflict when the link was changed meanwhile.
	Annotate(ctx context.Context, link types.NamespacedName, hint Hint) error
}

// Requester annotates the links that are asked for, each once in a window at most, and with what was asked last, and all clicks. What
// is asked of one link while it waits is one request.
type Requester struct {
	links   Annotator
	clock   clock.WithTicker
	metrics *Metrics
	log     logr.Logger
	queue   workqueue.TypedRateLimitingInterface[types.NamespacedName]
	// tried are the links of which an annotation was tried within the window.
	tried *cache.Expiring

	mu sync.Mutex
	// wanted is what was asked of a link since its last annotation.
	wanted map[types.NamespacedName]Hint
}

// NewRequester makes a requester that works once it is run.
func NewRequester(links Annotator, now clock.WithTicker, metrics *Metrics, log logr.Logger) *Requester {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](window, maxRetryDelay)
	return &Requester{
		links: links, clock: now, metrics: metrics, log: log,
		queue:  workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[types.NamespacedName]{Clock: now}),
		tried:  cache.NewExpiringWithClock(now),
		wanted: map[types.NamespacedName]Hint{},
	}
}

// Request asks for a link: see Asker.
func (r *Requester) Request(link types.NamespacedName, cause string) {
	r.ask(link, Hint{At: r.clock.Now(), Cause: cause})
}

// Press tells a link of a button: see Asker.
func (r *Requester) Press(link types.NamespacedName, button click.Button) {
	r.ask(link, Hint{Clicks: []click.Click{{Button: button, At: r.clock.Now().UTC().Truncate(time.Millisecond)}}})
}

func (r *Requester) ask(link types.NamespacedName, hint Hint) {
	r.mu.Lock()
	r.wanted[link] = r.wanted[link].And(hint)
	r.mu.Unlock()
	r.queue.Add(link)
}

// Run annotates until ctx ends, and then once more what is still wanted.
func (r *Requester) Run(ctx context.Context) {
	background := context.WithoutCancel(ctx)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for {
				link, shutdown := r.queue.Get()
				if shutdown {
					return
				}
				r.next(background, link)
				r.queue.Done(link)
			}
		})
	}
	<-ctx.Done()
	r.queue.ShutDown()
	running.Wait()
	r.flush(background)
}

// next annotates a link that is wanted, or puts it off.
func (r *Requester) next(ctx context.Context, link types.NamespacedName) {
	if until, found := r.tried.Get(link); found {
		if wait := until.(time.Time).Sub(r.clock.Now()); wait > 0 {
			r.queue.AddAfter(link, wait)
			return
		}
	}
	asked, found := r.take(link)
	if !found {
		return
	}
	r.tried.Set(link, r.clock.Now().Add(window), window)
	switch result := r.annotate(ctx, link, asked); {
	case result != outcomeRetry:
		r.queue.Forget(link)
	case r.queue.NumRequeues(link) >= maxRetries:
		r.queue.Forget(link)
		r.metrics.requested(outcomeGaveUp)
	default:
		r.putBack(link, asked)
		r.queue.AddRateLimited(link)
	}
}

func (r *Requester) annotate(ctx context.Context, link types.NamespacedName, asked Hint) outcome {
	ctx, cancel := context.WithTimeout(ctx, annotateTimeout)
	defer cancel()
	err := r.links.Annotate(ctx, link, asked)
	result := outcomeRetry
	switch {
	case err == nil:
		result = outcomeDone
	case apierrors.IsNotFound(err):
		result = outcomeGone
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		result = outcomeGaveUp
	}
	if err != nil && result != outcomeGone && !apierrors.IsConflict(err) { // which is nobody's fault
		r.log.Error(err, "a link was not annotated", "link", link, "result", result)
	}
	r.metrics.requested(result)
	return result
}

// flush annotates what is wanted, one after the other, within one timeout for all.
func (r *Requester) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, annotateTimeout)
	defer cancel()
	r.mu.Lock()
	left := r.wanted
	r.wanted = map[types.NamespacedName]Hint{}
	r.mu.Unlock()
	for link, asked := range left {
		if ctx.Err() != nil {
			return
		}
		r.annotate(ctx, link, asked)
	}
}

func (r *Requester) take(link types.NamespacedName) (Hint, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked, found := r.wanted[link]
	delete(r.wanted, link)
	return asked, found
}

// putBack keeps what was asked, beside what was asked meanwhile.
func (r *Requester) putBack(link types.NamespacedName, asked Hint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted[link] = asked.And(r.wanted[link])
}
