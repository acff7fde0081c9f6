// Package filelock lets one process at a time do something. A lock ends with the process that holds it, however
// that ends. build and cluster use it.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"katkit.dev/katkit/hack/localkube/internal/progress"
)

// interval is the time between two tries.
const interval = 200 * time.Millisecond

// Lock takes the lock of a file, which it makes if need be, waiting until it is free or ctx ends. While it
// waits it shows `reason`. The returned function gives the lock back.
func Lock(ctx context.Context, path string, out *progress.Printer, reason string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := wait(ctx, f, out, reason); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

func wait(ctx context.Context, f *os.File, out *progress.Printer, reason string) error {
	try := func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
	err := try()
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return err
	}
	out.Line("waiting: %s", reason)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for errors.Is(err, unix.EWOULDBLOCK) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s (lock %s): %w", reason, f.Name(), ctx.Err())
		case <-tick.C:
			err = try()
		}
	}
	return err
}
