package logstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"
	testclock "k8s.io/utils/clock/testing"

	"katkit.dev/katkit/internal/contract"
)

var aLog = Log{Namespace: "d-shop", Pod: "build-1-test-0a1b2c3d-1-0", UID: "8b1e7f6c-0000-4000-8000-000000000001"}

// at is when the tests' clock begins.
var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// opener opens an empty bucket.
type opener = func(*testing.T) *Bucket

// buckets are those that each test of the store is done with. Those of real servers are in server_test.go.
func buckets(t *testing.T) map[string]opener {
	t.Helper()
	return map[string]opener{
		"in memory": func(t *testing.T) *Bucket {
			t.Helper()
			return closed(t, &Bucket{Bucket: memblob.OpenBucket(nil)})
		},
		"in a folder": aFolder,
	}
}

func aFolder(t *testing.T) *Bucket {
	t.Helper()
	b, err := OpenBucket(t.Context(), "file://"+t.TempDir()+"/logs")
	if err != nil {
		t.Fatal(err)
	}
	return closed(t, b)
}

func closed(t *testing.T, b *Bucket) *Bucket {
	t.Helper()
	t.Cleanup(func() { b.Close() })
	return b
}

func newTestStore(b *Bucket) (*Store, *testclock.FakeClock) {
	clock := testclock.NewFakeClock(at)
	return NewStore(b, clock, Limits{LogBytes: 1 << 30}), clock
}

// Append is a write of a log.
func (s *Store) Append(ctx context.Context, log Log, offset int64, body io.Reader, complete bool) (contract.LogState, error) {
	w, err := s.Open(ctx, log)
	if err != nil {
		return contract.LogState{}, err
	}
	defer w.Close()
	return w.Append(ctx, offset, body, complete)
}

func appendText(t *testing.T, s *Store, offset int64, text string, complete bool) contract.LogState {
	t.Helper()
	state, err := s.Append(t.Context(), aLog, offset, strings.NewReader(text), complete)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func stored(t *testing.T, s *Store) string {
	t.Helper()
	var all bytes.Buffer
	if _, _, err := s.Copy(t.Context(), &all, aLog, 0, math.MaxInt64); err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func keys(t *testing.T, b *Bucket) []string {
	t.Helper()
	var all []string
	for o, err := range b.list(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o.Key)
	}
	return all
}

// text makes lines of odd lengths.
func text(random *rand.Rand, size int) []byte {
	content := make([]byte, size)
	for i := range content {
		content[i] = "abcdefghijklmnopqrstuvwxyz0123456789 \r\n\n"[random.IntN(40)]
	}
	return content
}

var errInjected = errors.New("the connection was reset")

// broken yields some bytes, then fails.
func broken(content []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(content), failing{})
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errInjected }

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
