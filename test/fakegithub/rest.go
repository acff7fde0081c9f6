package fakegithub

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

const (
	docs     = "https://docs.github.com/rest"
	jsonType = "application/json; charset=utf-8"
)

// problem is the body of every error.
type problem struct {
	Message          string `json:"message"`
	DocumentationURL string `json:"documentation_url"`
	Status           string `json:"status,omitempty"`
	// URL is where a moved resource is now.
	URL string `json:"url,omitempty"`
	// Errors are the fields that a validation failed on.
	Errors []fieldError `json:"errors,omitempty"`
}

// fieldError is what is wrong with one field.
type fieldError struct {
	Resource string `json:"resource"`
	Field    string `json:"field"`
	Code     string `json:"code"`
	Message  string `json:"message,omitempty"`
}

// call is one request to an endpoint of a repository that the caller may read.
type call struct {
	*http.Request
	server  *Server
	account *Account
	// repository, and what was known of it when the request came.
	repository *Repository
	state      storedRepository
	base       string // address of this server, as the caller knows it
	doc        string // page of the documentation
}

// reply is what an endpoint answers.
type reply struct {
	status int
	body   any // JSON, unless raw is set
	raw    []byte
	header map[string]string
}

func ok(body any) reply { return reply{status: http.StatusOK, body: body} }

func made(body any) reply { return reply{status: http.StatusCreated, body: body} }

// serveAPI checks the token and the rate limit, and answers 304 when the caller knows the answer.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept, Authorization, Cookie, X-GitHub-OTP")
	w.Header().Set("X-GitHub-Media-Type", mediaType(r))
	if strings.HasPrefix(r.URL.Path, "/api/v3/app/") { // with a signature of the App's instead of a token
		s.api.ServeHTTP(w, r)
		return
	}
	if _, accepted := s.authenticate(r); !accepted {
		writeReply(w, failed(http.StatusUnauthorized, "Bad credentials", docs))
		return
	}
	token, _ := credentials(r)
	if r.URL.Path == "/api/v3/rate_limit" {
		s.api.ServeHTTP(w, r)
		return
	}
	left, spent := s.spend(token)
	left.writeTo(w.Header())
	if !spent {
		writeReply(w, failed(http.StatusForbidden, "API rate limit exceeded for user ID 1. If you reach out to GitHub Support for help, please include the request ID.",
			docs+"/using-the-rest-api/rate-limits-for-the-rest-api"))
		return
	}
	answer := &bufferedAnswer{header: http.Header{}, status: http.StatusOK}
	s.api.ServeHTTP(answer, r)
	maps.Copy(w.Header(), answer.header)
	if answer.status == http.StatusOK && r.Method == http.MethodGet {
		etag := etagOf(token, mediaType(r), answer)
		w.Header().Set("ETag", etag)
		w.Header().Set("Cache-Control", "private, max-age=60, s-maxage=60")
		if sameETag(r.Header.Get("If-None-Match"), etag) {
			s.refund(token).writeTo(w.Header())
			w.Header().Del("Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	answer.sendTo(w)
}

// serveRepository finds the repository of a request, as far as the caller may see it, and asks whether they may do it.
func (s *Server) serveRepository(w http.ResponseWriter, r *http.Request, route route) {
	account, _ := s.authenticate(r)
	doc := docs + route.doc
	name := r.PathValue("owner") + "/" + r.PathValue("name")
	repository, ok := s.Repository(name)
	if !ok {
		if reply, moved := s.moved(r, account, name); moved {
			writeReply(w, reply)
			return
		}
		writeReply(w, notFound("Not Found", doc))
		return
	}
	c := &call{Request: r, server: s, account: account, repository: repository, state: repository.snapshot(), base: s.baseURL(r), doc: doc}
	if !account.may(Read, c.state) {
		writeReply(w, notFound("Not Found", doc))
		return
	}
	level := Write
	if r.Method == http.MethodGet {
		level = Read
	}
	if refusal := account.refusal(route.permission, level, c.state); refusal != "" {
		status := http.StatusForbidden
		if account == nil {
			status = http.StatusUnauthorized
		}
		writeReply(w, failed(status, refusal, doc))
		return
	}
	writeReply(w, route.serve(c))
}

// moved redirects from a former name to the repository's ID, as GitHub does.
func (s *Server) moved(r *http.Request, account *Account, name string) (reply, bool) {
	s.mu.Lock()
	id, renamed := s.renamed[strings.ToLower(name)]
	repository := s.byID[id]
	s.mu.Unlock()
	if !renamed {
		return reply{}, false
	}
	if repository == nil || !account.may(Read, repository.snapshot()) {
		return reply{}, false
	}
	rest := strings.TrimPrefix(r.URL.EscapedPath(), "/api/v3/repos/"+name)
	location := fmt.Sprintf("%s/api/v3/repositories/%d%s", s.baseURL(r), id, rest)
	if r.URL.RawQuery != "" {
		location += "?" + r.URL.RawQuery
	}
	status := http.StatusMovedPermanently
	if r.Method != http.MethodGet {
		status = http.StatusTemporaryRedirect
	}
	return reply{status: status, header: map[string]string{"Location": location},
		body: problem{Message: "Moved Permanently", URL: location, DocumentationURL: docs + "/guides/best-practices-for-using-the-rest-api#follow-redirects"}}, true
}

// serveByID serves /repositories/ID/... like /repos/owner/name/...
func (s *Server) serveByID(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	s.mu.Lock()
	repository, ok := s.byID[id]
	s.mu.Unlock()
	if err != nil || !ok {
		writeReply(w, notFound("Not Found", docs))
		return
	}
	inner := r.Clone(r.Context())
	prefix := "/api/v3/repositories/" + r.PathValue("id")
	target := "/api/v3/repos/" + repository.Name()
	inner.URL.Path = target + strings.TrimPrefix(r.URL.Path, prefix)
	inner.URL.RawPath = target + strings.TrimPrefix(r.URL.EscapedPath(), prefix)
	s.api.ServeHTTP(w, inner)
}

func (s *Server) serveRateLimit(w http.ResponseWriter, r *http.Request) {
	token, _ := credentials(r)
	s.mu.Lock()
	limit := *s.current(token)
	s.mu.Unlock()
	core := map[string]any{"limit": limit.limit, "remaining": limit.remaining, "used": limit.limit - limit.remaining, "reset": limit.reset.Unix()}
	limit.writeTo(w.Header())
	writeReply(w, ok(map[string]any{"resources": map[string]any{"core": core, "search": core}, "rate": core}))
}

func failed(status int, message, doc string) reply {
	return reply{status: status, body: problem{Message: message, DocumentationURL: doc, Status: fmt.Sprint(status)}}
}

// invalid answers for a field that GitHub doesn't take.
func (c *call) invalid(resource, field, code, message string) reply {
	return reply{status: http.StatusUnprocessableEntity, body: problem{Message: "Validation Failed", DocumentationURL: c.doc, Status: "422",
		Errors: []fieldError{{Resource: resource, Field: field, Code: code, Message: message}}}}
}

// maxBody bounds the body of a request.
const maxBody = 1 << 20

// decode reads the body of a request; with ok false it is the answer that says why that failed.
func decode[T any](c *call) (in T, answer reply, ok bool) {
	if err := json.NewDecoder(http.MaxBytesReader(nil, c.Body, maxBody)).Decode(&in); err != nil {
		return in, failed(http.StatusBadRequest, "Problems parsing JSON", c.doc), false
	}
	return in, reply{}, true
}

func notFound(message, doc string) reply { return failed(http.StatusNotFound, message, doc) }

// broken answers for an error of git: what isn't there is not found, all else is a fault of this server.
func (c *call) broken(err error) reply {
	if errors.Is(err, errMissing) {
		return notFound("Not Found", c.doc)
	}
	return failed(http.StatusInternalServerError, err.Error(), c.doc)
}

func writeReply(w http.ResponseWriter, r reply) {
	body := r.raw
	if body == nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", jsonType)
	}
	for name, value := range r.header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(r.status)
	w.Write(body)
}

// bufferedAnswer holds an answer until its ETag is known.
type bufferedAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements [http.ResponseWriter].
func (a *bufferedAnswer) Header() http.Header { return a.header }

// WriteHeader implements [http.ResponseWriter].
func (a *bufferedAnswer) WriteHeader(status int) { a.status = status }

// Write implements [http.ResponseWriter].
func (a *bufferedAnswer) Write(p []byte) (int, error) { return a.body.Write(p) }

func (a *bufferedAnswer) sendTo(w http.ResponseWriter) {
	w.WriteHeader(a.status)
	w.Write(a.body.Bytes())
}

// etagOf depends on all that Vary names.
func etagOf(token, media string, answer *bufferedAnswer) string {
	digest := sha256.New()
	fmt.Fprintf(digest, "%s\n%s\n%s\n", token, media, answer.header.Get("Link"))
	digest.Write(answer.body.Bytes())
	return `W/"` + hex.EncodeToString(digest.Sum(nil)) + `"`
}

func sameETag(asked, etag string) bool {
	for one := range strings.SplitSeq(asked, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}

// mediaType is what GitHub makes of the Accept header.
func mediaType(r *http.Request) string {
	if rawType(r) != "" {
		return "github.v3; param=raw; format=json"
	}
	return "github.v3; format=json"
}

// rawType returns the media type that asks for raw content; "" when JSON is asked for.
func rawType(r *http.Request) string {
	for one := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		one, _, _ = strings.Cut(strings.TrimSpace(one), ";")
		switch one {
		case "application/vnd.github.raw", "application/vnd.github.raw+json",
			"application/vnd.github.v3.raw", "application/vnd.github.v3.raw+json":
			return one
		}
	}
	return ""
}
