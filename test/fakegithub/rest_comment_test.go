package fakegithub_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"katkit.dev/katkit/test/fakegithub"
)

func TestCommentsOfAPullRequest(t *testing.T) {
	w := serve(t)
	r, _ := w.pullRequest()
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	try(r.SetRole("Maria", fakegithub.RoleMaintain))
	asked, err := r.Comment(1, "Maria", "/katkit run")
	try(err)
	before := w.get(reader, app+"/pulls/1").object(t)["updated_at"]
	w.AdvanceClock(time.Hour)

	got := w.post(writer, app+"/issues/1/comments", map[string]any{"body": "running"})
	id := fmt.Sprint(int64(got.object(t)["id"].(float64)))
	if got.status != 201 || got.object(t)["author_association"] != "NONE" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if after := w.get(reader, app+"/pulls/1").object(t)["updated_at"]; after == before {
		t.Error("a comment doesn't update its pull request")
	}
	if got := w.patch(writer, app+"/issues/comments/"+id, map[string]any{"body": "done"}); got.status != 200 || got.object(t)["body"] != "done" {
		t.Errorf("edited: %d %s", got.status, got.body)
	}
	since := url.QueryEscape(time.Now().Add(30 * time.Minute).UTC().Format(time.RFC3339))
	for path, want := range map[string]string{
		"/issues/1/comments": "/katkit run done", "/issues/1/comments?since=" + since: "done", "/issues/1/comments?per_page=1&page=2": "done",
		"/issues/comments?since=" + since: "done", "/issues/comments?sort=updated&direction=desc": "done /katkit run",
	} {
		if got := w.get(reader, app+path).field(t, "body"); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	reactions := app + fmt.Sprintf("/issues/comments/%d/reactions", asked)
	for i, want := range []int{201, 200} {
		if got := w.post(writer, reactions, map[string]any{"content": "rocket"}); got.status != want {
			t.Errorf("reaction %d: %d %s", i, got.status, got.body)
		}
	}
	if got := w.get(reader, reactions+"?content=rocket").field(t, "content"); got != "rocket" {
		t.Errorf("reactions: %s", got)
	}
	one := w.get(reader, app+fmt.Sprintf("/issues/comments/%d", asked)).object(t)
	if one["author_association"] != "COLLABORATOR" || one["reactions"].(map[string]any)["rocket"] != 1.0 || one["user"].(map[string]any)["login"] != "Maria" {
		t.Errorf("comment: %v", one)
	}
	if sent := r.Sent().Comments; len(sent) != 2 || sent[1].Body != "done" || len(sent[0].Reactions) != 1 {
		t.Errorf("sent: %+v", sent)
	}
}

func TestCommentsThatAreRefused(t *testing.T) {
	w := serve(t)
	w.pullRequest()
	for name, c := range map[string]struct {
		token, path, body string
		status            int
	}{
		"of a reader":               {reader, "/issues/1/comments", "x", 403},
		"of an unknown number":      {writer, "/issues/9/comments", "x", 404},
		"empty":                     {writer, "/issues/1/comments", "", 422},
		"too long":                  {writer, "/issues/1/comments", strings.Repeat("x", 65537), 422},
		"reactions of unknown ones": {writer, "/issues/comments/9/reactions", "", 404},
	} {
		body := map[string]any{"body": c.body}
		if strings.HasSuffix(c.path, "reactions") {
			body = map[string]any{"content": "eyes"}
		}
		if got := w.post(c.token, app+c.path, body); got.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, c.status)
		}
	}
	if got := w.patch(writer, app+"/issues/comments/9", map[string]any{"body": "x"}); got.status != 404 {
		t.Errorf("edit of an unknown comment: %d", got.status)
	}
}
