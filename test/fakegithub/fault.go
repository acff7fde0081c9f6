package fakegithub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"
)

// HeaderFault is in every answer that a [Fault] spoiled.
const HeaderFault = "X-Fakegithub-Fault"

// Fault makes the next requests of a route fail.
type Fault struct {
	// Method it is for; empty: any.
	Method string `json:"method,omitempty"`
	// Path is a regular expression that is matched against the path without the query; empty: any.
	Path string `json:"path,omitempty"`
	// Times is how many requests meet it; 0: one.
	Times int `json:"times,omitempty"`
	// Delay before the answer.
	Delay time.Duration `json:"delay,omitempty"`
	// Percent of the matching requests meet it, evenly spread; 0: all. The others don't count as Times.
	Percent int `json:"percent,omitempty"`
	// Status answers with this status instead of serving the request; 0: serve it.
	Status int `json:"status,omitempty"`
	// Message of the error body that goes with Status.
	Message string `json:"message,omitempty"`
	// DocumentationURL of the error body; empty: that of the REST API.
	DocumentationURL string `json:"documentationURL,omitempty"`
	// HTML is answered instead of a JSON body, as proxies do.
	HTML string `json:"html,omitempty"`
	// Header is added to the answer.
	Header map[string]string `json:"header,omitempty"`
	// TruncateAfter cuts the connection after so many bytes of the body; 0: doesn't.
	TruncateAfter int `json:"truncateAfter,omitempty"`

	path *regexp.Regexp
	seen int // matching requests so far
}

// SecondaryRateLimit is the fault of too many requests at once, with status 403 or 429. Without retryAfter GitHub doesn't
// say how long to wait: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api.
func SecondaryRateLimit(status int, retryAfter time.Duration) Fault {
	fault := Fault{
		Status: status,
		Message: "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. " +
			"If you reach out to GitHub Support for help, please include the request ID.",
		DocumentationURL: docs + "/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits",
	}
	if retryAfter > 0 {
		fault.Header = map[string]string{"Retry-After": fmt.Sprint(int(retryAfter.Seconds()))}
	}
	return fault
}

// Inject adds a fault. Faults are met in the order in which they were added.
func (s *Server) Inject(fault Fault) error {
	path, err := regexp.Compile(fault.Path)
	if err != nil {
		return fmt.Errorf("fault: path: %w", err)
	}
	fault.path, fault.Times = path, max(fault.Times, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault)
	return nil
}

// ForgetFaults drops all faults that are left.
func (s *Server) ForgetFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// takeFault uses up one turn of the first fault that is for the request.
func (s *Server) takeFault(r *http.Request) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, fault := range s.faults {
		if (fault.Method != "" && fault.Method != r.Method) || !fault.path.MatchString(r.URL.Path) {
			continue
		}
		if fault.Percent > 0 {
			fault.seen++
			if fault.seen*fault.Percent/100 == (fault.seen-1)*fault.Percent/100 {
				continue
			}
		}
		if fault.Times--; fault.Times == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return *fault, true
	}
	return Fault{}, false
}

// apply answers the request itself, or returns the writer through which it is to be served.
func (f Fault) apply(w http.ResponseWriter, r *http.Request) (through http.ResponseWriter, answered bool) {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			w.Header().Set(HeaderFault, "true")
			return w, true
		}
	}
	if f.Status != 0 || f.TruncateAfter > 0 {
		w.Header().Set(HeaderFault, "true")
	}
	for name, value := range f.Header {
		w.Header().Set(name, value)
	}
	if f.TruncateAfter > 0 {
		w = &truncatingWriter{ResponseWriter: w, left: f.TruncateAfter}
	}
	if f.Status == 0 {
		return w, false
	}
	body, _ := json.Marshal(problem{Message: f.Message, DocumentationURL: orText(f.DocumentationURL, docs), Status: fmt.Sprint(f.Status)})
	w.Header().Set("Content-Type", jsonType)
	if f.HTML != "" {
		body = []byte(f.HTML)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(f.Status)
	w.Write(body)
	return w, true
}

// truncatingWriter cuts the connection when more than left bytes are written.
type truncatingWriter struct {
	http.ResponseWriter
	left int
}

// Write implements [http.ResponseWriter].
func (w *truncatingWriter) Write(p []byte) (int, error) {
	if len(p) > w.left {
		w.ResponseWriter.Write(p[:w.left])
		http.NewResponseController(w.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	w.left -= len(p)
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController flush.
func (w *truncatingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
