package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"

	"katkit.dev/katkit/internal/cli/follow"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/text"
)

// errNotBegun: the build has not begun, so it has no log yet.
var errNotBegun = errors.New("it has not begun")

// fromPod reads the log of a Pod through the API server, from its first line that the node still has. began tells that some of it was
// there to be read, so that another source would give it a second time.
func (r *reader) fromPod(ctx context.Context, at place, out io.Writer) (began bool, err error) {
	lines := &stamped{out: out}
	for tries := 0; ; tries++ {
		before, begin := lines.written, time.Now()
		opened, err := r.copyPod(ctx, at, lines)
		began = began || opened
		if lines.written != before || time.Since(begin) > lasting {
			tries = 0
		}
		switch {
		case ctx.Err() != nil:
			return began, ctx.Err()
		case err == nil && (!r.follow || r.podEnded(ctx, at)):
			return began, nil
		case errors.Is(err, errNotBegun) && r.follow && tries == 0:
			if _, err := r.awaitBuild(ctx, at); err != nil {
				return began, err
			}
			continue
		case err != nil && (!r.follow || errors.Is(err, errNotBegun) || apierrors.IsNotFound(err) || follow.Permanent(err)), tries >= maxTries:
			return began, err
		case err != nil && tries == 0:
			r.say("the log of Pod %s broke off, trying again: %v", at.pod, err)
		}
		r.wait(ctx, tries+1)
	}
}

// copyPod reads a Pod's log once, from the last line that was read before.
func (r *reader) copyPod(ctx context.Context, at place, lines *stamped) (opened bool, err error) {
	options := &corev1.PodLogOptions{Container: contract.BuildContainer, Follow: r.follow, Timestamps: true}
	switch {
	case !lines.written.at.IsZero():
		options.SinceTime = &metav1.Time{Time: lines.written.at.Truncate(time.Second)}
	case !r.since.IsZero():
		options.SinceTime = &metav1.Time{Time: r.since}
	}
	if r.tail >= 0 && lines.written.at.IsZero() {
		options.TailLines = &r.tail
	}
	stream, err := r.core.Pods(at.namespace).GetLogs(at.pod, options).Stream(ctx)
	if apierrors.IsBadRequest(err) { // ContainerCreating, and the like
		return false, fmt.Errorf("%w: %s", errNotBegun, text.Line(err.Error()))
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = stream.Close() }() // read to its end, or given up
	lines.again()
	_, err = io.Copy(lines, stream)
	return true, err
}

// podEnded tells whether nothing will come any more from a Pod. One that is gone, or not to be seen, has ended.
func (r *reader) podEnded(ctx context.Context, at place) bool {
	pod, err := r.core.Pods(at.namespace).Get(ctx, at.pod, metav1.GetOptions{})
	return err != nil || buildpod.StateOf(pod, contract.BuildContainer).Running == nil
}

// awaitBuild watches a Pod until its build container has begun, or the Pod has ended without, and returns it. One that is gone is nil, and
// no error.
func (r *reader) awaitBuild(ctx context.Context, at place) (*corev1.Pod, error) {
	one := metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", at.pod).String()}
	for tries := 1; ; tries++ {
		pod, err := r.watchPod(ctx, at, one)
		if err == nil || ctx.Err() != nil {
			return pod, ctx.Err()
		}
		if tries >= maxTries || follow.Permanent(err) {
			return nil, fmt.Errorf("waiting for Pod %s: %w", at.pod, err)
		}
		r.wait(ctx, tries)
	}
}

func (r *reader) watchPod(ctx context.Context, at place, one metav1.ListOptions) (*corev1.Pod, error) {
	pods, err := r.core.Pods(at.namespace).List(ctx, one)
	if err != nil || len(pods.Items) == 0 {
		return nil, err
	}
	if pod := &pods.Items[0]; begun(pod) {
		return pod, nil
	}
	one.ResourceVersion = pods.ResourceVersion
	events, err := r.core.Pods(at.namespace).Watch(ctx, one)
	if err != nil {
		return nil, err
	}
	defer events.Stop()
	defer time.AfterFunc(r.quiet, func() { r.say("the build of Pod %s has not begun yet, which is waited for", at.pod) }).Stop()
	for event := range events.ResultChan() {
		pod, isPod := event.Object.(*corev1.Pod)
		switch {
		case !isPod:
			return nil, apierrors.FromObject(event.Object)
		case event.Type == watch.Deleted:
			return nil, nil // gone, as awaitBuild says
		case begun(pod):
			return pod, nil
		}
	}
	return nil, errors.New("the watch ended")
}

// begun tells whether a Pod's build container has a log, or will never have one.
func begun(pod *corev1.Pod) bool {
	build := buildpod.StateOf(pod, contract.BuildContainer)
	return build.Running != nil || build.Terminated != nil || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}
