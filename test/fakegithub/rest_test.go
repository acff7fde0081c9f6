package fakegithub_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"katkit.dev/katkit/test/fakegithub"
)

func TestErrorsAreThoseOfTheDocumentation(t *testing.T) {
	w := serve(t)
	r := w.repository("acme/app", true)
	sha := w.commit(r, fakegithub.Commit{Message: "first", Files: fakegithub.Texts(map[string]string{"dir/f": "1"})})
	w.repository("acme/new", false)
	w.repository("acme/old", false)
	if err := w.Rename("acme/old", "acme/renamed"); err != nil {
		t.Fatal(err)
	}
	unknown := strings.Repeat("0", 39) + "1"
	for name, c := range map[string]struct {
		token, path string
		status      int
		message     string
	}{
		"a wrong token":                           {"wrong", "repos/acme/app", 401, "Bad credentials"},
		"a private repository without token":      {"", "repos/acme/app", 404, "Not Found"},
		"a private repository of others":          {stranger, "repos/acme/app", 404, "Not Found"},
		"a repository that isn't there":           {reader, "repos/acme/none", 404, "Not Found"},
		"a branch that isn't there":               {reader, "repos/acme/app/branches/none", 404, "Branch not found"},
		"a branch that is an expression":          {reader, "repos/acme/app/branches/main%5E%7Btree%7D", 404, "Branch not found"},
		"a commit that isn't there":               {reader, "repos/acme/app/commits/" + unknown, 422, "No commit found for SHA: " + unknown},
		"a commit that is a branch not there":     {reader, "repos/acme/app/commits/none", 422, "No commit found for SHA: none"},
		"a commit of an empty repository":         {reader, "repos/acme/new/commits/" + sha, 409, "Git Repository is empty."},
		"a file that isn't there":                 {reader, "repos/acme/app/contents/none", 404, "Not Found"},
		"a file below a file":                     {reader, "repos/acme/app/contents/dir/f/g", 404, "Not Found"},
		"a file of a commit that isn't there":     {reader, "repos/acme/app/contents/dir/f?ref=" + unknown, 404, "No commit found for the ref " + unknown},
		"a file of an empty repository":           {reader, "repos/acme/new/contents/f", 404, "This repository is empty."},
		"a pull request that isn't there":         {reader, "repos/acme/app/pulls/1", 404, "Not Found"},
		"a ref that isn't there":                  {reader, "repos/acme/app/git/ref/heads/none", 404, "Not Found"},
		"a former name":                           {"", "repos/acme/old/pulls?state=all", 301, "Moved Permanently"},
		"a former name seen with a wrong token":   {"wrong", "repos/acme/old", 401, "Bad credentials"},
		"an ID that isn't there":                  {reader, "repositories/1", 404, "Not Found"},
		"a private repository of others, by ID":   {stranger, "repositories/1000001", 404, "Not Found"},
		"a private repository of others, by file": {stranger, "repos/acme/app/contents/dir/f?ref=" + sha, 404, "Not Found"},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.get(c.token, "/api/v3/"+c.path)
			body := got.object(t)
			if got.status != c.status || body["message"] != c.message {
				t.Errorf("%d %v, want %d %s", got.status, body, c.status, c.message)
			}
			if got.header.Get("X-GitHub-Request-Id") == "" || got.header.Get("Content-Type") != "application/json; charset=utf-8" || body["documentation_url"] == "" {
				t.Errorf("header %v, body %v", got.header, body)
			}
			if c.status == 301 {
				if want := w.url + "/api/v3/repositories/1000003/pulls?state=all"; got.header.Get("Location") != want || body["url"] != want {
					t.Errorf("location %s, want %s", got.header.Get("Location"), want)
				}
			} else if body["status"] != fmt.Sprint(c.status) {
				t.Errorf("status in the body: %v", body["status"])
			}
		})
	}
}

func TestAnEndpointThatIsNotThere(t *testing.T) {
	w := serve(t)
	got := w.unchecked(w.request(http.MethodGet, reader, "/api/v3/nothing", nil))
	if got.status != http.StatusNotFound || got.object(t)["message"] != "Not Found" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestContentsComeInBothMediaTypes(t *testing.T) {
	w := serve(t)
	r := w.repository("acme/app", false)
	text := strings.Repeat("0123456789", 20)
	sha := w.commit(r, fakegithub.Commit{Message: "files", Files: map[string]fakegithub.File{
		"dir/a b.txt": fakegithub.Text(text), "link": {Content: []byte("dir/a b.txt"), Symlink: true},
		"out": {Content: []byte("../secret"), Symlink: true}, "empty": {}, "large": {Content: make([]byte, 1<<20+1)},
	}})
	path := "/api/v3/repos/acme/app/contents/"
	for _, accept := range []string{"application/vnd.github.raw+json", "application/vnd.github.v3.raw"} {
		for file, want := range map[string]string{"dir/a%20b.txt": text, "link": text, "empty": ""} {
			got := w.get(reader, path+file+"?ref="+sha, "Accept", accept)
			if string(got.body) != want || got.header.Get("Content-Type") != accept+"; charset=utf-8" || got.header.Get("Content-Length") != fmt.Sprint(len(want)) {
				t.Errorf("%s: %d %q, %v", file, got.status, got.body, got.header)
			}
		}
	}
	body := w.get(reader, path+"dir/a%20b.txt?ref="+sha).object(t)
	content, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(body["content"].(string), "\n", ""))
	if err != nil || string(content) != text || body["type"] != "file" || body["encoding"] != "base64" || body["path"] != "dir/a b.txt" || body["size"] != 200.0 {
		t.Errorf("JSON: %v, %v", body, err)
	}
	if body := w.get(reader, path+"large").object(t); body["encoding"] != "none" || body["content"] != "" || body["size"] != float64(1<<20+1) {
		t.Errorf("large file: %v", body)
	}
	if body := w.get(reader, path+"out").object(t); body["type"] != "symlink" || body["target"] != "../secret" {
		t.Errorf("a link out of the repository: %v", body)
	}
	listing := w.get(reader, path, "Accept", "application/vnd.github.raw+json")
	var entries []map[string]any
	if err := json.Unmarshal(listing.body, &entries); err != nil || len(entries) != 5 || entries[0]["type"] != "dir" || listing.header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("directory: %v, %v, %v", err, entries, listing.header)
	}
}

func TestAnUnchangedAnswerIs304AndCostsNothing(t *testing.T) {
	w := serve(t)
	r := w.repository("acme/app", false)
	w.commit(r, fakegithub.Commit{Message: "first"})
	path := "/api/v3/repos/acme/app/branches/main"
	first := w.get(reader, path)
	etag := first.header.Get("ETag")
	if first.header.Get("X-RateLimit-Limit") != "5000" || first.header.Get("X-RateLimit-Remaining") != "4999" || etag == "" {
		t.Fatalf("header %v", first.header)
	}
	again := w.get(reader, path, "If-None-Match", etag)
	if again.status != http.StatusNotModified || len(again.body) != 0 || again.header.Get("X-RateLimit-Remaining") != "4999" {
		t.Errorf("%d, %d bytes, %v; want 304 that doesn't count", again.status, len(again.body), again.header)
	}
	if other := w.get(writer, path, "If-None-Match", etag); other.status != http.StatusOK {
		t.Errorf("another token's ETag was accepted: %d", other.status)
	}
	w.commit(r, fakegithub.Commit{Message: "second"})
	if changed := w.get(reader, path, "If-None-Match", etag); changed.status != http.StatusOK || changed.header.Get("X-RateLimit-Remaining") != "4998" {
		t.Errorf("%d, %v; want the new answer", changed.status, changed.header)
	}
}

func TestTheRateLimitEndsAndBeginsAgain(t *testing.T) {
	w := serve(t)
	w.repository("acme/app", false)
	reset := time.Now().Add(time.Hour)
	w.SetRateLimit(reader, 10, 1, reset)
	path := "/api/v3/repos/acme/app"
	if got := w.get(reader, path); got.status != 200 {
		t.Fatal(got.status)
	}
	got := w.get(reader, path)
	if got.status != http.StatusForbidden || !strings.HasPrefix(got.object(t)["message"].(string), "API rate limit exceeded") ||
		got.header.Get("X-RateLimit-Remaining") != "0" || got.header.Get("X-RateLimit-Reset") != fmt.Sprint(reset.Unix()) {
		t.Errorf("%d %s %v", got.status, got.body, got.header)
	}
	core := w.get(reader, "/api/v3/rate_limit").object(t)["resources"].(map[string]any)["core"].(map[string]any)
	if core["limit"] != 10.0 || core["remaining"] != 0.0 {
		t.Errorf("rate_limit says %v", core)
	}
	if other := w.get(writer, path); other.status != 200 {
		t.Errorf("another token is limited, too: %d", other.status)
	}
	w.SetRateLimit(reader, 10, 0, time.Now())
	if got := w.get(reader, path); got.status != 200 || got.header.Get("X-RateLimit-Remaining") != "9" {
		t.Errorf("after the reset: %d %v", got.status, got.header)
	}
}

func TestPullRequestsAreListedByPages(t *testing.T) {
	w := serve(t)
	r := w.repository("acme/app", false)
	w.commit(r, fakegithub.Commit{Message: "first"})
	w.commit(r, fakegithub.Commit{Branch: "release", Message: "release"})
	w.commit(r, fakegithub.Commit{Branch: "feature", Message: "feature"})
	for i := range 5 {
		base := "main"
		if i == 4 {
			base = "release"
		}
		if _, err := r.OpenPullRequest(fakegithub.PullRequest{Title: fmt.Sprint(i), Head: "feature", Base: base}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.ClosePullRequest(2); err != nil {
		t.Fatal(err)
	}
	numbers := func(query string) (numbers string, link string) {
		got := w.get(reader, "/api/v3/repos/acme/app/pulls?"+query)
		var pulls []map[string]any
		if err := json.Unmarshal(got.body, &pulls); err != nil {
			t.Fatal(err)
		}
		for _, pull := range pulls {
			numbers += fmt.Sprint(pull["number"])
		}
		return numbers, got.header.Get("Link")
	}
	for query, want := range map[string]string{
		"": "5431", "state=all": "54321", "state=closed": "2", "base=main": "431", "direction=asc": "1345",
		"head=acme:feature": "5431", "head=other:feature": "", "per_page=3": "543", "per_page=3&page=2": "1", "page=9": "",
	} {
		if got, _ := numbers(query); got != want {
			t.Errorf("%q: pull requests %s, want %s", query, got, want)
		}
	}
	api := w.url + "/api/v3/repositories/1000001/pulls"
	if _, link := numbers("per_page=3"); link != fmt.Sprintf(`<%s?page=2&per_page=3>; rel="next", <%s?page=2&per_page=3>; rel="last"`, api, api) {
		t.Errorf("link of the first page: %s", link)
	}
	if _, link := numbers("per_page=3&page=2"); link != fmt.Sprintf(`<%s?page=1&per_page=3>; rel="prev", <%s?page=1&per_page=3>; rel="first"`, api, api) {
		t.Errorf("link of the last page: %s", link)
	}
	if got := w.get(reader, "/api/v3/repositories/1000001/pulls?page=2&per_page=3"); got.status != 200 {
		t.Errorf("the link leads to %d", got.status)
	}
}

func BenchmarkFile(b *testing.B) {
	server, err := fakegithub.New(fakegithub.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	server.SetRateLimit("", 1<<30, 1<<30, time.Now().Add(time.Hour))
	r, err := server.CreateRepository("acme/app", fakegithub.RepositoryOptions{})
	if err != nil {
		b.Fatal(err)
	}
	sha, err := r.Commit(fakegithub.Commit{Message: "first", Files: fakegithub.Texts(map[string]string{"dir/katkitconfig.js": "[]"})})
	if err != nil {
		b.Fatal(err)
	}
	request, _ := http.NewRequest(http.MethodGet, "http://github/api/v3/repos/acme/app/contents/dir/katkitconfig.js?ref="+sha, nil)
	for b.Loop() {
		answer := discard{header: http.Header{}}
		server.ServeHTTP(answer, request)
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
