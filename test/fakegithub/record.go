package fakegithub

import (
	"net/http"
	"slices"
	"time"
)

// maxRequests bounds the record of requests.
const maxRequests = 10000

// Request is one recorded request to the API or to git.
type Request struct {
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	// Path with the query.
	Path   string `json:"path"`
	Status int    `json:"status"`
	// Token is the [Fingerprint] of the presented token.
	Token string `json:"token"`
	// Conditional: it carried If-None-Match.
	Conditional bool `json:"conditional"`
}

// Requests returns the newest 10000 requests, oldest first. A request is in it before its answer is sent.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ForgetRequests empties the record.
func (s *Server) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

func (s *Server) record(request Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) >= maxRequests {
		s.requests = slices.Delete(s.requests, 0, maxRequests/10)
	}
	s.requests = append(s.requests, request)
}

// recordingWriter reports the status before anything is sent.
type recordingWriter struct {
	http.ResponseWriter
	record func(status int)
	wrote  bool
}

// WriteHeader implements [http.ResponseWriter].
func (w *recordingWriter) WriteHeader(status int) {
	if !w.wrote {
		w.wrote = true
		w.record(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *recordingWriter) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController flush.
func (w *recordingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
