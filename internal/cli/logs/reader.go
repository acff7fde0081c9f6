package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/text"
)

const (
	// maxTries is how often in a row a connection may break without a byte: about a minute.
	maxTries = 10
	// lasting is how long a connection lives that is worth a new one, though no byte came.
	lasting = 10 * time.Second
	// grace is how long the store may take for the rest of a log once its build has ended. Then what there is has to do.
	grace = 30 * time.Second
	// quiet is how long what is to begin is waited for without a word.
	quiet = 10 * time.Second
)

// errEnds: a store that gives nothing, and neither goes on.
var errEnds = errors.New("it ends each answer at once")

// noLogError tells that a replica has no log, and never will.
type noLogError string

// Error implements error.
func (e noLogError) Error() string { return string(e) }

// reader reads the logs of a run's replicas from where they are.
type reader struct {
	store *store
	core  typedcorev1.CoreV1Interface
	live  client.Reader

	follow bool
	tail   int64     // lines; -1 for all
	since  time.Time // zero for all

	// say tells the user something beside the logs.
	say func(format string, args ...any)
	// wait for the next try; tries is how many failed in a row. It ends early with the context.
	wait         func(ctx context.Context, tries int)
	grace, quiet time.Duration
	// unsigned is said once.
	unsigned sync.Once
}

// read passes on the log of a replica: that of the store, else of the Pod, else the end that was kept. ended is closed when the
// replica has ended.
func (r *reader) read(ctx context.Context, t target, ended <-chan struct{}, out io.Writer) error {
	at := place{t.phase.Namespace, t.phase.Name, t.replica.Pod}
	counted := &counter{to: out}
	err := r.awaitStore(ctx, t, at, ended, counted)
	if err == nil {
		return r.tellIncomplete(ctx, t, counted, out)
	}
	noStore, refused := errors.AsType[*refusal](err)
	if !refused || counted.begun {
		return err
	}
	if noStore.why == unsigned {
		r.unsigned.Do(func() { r.say("%s", unsigned) })
		noStore = &refusal{why: "the log store was not read"}
	}
	began, err := r.fromPod(ctx, at, counted)
	switch {
	case err == nil:
		r.tellMissing(ctx, t, counted.bytes, noStore)
		return nil
	case began || ctx.Err() != nil || counted.failed != nil:
		return err
	case errors.Is(err, errNotBegun) && !r.again(ctx, t).ended():
		return fmt.Errorf("%s has no log yet: Pod %s: %w", t.name(), at.pod, err)
	}
	return r.kept(ctx, t, out, noStore.why+"; "+noPod(err))
}

// noPod says why the log of a Pod cannot be read.
func noPod(err error) string {
	switch {
	case apierrors.IsNotFound(err):
		return "its Pod is gone"
	case apierrors.IsForbidden(err):
		return `you may not read its Pod's log: the verb "get" on pods/log is needed`
	default:
		return "its Pod's log cannot be read: " + text.Line(err.Error())
	}
}

// fromStore reads a log of the store, from where it broke off if it does, and follows it until over is done. The error is a *refusal where
// the store has nothing to give.
func (r *reader) fromStore(ctx, over context.Context, at place, out *counter) error {
	query := url.Values{}
	if r.tail >= 0 {
		query.Set(contract.LogQueryTail, strconv.FormatInt(r.tail, 10))
	}
	if !r.since.IsZero() {
		query.Set(contract.LogQuerySince, r.since.UTC().Format(time.RFC3339Nano))
	}
	position, told := int64(-1), false
	for tries := 0; ; tries++ {
		before, begin := out.bytes, time.Now()
		asked, live := ctx, over.Err() == nil
		if live {
			query.Set(contract.LogQueryFollow, "true")
			asked = over
		}
		done, err := r.copyStore(asked, at, query, &position, out)
		lasted := time.Since(begin) > lasting // the store ends an answer to which nothing came for long
		switch {
		case out.bytes > before:
			tries, told = 0, false
		case lasted:
			tries = 0
		}
		refused, isRefusal := errors.AsType[*refusal](err)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case out.failed != nil:
			return out.failed
		case done:
			return nil
		case isRefusal && (!refused.passing || position < 0), tries >= maxTries:
			if position < 0 {
				return err
			}
			return fmt.Errorf("the log store gives no more of the log of Pod %s after byte %d: %w", at.pod, position, cmp.Or(err, errEnds))
		case live && over.Err() != nil: // what there is now has to do
		case err != nil && !told && !lasted:
			told = true
			r.say("the log of Pod %s broke off at byte %d, going on from there: %s", at.pod, position, text.Line(err.Error()))
		}
		query = url.Values{contract.LogQueryOffset: {strconv.FormatInt(position, 10)}}
		if tries > 0 {
			r.wait(ctx, tries)
		}
	}
}

// overdue gives a context that ends when a replica has ended and the store has had its time for the rest of the log.
func (r *reader) overdue(ctx context.Context, ended <-chan struct{}) context.Context {
	over, cancel := context.WithCancel(ctx)
	if !r.follow {
		cancel()
		return over
	}
	go func() {
		defer cancel()
		select {
		case <-ctx.Done():
			return
		case <-ended:
		}
		select {
		case <-ctx.Done():
		case <-time.After(r.grace):
		}
	}()
	return over
}

// copyStore copies one answer of the store, and moves the position. It is done when nothing more is to come.
func (r *reader) copyStore(ctx context.Context, at place, query url.Values, position *int64, out *counter) (done bool, err error) {
	answer, err := r.store.open(ctx, at, query)
	if err != nil {
		return false, err
	}
	defer func() { _ = answer.Close() }() // read to its end, or given up
	if *position < 0 {
		*position = answer.offset
	}
	switch {
	case answer.offset > *position:
		r.say("%d bytes of the log of Pod %s are lost", answer.offset-*position, at.pod)
		*position = answer.offset
	case answer.offset < *position: // asked for byte N, the store may begin before
		if _, err := io.CopyN(io.Discard, answer, *position-answer.offset); err != nil {
			return false, err
		}
	}
	out.begun = true
	n, err := io.Copy(out, answer)
	*position += n
	if err != nil {
		return false, err
	}
	return answer.complete || query.Get(contract.LogQueryFollow) == "", nil
}

// again reads a replica's status anew, which has more when the replica has ended. What cannot be read stays as it was.
func (r *reader) again(ctx context.Context, t target) target {
	var phase v1alpha1.Phase
	if r.live.Get(ctx, client.ObjectKeyFromObject(t.phase), &phase) != nil || phase.UID != t.phase.UID {
		return t
	}
	for _, attempt := range phase.Status.Attempts {
		for _, replica := range attempt.Replicas {
			if replica.Pod == t.replica.Pod {
				t.replica = replica
			}
		}
	}
	return t
}

// size writes a number of bytes for a person.
func size(bytes int64) string {
	const kib, mib = 1 << 10, 1 << 20
	switch {
	case bytes >= 10*mib:
		return fmt.Sprintf("%d MiB", bytes/mib)
	case bytes >= 10*kib:
		return fmt.Sprintf("%d KiB", bytes/kib)
	default:
		return fmt.Sprintf("%d bytes", bytes)
	}
}
