package fakegithub_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"katkit.dev/katkit/test/fakegithub"
)

func TestAPrivateRepositoryIsClonedWithATokenOnly(t *testing.T) {
	w := serve(t)
	r := w.repository("acme/app", true)
	w.commit(r, fakegithub.Commit{Message: "first", Files: fakegithub.Texts(map[string]string{"ci.sh": "#!/bin/sh\n", "a b/ü.txt": "text"})})

	for _, suffix := range []string{"", ".git"} {
		dir := t.TempDir()
		w.mustGit(dir, "clone", "-q", w.remote(reader, "acme/app"+suffix), "clone")
		info, err := os.Stat(filepath.Join(dir, "clone", "ci.sh"))
		if err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("ci.sh: %v, %v; want an executable file", info, err)
		}
		if content, err := os.ReadFile(filepath.Join(dir, "clone", "a b", "ü.txt")); string(content) != "text" {
			t.Errorf("content %q, %v", content, err)
		}
	}
	for token, want := range map[string]string{"": "could not read Username", "wrong": "Authentication failed", stranger: "not found"} {
		out, err := w.git(t.TempDir(), "clone", "-q", w.remote(token, "acme/app"), "clone")
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("token %q: %v, %s; want %q", token, err, out, want)
		}
	}
}

func TestAnExactCommitIsFetchedThoughNoBranchPointsToIt(t *testing.T) {
	w := serve(t)
	r := w.repository("acme/app", false)
	old := w.commit(r, fakegithub.Commit{Message: "old", Files: fakegithub.Texts(map[string]string{"f": "old"})})
	w.commit(r, fakegithub.Commit{Message: "new", Files: fakegithub.Texts(map[string]string{"f": "new"})})

	var dir string
	for _, protocol := range []string{"0", "2"} { // the older one needs the server's leave
		dir = t.TempDir()
		w.mustGit(dir, "init", "-q")
		w.mustGit(dir, "-c", "protocol.version="+protocol, "fetch", "-q", "--depth=1", w.remote("", "acme/app.git"), old)
		if content := w.mustGit(dir, "show", "FETCH_HEAD:f"); content != "old" {
			t.Errorf("protocol %s: content %q, want old", protocol, content)
		}
	}
	if out, err := w.git(dir, "fetch", "-q", w.remote("", "acme/app"), strings.Repeat("0", 39)+"1"); err == nil {
		t.Errorf("an unknown sha was fetched: %s", out)
	}
}

func TestAPushIsSeenByTheAPIAtOnce(t *testing.T) {
	w := serve(t)
	r := w.repository("acme/app", false)
	first := w.commit(r, fakegithub.Commit{Message: "first", Files: fakegithub.Texts(map[string]string{"f": "1"})})
	if got := w.get(reader, "/api/v3/repos/acme/app/branches/main").object(t)["commit"].(map[string]any)["sha"]; got != first {
		t.Fatalf("main is at %v, want %s", got, first)
	}
	dir := t.TempDir()
	w.mustGit(dir, "clone", "-q", w.remote(writer, "acme/app"), ".")
	// More than http.postBuffer, so that git sends it in chunks of unknown total length.
	large := make([]byte, 2<<20)
	for i := range large {
		large[i] = byte(rand.Uint32())
	}
	if err := os.WriteFile(filepath.Join(dir, "large"), large, 0o644); err != nil {
		t.Fatal(err)
	}
	w.mustGit(dir, "add", ".")
	w.mustGit(dir, "commit", "-q", "-m", "second")
	second := w.mustGit(dir, "rev-parse", "HEAD")

	out, err := w.git(dir, "push", "-q", w.remote(reader, "acme/app"), "HEAD:main")
	if err == nil || !strings.Contains(out, "403") {
		t.Errorf("push of a reader: %v, %s; want 403", err, out)
	}
	out, err = w.git(dir, "push", "-q", w.remote("", "acme/app"), "HEAD:main")
	if err == nil || !strings.Contains(out, "could not read Username") {
		t.Errorf("anonymous push: %v, %s; want to be asked for a token", err, out)
	}
	w.mustGit(dir, "push", "-q", "origin", "HEAD:main", "HEAD:refs/heads/feature/x")
	for _, branch := range []string{"main", "feature/x", "feature%2Fx"} {
		if got := w.get(reader, "/api/v3/repos/acme/app/branches/"+branch).object(t)["commit"].(map[string]any)["sha"]; got != second {
			t.Errorf("%s is at %v, want %s", branch, got, second)
		}
	}
	raw := w.get(reader, "/api/v3/repos/acme/app/contents/large?ref="+second, "Accept", "application/vnd.github.raw+json")
	if !bytes.Equal(raw.body, large) {
		t.Errorf("status %d, %d bytes, want the %d that were pushed", raw.status, len(raw.body), len(large))
	}
}

func TestAForksPullRequestIsFetchedFromTheBaseAndFollowsItsBranch(t *testing.T) {
	w := serve(t)
	base := w.repository("acme/app", false)
	w.commit(base, fakegithub.Commit{Message: "base", Files: fakegithub.Texts(map[string]string{"f": "1"})})
	fork := w.repository("stranger/app", false)
	w.commit(fork, fakegithub.Commit{Branch: "fix", Message: "fix", Files: fakegithub.Texts(map[string]string{"f": "2"})})
	number, err := base.OpenPullRequest(fakegithub.PullRequest{Title: "fix", Author: "stranger", Head: "fix", HeadRepository: "stranger/app"})
	if err != nil {
		t.Fatal(err)
	}
	moved := w.commit(fork, fakegithub.Commit{Branch: "fix", Message: "more", Files: fakegithub.Texts(map[string]string{"f": "3"})})
	pull := w.get("", "/api/v3/repos/acme/app/pulls/1").object(t)
	if got := pull["head"].(map[string]any)["sha"]; number != 1 || got != moved {
		t.Errorf("#%d is at %v, want %s", number, got, moved)
	}
	dir := t.TempDir()
	w.mustGit(dir, "init", "-q")
	w.mustGit(dir, "fetch", "-q", w.remote("", "acme/app"), "refs/pull/1/head", moved)
	if content := w.mustGit(dir, "show", moved+":f"); content != "3" {
		t.Errorf("content %q", content)
	}
	if err := base.ClosePullRequest(number); err != nil {
		t.Fatal(err)
	}
	w.commit(fork, fakegithub.Commit{Branch: "fix", Message: "later"})
	pull = w.get("", "/api/v3/repos/acme/app/pulls/1").object(t)
	if pull["state"] != "closed" || pull["head"].(map[string]any)["sha"] != moved {
		t.Errorf("closed pull request: %v at %v", pull["state"], pull["head"].(map[string]any)["sha"])
	}
}

func TestGitFollowsARename(t *testing.T) {
	w := serve(t)
	r := w.repository("acme/old", true)
	w.commit(r, fakegithub.Commit{Message: "first"})
	if err := w.Rename("acme/old", "acme/app"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w.mustGit(dir, "clone", "-q", w.remote(reader, "acme/old.git"), "clone")
	if out, err := w.git(dir, "clone", "-q", w.remote(stranger, "acme/old.git"), "other"); err == nil {
		t.Errorf("a stranger was led to the private repository: %s", out)
	}
}
