package filelock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"katkit.dev/katkit/hack/localkube/internal/progress"
)

func TestOneHoldsTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	out := progress.New(null)
	unlock, err := Lock(t.Context(), path, out, "held by the test")
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Lock(short, path, out, "held by the test"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a second one got it, or another error: %v", err)
	}
	got := make(chan error)
	go func() {
		second, err := Lock(t.Context(), path, out, "held by the test")
		if err == nil {
			second()
		}
		got <- err
	}()
	unlock()
	select {
	case err := <-got:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody gets the lock that was given back")
	}
}
