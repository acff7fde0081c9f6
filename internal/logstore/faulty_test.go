package logstore

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// faulty is a bucket across a bad network. Some requests fail, and of the writes that fail some are stored all the same, at once or
// when nobody thinks of them any more.
type faulty struct {
	driver.Bucket // what is not used
	mu            sync.Mutex
	random        *rand.Rand
	objects       map[string]thing
	late          []func()
}

type thing struct {
	content []byte
	stored  time.Time
}

func aFaulty(t *testing.T, random *rand.Rand) *Bucket {
	t.Helper()
	return closed(t, &Bucket{Bucket: blob.NewBucket(&faulty{random: random, objects: map[string]thing{}})})
}

func (f *faulty) Close() error                           { return nil }
func (f *faulty) ErrorAs(error, any) bool                { return false }
func (f *faulty) As(any) bool                            { return false }
func (f *faulty) ErrorCode(err error) gcerrors.ErrorCode { return gcerrors.Unknown }

// fails tells whether a request does, and lets what is late arrive now and then.
func (f *faulty) fails() bool {
	if len(f.late) > 0 && f.random.IntN(4) == 0 {
		f.late[0]()
		f.late = f.late[1:]
	}
	return f.random != nil && f.random.IntN(8) == 0
}

func (f *faulty) ListPaged(_ context.Context, opts *driver.ListOptions) (*driver.ListPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails() {
		return nil, errInjected
	}
	var page driver.ListPage
	for key, o := range f.objects {
		if strings.HasPrefix(key, opts.Prefix) {
			page.Objects = append(page.Objects, &driver.ListObject{Key: key, Size: int64(len(o.content)), ModTime: o.stored, AsFunc: f.As})
		}
	}
	slices.SortFunc(page.Objects, func(a, b *driver.ListObject) int { return strings.Compare(a.Key, b.Key) })
	return &page, nil
}

func (f *faulty) NewRangeReader(_ context.Context, key string, offset, length int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails() {
		return nil, errInjected
	}
	content := f.objects[key].content[offset:]
	return &faultyReader{Reader: io.LimitReader(bytes.NewReader(content), length)}, nil
}

type faultyReader struct{ io.Reader }

func (*faultyReader) Close() error                         { return nil }
func (*faultyReader) Attributes() *driver.ReaderAttributes { return &driver.ReaderAttributes{} }
func (*faultyReader) As(any) bool                          { return false }

func (f *faulty) NewTypedWriter(ctx context.Context, key, _ string, _ *driver.WriterOptions) (driver.Writer, error) {
	return &faultyWriter{f: f, ctx: ctx, key: key}, nil
}

type faultyWriter struct {
	bytes.Buffer
	f   *faulty
	ctx context.Context
	key string
}

func (w *faultyWriter) Close() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	store := func() { w.f.objects[w.key] = thing{content: w.Bytes(), stored: at} }
	if !w.f.fails() {
		store()
		return nil
	}
	switch w.f.random.IntN(3) {
	case 0:
		store()
	case 1:
		w.f.late = append(w.f.late, store)
	}
	return errInjected
}

func TestALogIsWhatWasWrittenThoughTheBucketFails(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 2))
		write(t, random, aFaulty(t, random), aLog, text(random, random.IntN(100_000)))
	}
}

// faultless is the bucket of a network that is good.
func faultless(t *testing.T, f *faulty) *Bucket {
	t.Helper()
	f.random = nil
	return closed(t, &Bucket{Bucket: blob.NewBucket(f)})
}
