package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"katkit.dev/katkit/internal/contract"
)

// shipping is a spool that is written to while a shipper brings it to a store, all in this process.
type shipping struct {
	t     *testing.T
	paths Paths
	store *fakeLogStore
	log   bytes.Buffer // of what ships; whole when it has ended
	spool *spool
	tell  context.CancelFunc // TERM
	came  chan contract.LogReport
}

// fast is a pace for tests.
func fast() pace {
	return pace{
		look: time.Millisecond, gather: 5 * time.Millisecond, request: 300 * time.Millisecond, backoff: 5 * time.Millisecond,
		farewell: time.Second, patience: time.Minute, most: 1 << 20, enough: 1 << 18,
	}
}

func startShipping(t *testing.T, p pace) *shipping {
	t.Helper()
	s := &shipping{t: t, paths: pathsIn(t.TempDir()), store: newFakeLogStore(t), came: make(chan contract.LogReport, 1)}
	s.store.env(t, s.paths)
	s.begin(p)
	return s
}

func (s *shipping) begin(p pace) {
	s.t.Helper()
	var err error
	if s.spool, err = openSpool(s.paths.Spool); err != nil || s.spool == nil {
		s.t.Fatalf("spool %v: %v", s.spool, err)
	}
	s.ship(p)
}

// ship starts it.
func (s *shipping) ship(p pace) {
	s.t.Helper()
	store, err := newLogStore(s.store.URL, "", s.paths.LogToken, "d-taskrunner", "run-0-build-0badcafe-1-0")
	if err != nil {
		s.t.Fatal(err)
	}
	told, tell := context.WithCancel(s.t.Context())
	s.tell = tell
	log, err := openUnsent(s.paths.Spool)
	if err != nil {
		s.t.Fatal(err)
	}
	shipper := &shipper{store: store, log: log, pace: p, tell: func(format string, args ...any) { fmt.Fprintf(&s.log, format+"\n", args...) }}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.came <- shipper.run(told)
	}()
	s.t.Cleanup(func() { tell(); s.spool.close(); <-ended })
}

func (s *shipping) end() contract.LogReport {
	s.t.Helper()
	select {
	case r := <-s.came:
		return r
	case <-time.After(60 * time.Second):
		s.t.Fatal("what ships is still running")
		return contract.LogReport{}
	}
}

// wantStored waits for the end, with all stored as it was written, and nothing left on disk.
func (s *shipping) wantStored(want string) {
	s.t.Helper()
	s.wantGap("", want)
}

// wantGap waits for the end, at which this is stored and the report says what is missing; "": nothing is.
func (s *shipping) wantGap(missing, want string) {
	s.t.Helper()
	if r := s.end(); r.Complete != (missing == "") || r.Bytes != int64(len(want)) || !strings.Contains(r.Message, missing) || (r.Message == "") != (missing == "") {
		s.t.Errorf("want %d bytes, missing %q: %+v\nlog:\n%s", len(want), missing, r, s.log.String())
	}
	got, complete := s.store.has()
	if !complete || got != want {
		s.t.Fatalf("stored are %d bytes, complete %t, different from the %d that were written; log:\n%s", len(got), complete, len(want), s.log.String())
	}
	if parts, _ := filepath.Glob(filepath.Join(s.paths.Spool, "part-*")); len(parts) > 0 {
		s.t.Errorf("left on disk: %v", parts)
	}
}

// text is a log of so many bytes.
func text(r *rand.Rand, size int) string {
	block := make([]byte, 4096)
	for i := range block {
		block[i] = "abcdefghijklmnopqrstuvwxyz\n"[r.IntN(27)]
	}
	var b strings.Builder
	for b.Len() < size {
		at := r.IntN(len(block))
		b.Write(block[at:])
	}
	return b.String()[:size]
}

// TestShipStoresEveryByte: whatever fails for a while, however the output comes, the store has what was written in the end.
func TestShipStoresEveryByte(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			size := []int{0, 1, 100, 70_000, 3 << 20, contract.SpoolFileBytes, contract.SpoolFileBytes + 1, 40 << 20}[seed%8]
			want := text(r, size)
			s := &shipping{t: t, paths: pathsIn(t.TempDir()), store: newFakeLogStore(t), came: make(chan contract.LogReport, 1)}
			s.store.env(t, s.paths)
			faults := rand.New(rand.NewPCG(seed, 2))
			s.store.fault = func(n int) fault {
				if n <= int(seed%5) {
					return unavailable // down at first
				}
				return []fault{fine, fine, fine, fine, fine, unavailable, tooMany, broken, cut, lostAnswer, rejected, nonsense, ahead, silent}[faults.IntN(14)]
			}
			s.begin(fast())
			for at := 0; at < len(want); {
				n := min(len(want)-at, 1+r.IntN(1<<[]int{4, 12, 17, 22}[r.IntN(4)]))
				_, _ = s.spool.Write([]byte(want[at : at+n]))
				at += n
			}
			s.spool.close()
			s.wantStored(want)
		})
	}
}

func TestShipSendsWhileTheBuildGoesOn(t *testing.T) {
	s := startShipping(t, fast())
	fmt.Fprint(s.spool, "one\n")
	eventually(t, "the first line is stored", func() bool { got, _ := s.store.has(); return got == "one\n" })
	fmt.Fprint(s.spool, "two\n")
	eventually(t, "the second line is stored", func() bool { got, complete := s.store.has(); return got == "one\ntwo\n" && !complete })
	s.spool.close()
	s.wantStored("one\ntwo\n")
}

func TestShipReadsTheTokenForEveryRequest(t *testing.T) {
	s := startShipping(t, fast())
	fmt.Fprint(s.spool, "one\n")
	eventually(t, "the first line is stored", func() bool { got, _ := s.store.has(); return got != "" })
	s.store.change(func() { s.store.token = "token-2" })
	fmt.Fprint(s.spool, "two\n")
	s.spool.close()
	eventually(t, "it is refused", func() bool { var n int; s.store.change(func() { n = s.store.seen }); return n > 5 })
	writeFile(t, s.paths.LogToken, "token-2\n", 0o600)
	s.wantStored("one\ntwo\n")
	if strings.Contains(s.log.String(), "token-") {
		t.Errorf("the token is in the log: %s", s.log.String())
	}
}

func TestShipGivesUpInTheEnd(t *testing.T) {
	p := fast()
	p.patience = 50 * time.Millisecond
	s := startShipping(t, p)
	s.store.change(func() { s.store.fault = func(int) fault { return unavailable } })
	fmt.Fprint(s.spool, "never stored\n")
	s.spool.close()
	r := s.end()
	if r.Complete || r.Bytes != 0 || !strings.Contains(r.Message, "no more time") || !strings.Contains(r.Message, `503 Service Unavailable: down for maintenance`) ||
		!strings.Contains(r.Message, "not stored 13") {
		t.Errorf("%+v", r)
	}
	if lines := strings.Count(s.log.String(), "\n"); lines != 2 {
		t.Errorf("its log:\n%s", s.log.String())
	}
}

// TestShipStopsWhereTheStoreTakesNoMore: the rest of the log takes no room on disk, and whoever follows the log learns of its end, and
// where and why it ends; also if the answer to that is lost.
func TestShipStopsWhereTheStoreTakesNoMore(t *testing.T) {
	for name, c := range map[string]struct {
		strict     bool
		lostAnswer bool
	}{"": {}, "not a word more": {strict: true}, "the answer is lost": {lostAnswer: true}} {
		t.Run(name, func(t *testing.T) {
			s := startShipping(t, fast())
			s.store.change(func() { s.store.most, s.store.strict = 5<<20, c.strict })
			const all = 2*contract.SpoolFileBytes + 5
			want := text(rand.New(rand.NewPCG(1, 1)), all)
			fmt.Fprint(s.spool, want)
			eventually(t, "the rest is given up", func() bool { return !exists(filepath.Join(s.paths.Spool, "part-1")) })
			s.store.change(func() {
				last := s.store.seen + 1
				s.store.fault = func(n int) fault {
					if c.lostAnswer && n == last {
						return lostAnswer
					}
					return fine
				}
			})
			s.spool.close()
			r := s.end()
			if r.Complete || r.Bytes > 5<<20 || r.Bytes < 5<<20-leastRequest || !strings.Contains(r.Message, "takes no more of the log: the log store answers 413") ||
				!strings.Contains(r.Message, fmt.Sprintf("not stored %d", all-r.Bytes)) {
				t.Errorf("%+v", r)
			}
			words := fmt.Sprintf("\n[katkit] the log store took no more of the log from here on, and %d bytes are missing: "+
				"the log store answers 413 Request Entity Too Large: %q\n", all-r.Bytes, "too much\n")
			if c.strict {
				words = ""
			}
			if got, complete := s.store.has(); got != want[:r.Bytes]+words || !complete {
				t.Errorf("stored are %d bytes, complete %t: …%q", len(got), complete, got[len(got)-200:])
			}
		})
	}
}

// TestLastWordsAreFew: whatever the store, or what is before it, has to say.
func TestLastWordsAreFew(t *testing.T) {
	s := &shipper{full: errors.New(strings.Repeat("€", maxAnswer)), stored: 1 << 60}
	words, err := io.ReadAll(s.lastWords())
	if err != nil || len(words) > contract.MaxLastWords || !utf8.Valid(words) || !bytes.HasSuffix(words, []byte("€…\n")) {
		t.Errorf("%d bytes: %q, %v", len(words), words, err)
	}
}

// TestShipSendsLessAtOnce: a proxy on the way takes no more.
func TestShipSendsLessAtOnce(t *testing.T) {
	s := startShipping(t, fast())
	s.store.change(func() { s.store.mostAtOnce = 200_000 })
	want := text(rand.New(rand.NewPCG(1, 1)), 3<<20)
	fmt.Fprint(s.spool, want)
	s.spool.close()
	s.wantStored(want)
}

// TestShipTakesItsLeave: told to stop, it gets out what is there, also amid a request that hangs, or after one that failed.
func TestShipTakesItsLeave(t *testing.T) {
	for name, f := range map[string]fault{"amid a request": silent, "after one that failed": unavailable} {
		t.Run(name, func(t *testing.T) {
			p := fast()
			p.request, p.backoff, p.look, p.farewell = time.Minute, time.Hour, 10*time.Millisecond, 10*time.Second
			s := startShipping(t, p)
			s.store.change(func() {
				s.store.fault = func(n int) fault {
					if n == 1 {
						return f
					}
					return fine
				}
			})
			fmt.Fprint(s.spool, "last words\n")
			eventually(t, "it tries", func() bool { var n int; s.store.change(func() { n = s.store.seen }); return n > 0 })
			s.tell()
			s.spool.close()
			s.wantStored("last words\n")
		})
	}
	t.Run("before there was a log", func(t *testing.T) {
		s := &shipping{t: t, paths: pathsIn(t.TempDir()), store: newFakeLogStore(t), came: make(chan contract.LogReport, 1)}
		s.store.env(t, s.paths)
		s.ship(fast())
		s.tell()
		if r := s.end(); r.Complete || !strings.Contains(r.Message, "did not start") || s.store.seen > 0 {
			t.Errorf("%+v after %d requests", r, s.store.seen)
		}
	})
}

// TestShipGoesOnWhereAnotherStopped: the container is started again amid the log.
func TestShipGoesOnWhereAnotherStopped(t *testing.T) {
	s := startShipping(t, fast())
	want := text(rand.New(rand.NewPCG(1, 1)), contract.SpoolFileBytes/2)
	fmt.Fprint(s.spool, want)
	eventually(t, "all is stored", func() bool { got, _ := s.store.has(); return len(got) == len(want) })
	s.tell()
	p := fast()
	s.end()
	s.came = make(chan contract.LogReport, 1)
	s.ship(p)
	fmt.Fprint(s.spool, "more\n")
	s.spool.close()
	s.wantStored(want + "more\n")
	if s.store.bytes != int64(len(want)+5) {
		t.Errorf("%d bytes were stored for %d", s.store.bytes, len(want)+5)
	}
}

// TestShipTellsWhatTheStoreLost: what it had and lost is gone from the disk; the log says so, and goes on.
func TestShipTellsWhatTheStoreLost(t *testing.T) {
	s := startShipping(t, fast())
	first := text(rand.New(rand.NewPCG(1, 1)), contract.SpoolFileBytes)
	fmt.Fprint(s.spool, first)
	fmt.Fprint(s.spool, "more\n")
	eventually(t, "all is stored", func() bool { got, _ := s.store.has(); return len(got) == len(first)+5 })
	eventually(t, "the first file is removed", func() bool { return !exists(filepath.Join(s.paths.Spool, "part-0")) })
	s.store.change(func() { s.store.log = s.store.log[:100] })
	fmt.Fprint(s.spool, "again\n")
	s.spool.close()
	if r := s.end(); r.Complete || !strings.Contains(r.Message, "has them no more") {
		t.Errorf("%+v", r)
	}
	got, _ := s.store.has()
	if want := first[:100] + fmt.Sprintf("\n[katkit] %d bytes of the log are missing here: the log store had taken them, and has them no more\nmore\nagain\n", len(first)-100); got != want {
		t.Errorf("stored: %.300q", got)
	}
}
