package fakegithub_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"katkit.dev/katkit/test/fakegithub"
)

func TestTheControlAPIDoesWhatTheServerDoes(t *testing.T) {
	w := serve(t)
	ctx := t.Context()
	control := fakegithub.Control{URL: w.url, AdminToken: admin}
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	try(control.CreateRepository(ctx, "acme/app", fakegithub.RepositoryOptions{Private: true, DefaultBranch: "trunk"}))
	if err := control.CreateRepository(ctx, "ACME/App", fakegithub.RepositoryOptions{}); !errors.Is(err, fakegithub.ErrExists) {
		t.Errorf("made twice: %v, want ErrExists", err)
	}
	_, err := control.Commit(ctx, "acme/app", fakegithub.Commit{Message: "first", Files: fakegithub.Texts(map[string]string{"f": "1", "g/h": "2"})})
	try(err)
	sha, err := control.Commit(ctx, "acme/app", fakegithub.Commit{Branch: "topic", Message: "topic", Delete: []string{"g"}})
	try(err)
	number, err := control.OpenPullRequest(ctx, "acme/app", fakegithub.PullRequest{Title: "t", Head: "topic"})
	try(err)
	if got := w.get(reader, "/api/v3/repos/acme/app/pulls/1").object(t); number != 1 || got["head"].(map[string]any)["sha"] != sha {
		t.Errorf("pull request %d: %v", number, got)
	}
	if got := w.get(reader, "/api/v3/repos/acme/app/contents/g?ref="+sha); got.status != 404 {
		t.Errorf("deleted folder: %d", got.status)
	}
	try(control.ClosePullRequest(ctx, "acme/app", number))
	try(control.AddToken(ctx, "late", fakegithub.Account{Login: "late", Repositories: map[string]fakegithub.Permission{"*": fakegithub.Read}}))
	if got := w.get("late", "/api/v3/repos/acme/app"); got.status != 200 {
		t.Errorf("added token: %d", got.status)
	}
	try(control.SetRateLimit(ctx, "late", 5, 0, time.Now().Add(time.Hour)))
	if got := w.get("late", "/api/v3/repos/acme/app"); got.status != 403 {
		t.Errorf("limited token: %d", got.status)
	}
	try(control.RevokeToken(ctx, "late"))
	if got := w.get("late", "/api/v3/repos/acme/app"); got.status != 401 {
		t.Errorf("revoked token: %d", got.status)
	}
	try(control.Rename(ctx, "acme/app", "acme/new"))
	try(control.ForgetRequests(ctx))
	try(control.Inject(ctx, fakegithub.Fault{Path: "/acme/new$", Times: 2, Status: 502, Message: "Server Error", Header: map[string]string{"Retry-After": "7"}}))
	for i, want := range []int{502, 502, 200} {
		got := w.get(reader, "/api/v3/repos/acme/new")
		if got.status != want || (want == 502) != (got.header.Get("Retry-After") == "7") {
			t.Errorf("request %d: %d %v, want %d", i, got.status, got.header, want)
		}
	}
	requests, err := control.Requests(ctx)
	try(err)
	if len(requests) != 3 || requests[0].Status != 502 || requests[2].Path != "/api/v3/repos/acme/new" || requests[2].Token != fakegithub.Fingerprint(reader) {
		t.Errorf("requests: %+v", requests)
	}
	stranger := fakegithub.Control{URL: w.url, AdminToken: writer}
	if err := stranger.ForgetRequests(ctx); err == nil {
		t.Error("the control API took a token that isn't the admin's")
	}
}

func TestAnAnswerIsCutOffAndDelayedWhenAsked(t *testing.T) {
	w := serve(t)
	w.repository("acme/app", false)
	if err := w.Inject(fakegithub.Fault{TruncateAfter: 10}); err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(w.request(http.MethodGet, "", "/api/v3/repos/acme/app", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); !errors.Is(err, io.ErrUnexpectedEOF) || len(body) != 10 {
		t.Errorf("%q, %v; want 10 bytes and an unexpected end", body, err)
	}
	if err := w.Inject(fakegithub.Fault{Delay: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if w.get("", "/api/v3/repos/acme/app"); time.Since(start) < 50*time.Millisecond {
		t.Errorf("answered after %s", time.Since(start))
	}
}

func TestARestartKeepsRepositoriesNamesAndPullRequests(t *testing.T) {
	dir := t.TempDir()
	w := serveDir(t, dir)
	r := w.repository("acme/old", true)
	w.commit(r, fakegithub.Commit{Message: "first"})
	sha := w.commit(r, fakegithub.Commit{Branch: "topic", Message: "topic"})
	if _, err := r.OpenPullRequest(fakegithub.PullRequest{Title: "t", Head: "topic", Draft: true}); err != nil {
		t.Fatal(err)
	}
	if err := w.Rename("acme/old", "acme/app"); err != nil {
		t.Fatal(err)
	}
	w = serveDir(t, dir)
	if got := w.get(reader, "/api/v3/repos/acme/app/pulls/1").object(t); got["draft"] != true || got["head"].(map[string]any)["sha"] != sha {
		t.Errorf("pull request after the restart: %v", got)
	}
	if got := w.get(stranger, "/api/v3/repos/acme/app"); got.status != 404 {
		t.Errorf("private repository after the restart: %d", got.status)
	}
	if got := w.get(reader, "/api/v3/repos/acme/old"); got.status != 301 {
		t.Errorf("former name after the restart: %d", got.status)
	}
	w.repository("acme/new", false)
	if got := w.get(reader, "/api/v3/repos/acme/new").object(t); got["id"] != 1000002.0 {
		t.Errorf("ID after the restart: %v", got["id"])
	}
}

func TestFilesOfAFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "run"), []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	files, err := fakegithub.FilesOf(os.DirFS(dir))
	if err != nil || len(files) != 1 || !files["run"].Executable {
		t.Errorf("%v, %v", files, err)
	}
	files, err = fakegithub.FilesOf(fstest.MapFS{"ci.sh": {Data: []byte("#!/bin/sh")}, "a/b": {Data: []byte("b")}, ".git/config": {}})
	if err != nil || len(files) != 2 || !files["ci.sh"].Executable || files["a/b"].Executable || string(files["a/b"].Content) != "b" {
		t.Errorf("%v, %v", files, err)
	}
}
