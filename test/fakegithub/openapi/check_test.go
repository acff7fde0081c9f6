package openapi

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"katkit.dev/katkit/test/fakegithub"
)

// small is a description in GitHub's manner.
const small = `{"openapi": "3.0.3", "info": {"title": "small", "version": "1"},
"paths": {
  "/repos/{owner}/{repo}/branches/{branch}": {"get": {
    "parameters": [{"$ref": "#/components/parameters/owner"}, {"$ref": "#/components/parameters/repo"},
      {"$ref": "#/components/parameters/branch"}, {"name": "per_page", "in": "query", "schema": {"type": "integer"}}],
    "responses": {"200": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/branch"},
      "examples": {"default": {"$ref": "#/components/examples/large"}}}}}}}},
  "/repos/{owner}/{repo}/branches/{branch}/protection": {"get": {
    "parameters": [{"$ref": "#/components/parameters/owner"}, {"$ref": "#/components/parameters/repo"}, {"$ref": "#/components/parameters/branch"}],
    "responses": {"204": {"description": ""}}}},
  "/repos/{owner}/{repo}/statuses/{sha}": {"post": {
    "parameters": [{"$ref": "#/components/parameters/owner"}, {"$ref": "#/components/parameters/repo"},
      {"name": "sha", "in": "path", "required": true, "schema": {"type": "string"}}],
    "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "required": ["state"],
      "properties": {"state": {"type": "string", "enum": ["pending", "success"]}, "context": {"type": "string"}}}}}},
    "responses": {"201": {"description": ""}}}}
},
"components": {
  "examples": {"large": {"value": {}}},
  "parameters": {
    "owner": {"name": "owner", "in": "path", "required": true, "schema": {"type": "string"}},
    "repo": {"name": "repo", "in": "path", "required": true, "schema": {"type": "string"}},
    "branch": {"name": "branch", "in": "path", "required": true, "x-multi-segment": true, "schema": {"type": "string"}}},
  "schemas": {
    "branch": {"type": "object", "required": ["name", "user"], "properties": {"name": {"type": "string"}, "user": {"$ref": "#/components/schemas/user"}}},
    "user": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "url": {"type": "string", "format": "uri"}}}}
}}`

// recorder is a test that may fail.
type recorder struct {
	cleanup []func()
	told    strings.Builder
	failed  bool
}

func (r *recorder) Helper()                      {}
func (r *recorder) Cleanup(end func())           { r.cleanup = append(r.cleanup, end) }
func (r *recorder) Logf(format string, a ...any) { fmt.Fprintf(&r.told, format, a...) }
func (r *recorder) Errorf(format string, a ...any) {
	r.failed = true
	r.Logf(format, a...)
}
func (r *recorder) Fatalf(format string, a ...any) { r.Errorf(format, a...) }

func TestEachDifferenceIsTold(t *testing.T) {
	d, err := parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	const good = `{"name": "main", "user": {"id": 1, "url": "https://example.com/x"}}`
	const basic = `{"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"}`
	for name, c := range map[string]struct {
		request string // method, path, body
		drop    string // header of the request
		answer  string // status, body
		header  string // of the answer
		want    string // "": nothing is told
	}{
		"a branch":                             {"GET /repos/acme/app/branches/main?per_page=1", "", "200 " + good, "", ""},
		"a branch with slashes":                {"GET /repos/acme/app/branches/feature/x", "", "200 " + good, "", ""},
		"a branch with escaped slashes":        {"GET /repos/acme/app/branches/feature%2Fx", "", "200 " + good, "", ""},
		"a branch by the repository's ID":      {"GET /repositories/7/branches/main", "", "200 " + good, "", ""},
		"the longer of two paths":              {"GET /repos/acme/app/branches/main/protection", "", "204", "", ""},
		"an answer without a field":            {"GET /repos/acme/app/branches/main", "", `200 {"name": "main"}`, "", `/user: property "user" is missing`},
		"an answer without a field, deeper":    {"GET /repos/acme/app/branches/main", "", `200 {"name": "main", "user": {}}`, "", `/user/id: property "id" is missing`},
		"an answer with a relative address":    {"GET /repos/acme/app/branches/main", "", `200 {"name": "", "user": {"id": 1, "url": "/x"}}`, "", "/user/url: "},
		"an answer in another type":            {"GET /repos/acme/app/branches/main", "", "200 " + good, "Content-Type: text/html", "Content-Type"},
		"a file in its own type":               {"GET /repos/acme/app/branches/main", "", "200 x", "Content-Type: application/vnd.github.raw+json", ""},
		"a status that it doesn't know":        {"GET /repos/acme/app/branches/main", "", "418 " + basic, "", "answer 418"},
		"a token that isn't accepted":          {"GET /repos/acme/app/branches/main", "", "401 " + basic, "", ""},
		"an error that is none":                {"GET /repos/acme/app/branches/main", "", "404 {}", "", "message and documentation_url"},
		"a fault":                              {"GET /repos/acme/app/branches/main", "", "502 <html>", fakegithub.HeaderFault + ": true", ""},
		"a bad request that meets a fault":     {"GET /repos/acme/app/branches/main?x=1", "", "502 <html>", fakegithub.HeaderFault + ": true", `no such query parameter: "x"`},
		"a redirect":                           {"GET /repos/acme/old/branches/main", "", "301 " + basic, "Location: /repositories/7/branches/main", ""},
		"a redirect to nowhere":                {"GET /repos/acme/old/branches/main", "", "301 " + basic, "", "needs a Location"},
		"nothing new":                          {"GET /repos/acme/app/branches/main", "", "304", "ETag: x", ""},
		"nothing new without ETag":             {"GET /repos/acme/app/branches/main", "", "304", "", "needs an ETag"},
		"a path that it doesn't know":          {"GET /repos/acme/app/twigs", "", "404 " + basic, "", "no such path"},
		"a method that it doesn't know":        {"PUT /repos/acme/app/branches/main", "", "404 " + basic, "", "no such method"},
		"a parameter of the wrong type":        {"GET /repos/acme/app/branches/main?per_page=all", "", "200 " + good, "", `"per_page"`},
		"a parameter that it doesn't know":     {"GET /repos/acme/app/branches/main?perpage=1", "", "200 " + good, "", `no such query parameter: "perpage"`},
		"a body":                               {`POST /repos/acme/app/statuses/7 {"state": "success", "context": "x"}`, "", "201", "", ""},
		"a body without a field":               {`POST /repos/acme/app/statuses/7 {"context": "x"}`, "", "201", "", `property "state" is missing`},
		"a body with a value of its own":       {`POST /repos/acme/app/statuses/7 {"state": "green"}`, "", "201", "", "/state: "},
		"a body with a field of its own":       {`POST /repos/acme/app/statuses/7 {"state": "success", "url": "x"}`, "", "201", "", `no such field of the body: "url"`},
		"no body where one is needed":          {"POST /repos/acme/app/statuses/7", "", "201", "", "request"},
		"a body where none is known":           {"GET /repos/acme/app/branches/main {}", "", "200 " + good, "", "request"},
		"nobody knows who asks":                {"GET /repos/acme/app/branches/main", "User-Agent", "200 " + good, "", "User-Agent"},
		"nobody knows which version is wanted": {"GET /repos/acme/app/branches/main", "X-GitHub-Api-Version", "200 " + good, "", "X-GitHub-Api-Version"},
		"nobody knows what is accepted":        {"GET /repos/acme/app/branches/main", "Accept", "200 " + good, "", "Accept"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := strings.SplitN(c.request, " ", 3)
			request := httptest.NewRequest(asked[0], apiRoot+asked[1], strings.NewReader(strings.Join(asked[2:], "")))
			request.Header = http.Header{"User-Agent": {"x"}, "X-Github-Api-Version": {"2022-11-28"}, "Accept": {"application/vnd.github.v3+json"}, "Content-Type": {"application/json"}}
			request.Header.Del(c.drop)
			status, body, _ := strings.Cut(c.answer, " ")
			told := &recorder{}
			handler := check(told, d, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got, _ := io.ReadAll(r.Body); string(got) != strings.Join(asked[2:], "") {
					t.Errorf("the body was %q", got)
				}
				w.Header().Set("Content-Type", "application/json; charset=utf-8")
				if name, value, found := strings.Cut(c.header, ": "); found {
					w.Header().Set(name, value)
				}
				code, err := strconv.Atoi(status)
				if err != nil {
					t.Error(err)
				}
				w.WriteHeader(code)
				w.Write([]byte(body))
			}))
			for range 2 {
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, request.Clone(t.Context()))
				if fmt.Sprint(answer.Code) != status || answer.Body.String() != body {
					t.Errorf("%d %s came through, want %s", answer.Code, answer.Body, c.answer)
				}
				request.Body = io.NopCloser(strings.NewReader(strings.Join(asked[2:], "")))
			}
			told.cleanup[0]()
			if told.failed != (c.want != "") || !strings.Contains(told.told.String(), c.want) || strings.Count(told.told.String(), c.want) > 1 && c.want != "request" && c.want != "" {
				t.Errorf("told %q, want %q once", told.told.String(), c.want)
			}
		})
	}
}

func TestOtherPathsAreNotChecked(t *testing.T) {
	d, err := parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	told := &recorder{}
	handler := check(told, d, http.NotFoundHandler())
	for _, path := range []string{"/acme/app.git/info/refs?service=git-upload-pack", "/_control/tokens", "/healthz"} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	if told.cleanup[0](); told.failed {
		t.Error(told.told.String())
	}
}

func TestGitHubsPathsAreFound(t *testing.T) {
	d, err := github()
	if err != nil {
		t.Skipf("%s is the folder that hack/octokit-assets.sh prints: %v", EnvAssets, err)
	}
	for path, want := range map[string]string{
		"/repos/a/b":                                 "/repos/{owner}/{repo}",
		"/repos/a/b/branches/feature/x":              "/repos/{owner}/{repo}/branches/{branch}",
		"/repos/a/b/branches/feature%2Fx/protection": "/repos/{owner}/{repo}/branches/{branch}/protection",
		"/repos/a/b/commits/feature/x":               "/repos/{owner}/{repo}/commits/{ref}",
		"/repos/a/b/commits/feature/x/statuses":      "/repos/{owner}/{repo}/commits/{ref}/statuses",
		"/repos/a/b/compare/x...y":                   "/repos/{owner}/{repo}/compare/{basehead}",
		"/repos/a/b/contents/dir/f":                  "/repos/{owner}/{repo}/contents/{path}",
		"/repos/a/b/issues/comments/1":               "/repos/{owner}/{repo}/issues/comments/{comment_id}",
		"/repos/a/b/issues/1/comments":               "/repos/{owner}/{repo}/issues/{issue_number}/comments",
		"/repos/a/b/c/d":                             "",
	} {
		if got, _, _ := d.find(http.MethodGet, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
		if want != "" {
			if _, err := d.path(want); err != nil {
				t.Error(err)
			}
		}
	}
}

func BenchmarkDescription(b *testing.B) {
	for b.Loop() {
		if _, err := read(); err != nil {
			b.Skipf("%s is the folder that hack/octokit-assets.sh prints: %v", EnvAssets, err)
		}
	}
}

func BenchmarkPath(b *testing.B) {
	d, err := github()
	if err != nil {
		b.Skipf("%s is the folder that hack/octokit-assets.sh prints: %v", EnvAssets, err)
	}
	for b.Loop() {
		clear(d.paths)
		if _, err := d.path("/repos/{owner}/{repo}/pulls"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	d, err := github()
	if err != nil {
		b.Skipf("%s is the folder that hack/octokit-assets.sh prints: %v", EnvAssets, err)
	}
	handler := check(&recorder{}, d, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"ref": "refs/heads/main", "node_id": "", "url": "", "object": {"type": "commit", "sha": "0000000000000000000000000000000000000001", "url": ""}}`))
	}))
	request := httptest.NewRequest(http.MethodGet, apiRoot+"/repos/acme/app/git/ref/heads/main", nil)
	for b.Loop() {
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
}
