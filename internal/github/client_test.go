package github_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
	"katkit.dev/katkit/test/fakegithub/openapi"
)

const token = "secret-token-of-acme"

var unknownSHA = strings.Repeat("0", 39) + "1"

// world is a stand-in for GitHub, served under the name github.example.com, and a factory that may use it.
type world struct {
	*testing.T
	*fakegithub.Server
	url     string
	factory *github.Factory
}

func serve(t *testing.T, options github.Options) *world {
	t.Helper()
	server, err := fakegithub.New(fakegithub.Options{Dir: t.TempDir(), Tokens: map[string]fakegithub.Account{
		token:   {Login: "acme-bot", Repositories: map[string]fakegithub.Permission{"*": fakegithub.Read}},
		"other": {Login: "other", Repositories: map[string]fakegithub.Permission{}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(openapi.Check(t, server))
	t.Cleanup(func() { listener.Close(); server.Close() })
	return &world{T: t, Server: server, url: listener.URL, factory: factoryFor(t, listener.URL, options)}
}

// factoryFor knows one host, github.example.com, at an address.
func factoryFor(t *testing.T, address string, options github.Options) *github.Factory {
	t.Helper()
	host, err := github.ParseHost("github.example.com=" + address)
	if err != nil {
		t.Fatal(err)
	}
	options.Hosts = []github.Host{host}
	factory, err := github.NewFactory(options)
	if err != nil {
		t.Fatal(err)
	}
	return factory
}

func clientOf(t *testing.T, factory *github.Factory, token string) *github.Client {
	t.Helper()
	client, err := factory.Client("github.example.com", github.Credential{Token: token}, github.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (w *world) client() *github.Client {
	w.Helper()
	return clientOf(w.T, w.factory, token)
}

func (w *world) repository(name string) *fakegithub.Repository {
	w.Helper()
	repository, err := w.CreateRepository(name, fakegithub.RepositoryOptions{Private: true, DefaultBranch: "trunk"})
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

func TestARepositoryItsBranchesCommitsAndFilesAreRead(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.repository("acme/app")
	sha := w.commit(r, fakegithub.Commit{Branch: "feature/a#b%c", Author: "octocat", Message: "Add the service\n\nAt last.",
		Files: fakegithub.Texts(map[string]string{"api/a b%2F#?.txt": "content", "empty": ""})})
	client, ctx := w.client(), t.Context()

	got, err := client.Repository(ctx, "acme/app")
	want := github.Repository{ID: 1000001, FullName: "acme/app", DefaultBranch: "trunk", Private: true}
	if err != nil || got != want {
		t.Errorf("repository %+v, %v; want %+v", got, err, want)
	}
	byBranch, err := client.Branch(ctx, "acme/app", "feature/a#b%c")
	if err != nil || byBranch.SHA != sha || byBranch.Message != "Add the service" || byBranch.Author != "octocat" ||
		time.Since(byBranch.Time) > time.Minute || byBranch.Time.Location() != time.UTC || byBranch.URL != w.url+"/acme/app/commit/"+sha {
		t.Errorf("branch %+v, %v", byBranch, err)
	}
	bySHA, err := client.Commit(ctx, "acme/app", sha)
	if diff := cmp.Diff(byBranch, bySHA); err != nil || diff != "" {
		t.Errorf("commit: %v, %s", err, diff)
	}
	for path, want := range map[string]string{"api/a b%2F#?.txt": "content", "empty": ""} {
		content, err := client.File(ctx, "acme/app", path, sha, 7)
		if err != nil || string(content) != want {
			t.Errorf("file %s: %q, %v; want %q", path, content, err, want)
		}
	}
	if url := client.CloneURL("acme/app"); url != w.url+"/acme/app.git" {
		t.Errorf("clone URL %s", url)
	}
}

func TestAPullRequestSaysWhetherItComesFromAFork(t *testing.T) {
	w := serve(t, github.Options{})
	base, fork := w.repository("acme/app"), w.repository("octocat/app")
	w.commit(base, fakegithub.Commit{Message: "base"})
	own := w.commit(base, fakegithub.Commit{Branch: "topic", Message: "topic"})
	foreign := w.commit(fork, fakegithub.Commit{Branch: "fix", Message: "fix"})
	for _, request := range []fakegithub.PullRequest{
		{Title: "Own\ttopic", Author: "dev", Head: "topic", Draft: true},
		{Title: "Fix", Author: "octocat", Head: "fix", HeadRepository: "octocat/app"},
	} {
		if _, err := base.OpenPullRequest(request); err != nil {
			t.Fatal(err)
		}
	}
	if err := base.ClosePullRequest(2); err != nil {
		t.Fatal(err)
	}
	for _, want := range []github.PullRequest{
		{Number: 1, Title: "Own topic", Author: "dev", AuthorID: 3579418556, HeadRef: "topic", HeadSHA: own, HeadRepo: "acme/app", BaseRef: "trunk",
			Draft: true, State: "open", URL: w.url + "/acme/app/pull/1"},
		{Number: 2, Title: "Fix", Author: "octocat", AuthorID: 344042070, HeadRef: "fix", HeadSHA: foreign, HeadRepo: "octocat/app", BaseRef: "trunk",
			Fork: true, State: "closed", URL: w.url + "/acme/app/pull/2"},
	} {
		got, err := w.client().PullRequest(t.Context(), "acme/app", want.Number)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("pull request: %v, %s", err, diff)
		}
	}
	if _, err := w.client().PullRequest(t.Context(), "acme/app", 3); github.KindOf(err) != github.KindNotFound {
		t.Errorf("pull request 3: %v, want NotFound", err)
	}
}

func TestARenamedRepositoryIsFoundUnderItsFormerName(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.repository("acme/old")
	sha := w.commit(r, fakegithub.Commit{Message: "first", Files: fakegithub.Texts(map[string]string{"f": "x"})})
	if err := w.Rename("acme/old", "acme/new"); err != nil {
		t.Fatal(err)
	}
	client := w.client()
	got, err := client.Repository(t.Context(), "acme/old")
	if err != nil || got.FullName != "acme/new" {
		t.Errorf("repository %+v, %v; want acme/new", got, err)
	}
	content, err := client.File(t.Context(), "acme/old", "f", sha, 10)
	if err != nil || string(content) != "x" {
		t.Errorf("file %q, %v", content, err)
	}
}

func TestUnchangedAnswersCostNoRateLimitAndChangedOnesAreSeen(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.repository("acme/app")
	w.commit(r, fakegithub.Commit{Message: "first"})
	client := w.client()
	for range 3 {
		if _, err := client.Branch(t.Context(), "acme/app", "trunk"); err != nil {
			t.Fatal(err)
		}
	}
	statuses := func() (statuses []int) {
		for _, request := range w.Requests() {
			statuses = append(statuses, request.Status)
		}
		return statuses
	}
	if diff := cmp.Diff([]int{200, 304, 304}, statuses()); diff != "" {
		t.Errorf("answers: %s", diff)
	}
	second := w.commit(r, fakegithub.Commit{Message: "second"})
	if got, err := client.Branch(t.Context(), "acme/app", "trunk"); err != nil || got.SHA != second {
		t.Errorf("branch at %s, %v; want %s", got.SHA, err, second)
	}
	if _, err := clientOf(t, w.factory, "other").Branch(t.Context(), "acme/app", "trunk"); github.KindOf(err) != github.KindNotFound {
		t.Errorf("a token without access: %v, want NotFound", err)
	}
	w.RevokeToken(token)
	if _, err := client.Branch(t.Context(), "acme/app", "trunk"); github.KindOf(err) != github.KindUnauthorized {
		t.Errorf("a revoked token: %v, want Unauthorized", err)
	}
}

func TestWhatCannotChangeIsAskedForOnceByEachToken(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.repository("acme/app")
	sha := w.commit(r, fakegithub.Commit{Message: "first", Files: fakegithub.Texts(map[string]string{"f": "content"})})
	client, ctx := w.client(), t.Context()
	for range 3 {
		content, err := client.File(ctx, "acme/app", "f", sha, 7)
		if err != nil || string(content) != "content" {
			t.Fatalf("file %q, %v", content, err)
		}
		copy(content, "XXXXXXX") // the caller's own copy
		if commit, err := client.Commit(ctx, "acme/app", sha); err != nil || commit.SHA != sha {
			t.Fatalf("commit %+v, %v", commit, err)
		}
	}
	if requests := w.Requests(); len(requests) != 2 {
		t.Errorf("requests %+v, want 2", requests)
	}
	if _, err := client.File(ctx, "acme/app", "f", sha, 6); github.KindOf(err) != github.KindTooLarge {
		t.Errorf("a known file over the limit: %v, want TooLarge", err)
	}
	other := clientOf(t, w.factory, "other")
	if _, err := other.File(ctx, "acme/app", "f", sha, 7); github.KindOf(err) != github.KindNotFound {
		t.Errorf("file of a token without access: %v, want NotFound", err)
	}
	if _, err := other.Commit(ctx, "acme/app", sha); github.KindOf(err) != github.KindNotFound {
		t.Errorf("commit of a token without access: %v, want NotFound", err)
	}
}

func TestTheSameTokenHasOneClient(t *testing.T) {
	w := serve(t, github.Options{})
	if w.client() != clientOf(t, w.factory, " "+token+"\n") {
		t.Error("white space around a token makes another client")
	}
	if w.client() == clientOf(t, w.factory, "other") {
		t.Error("two tokens share a client")
	}
}

func TestTheTokenAndTheUserAgentAreSent(t *testing.T) {
	var got http.Header
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		w.Write([]byte(`{"id": 1, "full_name": "acme/app"}`))
	}))
	defer listener.Close()
	factory := factoryFor(t, listener.URL, github.Options{UserAgent: "katkit/1.2"})
	for sent, want := range map[string]string{token: "Bearer " + token, "": ""} {
		if _, err := clientOf(t, factory, sent).Repository(t.Context(), "acme/app"); err != nil {
			t.Fatal(err)
		}
		if got.Get("Authorization") != want || got.Get("User-Agent") != "katkit/1.2" || got.Get("X-GitHub-Api-Version") == "" {
			t.Errorf("header %v", got)
		}
	}
}

func TestIsAncestor(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.repository("acme/app")
	first := w.commit(r, fakegithub.Commit{Message: "first"})
	second := w.commit(r, fakegithub.Commit{Message: "second"})
	fork := w.commit(r, fakegithub.Commit{Branch: "fork", Message: "fork"})
	third := w.commit(r, fakegithub.Commit{Message: "third"})
	client, ctx := w.client(), t.Context()
	for _, c := range []struct {
		sha, of string
		want    bool
	}{{first, third, true}, {third, first, false}, {second, second, false}, {fork, third, false}} {
		if got, err := client.IsAncestor(ctx, "acme/app", c.sha, c.of); err != nil || got != c.want {
			t.Errorf("%s of %s: %t, %v; want %t", c.sha, c.of, got, err, c.want)
		}
	}
	if _, err := client.IsAncestor(ctx, "acme/app", first, strings.Repeat("0", 39)+"1"); github.KindOf(err) != github.KindNotFound {
		t.Errorf("a commit that is not there: %v", err)
	}
	if _, err := client.IsAncestor(ctx, "acme/app", "main", first); github.KindOf(err) != github.KindUnprocessable {
		t.Errorf("a branch instead of a sha: %v", err)
	}
}
