package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	testclock "k8s.io/utils/clock/testing"

	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/test/bucketserver"
)

// What holds of a folder holds of a bucket that a server has, by the protocol of each cloud.
func TestBucketsOfServers(t *testing.T) {
	for _, kind := range bucketserver.Kinds {
		t.Run(kind.Name, func(t *testing.T) {
			s := &served{Server: kind.Start(t)}
			s.address = s.Bucket(t, "logs")
			for name, story := range map[string]func(*testing.T, opener){
				"a log is what was written, whatever happens": func(t *testing.T, open opener) { whatHappens(t, open, 2) }, //nolint:thelper // a story
				"a write that comes again changes nothing":    comesAgain,
				"what does not fit is refused":                doesNotFit,
				"what trickles in makes few objects":          tricklesIn,
				"an object grows in one process alone":        growsAlone,
				"a failed write leaves nothing":               fails,
				"a list has many pages":                       manyPages,
				"old logs are removed":                        getOld,
				"Pods of a namespace are told apart":          toldApart,
			} {
				t.Run(name, func(t *testing.T) { story(t, s.open) })
			}
			t.Run("each request is one, and there are few", s.costs)
			t.Run("a write is sent once", s.sentOnce)
			t.Run("what reads is tried again", s.triedAgain)
			t.Run("a bucket that does not answer is not waited for", s.silent)
		})
	}
}

// served is a server with a bucket.
type served struct {
	*bucketserver.Server
	address string
	opened  int
}

// open opens an empty part of the bucket.
func (s *served) open(t *testing.T) *Bucket {
	t.Helper()
	return s.openAt(t, s.address)
}

func (s *served) openAt(t *testing.T, address string) *Bucket {
	t.Helper()
	s.opened++
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("prefix", fmt.Sprintf("part-%d/", s.opened))
	u.RawQuery = query.Encode()
	b, err := OpenBucket(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	return closed(t, b)
}

// between opens an empty part of the bucket across a proxy that does something with each request; it answers itself if that is true.
func (s *served) between(t *testing.T, do func(http.ResponseWriter, *http.Request) bool) *Bucket {
	t.Helper()
	target := &url.URL{Scheme: "http", Host: s.Address}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // which is signed
	}}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !do(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	address := front.Listener.Addr().String()
	for name, value := range s.Env(address) {
		t.Setenv(name, value)
	}
	return s.openAt(t, s.URL(address, "logs"))
}

func manyPages(t *testing.T, open opener) {
	t.Helper()
	bucket := open(t)
	bucket.pageSize = 20
	const objects = 5*20 + 7
	writes, ctx := errgroup.WithContext(t.Context())
	writes.SetLimit(16)
	for i := range objects {
		writes.Go(func() error {
			_, err := bucket.put(ctx, aLog.chunkKey(int64(i)), strings.NewReader("x"))
			return err
		})
	}
	if err := writes.Wait(); err != nil {
		t.Fatal(err)
	}
	s, _ := newTestStore(bucket)
	if got := appendText(t, s, objects, "", true); got.Bytes != objects {
		t.Errorf("the state is %+v", got)
	}
	if got := stored(t, s); got != strings.Repeat("x", objects) {
		t.Errorf("%d bytes are read", len(got))
	}
}

func getOld(t *testing.T, open opener) {
	t.Helper()
	bucket := open(t)
	clock := testclock.NewFakeClock(time.Now())
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s := NewStore(bucket, clock, Limits{LogBytes: 1 << 20})
	other := Log{Namespace: "d-other", Pod: aLog.Pod, UID: "1"}
	for _, log := range []Log{aLog, other} {
		for offset := range int64(3) {
			if _, err := s.Append(t.Context(), log, offset, strings.NewReader("x"), offset == 2); err != nil {
				t.Fatal(err)
			}
			clock.Step(growFor)
		}
	}
	sweeper := &Sweeper{Store: s, Keep: time.Hour, Metrics: metrics, Log: logr.Discard()}
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{30 * time.Minute, 8}, {2 * time.Hour, 0}} {
		clock.Step(step.wait)
		if err := sweeper.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := keys(t, bucket); len(got) != step.want {
			t.Errorf("after %s %q are left", step.wait, got)
		}
	}
}

func toldApart(t *testing.T, open opener) {
	t.Helper()
	s, _ := newTestStore(open(t))
	for _, log := range []Log{aLog, {Namespace: aLog.Namespace, Pod: aLog.Pod + "-0", UID: aLog.UID}, {Namespace: aLog.Namespace + "s", Pod: aLog.Pod, UID: aLog.UID}} {
		if _, err := s.Append(t.Context(), log, 0, strings.NewReader(log.Namespace+"/"+log.Pod), true); err != nil {
			t.Fatal(err)
		}
	}
	log, state, err := s.Find(t.Context(), aLog.Namespace, aLog.Pod)
	want := contract.LogState{Bytes: int64(len(aLog.Namespace + "/" + aLog.Pod)), Complete: true}
	if err != nil || log != aLog || state != want {
		t.Errorf("found %+v with %+v, %v", log, state, err)
	}
	if _, _, err := s.Find(t.Context(), aLog.Namespace, "build"); !errors.Is(err, ErrNoLog) {
		t.Errorf("the error is %v", err)
	}
}

func TestAnErrorOfABucketTellsNoSecret(t *testing.T) {
	cause := errors.New(`Get "https://katkit.blob.core.windows.net/logs?se=2030&sig=a%2Bb%3D&sv=1": refused`)
	err := fmt.Errorf("listing: %w", because(t.Context(), cause))
	if want := `listing: Get "https://katkit.blob.core.windows.net/logs?se=2030&sig=REDACTED&sv=1": refused`; err.Error() != want || !errors.Is(err, cause) {
		t.Errorf("the error is %v", err)
	}
}

// costs counts the requests of a log of 64 MiB, as `ship` writes it and somebody reads it.
func (s *served) costs(t *testing.T) {
	const size, part = 64 << 20, 4 << 20
	var mu sync.Mutex
	sent := map[string]int{}
	bucket := s.between(t, func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		sent[verbOf(r)]++
		return false
	})
	count := func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		defer clear(sent)
		return map[string]int{"write": sent["write"], "list": sent["list"], "read": sent["read"], "other": sent["other"]}
	}
	random := rand.New(rand.NewPCG(1, 1))
	content := bytes.Repeat(text(random, 1_000_003), size/1_000_003+1)[:size] // no two parts are the same
	store, clock := newTestStore(bucket)
	for offset := 0; offset < size; offset += part {
		if _, err := store.Append(t.Context(), aLog, int64(offset), bytes.NewReader(content[offset:offset+part]), offset+part == size); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := count(), (map[string]int{"write": size/part + 1, "list": 1, "read": 0, "other": 0}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("it is written by %v, not by %v", got, want)
	}
	var all bytes.Buffer
	if _, _, err := store.Copy(t.Context(), &all, aLog, 0, math.MaxInt64); err != nil || !bytes.Equal(all.Bytes(), content) {
		t.Errorf("%d bytes are read, and they are not what was written: %v", all.Len(), err)
	}
	if got, want := count(), (map[string]int{"write": 0, "list": 1, "read": size / part, "other": 0}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("it is read by %v, not by %v", got, want)
	}
	large := Log{Namespace: aLog.Namespace, Pod: aLog.Pod, UID: "large"} // the largest object there is
	for _, bytesOf := range [][]byte{content[:growBelow-1], content[growBelow-1:][:contract.MaxLogChunk]} {
		clock.Step(growEvery)
		state, err := store.State(t.Context(), large)
		if err == nil {
			_, err = store.Append(t.Context(), large, state.Bytes, bytes.NewReader(bytesOf), false)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := count(); got["write"] != 2 || got["other"] != 0 {
		t.Errorf("two writes are %v", got)
	}
	if err := (&Sweeper{Store: store, Keep: time.Hour, Log: logr.Discard()}).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := count(); got["list"] != 2 || got["read"] != 0 { // of the namespaces, and of the only one
		t.Errorf("looking for what is old is %v", got)
	}
}

// verbOf tells what a request of any of the clouds is for.
func verbOf(r *http.Request) string {
	query := r.URL.Query()
	_, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "part-")
	switch r.Method {
	case http.MethodGet:
		if query.Has("list-type") || query.Get("comp") == "list" || (name == "" && query.Get("alt") == "json") {
			return "list"
		}
		return "read"
	case http.MethodPut, http.MethodPost:
		if kind := query.Get("uploadType"); !query.Has("uploads") && !query.Has("uploadId") && !query.Has("comp") && (kind == "" || kind == "multipart") {
			return "write"
		}
	}
	return "other"
}

// refusing answers 503 to some of the requests of a kind, and counts them.
func (s *served) refusing(t *testing.T, verb string, some int) (*Bucket, func() int) {
	t.Helper()
	var mu sync.Mutex
	seen := 0
	bucket := s.between(t, func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if verbOf(r) != verb {
			return false
		}
		seen++
		if seen <= some {
			http.Error(w, "overloaded", http.StatusServiceUnavailable)
		}
		return seen <= some
	})
	return bucket, func() int {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

func (s *served) sentOnce(t *testing.T) {
	bucket, seen := s.refusing(t, "write", 1)
	store, _ := newTestStore(bucket)
	if _, err := store.Append(t.Context(), aLog, 0, strings.NewReader("one\n"), false); err == nil || seen() != 1 {
		t.Errorf("it was sent %d times: %v", seen(), err)
	}
	if got := appendText(t, store, 0, "one\n", true); got != (contract.LogState{Bytes: 4, Complete: true}) {
		t.Errorf("the state is %+v", got)
	}
}

func (s *served) triedAgain(t *testing.T) {
	for _, verb := range []string{"list", "read"} {
		bucket, seen := s.refusing(t, verb, networkPatience.tries-1)
		bucket.pause = time.Millisecond
		store, _ := newTestStore(bucket)
		appendText(t, store, 0, "one\n", true)
		if got := stored(t, store); got != "one\n" {
			t.Errorf("%q is read", got)
		}
		if seen() < networkPatience.tries {
			t.Errorf("%s was asked for %d times", verb, seen())
		}
	}
}

// A server that takes a request and says nothing holds up one request, for so long; what it did with it nobody knows.
func (s *served) silent(t *testing.T) {
	for _, verb := range []string{"list", "write", "read"} {
		t.Run(verb, func(t *testing.T) {
			var mu sync.Mutex
			hold := ""
			ended := make(chan struct{})
			bucket := s.between(t, func(_ http.ResponseWriter, r *http.Request) bool {
				mu.Lock()
				held := hold == verbOf(r)
				mu.Unlock()
				if held {
					<-ended
				}
				return held
			})
			defer close(ended)
			say := func(verb string) {
				mu.Lock()
				defer mu.Unlock()
				hold = verb
			}
			store, clock := newTestStore(bucket)
			appendText(t, store, 0, "one\n", false)
			clock.Step(growFor)
			say(verb)
			bucket.request = 200 * time.Millisecond
			var err error
			switch verb {
			case "write":
				_, err = store.Append(t.Context(), aLog, 4, strings.NewReader("two\n"), false)
			default:
				_, _, err = store.Copy(t.Context(), new(bytes.Buffer), aLog, 0, math.MaxInt64)
			}
			if !errors.Is(err, errSilent) {
				t.Errorf("the error is %v", err)
			}
			say("")
			bucket.request = time.Minute
			appendText(t, store, 4, "two\n", true)
			if got := stored(t, store); got != "one\ntwo\n" {
				t.Errorf("%q is stored", got)
			}
		})
	}
}
