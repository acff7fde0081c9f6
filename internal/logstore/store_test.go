package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"katkit.dev/katkit/internal/contract"
)

// What is acknowledged is stored, and what is stored is what was written, whatever is sent twice, from too early or too late, cut,
// given to another replica, or interrupted by a failing bucket.
func TestALogIsWhatWasWrittenWhateverHappens(t *testing.T) {
	for name, open := range buckets(t) {
		t.Run(name, func(t *testing.T) { whatHappens(t, open, 20) })
	}
}

func whatHappens(t *testing.T, open opener, seeds uint64) {
	t.Helper()
	for seed := range seeds {
		random := rand.New(rand.NewPCG(seed, 1))
		bucket := open(t)
		log := Log{Namespace: "d-shop", Pod: "p", UID: fmt.Sprintf("uid-%d", seed)}
		content := text(random, random.IntN(400_000))
		write(t, random, bucket, log, content)
	}
}

func write(t *testing.T, random *rand.Rand, bucket *Bucket, log Log, content []byte) {
	t.Helper()
	one, clock := newTestStore(bucket)
	stores := []*Store{one, NewStore(bucket, clock, Limits{LogBytes: 1 << 30})}
	var acknowledged int64
	for step := 0; ; step++ {
		clock.Step(growFor * 2 / 5)
		which := random.IntN(len(stores))
		if random.IntN(8) == 0 { // it was killed, and began anew
			stores[which] = NewStore(bucket, clock, Limits{LogBytes: 1 << 30})
		}
		from := max(0, acknowledged-int64(random.IntN(2000)))
		if random.IntN(10) == 0 {
			from = min(int64(len(content)), acknowledged+int64(random.IntN(500)))
		}
		to := min(int64(len(content)), from+int64(random.IntN(1+random.IntN(60_000))))
		complete := to == int64(len(content)) && random.IntN(2) == 0
		body := io.Reader(bytes.NewReader(content[from:to]))
		if random.IntN(2) == 0 {
			body = iotest.OneByteReader(body)
		}
		ctx := t.Context()
		switch random.IntN(10) {
		case 0:
			body = broken(content[from:to])
		case 1:
			ctx = canceled()
		}
		state, err := stores[which].Append(ctx, log, from, body, complete)
		var conflict *ConflictError
		switch {
		case errors.As(err, &conflict):
			if from <= acknowledged {
				t.Fatalf("step %d: %v, though %d bytes were acknowledged and it began at %d", step, err, acknowledged, from)
			}
			state = conflict.State
		case err != nil:
			continue
		case state.Bytes < to:
			t.Fatalf("step %d: %d bytes are acknowledged after a write of %d to %d", step, state.Bytes, from, to)
		case complete && !state.Complete, state.Complete && state.Bytes < int64(len(content)):
			t.Fatalf("step %d: complete is %v with %d bytes of %d", step, state.Complete, state.Bytes, len(content))
		}
		acknowledged = max(acknowledged, state.Bytes) // a replica may not know yet what another one has
		var all bytes.Buffer
		if step%10 == 0 || state.Complete {
			n, seen, err := stores[1-which].Copy(t.Context(), &all, log, 0, 1<<62)
			if errors.Is(err, errInjected) {
				continue
			}
			if err != nil || n < acknowledged || seen.Bytes != n || (state.Complete && !seen.Complete) || !bytes.Equal(all.Bytes(), content[:n]) {
				t.Fatalf("step %d: %d bytes with %+v (%v) are read, not the %d that were acknowledged with %+v", step, n, seen, err, acknowledged, state)
			}
		}
		if state.Complete {
			return
		}
	}
}

// The answer to a write may get lost in any way: the bytes are there, and are passed over when they come again.
func TestAWriteThatComesAgainChangesNothing(t *testing.T) {
	for name, open := range buckets(t) {
		t.Run(name, func(t *testing.T) { comesAgain(t, open) })
	}
}

func comesAgain(t *testing.T, open opener) {
	t.Helper()
	bucket := open(t)
	s, _ := newTestStore(bucket)
	for range 3 {
		if got, want := appendText(t, s, 0, "one\ntwo\n", true), (contract.LogState{Bytes: 8, Complete: true}); got != want {
			t.Fatalf("the state is %+v, not %+v", got, want)
		}
	}
	if got := keys(t, bucket); len(got) != 2 {
		t.Errorf("%d objects are stored: %q", len(got), got)
	}
	if got := stored(t, s); got != "one\ntwo\n" {
		t.Errorf("%q is stored", got)
	}
}

func TestWhatDoesNotFitIsRefusedWithTheState(t *testing.T) {
	doesNotFit(t, aFolder)
}

func doesNotFit(t *testing.T, open opener) {
	t.Helper()
	s, _ := newTestStore(open(t))
	appendText(t, s, 0, "12345", false)
	for name, test := range map[string]struct {
		offset   int64
		text     string
		complete bool
		want     contract.LogState
		reason   string
	}{
		"a gap":                       {offset: 6, text: "7", want: contract.LogState{Bytes: 5}, reason: "leaves a gap"},
		"no bytes behind a gap":       {offset: 6, complete: true, want: contract.LogState{Bytes: 5}, reason: "leaves a gap"},
		"an end before what is there": {offset: 0, text: "123", complete: true, want: contract.LogState{Bytes: 5}, reason: "ends before"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, s, test.offset, test.text, test.complete, test.want, test.reason)
		})
	}
	appendText(t, s, 5, "", true)
	refused(t, s, 5, "6", false, contract.LogState{Bytes: 5, Complete: true}, "is complete")
}

func refused(t *testing.T, s *Store, offset int64, text string, complete bool, want contract.LogState, reason string) {
	t.Helper()
	_, err := s.Append(t.Context(), aLog, offset, strings.NewReader(text), complete)
	var conflict *ConflictError
	if !errors.As(err, &conflict) || conflict.State != want || !strings.Contains(conflict.Reason, reason) {
		t.Errorf("the error is %v (%+v)", err, conflict)
	}
}

func TestALogHasSoManyBytesAtMost(t *testing.T) {
	bucket := aFolder(t)
	_, clock := newTestStore(bucket)
	s := NewStore(bucket, clock, Limits{LogBytes: 10})
	appendText(t, s, 0, "1234567", false)
	if _, err := s.Append(t.Context(), aLog, 7, strings.NewReader("89ab"), false); !errors.Is(err, ErrTooLong) {
		t.Errorf("the error is %v", err)
	}
	if got, want := appendText(t, s, 7, "89a", false), (contract.LogState{Bytes: 10}); got != want {
		t.Errorf("the state is %+v", got)
	}
	if got, want := appendText(t, s, 10, "", true), (contract.LogState{Bytes: 10, Complete: true}); got != want {
		t.Errorf("the state is %+v", got)
	}
}

func TestWhatTricklesInMakesFewObjects(t *testing.T) {
	tricklesIn(t, aFolder)
}

func tricklesIn(t *testing.T, open opener) {
	t.Helper()
	bucket := open(t)
	s, clock := newTestStore(bucket)
	var want strings.Builder
	for second := range 120 {
		line := fmt.Sprintf("line of second %d\n", second)
		appendText(t, s, int64(want.Len()), line, false)
		want.WriteString(line)
		clock.Step(growFor / 10)
	}
	if got := len(keys(t, bucket)); got != 12 {
		t.Errorf("%d objects are stored of 12 times growFor", got)
	}
	if stored(t, s) != want.String() {
		t.Error("it is not what was written")
	}
}

func TestAnObjectIsWrittenOnceASecond(t *testing.T) {
	bucket := aFolder(t)
	s, clock := newTestStore(bucket)
	for i, want := range []int{1, 2, 2, 3} {
		appendText(t, s, int64(i), "x", false)
		if got := len(keys(t, bucket)); got != want {
			t.Errorf("%d objects are stored after %d writes, not %d", got, i+1, want)
		}
		if i == 1 {
			clock.Step(growEvery)
		}
	}
}

// A process does not touch an object whose last write it does not know the end of, nor one of another process.
func TestAnObjectGrowsInOneProcessAlone(t *testing.T) {
	growsAlone(t, aFolder)
}

func growsAlone(t *testing.T, open opener) {
	t.Helper()
	bucket := open(t)
	one, clock := newTestStore(bucket)
	other := NewStore(bucket, clock, Limits{LogBytes: 1 << 30})
	appendText(t, one, 0, "a", false)
	appendText(t, other, 1, "b", false)
	appendText(t, one, 2, "c", false)
	if got := len(keys(t, bucket)); got != 3 {
		t.Errorf("%d objects are stored of 3 writes that two processes took in turns", got)
	}
	if _, err := one.Append(t.Context(), aLog, 3, broken([]byte("d")), false); err == nil {
		t.Error("a body that broke off was stored")
	}
	appendText(t, one, 3, "d", false)
	if got := len(keys(t, bucket)); got != 4 {
		t.Errorf("%d objects are stored: what failed to grow was tried again", got)
	}
	if got := stored(t, other); got != "abcd" {
		t.Errorf("%q is stored", got)
	}
}

func TestAWriteWaitsForTheOneBefore(t *testing.T) {
	s, _ := newTestStore(aFolder(t))
	reading, body := io.Pipe()
	first := make(chan error, 1)
	go func() {
		_, err := s.Append(t.Context(), aLog, 0, reading, false)
		first <- err
	}()
	if _, err := body.Write([]byte("on")); err != nil { // so that it has the log
		t.Fatal(err)
	}
	if _, err := s.Append(canceled(), aLog, 0, strings.NewReader("one"), false); !errors.Is(err, ErrBusy) {
		t.Errorf("the error is %v", err)
	}
	_, err := body.Write([]byte("e"))
	if err := errors.Join(err, body.Close(), <-first); err != nil {
		t.Fatal(err)
	}
	if got := appendText(t, s, 0, "one, two", false); got.Bytes != 8 {
		t.Errorf("the state is %+v", got)
	}
}

func TestAFailedWriteLeavesNothing(t *testing.T) {
	fails(t, aFolder)
}

func fails(t *testing.T, open opener) {
	t.Helper()
	bucket := open(t)
	s, _ := newTestStore(bucket)
	for _, body := range []io.Reader{broken(nil), broken([]byte("x")), broken(make([]byte, 1<<20))} {
		var from *SourceError
		if _, err := s.Append(t.Context(), aLog, 0, body, false); !errors.As(err, &from) || !errors.Is(err, errInjected) {
			t.Errorf("the error is %v", err)
		}
	}
	if got := keys(t, bucket); len(got) > 0 {
		t.Errorf("%q is left", got)
	}
}

func TestAFullVolumeIsToldAndMended(t *testing.T) {
	bucket := aFolder(t)
	s, _ := newTestStore(bucket)
	appendText(t, s, 0, "before ", false)
	folder := bucket.dir + "/" + aLog.prefix()
	moved := bucket.dir + "/elsewhere"
	if err := errors.Join(os.Rename(folder, moved), os.WriteFile(strings.TrimSuffix(folder, "/"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err := s.Append(t.Context(), aLog, 7, strings.NewReader("after"), false)
	if answer, known := asRefusal(err, Limits{}); err == nil || known || answer.status != 503 {
		t.Fatalf("the error is %v", err)
	}
	if err := errors.Join(os.Remove(strings.TrimSuffix(folder, "/")), os.Rename(moved, folder)); err != nil {
		t.Fatal(err)
	}
	appendText(t, s, 7, "after", true)
	if got := stored(t, s); got != "before after" {
		t.Errorf("%q is stored", got)
	}
}
