package logs

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"

	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/phase"
)

// awaitStore reads a log of the store, and waits for its first byte as long as the replica's Pod is to bring it there. The Pod's own log is
// no way to pass the time: its node has perhaps not all of it, and nobody could tell at which byte of the log to go on with the store.
// The error is a *refusal where the store has nothing to give.
func (r *reader) awaitStore(ctx context.Context, t target, at place, ended <-chan struct{}, out *counter) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	over := r.overdue(ctx, ended)
	err := r.fromStore(ctx, over, at, out)
	switch refused := unbegun(err, out); {
	case refused == nil, !refused.absent, over.Err() != nil:
		return err
	case !r.ships(over, at):
		return r.fromStore(ctx, over, at, out) // where it may have come since
	}
	return r.untilThere(ctx, over, t, at, ended, out)
}

// untilThere asks the store for a log until its first byte is there, or not to be expected any more.
func (r *reader) untilThere(ctx, over context.Context, t target, at place, ended <-chan struct{}, out *counter) error {
	failed, told, begin := 0, false, time.Now()
	for tries := 1; ; tries++ {
		err := r.fromStore(ctx, over, at, out)
		refused := unbegun(err, out)
		switch {
		case refused == nil, over.Err() != nil:
			return err
		case refused.absent && !r.delivers(ctx, t, ended):
			return r.fromStore(ctx, over, at, out)
		case refused.absent:
			if failed = 0; !told && time.Since(begin) >= r.quiet {
				told = true
				r.say("%s: the log store has nothing of its log yet, which is waited for; kubectl logs %s -n %s -c %s shows what its node has",
					t.name(), at.pod, at.namespace, contract.BuildContainer)
			}
			r.wait(over, min(tries, 2)) // a second, then two
		case refused.passing && failed < maxTries: // it was there, and may be again
			if failed++; failed == 1 {
				r.say("the log store cannot be asked for the log of Pod %s, trying again: %s", at.pod, refused.why)
			}
			r.wait(over, failed)
		default:
			return err
		}
	}
}

// unbegun is why the store has given nothing of a log; nil where it has.
func unbegun(err error, out *counter) *refusal {
	refused, isRefusal := errors.AsType[*refusal](err)
	if !isRefusal || out.begun {
		return nil
	}
	return refused
}

// ships tells whether a Pod brings its log to the store, when its build has begun: before, there is nothing to bring. Of one that cannot be
// seen it is assumed.
func (r *reader) ships(ctx context.Context, at place) bool {
	pod, err := r.awaitBuild(ctx, at)
	if err != nil || pod == nil {
		return err != nil
	}
	shipper := buildpod.ShipperOf(pod)
	return shipper != "" && buildpod.StateOf(pod, shipper).Terminated == nil &&
		pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded
}

// delivers tells whether more of a log may come to the store: its replica has not ended, or its status says so.
func (r *reader) delivers(ctx context.Context, t target, ended <-chan struct{}) bool {
	select {
	case <-ended:
		t = r.again(ctx, t)
		return phase.Delivering(&t.replica)
	default:
		return true
	}
}
