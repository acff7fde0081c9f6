package fakegithub_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"katkit.dev/katkit/test/fakegithub"
)

func TestThePullRequestOfADeletedForkHasNoHeadRepository(t *testing.T) {
	w := serve(t)
	ctx := t.Context()
	control := fakegithub.Control{URL: w.url, AdminToken: admin}
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r := w.repository("acme/app", false)
	base := w.commit(r, fakegithub.Commit{Message: "first"})
	try(control.Fork(ctx, "acme/app", "dev/app"))
	sha, err := control.Commit(ctx, "dev/app", fakegithub.Commit{Branch: "fix", Message: "fix"})
	try(err)
	number, err := control.OpenPullRequest(ctx, "acme/app", fakegithub.PullRequest{Title: "fix", Author: "dev", Head: "fix", HeadRepository: "dev/app"})
	try(err)
	try(control.LabelPullRequest(ctx, "acme/app", number, "katkit", "bug"))
	pulls := w.get(reader, app+"/pulls").list(t)
	if head := pulls[0]["head"].(map[string]any); head["repo"].(map[string]any)["fork"] != true || head["label"] != "dev:fix" || len(pulls[0]["labels"].([]any)) != 2 {
		t.Errorf("%v", pulls[0])
	}
	if got := w.get(reader, "/api/v3/repos/dev/app/commits").field(t, "sha"); got != base {
		t.Errorf("commits of the fork: %s, want %s", got, base)
	}
	try(control.ClosePullRequest(ctx, "acme/app", number))
	try(control.ReopenPullRequest(ctx, "acme/app", number))
	try(control.LabelPullRequest(ctx, "acme/app", number))
	try(control.DeleteRepository(ctx, "dev/app"))
	for _, got := range []map[string]any{w.get(reader, app+"/pulls").list(t)[0], w.get(reader, app+"/pulls/1").object(t)} {
		if head := got["head"].(map[string]any); head["repo"] != nil || head["user"] != nil || head["sha"] != sha || got["state"] != "open" || len(got["labels"].([]any)) != 0 {
			t.Errorf("%v", got)
		}
	}
	try(control.AddUser(ctx, "nobody"))
	try(control.SetRole(ctx, "acme/app", "max", fakegithub.RoleWrite))
	id, err := control.Comment(ctx, "acme/app", number, "max", "/katkit ok "+sha)
	try(err)
	sent, err := control.Sent(ctx, "acme/app")
	try(err)
	if len(sent.Comments) != 1 || sent.Comments[0].ID != id || sent.Comments[0].By != "max" {
		t.Errorf("sent: %+v", sent)
	}
	w.SetRateLimit(reader, 5000, 0, time.Now().Add(time.Hour))
	try(control.AdvanceClock(ctx, time.Hour))
	if got := w.get(reader, app); got.status != 200 {
		t.Errorf("an hour later: %d", got.status)
	}
}

func TestMoreThanAHundredPullRequestsAndCommits(t *testing.T) {
	w := serve(t)
	r := w.repository("acme/app", false)
	w.commit(r, fakegithub.Commit{Message: "first"})
	w.commit(r, fakegithub.Commit{Branch: "topic", Message: "topic"})
	for range 101 {
		if _, err := r.OpenPullRequest(fakegithub.PullRequest{Title: "t", Head: "topic"}); err != nil {
			t.Fatal(err)
		}
	}
	query := "/pulls?state=open&base=main&sort=created&direction=asc&per_page=100"
	first := w.get(reader, app+query)
	next, _, _ := strings.Cut(strings.TrimPrefix(first.header.Get("Link"), "<"+w.url), ">")
	if second := w.get(reader, next).list(t); len(first.list(t)) != 100 || len(second) != 1 || second[0]["number"] != 101.0 {
		t.Errorf("%d, then %d by %s", len(first.list(t)), len(second), next)
	}
	if again := w.get(reader, app+query, "If-None-Match", first.header.Get("ETag")); again.status != http.StatusNotModified {
		t.Errorf("unchanged: %d", again.status)
	}
	if got := w.get(reader, app+"/commits?sha=topic&per_page=1"); len(got.list(t)) != 1 || !strings.Contains(got.header.Get("Link"), `rel="next"`) {
		t.Errorf("%s %v", got.body, got.header)
	}
	for path, want := range map[string]int{"/commits?sha=none": 404, "/commits?sha=topic&path=none": 200} {
		if got := w.get(reader, app+path); got.status != want {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

func TestFaultsOfManyKinds(t *testing.T) {
	w := serve(t)
	w.repository("acme/app", false)
	for _, fault := range []fakegithub.Fault{
		fakegithub.SecondaryRateLimit(http.StatusForbidden, time.Minute), fakegithub.SecondaryRateLimit(http.StatusTooManyRequests, 0),
		{Status: http.StatusBadGateway, HTML: "<html>Unicorn!</html>"},
	} {
		if err := w.Inject(fault); err != nil {
			t.Fatal(err)
		}
		got := w.get(reader, app)
		if got.status != fault.Status || got.header.Get("Retry-After") != fault.Header["Retry-After"] || !strings.Contains(string(got.body), fault.Message) ||
			(fault.HTML != "") != strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
			t.Errorf("%d %v %s", got.status, got.header, got.body)
		}
	}
	if err := w.Inject(fakegithub.Fault{Percent: 30, Times: 1 << 20, Status: 500}); err != nil {
		t.Fatal(err)
	}
	statuses := map[string]int{}
	for range 20 {
		statuses[fmt.Sprint(w.get(reader, app).status)]++
	}
	if statuses["500"] != 6 || statuses["200"] != 14 {
		t.Errorf("of twenty: %v", statuses)
	}
}
