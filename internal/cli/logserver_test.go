package cli_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"katkit.dev/katkit/internal/contract"
)

// logServer serves logs that grow, as a kubelet or the log store does.
type logServer struct {
	kubelet bool
	token   string // what the log store wants

	mu      sync.Mutex
	changed chan struct{} // closed with the next change
	logs    map[string]*podLog
	asked   map[string]int // how often for the log of a Pod
}

type podLog struct {
	text   string
	ended  bool
	breaks int // how many answers were to be broken off
}

func newLogServer(kubelet bool) *logServer {
	return &logServer{kubelet: kubelet, changed: make(chan struct{}), logs: map[string]*podLog{}, asked: map[string]int{}}
}

func (s *logServer) change(pod string, change func(*podLog)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logs[pod] == nil {
		s.logs[pod] = &podLog{}
	}
	change(s.logs[pod])
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *logServer) add(pod, text string) { s.change(pod, func(l *podLog) { l.text += text }) }

func (s *logServer) end(pod string) { s.change(pod, func(l *podLog) { l.ended = true }) }

// breaks breaks off the answers that are under way.
func (s *logServer) breaks(pod string) { s.change(pod, func(l *podLog) { l.breaks++ }) }

// ask counts a question for the log of a Pod.
func (s *logServer) ask(pod string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[pod]++
	close(s.changed)
	s.changed = make(chan struct{})
}

// awaitAsked waits until the log of a Pod was asked for so often.
func (s *logServer) awaitAsked(t *testing.T, pod string, times int) {
	t.Helper()
	for deadline := time.After(30 * time.Second); ; {
		s.mu.Lock()
		asked, changed := s.asked[pod], s.changed
		s.mu.Unlock()
		if asked >= times {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("the log of Pod %s is asked for %d times, want %d", pod, asked, times)
		}
	}
}

func (s *logServer) now(pod string) (log podLog, there bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logs[pod] == nil {
		return podLog{}, false, s.changed
	}
	return *s.logs[pod], true, s.changed
}

// ServeHTTP implements http.Handler.
func (s *logServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(r.URL.Path, "/")
	pod := path[len(path)-2]
	s.ask(pod)
	log, there, changed := s.now(pod)
	if !s.kubelet && (s.token == "" || r.Header.Get("Katkit-Authorization") != "Bearer "+s.token) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintln(w, `{"error":"a token is missing"}`)
		return
	}
	if !there {
		if !s.kubelet {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, `{"error":"nothing of the log of the Pod %s is stored"}`, pod)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "container \"build\" in pod %q is waiting to start: ContainerCreating", pod)
		return
	}
	at := s.begin(w, r, log)
	for breaks := log.breaks; ; {
		_, _ = w.Write([]byte(s.stamped(log.text, at)))
		_ = http.NewResponseController(w).Flush()
		at = len(log.text)
		switch {
		case log.breaks > breaks:
			panic(http.ErrAbortHandler)
		case log.ended || r.URL.Query().Get("follow") != "true":
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		next, _, more := s.now(pod)
		if next.breaks > breaks {
			next.text = log.text // what came with the break comes with the next answer
		}
		log, changed = next, more
	}
}

// begin is the byte from which the log is asked for.
func (s *logServer) begin(w http.ResponseWriter, r *http.Request, log podLog) int {
	query, at := r.URL.Query(), 0
	if s.kubelet {
		if query.Get("tailLines") == "1" {
			at = strings.LastIndex(strings.TrimSuffix(log.text, "\n"), "\n") + 1
		}
		return at
	}
	at, _ = strconv.Atoi(query.Get(contract.LogQueryOffset))
	w.Header().Set(contract.HeaderLogOffset, strconv.Itoa(at))
	w.Header().Set(contract.HeaderLogComplete, strconv.FormatBool(log.ended))
	return at
}

// stamped is the log from a byte on, with the times that a kubelet puts before its lines: one second each.
func (s *logServer) stamped(log string, from int) string {
	if !s.kubelet {
		return log[from:]
	}
	var b strings.Builder
	begin := 0
	for number, line := range strings.SplitAfter(log, "\n") {
		if begin >= from && line != "" {
			b.WriteString(time.Date(2026, 3, 1, 12, 0, number, 0, time.UTC).Format(time.RFC3339Nano) + " " + line)
		}
		begin += len(line)
	}
	return b.String()
}
