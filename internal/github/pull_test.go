package github_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
)

// open opens pull requests of a branch each.
func (w *world) open(r *fakegithub.Repository, n int) {
	w.Helper()
	for i := range n {
		branch := fmt.Sprintf("topic-%d", i)
		w.commit(r, fakegithub.Commit{Branch: branch, Message: branch})
		if _, err := r.OpenPullRequest(fakegithub.PullRequest{Title: branch, Author: "dev", Head: branch}); err != nil {
			w.Fatal(err)
		}
	}
}

func numbers(pulls []github.PullRequest) []int {
	list := make([]int, 0, len(pulls))
	for _, pull := range pulls {
		list = append(list, pull.Number)
	}
	slices.Sort(list)
	return list
}

func TestOpenPullRequestsAreReadPageByPageAndCostNothingWhileTheyStayAsTheyAre(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.repository("acme/app")
	w.commit(r, fakegithub.Commit{Message: "base"})
	w.commit(r, fakegithub.Commit{Branch: "other", Message: "other"})
	w.open(r, 35)
	if _, err := r.OpenPullRequest(fakegithub.PullRequest{Title: "elsewhere", Author: "dev", Head: "topic-0", Base: "other"}); err != nil {
		t.Fatal(err)
	}
	if err := r.ClosePullRequest(3); err != nil {
		t.Fatal(err)
	}
	list := func(limit int) ([]github.PullRequest, bool) {
		t.Helper()
		pulls, more, err := w.client().OpenPullRequests(t.Context(), "acme/app", "trunk", limit)
		if err != nil {
			t.Fatal(err)
		}
		return pulls, more
	}
	pulls, more := list(100)
	want := []int{1, 2}
	for number := 4; number <= 35; number++ {
		want = append(want, number)
	}
	if diff := cmp.Diff(want, numbers(pulls)); diff != "" || more {
		t.Errorf("more: %t, %s", more, diff)
	}
	single, err := w.client().PullRequest(t.Context(), "acme/app", 5)
	if err != nil || !slices.ContainsFunc(pulls, func(pull github.PullRequest) bool { return cmp.Equal(pull, single) }) {
		t.Errorf("pull request 5 is %+v, %v; it is not in the list", single, err)
	}

	before := len(w.Requests())
	again, _ := list(100)
	for _, request := range w.Requests()[before:] {
		if request.Status != http.StatusNotModified {
			t.Errorf("%s is answered %d", request.Path, request.Status)
		}
	}
	if diff := cmp.Diff(pulls, again); diff != "" || len(w.Requests()) != before+2 {
		t.Errorf("%d requests, %s", len(w.Requests())-before, diff)
	}

	if err := r.ClosePullRequest(20); err != nil {
		t.Fatal(err)
	}
	if pulls, _ := list(100); slices.Contains(numbers(pulls), 20) || len(pulls) != 33 {
		t.Errorf("20 was closed: %v", numbers(pulls))
	}
	if pulls, more := list(10); len(pulls) != 10 || !more {
		t.Errorf("%d of them, more: %t", len(pulls), more)
	}
	if pulls, more := list(33); len(pulls) != 33 || more {
		t.Errorf("%d of them, more: %t", len(pulls), more)
	}
}

// anyPull is a pull request as GitHub answers, as far as it is looked at.
func anyPull(number int, description string) string {
	return fmt.Sprintf(`{"number": %d, "title": "t", "state": "open", "body": %q, "user": {"login": "dev"},
		"head": {"ref": "topic", "sha": %q, "repo": null}, "base": {"ref": "main", "repo": {"id": 5}}}`, number, description, strings.Repeat("a", 40))
}

func TestHostileListsOfPullRequests(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	for name, c := range map[string]struct {
		body  func(page int) string
		next  bool // says that there is a page more, whatever was asked for
		kind  github.Kind
		pulls int
	}{
		"descriptions as long as GitHub allows": {pulls: 30, body: func(int) string {
			list := make([]string, 30)
			for i := range list {
				list[i] = anyPull(i+1, long)
			}
			return "[" + strings.Join(list, ",") + "]"
		}},
		"pages without end":            {pulls: 1, next: true, body: func(int) string { return "[" + anyPull(1, "") + "]" }},
		"one that ends in the middle":  {kind: github.KindUnavailable, body: func(int) string { return "[" + anyPull(1, "") + "," + anyPull(2, "") }},
		"one that is none":             {kind: github.KindUnavailable, body: func(int) string { return `{"message": "hello"}` }},
		"a number that is none":        {kind: github.KindUnavailable, body: func(int) string { return "[" + anyPull(-1, "") + "]" }},
		"more than anybody should say": {kind: github.KindTooLarge, body: func(int) string { return "[" + anyPull(1, strings.Repeat(long, 90)) + "]" }},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				if c.next {
					w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?page=%d>; rel="next"`, r.Host, r.URL.Path, asked+1))
				}
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, c.body(asked))
			}))
			t.Cleanup(server.Close)
			pulls, _, err := clientOf(t, factoryFor(t, server.URL, github.Options{}), token).OpenPullRequests(t.Context(), "acme/app", "main", 100)
			if github.KindOf(err) != c.kind || len(pulls) != c.pulls {
				t.Errorf("%d pull requests, %v", len(pulls), err)
			}
			if asked > 6 {
				t.Errorf("asked for %d pages", asked)
			}
		})
	}
}

func TestHistoryIsAskedForOnce(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.repository("acme/app")
	var shas []string
	for i := range 5 {
		shas = append(shas, w.commit(r, fakegithub.Commit{Message: fmt.Sprint("number ", i)}))
	}
	for range 2 {
		commits, err := w.client().History(t.Context(), "acme/app", shas[3], 3)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{shas[3], shas[2], shas[1]} {
			if i >= len(commits) || commits[i].SHA != want || commits[i].Message != fmt.Sprint("number ", 3-i) {
				t.Errorf("commit %d: %+v", i, commits)
			}
		}
		commits[0].SHA = "changed" // the caller's own
	}
	if asked := len(w.Requests()); asked != 1 {
		t.Errorf("%d requests", asked)
	}
	if _, err := w.client().History(t.Context(), "acme/app", unknownSHA, 3); github.KindOf(err) != github.KindNotFound {
		t.Errorf("unknown commit: %v", err)
	}
}

func TestHistoryOfAOneCommitPushIsThatOfItsParent(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.repository("acme/app")
	client := w.client()
	look := func() []string {
		t.Helper()
		head, err := client.Branch(t.Context(), "acme/app", "trunk")
		if err != nil {
			t.Fatal(err)
		}
		commits, err := client.History(t.Context(), "acme/app", head.SHA, 3)
		if err != nil {
			t.Fatal(err)
		}
		var messages []string
		for _, commit := range commits {
			messages = append(messages, commit.Message)
		}
		return messages
	}
	for _, step := range []struct {
		push []string
		want []string
		asks int // the branch, and the history where it is needed
	}{
		{push: []string{"a", "b", "c"}, want: []string{"c", "b", "a"}, asks: 2},
		{push: []string{"d"}, want: []string{"d", "c", "b"}, asks: 1},
		{push: []string{"e", "f"}, want: []string{"f", "e", "d"}, asks: 2},
		{push: []string{"g"}, want: []string{"g", "f", "e"}, asks: 1},
	} {
		for _, message := range step.push {
			w.commit(r, fakegithub.Commit{Message: message})
		}
		before := len(w.Requests())
		if got := look(); !slices.Equal(got, step.want) {
			t.Errorf("after %q: %q, want %q", step.push, got, step.want)
		}
		if asked := len(w.Requests()) - before; asked != step.asks {
			t.Errorf("after %q: %d requests, want %d", step.push, asked, step.asks)
		}
	}
}
