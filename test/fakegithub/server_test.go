package fakegithub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"katkit.dev/katkit/test/fakegithub"
	"katkit.dev/katkit/test/fakegithub/openapi"
)

const (
	reader   = "reader-token"
	writer   = "writer-token"
	stranger = "stranger-token"
	admin    = "admin-token"
)

// world is a served stand-in.
type world struct {
	*testing.T
	*fakegithub.Server
	url string
}

func serve(t *testing.T) *world {
	t.Helper()
	return serveDir(t, t.TempDir())
}

func serveDir(t *testing.T, dir string) *world {
	t.Helper()
	all := func(p fakegithub.Permission) map[string]fakegithub.Permission {
		return map[string]fakegithub.Permission{"acme/app": p, "acme/new": p}
	}
	server, err := fakegithub.New(fakegithub.Options{Dir: dir, AdminToken: admin, Tokens: map[string]fakegithub.Account{
		reader:   {Login: "reader", Repositories: all(fakegithub.Read)},
		writer:   {Login: "writer", Repositories: all(fakegithub.Write)},
		stranger: {Login: "stranger"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(openapi.Check(t, server))
	t.Cleanup(func() { listener.Close(); server.Close() })
	return &world{T: t, Server: server, url: listener.URL}
}

func (w *world) repository(name string, private bool) *fakegithub.Repository {
	w.Helper()
	repository, err := w.CreateRepository(name, fakegithub.RepositoryOptions{Private: private})
	if err != nil {
		w.Fatal(err)
	}
	return repository
}

func (w *world) commit(r *fakegithub.Repository, commit fakegithub.Commit) string {
	w.Helper()
	sha, err := r.Commit(commit)
	if err != nil {
		w.Fatal(err)
	}
	return sha
}

// answer is what a request brought.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) object(t *testing.T) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(a.body, &object); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return object
}

// request makes a request as GitHub wants it; headers come in pairs.
func (w *world) request(method, token, path string, body any, headers ...string) *http.Request {
	w.Helper()
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			w.Fatal(err)
		}
		reader = bytes.NewReader(data)
	}
	request, err := http.NewRequest(method, w.url+path, reader)
	if err != nil {
		w.Fatal(err)
	}
	request.Header.Set("Accept", "application/vnd.github+json")
	request.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return request
}

// list is the body of an answer that is a list.
func (a answer) list(t *testing.T) []map[string]any {
	t.Helper()
	var list []map[string]any
	if err := json.Unmarshal(a.body, &list); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return list
}

// field is what the objects of a list have in a field, one after the other.
func (a answer) field(t *testing.T, name string) string {
	t.Helper()
	var values []string
	for _, object := range a.list(t) {
		values = append(values, fmt.Sprint(object[name]))
	}
	return strings.Join(values, " ")
}

// pullRequest makes acme/app, private, with a pull request from a branch of its own, and returns its head.
func (w *world) pullRequest() (r *fakegithub.Repository, sha string) {
	w.Helper()
	r = w.repository("acme/app", true)
	w.commit(r, fakegithub.Commit{Message: "first"})
	sha = w.commit(r, fakegithub.Commit{Branch: "topic", Message: "topic"})
	if _, err := r.OpenPullRequest(fakegithub.PullRequest{Title: "t", Head: "topic"}); err != nil {
		w.Fatal(err)
	}
	return r, sha
}

// get asks the API without following redirects.
func (w *world) get(token, path string, headers ...string) answer {
	w.Helper()
	return w.send(w.request(http.MethodGet, token, path, nil, headers...))
}

// post sends a body to the API.
func (w *world) post(token, path string, body any) answer {
	w.Helper()
	return w.send(w.request(http.MethodPost, token, path, body))
}

func (w *world) patch(token, path string, body any) answer {
	w.Helper()
	return w.send(w.request(http.MethodPatch, token, path, body))
}

// unchecked asks the server for what GitHub's description doesn't allow.
func (w *world) unchecked(request *http.Request) answer {
	w.Helper()
	recorder := httptest.NewRecorder()
	w.ServeHTTP(recorder, request)
	return answer{status: recorder.Code, header: recorder.Header(), body: recorder.Body.Bytes()}
}

func (w *world) send(request *http.Request) answer {
	w.Helper()
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: body}
}

// git runs git as a user would, without the configuration of this machine.
func (w *world) git(dir string, args ...string) (string, error) {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
		"GIT_AUTHOR_NAME=dev", "GIT_AUTHOR_EMAIL=dev@example.com", "GIT_COMMITTER_NAME=dev", "GIT_COMMITTER_EMAIL=dev@example.com"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (w *world) mustGit(dir string, args ...string) string {
	w.Helper()
	out, err := w.git(dir, args...)
	if err != nil {
		w.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return out
}

// remote is the clone address with a token in it.
func (w *world) remote(token, name string) string {
	credentials := ""
	if token != "" {
		credentials = "x-access-token:" + token + "@"
	}
	return strings.Replace(w.url, "http://", "http://"+credentials, 1) + "/" + name
}
