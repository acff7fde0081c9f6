// Package follow shows a run until it has ended, and ends the plugin with the run's result. The verbs with --follow call it.
// The verb link, which watches a link until it works, has its exit codes and its patience with the API server from here.
//
//	read run and Phases ──> show ──> watch both ──change──> show ──run has ended──> read once more ──> show ──> exit code
//	      ^                            │
//	      └──── wait, longer each time ┴── the watch ended, or the connection is lost
//
// What always holds: the API server is watched and not asked again and again; following changes nothing, and to stop it does
// not stop the run.
package follow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/find"
	"katkit.dev/katkit/internal/cli/view"
	"katkit.dev/katkit/internal/domain/text"
)

// Exit codes of a verb that follows.
const (
	// ExitFailed: the run failed.
	ExitFailed cli.Exit = 1
	// ExitUnknown: what became of the run could not be told. Errors of the verb have it as well.
	ExitUnknown cli.Exit = 2
	// ExitCancelled: the run was cancelled.
	ExitCancelled cli.Exit = 3
	// ExitInterrupted: the user stopped following.
	ExitInterrupted cli.Exit = 130
)

// Help is what --help says of following.
const Help = `Following watches the run until it has ended: in a terminal as a view that is drawn in place, else with a line per change.
Ctrl-C stops following and not the run.

Exit code with --follow: 0 the run succeeded, 1 it failed, 2 it could not be told, 3 it was cancelled, 130 stopped by Ctrl-C.`

const (
	// requestTimeout bounds the reading of a run.
	requestTimeout = 15 * time.Second
	// maxTries is how often in a row the API server may not answer: about 3 minutes.
	maxTries = 24
	// longestWait between two tries.
	longestWait = 10 * time.Second
)

var (
	// errGone: the run was deleted while it was followed.
	errGone = errors.New("the run was deleted")
	// errExpired: the watch cannot go on where it was, the run is to be read anew.
	errExpired = errors.New("the watch has expired")
)

// Run follows a run of a namespace until it has ended. It prints to the standard output, and says on the standard error why
// it stopped. The error is nil when the run succeeded, else the cli.Exit above, or why the run could not be told.
func Run(ctx context.Context, streams genericiooptions.IOStreams, live client.WithWatch, run *v1alpha1.CIRun) error {
	f := follower{live: live, run: run, say: func(line string) { fmt.Fprintln(streams.ErrOut, line) }, show: newDisplay(streams.Out), wait: Pause}
	state, err := f.follow(ctx)
	f.show.close()
	again := fmt.Sprintf("kubectl katkit get %s -n %s --follow", view.Quote(run.Name), view.Quote(run.Namespace))
	switch {
	case ctx.Err() != nil:
		f.say("stopped following; run " + run.Name + " goes on. To follow it again: " + again)
		return ExitInterrupted
	case errors.Is(err, errGone):
		return deleted(run)
	case err != nil:
		return fmt.Errorf("what becomes of run %s/%s could not be told; to follow it again: %s (%w)", run.Namespace, run.Name, again, err)
	}
	return Result(state)
}

// Watch calls show with a run as it is, and with every change of it or its Phases, until it has ended. It says when the connection is
// lost. It gives the state in which the run has ended, or why that could not be told, as when the context ended.
func Watch(ctx context.Context, live client.WithWatch, run *v1alpha1.CIRun, say func(line string), show func(view.Snapshot)) (v1alpha1.RunState, error) {
	f := follower{live: live, run: run, say: say, show: seen(show), wait: Pause}
	state, err := f.follow(ctx)
	if errors.Is(err, errGone) {
		err = deleted(run)
	}
	return state, err
}

func deleted(run *v1alpha1.CIRun) error {
	return fmt.Errorf("run %s/%s was deleted before it had ended", run.Namespace, run.Name)
}

// Result is what a verb that followed a run ends with.
func Result(state v1alpha1.RunState) error {
	switch state {
	case v1alpha1.RunSucceeded:
		return nil
	case v1alpha1.RunFailed:
		return ExitFailed
	case v1alpha1.RunCancelled:
		return ExitCancelled
	default:
		return ExitUnknown
	}
}

// display shows a run. tick is when to show it again though nothing happened; nil for never.
type display interface {
	show(s view.Snapshot)
	tick() <-chan time.Time
	close()
}

// seen is a display that only its owner sees.
type seen func(view.Snapshot)

func (s seen) show(now view.Snapshot) { s(now) }
func (seen) tick() <-chan time.Time   { return nil }
func (seen) close()                   {}

type follower struct {
	live client.WithWatch
	run  *v1alpha1.CIRun
	say  func(line string)
	show display
	// wait for the next try; tries is how many failed in a row. It ends early with the context.
	wait func(ctx context.Context, tries int)

	now view.Snapshot
}

// follow returns the state in which the run has ended.
func (f *follower) follow(ctx context.Context) (v1alpha1.RunState, error) {
	for tries := 0; ; {
		begin := time.Now()
		began, err := f.session(ctx)
		if began || err == nil && time.Since(begin) > longestWait {
			tries = 0
		} else {
			tries++
		}
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err == nil && f.now.Run.Status.State.Terminal():
			return f.now.Run.Status.State, nil
		case errors.Is(err, errGone) || err != nil && Permanent(err):
			return "", err
		case tries >= maxTries:
			return "", cmp.Or(err, errors.New("the API server ends every watch at once"))
		case err != nil && tries <= 1:
			f.say("the connection is lost, trying again: " + text.Line(err.Error()))
		}
		if tries > 0 {
			f.wait(ctx, tries)
		}
	}
}

// Permanent tells of an error of a watch whether it is of no use to try again.
func Permanent(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsBadRequest(err) ||
		apierrors.IsInvalid(err) || apierrors.IsMethodNotSupported(err)
}

// session reads the run, and watches until it has ended or the watch has. began tells that a change came.
func (f *follower) session(ctx context.Context) (began bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	versions, err := f.read(ctx)
	if err != nil {
		return false, err
	}
	f.show.show(f.now)
	if f.now.Run.Status.State.Terminal() {
		return true, nil
	}
	run, err := f.live.Watch(ctx, &v1alpha1.CIRunList{}, client.InNamespace(f.run.Namespace),
		client.MatchingFields{"metadata.name": f.run.Name}, From(versions.run))
	if err != nil {
		return false, fmt.Errorf("watching the run: %w", err)
	}
	defer run.Stop()
	phases, err := f.live.Watch(ctx, &v1alpha1.PhaseList{}, client.InNamespace(f.run.Namespace),
		client.MatchingLabels{v1alpha1.LabelRun: f.run.Name}, From(versions.phases))
	if err != nil {
		return false, fmt.Errorf("watching the phases: %w", err)
	}
	defer phases.Stop()
	began, err = f.watch(ctx, run.ResultChan(), phases.ResultChan())
	if err == nil && f.now.Run.Status.State.Terminal() {
		// What the Phases say last may not have come yet.
		if _, err := f.read(ctx); err == nil {
			f.show.show(f.now)
		}
	}
	return began, err
}

// watch takes events until the run has ended or a channel has.
func (f *follower) watch(ctx context.Context, runs, phases <-chan watch.Event) (began bool, err error) {
	for !f.now.Run.Status.State.Terminal() {
		var event watch.Event
		var open bool
		select {
		case <-ctx.Done():
			return began, ctx.Err()
		case <-f.show.tick():
			f.show.show(f.now)
			continue
		case event, open = <-runs:
		case event, open = <-phases:
		}
		if !open {
			return began, nil
		}
		if err := f.take(event); errors.Is(err, errExpired) {
			return began, nil
		} else if err != nil {
			return began, err
		}
		began = true
		if !f.now.Run.Status.State.Terminal() { // the end is shown after the last look at the Phases
			f.show.show(f.now)
		}
	}
	return began, nil
}

// take brings the snapshot up to date.
func (f *follower) take(event watch.Event) error {
	switch object := event.Object.(type) {
	case *v1alpha1.CIRun:
		if event.Type == watch.Deleted || object.UID != f.run.UID {
			return errGone
		}
		f.now.Run = object
	case *v1alpha1.Phase:
		others := slices.DeleteFunc(slices.Clone(f.now.Phases), func(p v1alpha1.Phase) bool { return p.Name == object.Name })
		if event.Type != watch.Deleted && find.Belongs(object, f.now.Run) {
			others = append(others, *object)
		}
		f.now.Phases = others
	default:
		err := apierrors.FromObject(event.Object)
		if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
			return errExpired
		}
		return fmt.Errorf("watching: %w", err)
	}
	return nil
}

// Pause lets a second pass, then twice as long each time, up to ten; tries is how many failed in a row. It ends early with
// the context.
func Pause(ctx context.Context, tries int) {
	timer := time.NewTimer(min(time.Second<<min(tries-1, 10), longestWait))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
