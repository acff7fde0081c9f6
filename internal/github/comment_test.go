package github_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
)

// writer is the token of an account that may write comments.
const writer = "token-of-the-writer"

// discussion is a repository with n pull requests, numbered from 1.
func (w *world) discussion(n int) *fakegithub.Repository {
	w.Helper()
	r := w.repository("acme/app")
	w.commit(r, fakegithub.Commit{Message: "base"})
	w.open(r, n)
	w.AddToken(writer, fakegithub.Account{Login: "katkit-bot", Repositories: map[string]fakegithub.Permission{"*": fakegithub.Write}})
	return r
}

func (w *world) say(r *fakegithub.Repository, number int, login, body string) int64 {
	w.Helper()
	id, err := r.Comment(number, login, body)
	if err != nil {
		w.Fatal(err)
	}
	return id
}

func bodies(comments []github.Comment) []string {
	list := make([]string, 0, len(comments))
	for _, comment := range comments {
		list = append(list, comment.Body)
	}
	return list
}

func TestCommentsAreReadOnceAndCostNothingWhileThereAreNone(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.discussion(2)
	w.say(r, 1, "ann", "old")
	last := w.say(r, 2, "ann", "read before")
	read := func(since time.Time, after int64) []github.Comment {
		t.Helper()
		comments, complete, err := w.client().Comments(t.Context(), "acme/app", since, after, 90)
		if err != nil || !complete {
			t.Fatal(complete, err)
		}
		return comments
	}
	since := read(time.Time{}, 0)[1].Created
	if got := read(since, last); len(got) != 0 {
		t.Errorf("read again: %v", bodies(got))
	}
	first := w.say(r, 1, "eve", "one")
	w.say(r, 2, "helper[bot]", strings.Repeat("ä", github.MaxCommentBody))
	got := read(since, last)
	want := []github.Comment{
		{ID: first, Number: 1, AuthorID: got[0].AuthorID, AuthorLogin: "eve", Body: "one", Created: got[0].Created},
		{ID: first + 1, Number: 2, AuthorID: got[1].AuthorID, AuthorLogin: "helper[bot]", AuthorBot: true,
			Body: strings.Repeat("ä", github.MaxCommentBody/2), Created: got[1].Created},
	}
	if diff := cmp.Diff(want, got); diff != "" || got[0].AuthorID == got[1].AuthorID || got[0].AuthorID < 1 || time.Since(got[0].Created) > time.Minute {
		t.Errorf("comments: %s", diff)
	}
	left := w.client().RateLimit().Remaining
	read(since, last)
	if now := w.client().RateLimit().Remaining; now != left {
		t.Errorf("an unchanged list cost %d", left-now)
	}
	requests := w.Requests()
	if newest := requests[len(requests)-1]; newest.Status != http.StatusNotModified {
		t.Errorf("answered %d", newest.Status)
	}
}

func TestManyCommentsAreReadPageByPageTheNewestOfThem(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.discussion(1)
	ids := make([]int64, 0, 100)
	for i := range 100 {
		ids = append(ids, w.say(r, 1, "ann", fmt.Sprint(i)))
	}
	for name, c := range map[string]struct {
		after       int64
		limit       int
		from, calls int
		complete    bool
	}{
		"all":                  {0, 200, 0, 4, true},
		"some, of two pages":   {ids[49], 200, 50, 2, true},
		"those of a page":      {ids[70], 30, 71, 1, true},
		"as many as are asked": {0, 30, 70, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			w.ForgetRequests()
			got, complete, err := w.client().Comments(t.Context(), "acme/app", time.Time{}, c.after, c.limit)
			want := make([]string, 0, 100)
			for i := c.from; i < 100; i++ {
				want = append(want, fmt.Sprint(i))
			}
			if diff := cmp.Diff(want, bodies(got)); err != nil || complete != c.complete || diff != "" || len(w.Requests()) != c.calls {
				t.Errorf("complete: %t, %d calls, %v, %s", complete, len(w.Requests()), err, diff)
			}
		})
	}
}

func TestAnEditedCommentKeepsItsNumber(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.discussion(1)
	old, last := w.say(r, 1, "katkit-bot", "harmless"), w.say(r, 1, "ann", "newer")
	client := clientOf(t, w.factory, writer)
	if err := client.EditComment(t.Context(), "acme/app", old, "/katkit run"); err != nil {
		t.Fatal(err)
	}
	got, _, err := client.Comments(t.Context(), "acme/app", time.Time{}, last, 30)
	if err != nil || len(got) != 0 {
		t.Errorf("%v, %v", bodies(got), err)
	}
}

func TestACommentIsAnsweredByAReactionAndOneCommentThatIsFoundAgain(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.discussion(2)
	for i := range 35 {
		w.say(r, 1, "ann", fmt.Sprint("talk ", i))
	}
	asked := w.say(r, 1, "ann", "/katkit run")
	client := clientOf(t, w.factory, writer)
	var self int64
	for range 2 {
		var err error
		if self, err = client.React(t.Context(), "acme/app", asked, "+1"); err != nil || self < 1 {
			t.Fatal(self, err)
		}
	}
	ours := func(c github.Comment) bool { return c.AuthorID == self && strings.HasPrefix(c.Body, "<!-- mark -->") }
	if _, found, complete, err := client.FindComment(t.Context(), "acme/app", 1, ours); found || !complete || err != nil {
		t.Fatal(found, complete, err)
	}
	long := "<!-- mark -->\n" + strings.Repeat("x", 2*github.MaxCommentBody)
	w.say(r, 1, "eve", long)
	if err := client.CreateComment(t.Context(), "acme/app", 1, long); err != nil {
		t.Fatal(err)
	}
	found, isThere, _, err := client.FindComment(t.Context(), "acme/app", 1, ours)
	if err != nil || !isThere || found.Body != long || found.AuthorLogin != "katkit-bot" {
		t.Fatal(found, isThere, err)
	}
	if err := client.EditComment(t.Context(), "acme/app", found.ID, "<!-- mark -->\nless"); err != nil {
		t.Fatal(err)
	}
	sent := r.Sent().Comments
	last := sent[len(sent)-1]
	at := slices.IndexFunc(sent, func(c fakegithub.Comment) bool { return c.ID == asked })
	if last.Body != "<!-- mark -->\nless" || last.By != "katkit-bot" || len(sent) != 38 || len(sent[at].Reactions) != 1 || sent[at].Reactions[0].Content != "+1" {
		t.Errorf("%d comments, the last %+v; reactions %+v", len(sent), last, sent[at].Reactions)
	}
}

func TestWhoMayNotWriteIsToldSo(t *testing.T) {
	w := serve(t, github.Options{})
	asked := w.say(w.discussion(1), 1, "ann", "/katkit run")
	_, reacted := w.client().React(t.Context(), "acme/app", asked, "+1")
	for what, err := range map[string]error{
		"react":  reacted,
		"create": w.client().CreateComment(t.Context(), "acme/app", 1, "x"),
		"edit":   w.client().EditComment(t.Context(), "acme/app", asked, "x"),
	} {
		if e := asError(t, err); e.Kind != github.KindForbidden {
			t.Errorf("%s: %v", what, err)
		}
	}
	client := clientOf(t, w.factory, writer)
	if _, err := client.React(t.Context(), "acme/app", 9999, "+1"); asError(t, err).Kind != github.KindNotFound {
		t.Errorf("a comment that is gone: %v", err)
	}
	if err := w.Rename("acme/app", "acme/web"); err != nil {
		t.Fatal(err)
	}
	if err := client.CreateComment(t.Context(), "acme/app", 1, "x"); asError(t, err).Kind != github.KindUnavailable {
		t.Errorf("a repository that was renamed: %v", err)
	}
	if err := client.CreateComment(t.Context(), "acme/..", 1, "x"); github.KindOf(err) != github.KindUnprocessable {
		t.Errorf("a name that is none: %v", err)
	}
}

func TestCommentsOfOddShapes(t *testing.T) {
	const shape = `{"id": 5, "issue_url": "https://api.github.com/repos/acme/app/issues/7", "user": USER, "body": BODY, "created_at": "2024-01-02T03:04:05Z"}`
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for answer, want := range map[string]github.Comment{
		strings.NewReplacer("USER", "null", "BODY", "null").Replace(shape):                       {ID: 5, Number: 7, Created: at},
		strings.NewReplacer("USER", `{"id": -3, "login": "a\nb"}`, "BODY", `"x"`).Replace(shape): {ID: 5, Number: 7, AuthorLogin: "a b", Body: "x", Created: at},
	} {
		got, _, err := canned(t, 200, nil, "["+answer+"]").Comments(t.Context(), "acme/app", time.Time{}, 0, 30)
		if diff := cmp.Diff([]github.Comment{want}, got); err != nil || diff != "" {
			t.Errorf("%s: %v, %s", answer, err, diff)
		}
	}
	good := strings.NewReplacer("USER", "null", "BODY", "null").Replace(shape)
	for _, answer := range []string{
		`{}`, `[`, `[{}]`, `[null]`, "[" + good, "[" + strings.Replace(good, "/7", "/x", 1) + "]", "[" + strings.Replace(good, `"id": 5`, `"id": 0`, 1) + "]",
		"[" + strings.Replace(good, "/7", "/99999999999", 1) + "]", "[" + strings.Replace(good, "2024-01-02T03:04:05Z", "soon", 1) + "]",
	} {
		client := canned(t, 200, nil, answer)
		if _, _, err := client.Comments(t.Context(), "acme/app", time.Time{}, 0, 30); asError(t, err).Kind != github.KindUnavailable {
			t.Errorf("%s: %v", answer, err)
		}
		if _, _, _, err := client.FindComment(t.Context(), "acme/app", 7, func(github.Comment) bool { return false }); asError(t, err).Kind != github.KindUnavailable {
			t.Errorf("%s: %v", answer, err)
		}
	}
	endless := canned(t, 200, map[string]string{"Link": `<http://x/repos/acme/app/issues/comments?page=7>; rel="next"`}, "["+good+"]")
	if got, complete, err := endless.Comments(t.Context(), "acme/app", time.Time{}, 0, 90); err != nil || complete || len(got) != 1 {
		t.Errorf("pages without end: %d comments, complete: %t, %v", len(got), complete, err)
	}
	if _, found, complete, err := endless.FindComment(t.Context(), "acme/app", 7, func(github.Comment) bool { return false }); err != nil || found || complete {
		t.Errorf("pages without end: found: %t, complete: %t, %v", found, complete, err)
	}
	if _, err := canned(t, 201, nil, `{}`).React(t.Context(), "acme/app", 5, "+1"); asError(t, err).Kind != github.KindUnavailable {
		t.Errorf("a reaction of nobody: %v", err)
	}
}
