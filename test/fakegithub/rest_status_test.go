package fakegithub_test

import (
	"net/http"
	"strings"
	"testing"
)

const app = "/api/v3/repos/acme/app"

func TestStatusesOfACommit(t *testing.T) {
	w := serve(t)
	r, sha := w.pullRequest()
	for _, state := range []string{"pending", "success"} {
		got := w.post(writer, app+"/statuses/"+sha, map[string]any{"state": state, "context": "katkit/t/-/BUILD", "description": "d", "target_url": "https://example.com"})
		if got.status != 201 || got.object(t)["creator"].(map[string]any)["login"] != "writer" {
			t.Errorf("%s: %d %s", state, got.status, got.body)
		}
	}
	w.post(writer, app+"/statuses/"+sha, map[string]any{"state": "error"})
	for ref, want := range map[string]string{sha: "error success pending", "topic": "error success pending", "main": ""} {
		if got := w.get(reader, app+"/commits/"+ref+"/statuses").field(t, "state"); got != want {
			t.Errorf("%s: %s, want %s", ref, got, want)
		}
	}
	if sent := r.Sent().Statuses; len(sent) != 3 || sent[1].State != "success" || sent[1].By != "writer" || sent[2].Context != "default" {
		t.Errorf("sent: %+v", sent)
	}
	if err := w.Rename("acme/app", "acme/new"); err != nil {
		t.Fatal(err)
	}
	moved := w.post(writer, app+"/statuses/"+sha, map[string]any{"state": "error"})
	if location := w.url + "/api/v3/repositories/1000001/statuses/" + sha; moved.status != 307 || moved.header.Get("Location") != location {
		t.Errorf("%d %v, want 307 to %s", moved.status, moved.header, location)
	}
	if got := w.post(writer, "/api/v3/repositories/1000001/statuses/"+sha, map[string]any{"state": "error"}); got.status != 201 {
		t.Errorf("by ID: %d %s", got.status, got.body)
	}
}

func TestStatusesThatAreRefused(t *testing.T) {
	w := serve(t)
	_, sha := w.pullRequest()
	long := strings.Repeat("x", 141)
	for name, c := range map[string]struct {
		token, sha string
		body       map[string]any
		status     int
	}{
		"of a reader":               {reader, sha, map[string]any{"state": "success"}, 403},
		"of a stranger":             {stranger, sha, map[string]any{"state": "success"}, 404},
		"of an unknown commit":      {writer, strings.Repeat("0", 40), map[string]any{"state": "success"}, 422},
		"with a long description":   {writer, sha, map[string]any{"state": "success", "description": long}, 422},
		"with an address of a file": {writer, sha, map[string]any{"state": "success", "target_url": "file:///x"}, 422},
	} {
		if got := w.post(c.token, app+"/statuses/"+c.sha, c.body); got.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, c.status)
		}
	}
	got := w.unchecked(w.request(http.MethodPost, writer, app+"/statuses/"+sha, map[string]any{"state": "green"}))
	if got.status != 422 || !strings.Contains(string(got.body), "state is not included in the list") {
		t.Errorf("of another state: %d %s", got.status, got.body)
	}
}
