package logs

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/find"
	"katkit.dev/katkit/internal/cli/follow"
	"katkit.dev/katkit/internal/cli/view"
)

// show shows the logs that are there, one after the other.
func show(ctx context.Context, live client.Reader, run *v1alpha1.CIRun, c choice, r *reader, p *printer) error {
	phases, err := find.Phases(ctx, live, run)
	if err != nil {
		return err
	}
	s := view.Snapshot{Run: run, Phases: phases}
	if err := c.refuse(s); err != nil {
		return err
	}
	targets := c.pick(s)
	if len(targets) == 0 {
		return c.nothing(s)
	}
	var failed []error
	for i, t := range targets {
		out := p.alone()
		if len(targets) > 1 {
			out = p.beside(t.name(), i)
		}
		err := r.read(ctx, t, nil, out)
		if err := errors.Join(err, out.Close()); err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			return follow.ExitInterrupted
		}
	}
	return errors.Join(failed...)
}

// following shows the logs of a run as they come.
type following struct {
	choice  choice
	reader  *reader
	printer *printer
	run     *v1alpha1.CIRun

	read    context.Context // of the logs
	watched context.CancelFunc
	logs    map[string]*stream // by Pod
	several bool
	refused error
	last    view.Snapshot
	failed  atomic.Bool // a log could not be shown, which was said
}

// stream is a log that is being shown.
type stream struct {
	target
	ended chan struct{} // closed when the replica has ended
	shown chan struct{} // closed when its log is shown
}

// followAll shows the logs of a run, or of one phase, until it has ended. It returns how: nil for a success, else a cli.Exit of package
// follow, or why it could not be told.
func followAll(ctx context.Context, live client.WithWatch, run *v1alpha1.CIRun, c choice, r *reader, p *printer) error {
	watch, watched := context.WithCancel(ctx)
	defer watched()
	read, stop := context.WithCancel(ctx)
	defer stop()
	f := &following{choice: c, reader: r, printer: p, run: run, read: read, watched: watched, logs: map[string]*stream{}}
	_, err := follow.Watch(watch, live, run, func(line string) { r.say("%s", line) }, f.show)
	if err != nil && watch.Err() == nil {
		stop()
	}
	f.wait()
	switch {
	case ctx.Err() != nil:
		r.say("stopped following; run %s goes on", run.Name)
		return follow.ExitInterrupted
	case f.refused != nil:
		return f.refused
	case err != nil && watch.Err() == nil:
		return err
	case f.failed.Load():
		return follow.ExitUnknown
	case len(f.logs) == 0 && c.phase != "":
		r.say("%v", c.nothing(f.last))
	}
	return f.result()
}

// show begins with the logs that have come, and tells the others what has ended.
func (f *following) show(s view.Snapshot) {
	f.last = s
	if f.refused = f.choice.refuse(s); f.refused != nil {
		f.watched()
		return
	}
	for _, t := range f.choice.pick(s) {
		if f.logs[t.replica.Pod] == nil {
			f.begin(t, s)
		}
	}
	f.end(s)
	if f.choice.over(s) {
		f.watched()
	}
}

// begin shows a log, after those that it is behind.
func (f *following) begin(t target, s view.Snapshot) {
	if len(f.logs) == 0 {
		f.several = f.choice.several(s)
	}
	var before []<-chan struct{}
	for _, other := range f.logs {
		if t.behind(other.target) {
			before = append(before, other.shown)
		}
	}
	l := &stream{target: t, ended: make(chan struct{}), shown: make(chan struct{})}
	out := f.printer.alone()
	if f.several {
		out = f.printer.beside(t.name(), len(f.logs))
	}
	f.logs[t.replica.Pod] = l
	go func() {
		defer close(l.shown)
		for _, shown := range before {
			<-shown
		}
		if t.attempt > 1 {
			f.reader.say("%s: attempt %d", t.name(), t.attempt)
		}
		err := f.reader.read(f.read, t, l.ended, out)
		if err := errors.Join(err, out.Close()); err != nil && f.read.Err() == nil {
			f.reader.say("%v", err)
			_, none := errors.AsType[noLogError](err)
			f.failed.CompareAndSwap(false, !none) // what never had a log is told by how the run ended
		}
	}()
}

// end tells the logs whose replica has ended.
func (f *following) end(s view.Snapshot) {
	now := map[string]target{}
	for i := range s.Phases {
		phase := &s.Phases[i]
		for _, attempt := range phase.Status.Attempts {
			for _, replica := range attempt.Replicas {
				now[replica.Pod] = target{phase, attempt.Number, replica}
			}
		}
	}
	for pod, l := range f.logs {
		t, there := now[pod]
		if !there || t.ended() || view.State(s.Run).Terminal() {
			select {
			case <-l.ended:
			default:
				close(l.ended)
			}
		}
	}
}

func (f *following) wait() {
	for _, l := range f.logs {
		<-l.shown
	}
}

// result is how the phase that was asked for has ended, or the run.
func (f *following) result() error {
	if f.choice.phase == "" {
		state := view.State(f.last.Run)
		if why := view.Why(f.last.Run); state != v1alpha1.RunSucceeded {
			f.reader.say("run %s %s%s", f.run.Name, state, because(why))
		}
		return follow.Result(state)
	}
	switch state := f.choice.state(f.last); v1alpha1.PhaseState(state) {
	case v1alpha1.PhaseSucceeded:
		return nil
	case v1alpha1.PhaseCancelled, v1alpha1.PhaseSkipped:
		return follow.ExitCancelled
	case v1alpha1.PhaseFailed:
		return follow.ExitFailed
	default:
		return fmt.Errorf("what became of phase %s of run %s could not be told: it is %s", f.choice.phase, f.run.Name, state)
	}
}
