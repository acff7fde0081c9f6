package fakegithub

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the settings of a [Server].
type Options struct {
	// Dir holds the repositories; it is made when missing. What an earlier server left there is served again.
	Dir string
	// Tokens are the accepted tokens and what each of them may do.
	Tokens map[string]Account
	// AdminToken opens /_control/; empty: the control API is off.
	AdminToken string
	// BaseURL is the address in links, without a trailing slash; empty: the one that each request came to.
	BaseURL string
	// RateLimit is how many requests an hour a token has; 0: 5000, as on GitHub. Without token it is 60.
	RateLimit int
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Account is who a token belongs to and what it may do.
type Account struct {
	Login string `json:"login"`
	// Repositories maps owner/name, or "*" for all, to a permission. Public repositories need none to be read.
	Repositories map[string]Permission `json:"repositories"`

	installation *installation // of an App's token
}

// Permission is what a token may do with a repository.
type Permission string

// The permissions. Write includes Read.
const (
	Read  Permission = "read"
	Write Permission = "write"
)

// Server is the stand-in. It may be used concurrently. Close it to end its git processes.
type Server struct {
	options Options
	clock   func() time.Time
	// advanced is how far the server's time is ahead of the clock, in nanoseconds.
	advanced atomic.Int64
	backend  string // git-http-backend
	api      *http.ServeMux
	control  *http.ServeMux

	mu       sync.Mutex // guards everything below, and what repositories know beside git
	tokens   map[string]Account
	apps     map[int64]App
	users    map[string]string      // logins as they are written, by themselves in lower case
	byName   map[string]*Repository // in lower case, since GitHub ignores case
	byID     map[int64]*Repository
	renamed  map[string]int64 // former names in lower case
	nextID   int64
	nextItem int64 // ID of the next comment, status and so on
	limits   map[string]*rateLimit
	faults   []*Fault
	requests []Request
	serial   uint64
}

// New makes a server of the repositories in options.Dir. It needs git with its http-backend.
func New(options Options) (*Server, error) {
	if options.Dir == "" {
		return nil, fmt.Errorf("fakegithub: Options.Dir is missing")
	}
	dir, err := filepath.Abs(options.Dir)
	if err != nil {
		return nil, err
	}
	options.Dir = dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	execPath, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("fakegithub: git is needed: %w", err)
	}
	s := &Server{
		options: options,
		clock:   options.Now,
		backend: filepath.Join(strings.TrimSpace(string(execPath)), "git-http-backend"),
		tokens:  map[string]Account{},
		apps:    map[int64]App{},
		users:   map[string]string{},
		byName:  map[string]*Repository{},
		byID:    map[int64]*Repository{},
		renamed: map[string]int64{},
		nextID:  1000001,
		limits:  map[string]*rateLimit{},
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.options.RateLimit == 0 {
		s.options.RateLimit = 5000
	}
	maps.Copy(s.tokens, options.Tokens)
	if _, err := os.Stat(s.backend); err != nil {
		return nil, fmt.Errorf("fakegithub: git's http-backend is needed (Debian: package git): %w", err)
	}
	s.api, s.control = s.apiRoutes(), s.controlRoutes()
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the git processes that serve reads. Requests after it start new ones.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, repository := range s.byID {
		repository.objects.close()
	}
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/healthz":
		w.WriteHeader(http.StatusOK)
	case strings.HasPrefix(r.URL.Path, "/_control/"):
		s.serveControl(w, r)
	default:
		s.serveRecorded(w, r)
	}
}

// serveRecorded serves what Katkit and git ask for: each request is recorded, and may meet a fault.
func (s *Server) serveRecorded(w http.ResponseWriter, r *http.Request) {
	token, _ := credentials(r)
	s.mu.Lock()
	s.serial++
	id := fmt.Sprintf("FA4E:%X:%X", s.serial, s.now().UnixNano())
	s.mu.Unlock()
	w.Header().Set("Server", "github.com")
	w.Header().Set("X-GitHub-Request-Id", id)
	w = &recordingWriter{ResponseWriter: w, record: func(status int) {
		s.record(Request{Time: s.now(), Method: r.Method, Path: r.URL.RequestURI(), Status: status, Token: Fingerprint(token),
			Conditional: r.Header.Get("If-None-Match") != ""})
	}}
	if fault, ok := s.takeFault(r); ok {
		var answered bool
		if w, answered = fault.apply(w, r); answered {
			return
		}
	}
	if strings.HasPrefix(r.URL.Path, "/api/v3/") {
		s.serveAPI(w, r)
		return
	}
	s.serveGit(w, r)
}

// AddToken accepts a token from now on, or changes what it may do.
func (s *Server) AddToken(token string, account Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = account
}

// RevokeToken stops accepting a token.
func (s *Server) RevokeToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, token)
}

// Fingerprint is how a token is named in the record of requests; "" for no token.
func Fingerprint(token string) string {
	if token == "" {
		return ""
	}
	digest := sha256.Sum256([]byte(token))
	return hex.EncodeToString(digest[:6])
}

// baseURL is the address of this server as the caller knows it.
func (s *Server) baseURL(r *http.Request) string {
	if s.options.BaseURL != "" {
		return strings.TrimRight(s.options.BaseURL, "/")
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}
