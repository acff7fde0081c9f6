package agent

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"testing"

	"katkit.dev/katkit/internal/contract"
)

// fakeLogStore keeps one log as package contract says a store does, and fails when it is told to.
type fakeLogStore struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	log      []byte
	complete bool
	token    string            // the only one that it takes
	fault    func(n int) fault // of the nth request, from 1; nil: none
	seen     int               // requests
	bytes    int64             // that were ever stored

	// most bytes of a log, and of a request; 0: any number.
	most, mostAtOnce int
	strict           bool // there is no room for last words
}

func tooMuch(limit, bytes int) bool { return limit > 0 && bytes > limit }

// fault is what goes wrong with a request.
type fault int

const (
	fine        fault = iota
	unavailable       // 503, and nothing is read
	tooMany           // 429
	broken            // 500 after the body was read, nothing of it stored
	cut               // the connection ends amid the body
	lostAnswer        // stored, and the connection ends before the answer
	silent            // no answer until the client has had enough
	rejected          // 401
	nonsense          // 200, and no state
	ahead             // 409 though the offset is right
)

func newFakeLogStore(t *testing.T) *fakeLogStore {
	t.Helper()
	s := &fakeLogStore{t: t, token: "token-1"}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *fakeLogStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	failure := fine
	if s.fault != nil {
		failure = s.fault(s.seen)
	}
	if want := contract.LogPath("d-taskrunner", "run-0-build-0badcafe-1-0"); r.URL.Path != want {
		s.t.Errorf("asked for %s, want %s", r.URL.Path, want)
	}
	switch {
	case r.Header.Get("Authorization") != "Bearer "+s.token, failure == rejected:
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	case failure == unavailable:
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"error":"down for maintenance"}`)
		return
	case failure == tooMany:
		http.Error(w, "slowly", http.StatusTooManyRequests)
		return
	case failure == cut:
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		panic(http.ErrAbortHandler)
	case failure == silent:
		_, _ = io.Copy(io.Discard, r.Body)
		s.mu.Unlock()
		<-r.Context().Done()
		s.mu.Lock()
		panic(http.ErrAbortHandler)
	}
	if r.ContentLength > contract.MaxLogChunk {
		s.t.Errorf("a request of %d bytes", r.ContentLength)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if failure == broken {
		http.Error(w, "oops", http.StatusInternalServerError)
		return
	}
	offset, _ := strconv.ParseInt(r.URL.Query().Get(contract.LogQueryOffset), 10, 64)
	lastWords := r.URL.Query().Get(contract.LogQueryComplete) == "true" && len(body) <= contract.MaxLastWords && !s.strict
	if tooMuch(s.mostAtOnce, len(body)) || tooMuch(s.most, int(offset)+len(body)) && len(body) > 0 && !lastWords {
		http.Error(w, "too much", http.StatusRequestEntityTooLarge)
		return
	}
	status := http.StatusOK
	if r.Method == http.MethodPut && !s.put(r, body, failure) {
		status = http.StatusConflict
	}
	switch failure {
	case lostAnswer:
		panic(http.ErrAbortHandler)
	case nonsense:
		_, _ = io.WriteString(w, "<html>welcome</html>")
		return
	default:
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(contract.LogState{Bytes: int64(len(s.log)), Complete: s.complete})
}

// put stores what follows on what is there.
func (s *fakeLogStore) put(r *http.Request, body []byte, failure fault) bool {
	offset, err := strconv.Atoi(r.URL.Query().Get(contract.LogQueryOffset))
	if err != nil {
		s.t.Error(err)
	}
	if offset > len(s.log) || failure == ahead {
		return false
	}
	if end := offset + len(body); end > len(s.log) {
		if s.complete {
			s.t.Error("bytes follow on a log that is complete")
		}
		s.bytes += int64(end - len(s.log))
		s.log = append(s.log, body[len(s.log)-offset:]...)
	}
	s.complete = s.complete || r.URL.Query().Get(contract.LogQueryComplete) == "true"
	return true
}

func (s *fakeLogStore) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *fakeLogStore) has() (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.log), s.complete
}

// env are the variables of what ships, for this store.
func (s *fakeLogStore) env(t *testing.T, paths Paths) []string {
	t.Helper()
	if err := os.MkdirAll(paths.Spool, 0o777); err != nil {
		t.Fatal(err)
	}
	writeFile(t, paths.LogToken, s.token, 0o600)
	return []string{
		contract.VarLogStoreURL + "=" + s.URL, contract.VarPodNamespace + "=d-taskrunner", contract.VarPodName + "=run-0-build-0badcafe-1-0",
	}
}
