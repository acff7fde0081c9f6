package logstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gocloud.dev/blob"
)

// patience is how long a bucket is waited for, and how often something is tried. The zero value waits for ever, and tries once.
type patience struct {
	// request is for the answer to a request, or for the next bytes of an object; 0: for ever.
	request time.Duration
	// tries are of what changes nothing, with pauses between them: the first one, then four times as long each. A write is sent once.
	tries int
	pause time.Duration
}

var (
	// networkPatience ends before that of who ships a log, which waits a minute for an answer, and then asks again.
	networkPatience = patience{request: 30 * time.Second, tries: 4, pause: 50 * time.Millisecond}
	// folderPatience is for a page that is listed while a file gets its name.
	folderPatience = patience{tries: 5}
)

// errSilent: the bucket was waited for in vain.
var errSilent = errors.New("the bucket does not answer")

// limit cancels unless it is told to stop in time.
func (p patience) limit(cancel context.CancelCauseFunc) (stop func()) {
	if p.request == 0 {
		return func() {}
	}
	timer := time.AfterFunc(p.request, func() { cancel(errSilent) })
	return func() { timer.Stop() }
}

// because adds to an error of the bucket that it came of limit, and hides what is secret in it.
func because(ctx context.Context, err error) error {
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return err
	case errors.Is(context.Cause(ctx), errSilent):
		return fmt.Errorf("%w: %w", errSilent, discreet{err})
	}
	return discreet{err}
}

// attempt returns the context of one request, which is sent once.
func (patience) attempt(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	return context.WithCancelCause(onlyOnce(ctx))
}

// again does what changes nothing until it succeeds, or patience ends. What it returns ends the context that it succeeded with, and is
// to be called after an error, too.
func (p patience) again(ctx context.Context, do func(context.Context) error) (context.CancelCauseFunc, error) {
	pause := p.pause
	for try := 1; ; try++ {
		one, cancel := p.attempt(ctx)
		stop := p.limit(cancel)
		err := because(one, do(one))
		stop()
		if err == nil {
			return cancel, nil
		}
		cancel(nil)
		if try >= p.tries || errors.Is(err, errSilent) {
			return cancel, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return cancel, err
		}
		pause *= 4
	}
}

// part is a part of an object that is read, as long as the bucket sends it.
type part struct {
	*blob.Reader
	patience
	ctx    context.Context //nolint:containedctx // what is read ends with it
	cancel context.CancelCauseFunc
}

func (p *part) Read(into []byte) (int, error) {
	defer p.limit(p.cancel)()
	n, err := p.Reader.Read(into)
	return n, because(p.ctx, err)
}

func (p *part) Close() error {
	defer p.cancel(nil)
	return p.Reader.Close()
}
