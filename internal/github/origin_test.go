package github_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
)

func TestWhatShowsThatACommitIsOfTheRepositoryIsRead(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.repository("acme/app")
	base := w.commit(r, fakegithub.Commit{Message: "base"})
	fork, err := w.Fork("acme/app", "mallory/app")
	if err != nil {
		t.Fatal(err)
	}
	mine := w.commit(fork, fakegithub.Commit{Branch: "mine", Message: "mine"})
	topic := w.commit(r, fakegithub.Commit{Branch: "topic/one", Message: "topic"})
	tip := w.commit(r, fakegithub.Commit{Branch: "topic/one", Message: "more"})
	for _, request := range []fakegithub.PullRequest{
		{Title: "mine", Author: "mallory", Head: "mine", HeadRepository: "mallory/app"}, {Title: "topic", Author: "dev", Head: "topic/one"},
	} {
		if _, err := r.OpenPullRequest(request); err != nil {
			t.Fatal(err)
		}
	}
	client, ctx := w.client(), t.Context()
	for name, c := range map[string]struct {
		sha  string
		head bool
		pull string // owner/name of its head
		fork bool
	}{
		"the default branch's": {sha: base, head: true},
		"a fork's":             {sha: mine, pull: "mallory/app", fork: true},
		"a branch's newest":    {sha: tip, head: true, pull: "acme/app"},
		"one before it":        {sha: topic, pull: "acme/app"},
	} {
		if head, err := client.IsBranchHead(ctx, "acme/app", c.sha); err != nil || head != c.head {
			t.Errorf("%s: the newest of a branch: %t, %v", name, head, err)
		}
		pulls, err := client.PullRequestsOf(ctx, "acme/app", c.sha)
		if err != nil || len(pulls) != min(len(c.pull), 1) || len(pulls) == 1 && (pulls[0].HeadRepo != c.pull || pulls[0].Fork != c.fork) {
			t.Errorf("%s: %+v, %v", name, pulls, err)
		}
	}

	if err := w.DeleteRepository("mallory/app"); err != nil {
		t.Fatal(err)
	}
	if pulls, err := client.PullRequestsOf(ctx, "acme/app", mine); err != nil || len(pulls) != 1 || !pulls[0].Fork || pulls[0].HeadRepo != "" {
		t.Errorf("of a fork that was deleted: %+v, %v", pulls, err)
	}
	for sha, kind := range map[string]github.Kind{strings.Repeat("0", 39) + "1": github.KindNotFound, "main": github.KindUnprocessable} {
		if head, err := client.IsBranchHead(ctx, "acme/app", sha); github.KindOf(err) != kind || head {
			t.Errorf("branches of %s: %t, %v", sha, head, err)
		}
		if pulls, err := client.PullRequestsOf(ctx, "acme/app", sha); github.KindOf(err) != kind || len(pulls) > 0 {
			t.Errorf("pull requests of %s: %v, %v", sha, pulls, err)
		}
	}
	if !slices.ContainsFunc(w.Requests(), func(r fakegithub.Request) bool {
		return r.Status == http.StatusOK && strings.HasSuffix(r.Path, "/pulls?per_page=30")
	}) {
		t.Error("pull requests are not asked for in a page that is bounded")
	}
}
