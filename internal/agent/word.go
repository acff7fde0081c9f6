package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"katkit.dev/katkit/internal/contract"
)

// The word is the checkout's report, left as a file for exec. Beside it is a FIFO that carries no data: checkout holds
// its writing end as long as it lives, so that exec, which waits at the other end, wakes up in the moment checkout is
// done, and also when it was killed. Unlike inotify a FIFO needs nothing of which a node has only a few.
const (
	wordFile  = "word"
	aliveFifo = "alive"
)

// errNoWord says that checkout ended without leaving a word.
var errNoWord = errors.New("the container checkout ended before it was done; its own state says why, out of memory is a usual cause")

// prepareControl makes the shared folder and its FIFO, whichever container comes first and whatever users they run as.
func prepareControl(dir string) error {
	defer unix.Umask(unix.Umask(0))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := unix.Mkfifo(filepath.Join(dir, aliveFifo), 0o666); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make %s: %w", filepath.Join(dir, aliveFifo), err)
	}
	return nil
}

// holdAlive is for checkout: it keeps exec waiting until the file is closed, after the word was left.
func holdAlive(dir string) (alive *os.File, err error) {
	if err := prepareControl(dir); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(dir, aliveFifo), os.O_RDWR, 0) // O_RDWR does not wait for a reader
}

// leaveWord puts the report where exec looks for it, whole or not at all.
func leaveWord(dir string, r contract.Report) error {
	temporary := filepath.Join(dir, wordFile+".new")
	if err := os.WriteFile(temporary, r.Marshal(), 0o666); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(dir, wordFile))
}

// awaitWord waits until checkout has left its word, is gone without one (errNoWord), or ctx is done.
func awaitWord(ctx context.Context, dir string) (contract.Report, error) {
	if err := prepareControl(dir); err != nil {
		return contract.Report{}, err
	}
	// Opened before the file is looked for, so that no end of checkout is missed in between.
	alive, err := unix.Open(filepath.Join(dir, aliveFifo), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return contract.Report{}, fmt.Errorf("open %s: %w", filepath.Join(dir, aliveFifo), err)
	}
	if r, err := readWord(dir); !errors.Is(err, errNoWord) {
		unix.Close(alive)
		return r, err
	}
	gone := make(chan error, 1)
	go func() {
		defer unix.Close(alive)
		gone <- awaitHangup(ctx, alive)
	}()
	select {
	case <-ctx.Done():
		return contract.Report{}, ctx.Err()
	case err := <-gone:
		if err != nil {
			return contract.Report{}, err
		}
		return readWord(dir)
	}
}

// awaitHangup blocks until the last writer of the FIFO has gone. Linux does not count a writer that came and went
// before fd was opened, or one that has yet to come.
func awaitHangup(ctx context.Context, fd int) error {
	timeout := -1
	if deadline, ok := ctx.Deadline(); ok {
		timeout = int(time.Until(deadline)/time.Millisecond) + 1
	}
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd)}}, timeout) //nolint:gosec // a file descriptor is a small number
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for the checkout: %w", err)
		case n == 0:
			return context.DeadlineExceeded
		default:
			return nil
		}
	}
}

func readWord(dir string) (contract.Report, error) {
	word, err := os.ReadFile(filepath.Join(dir, wordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return contract.Report{}, errNoWord
	}
	if err != nil {
		return contract.Report{}, err
	}
	return contract.ParseReport(word)
}
