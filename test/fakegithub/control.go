package fakegithub

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// maxControlBytes bounds the body of a control request.
const maxControlBytes = 64 << 20

// The bodies of the control API. [Control] speaks it.
type (
	createRepository struct {
		Name string `json:"name"`
		RepositoryOptions
	}
	renameRepository struct {
		Name string `json:"name"`
	}
	setToken struct {
		Token string `json:"token"`
		Account
	}
	setRateLimit struct {
		Token     string    `json:"token"`
		Limit     int       `json:"limit"`
		Remaining int       `json:"remaining"`
		Reset     time.Time `json:"reset"`
	}
	setUser struct {
		Login string `json:"login"`
		// Role in the repository that the path names.
		Role Role `json:"role,omitempty"`
	}
	changePull struct {
		State  string    `json:"state,omitempty"` // open or closed
		Labels *[]string `json:"labels,omitempty"`
	}
	addComment struct {
		Login string `json:"login"`
		Body  string `json:"body"`
	}
	advanceClock struct {
		By time.Duration `json:"by"`
	}
	created struct {
		SHA    string `json:"sha,omitempty"`
		Number int    `json:"number,omitempty"`
		ID     int64  `json:"id,omitempty"`
	}
)

// controlRoutes are the endpoints below /_control/. All want the admin token as bearer.
func (s *Server) controlRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	route := func(pattern string, serve func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { serveControlCall(w, r, serve) })
	}
	route("POST /_control/repositories", controlled(func(_ *http.Request, in createRepository) (any, error) {
		_, err := s.CreateRepository(in.Name, in.RepositoryOptions)
		return nil, err
	}))
	route("PATCH /_control/repositories/{owner}/{name}", controlled(func(r *http.Request, in renameRepository) (any, error) {
		return nil, s.Rename(repositoryOf(r), in.Name)
	}))
	route("POST /_control/repositories/{owner}/{name}/commits", controlled(func(r *http.Request, in Commit) (any, error) {
		repository, err := s.controlledRepository(r)
		if err != nil {
			return nil, err
		}
		sha, err := repository.Commit(in)
		return created{SHA: sha}, err
	}))
	route("POST /_control/repositories/{owner}/{name}/pulls", controlled(func(r *http.Request, in PullRequest) (any, error) {
		repository, err := s.controlledRepository(r)
		if err != nil {
			return nil, err
		}
		number, err := repository.OpenPullRequest(in)
		return created{Number: number}, err
	}))
	s.itemRoutes(route)
	route("PUT /_control/tokens", controlled(func(_ *http.Request, in setToken) (any, error) {
		s.AddToken(in.Token, in.Account)
		return nil, nil
	}))
	route("DELETE /_control/tokens", controlled(func(_ *http.Request, in setToken) (any, error) {
		s.RevokeToken(in.Token)
		return nil, nil
	}))
	route("PUT /_control/rate-limits", controlled(func(_ *http.Request, in setRateLimit) (any, error) {
		s.SetRateLimit(in.Token, in.Limit, in.Remaining, in.Reset)
		return nil, nil
	}))
	route("POST /_control/faults", controlled(func(_ *http.Request, in Fault) (any, error) { return nil, s.Inject(in) }))
	route("DELETE /_control/faults", func(*http.Request) (any, error) { s.ForgetFaults(); return nil, nil })
	route("GET /_control/requests", func(*http.Request) (any, error) { return s.Requests(), nil })
	route("DELETE /_control/requests", func(*http.Request) (any, error) { s.ForgetRequests(); return nil, nil })
	return mux
}

func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	token, _ := credentials(r)
	admin := s.options.AdminToken
	if admin == "" || subtle.ConstantTimeCompare([]byte(token), []byte(admin)) != 1 {
		writeReply(w, failed(http.StatusUnauthorized, "the control API wants the admin token as bearer", ""))
		return
	}
	s.control.ServeHTTP(w, r)
}

func serveControlCall(w http.ResponseWriter, r *http.Request, serve func(*http.Request) (any, error)) {
	body, err := serve(r)
	switch {
	case errors.Is(err, ErrExists):
		writeReply(w, failed(http.StatusConflict, err.Error(), ""))
	case err != nil:
		writeReply(w, failed(http.StatusUnprocessableEntity, err.Error(), ""))
	case body == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		writeReply(w, ok(body))
	}
}

// controlled reads the body of a control request.
func controlled[T any](serve func(*http.Request, T) (any, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var in T
		decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxControlBytes))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&in); err != nil {
			return nil, err
		}
		return serve(r, in)
	}
}

func repositoryOf(r *http.Request) string { return r.PathValue("owner") + "/" + r.PathValue("name") }

func (s *Server) controlledRepository(r *http.Request) (*Repository, error) {
	repository, ok := s.Repository(repositoryOf(r))
	if !ok {
		return nil, errors.New("repository " + repositoryOf(r) + ": not found")
	}
	return repository, nil
}
