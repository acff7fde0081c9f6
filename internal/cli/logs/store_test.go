package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"katkit.dev/katkit/internal/contract"
)

// fakeStore serves one log as the log store does.
type fakeStore struct {
	t       *testing.T
	mu      sync.Mutex
	changed chan struct{} // closed with the next change
	log     string
	whole   bool // the log is complete
	// breaks are the bytes after which the next answers are broken off.
	breaks []int
	gently bool // as if they were at their end
	// refuses is the status of the next answers, before the log is given; asked is what was asked for.
	refuses []int
	asked   []string
	headers []http.Header
}

func newFakeStore(t *testing.T, log string, whole bool) *fakeStore {
	t.Helper()
	return &fakeStore{t: t, log: log, whole: whole, changed: make(chan struct{})}
}

func (f *fakeStore) add(more string, whole bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log, f.whole = f.log+more, whole
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeStore) now() (string, bool, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log, f.whole, f.changed
}

// next takes what is planned for the next answer.
func (f *fakeStore) next(r *http.Request) (refuses, breaks int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked, f.headers = append(f.asked, r.URL.RawQuery), append(f.headers, r.Header)
	if len(f.refuses) > 0 {
		refuses, f.refuses = f.refuses[0], f.refuses[1:]
		return refuses, -1
	}
	if len(f.breaks) > 0 {
		breaks, f.breaks = f.breaks[0], f.breaks[1:]
		return 0, breaks
	}
	return 0, -1
}

// ServeHTTP implements http.Handler.
func (f *fakeStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refuses, breaks := f.next(r)
	if refuses != 0 {
		w.WriteHeader(refuses)
		fmt.Fprintln(w, `{"error":"not now"}`)
		return
	}
	if want := contract.ReadLogPath("d-shop", "shop-1-0-build", "pod"); r.URL.Path != want {
		f.t.Errorf("asked for %s, want %s", r.URL.Path, want)
	}
	log, whole, changed := f.now()
	at := 0
	if offset := r.URL.Query().Get(contract.LogQueryOffset); offset != "" {
		at, _ = strconv.Atoi(offset)
	}
	if tail := r.URL.Query().Get(contract.LogQueryTail); tail != "" {
		n, _ := strconv.ParseInt(tail, 10, 64)
		at = len(log) - len(lastLines(log, n))
	}
	w.Header().Set(contract.HeaderLogOffset, strconv.Itoa(at))
	w.Header().Set(contract.HeaderLogComplete, strconv.FormatBool(whole))
	w.WriteHeader(http.StatusOK)
	for sent := 0; ; {
		piece := log[at:]
		if breaks >= 0 {
			piece = piece[:min(len(piece), breaks-sent)]
		}
		_, _ = w.Write([]byte(piece))
		_ = http.NewResponseController(w).Flush()
		at, sent = at+len(piece), sent+len(piece)
		if breaks >= 0 && sent >= breaks && f.gently {
			return
		}
		if breaks >= 0 && sent >= breaks {
			panic(http.ErrAbortHandler)
		}
		if whole || r.URL.Query().Get(contract.LogQueryFollow) != "true" {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		log, whole, changed = f.now()
	}
}

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// reading makes a reader of a store, and remembers what it says and how often it waits.
func reading(t *testing.T, address string, config *rest.Config) (*reader, *notes) {
	t.Helper()
	s, err := newStore(config, address)
	if err != nil {
		t.Fatal(err)
	}
	n := &notes{}
	return &reader{store: s, tail: -1, say: n.say, wait: n.wait, grace: grace}, n
}

type notes struct {
	mu    sync.Mutex
	said  []string
	waits int
}

func (n *notes) say(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.said = append(n.said, fmt.Sprintf(format, args...))
}

func (n *notes) wait(context.Context, int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waits++
}

func (n *notes) all() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.said, "\n")
}

var here = place{"d-shop", "shop-1-0-build", "pod"}

func TestALogOfTheStore(t *testing.T) {
	const log = "one\ntwo\nthree\n"
	for name, c := range map[string]struct {
		store  *fakeStore // nil for one that works
		follow bool
		tail   int64
		want   string
		asked  []string // the queries
		said   string   // a part of it
		waits  int
		failed string
	}{
		"whole":                     {tail: -1, want: log, asked: []string{""}},
		"its last lines":            {tail: 2, want: "two\nthree\n", asked: []string{"tail=2"}},
		"no lines":                  {tail: 0, want: "", asked: []string{"tail=0"}},
		"one that is whole already": {tail: -1, follow: true, want: log, asked: []string{"follow=true"}},
		"a connection breaks": {store: &fakeStore{breaks: []int{5}}, tail: -1, want: log, asked: []string{"", "offset=5"},
			said: "the log of Pod pod broke off at byte 5, going on from there: "},
		"it breaks again and again": {store: &fakeStore{breaks: []int{5, 0, 0}}, tail: -1, follow: true, want: log,
			asked: []string{"follow=true", "follow=true&offset=5", "follow=true&offset=5", "follow=true&offset=5"}, said: "at byte 5", waits: 2},
		"the last lines break": {store: &fakeStore{breaks: []int{2}}, tail: 1, want: "three\n", asked: []string{"tail=1", "offset=10"}, said: "at byte 10"},
		"the store stays away": {store: &fakeStore{breaks: []int{4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}, tail: -1, want: "one\n",
			failed: "the log store gives no more of the log of Pod pod after byte 4: ", waits: 9, said: "at byte 4"},
		"it has no such log":        {store: &fakeStore{refuses: []int{404}}, tail: -1, failed: "the log store has no such log", asked: []string{""}},
		"it does not take the user": {store: &fakeStore{refuses: []int{403}}, tail: -1, failed: `the verb "get" on phases/log.katkit.dev is needed (not now)`, asked: []string{""}},
		"it wants a token":          {store: &fakeStore{refuses: []int{401}}, tail: -1, failed: "the log store does not take your token: not now", asked: []string{""}},
		"it is busy":                {store: &fakeStore{refuses: []int{503}}, tail: -1, failed: "the log store answers 503 Service Unavailable: not now", asked: []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			store := cmp.Or(c.store, &fakeStore{})
			store.t, store.log, store.whole, store.changed = t, log, true, make(chan struct{})
			r, notes := reading(t, serve(t, store), &rest.Config{Host: "https://127.0.0.1:1", BearerToken: "t0ken"})
			r.follow, r.tail = c.follow, c.tail
			var out strings.Builder
			err := r.fromStore(t.Context(), r.overdue(t.Context(), nil), here, &counter{to: &out})
			if out.String() != c.want || (err == nil) != (c.failed == "") || err != nil && !strings.Contains(err.Error(), c.failed) {
				t.Errorf("got %q, %v, want %q, %q", out.String(), err, c.want, c.failed)
			}
			if c.asked != nil && strings.Join(store.asked, " ") != strings.Join(c.asked, " ") {
				t.Errorf("asked for %q, want %q", store.asked, c.asked)
			}
			if !strings.Contains(notes.all(), c.said) || c.said == "" && notes.all() != "" || len(notes.said) > 1 || notes.waits != c.waits {
				t.Errorf("said %q, waited %d times, want %q, %d", notes.said, notes.waits, c.said, c.waits)
			}
			for _, header := range store.headers {
				if header.Get(contract.HeaderLogAuthorization) != "Bearer t0ken" {
					t.Errorf("asked with %v", header)
				}
			}
		})
	}
}

// TestALogThatGrows is followed, over a connection that breaks, until the store has it whole.
func TestALogThatGrows(t *testing.T) {
	store := newFakeStore(t, "one\n", false)
	store.breaks = []int{6}
	r, notes := reading(t, serve(t, store), &rest.Config{})
	r.follow = true
	out := &waiting{changed: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- r.fromStore(t.Context(), r.overdue(t.Context(), nil), here, &counter{to: out}) }()
	out.await(t, "one\n")
	store.add("tw", false)
	out.await(t, "one\ntw")
	store.add("o\n", false)
	out.await(t, "one\ntwo\n")
	store.add("three", true)
	if err := <-done; err != nil || out.String() != "one\ntwo\nthree" || len(notes.said) != 1 {
		t.Errorf("got %q, %v, said %q", out.String(), err, notes.said)
	}
}

// TestAnAnswerThatEndsEarly is not taken for the log's end.
func TestAnAnswerThatEndsEarly(t *testing.T) {
	store := newFakeStore(t, "one\n", false)
	store.breaks, store.gently = []int{4}, true
	r, notes := reading(t, serve(t, store), &rest.Config{})
	r.follow = true
	out := &waiting{changed: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- r.fromStore(t.Context(), r.overdue(t.Context(), nil), here, &counter{to: out}) }()
	out.await(t, "one\n")
	store.add("two\n", true)
	if err := <-done; err != nil || out.String() != "one\ntwo\n" || notes.all() != "" {
		t.Errorf("got %q, %v, said %q", out.String(), err, notes.said)
	}
}

// TestALogThatIsNeverWhole is given up some time after its build has ended, with what the store has.
func TestALogThatIsNeverWhole(t *testing.T) {
	store := newFakeStore(t, "one\n", false)
	r, notes := reading(t, serve(t, store), &rest.Config{})
	r.follow, r.grace = true, 0
	ended := make(chan struct{})
	out := &waiting{changed: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- r.fromStore(t.Context(), r.overdue(t.Context(), ended), here, &counter{to: out}) }()
	out.await(t, "one\n")
	close(ended)
	if err := <-done; err != nil || out.String() != "one\n" || notes.all() != "" {
		t.Errorf("got %q, %v, said %q", out.String(), err, notes.said)
	}
}

// TestTheServiceProxy tells what the API server says from what the store says.
func TestTheServiceProxy(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		answer  string
		config  rest.Config
		said    string
		passing bool
	}{
		"no Service":          {404, status("services \"katkit-logstore\" not found", metav1.StatusReasonNotFound), rest.Config{}, "there is no log store", false},
		"no Pod of it":        {503, status("no endpoints available", metav1.StatusReasonServiceUnavailable), rest.Config{}, "the log store does not run: no endpoints available", true},
		"no right to call it": {403, status("forbidden", metav1.StatusReasonForbidden), rest.Config{}, `you may not call the log store: the verb "get" on services/proxy, name http:katkit-logstore:http, in namespace katkit-system is needed`, false},
		"no right to the log": {403, `{"error":"ann may not"}`, rest.Config{BearerToken: "t"}, `the log store refuses: the verb "get" on phases/log.katkit.dev is needed (ann may not)`, false},
		"no token":            {401, `{"error":"a token is missing"}`, rest.Config{}, unsigned, false},
		"a wrong token":       {401, `{"error":"it has expired"}`, rest.Config{BearerToken: "t"}, "the log store does not take your token: it has expired", false},
		"it serves TLS":       {400, "Client sent an HTTP request to an HTTPS server.\n", rest.Config{BearerToken: "t"}, "the log store does not understand the API server (Client sent an HTTP request to an HTTPS server.); of one that serves TLS, --log-store names the address", false},
		"something else":      {200, "hello", rest.Config{}, "what answers there is not a log store", false},
	} {
		t.Run(name, func(t *testing.T) {
			path := ""
			c.config.Host = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				path = r.URL.Path
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.answer)
			}))
			s, err := newStore(&c.config, "")
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.open(t.Context(), here, url.Values{})
			refused, ok := errors.AsType[*refusal](err)
			if !ok || refused.why != c.said || refused.passing != c.passing {
				t.Errorf("got %v, want %s", err, c.said)
			}
			if want := "/api/v1/namespaces/katkit-system/services/http:katkit-logstore:http/proxy/v1/namespaces/d-shop/phases/shop-1-0-build/pods/pod/log"; path != want {
				t.Errorf("asked for %s, want %s", path, want)
			}
		})
	}
}

func status(message string, reason metav1.StatusReason) string {
	return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"reason":%q}`, message, cmp.Or(reason, metav1.StatusReasonUnknown))
}

// waiting is what was written so far.
type waiting struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func (w *waiting) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
	return w.text.Write(b)
}

func (w *waiting) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *waiting) await(t *testing.T, want string) {
	t.Helper()
	for {
		w.mu.Lock()
		text, changed := w.text.String(), w.changed
		w.mu.Unlock()
		if text == want {
			return
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("%q is written, and not %q", text, want)
		}
	}
}
