package fakegithub_test

import (
	"fmt"
	"strings"
	"testing"

	"katkit.dev/katkit/test/fakegithub"
)

func TestEachChangeOfABranchIsAnActivity(t *testing.T) {
	dir := t.TempDir()
	w := serveDir(t, dir)
	r := w.repository("acme/app", false)
	first := w.commit(r, fakegithub.Commit{Message: "first", Author: "ann"})
	clone := t.TempDir()
	w.mustGit(clone, "clone", "-q", w.remote(writer, "acme/app"), ".")
	w.mustGit(clone, "commit", "-q", "--allow-empty", "-m", "second")
	w.mustGit(clone, "commit", "-q", "--allow-empty", "-m", "third")
	third := w.mustGit(clone, "rev-parse", "HEAD")
	w.mustGit(clone, "push", "-q", "origin", "HEAD:main", "HEAD:refs/heads/topic", "HEAD:refs/tags/v1")
	w.mustGit(clone, "push", "-q", "--force", "origin", first+":main")
	w.mustGit(clone, "push", "-q", "origin", ":topic")
	w.commit(r, fakegithub.Commit{Message: "fourth", Author: "ann"})
	if out, err := w.git(clone, "push", "-q", "origin", third+":main"); err == nil {
		t.Errorf("a push that is no fast-forward: %s", out)
	}
	w = serveDir(t, dir) // a restart forgets none, and makes none up
	fourth, _ := w.Repository("acme/app")
	tip, _ := fourth.Head("main")
	fifth := w.commit(fourth, fakegithub.Commit{Message: "fifth", Author: "ann"})
	zeros := strings.Repeat("0", 40)
	want := []string{
		"push refs/heads/main " + tip + " " + fifth + " ann",
		"push refs/heads/main " + first + " " + tip + " ann",
		"branch_deletion refs/heads/topic " + third + " " + zeros + " writer",
		"force_push refs/heads/main " + third + " " + first + " writer",
		"branch_creation refs/heads/topic " + zeros + " " + third + " writer",
		"push refs/heads/main " + first + " " + third + " writer",
		"branch_creation refs/heads/main " + zeros + " " + first + " ann",
	}
	list := func(query string) (list []string) {
		t.Helper()
		for next := app + "/activity" + query; next != ""; {
			got := w.get(reader, next)
			for _, a := range got.list(t) {
				list = append(list, fmt.Sprint(a["activity_type"], " ", a["ref"], " ", a["before"], " ", a["after"], " ", a["actor"].(map[string]any)["login"]))
			}
			link, _, _ := strings.Cut(got.header.Get("Link"), ">; rel=\"next\"")
			next = strings.TrimPrefix(link, "<"+w.url)
		}
		return list
	}
	of := func(indexes ...int) (some []string) {
		for _, i := range indexes {
			some = append(some, want[i])
		}
		return some
	}
	for query, want := range map[string][]string{
		"": want, "?per_page=2": want, "?direction=asc&per_page=3": of(6, 5, 4, 3, 2, 1, 0), "?ref=refs/heads/topic": of(2, 4), "?ref=topic&direction=desc": of(2, 4),
		"?activity_type=force_push": of(3), "?actor=ann": of(0, 1, 6), "?ref=none": nil,
	} {
		if got := list(query); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s:\n%s\nwant:\n%s", query, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if got := w.get(reader, app+"/activity?after=1"); got.status != 422 {
		t.Errorf("a cursor that is none: %d", got.status)
	}
}

func TestAForkBeginsWithTheBranchesOfItsParent(t *testing.T) {
	w := serve(t)
	sha := w.commit(w.repository("acme/app", false), fakegithub.Commit{Message: "first"})
	fork, err := w.Fork("acme/app", "acme/new")
	if err != nil {
		t.Fatal(err)
	}
	w.commit(fork, fakegithub.Commit{Message: "second"})
	got := w.get(reader, "/api/v3/repos/acme/new/activity?ref=main")
	if types := got.field(t, "activity_type"); types != "push branch_creation" || got.list(t)[0]["before"] != sha {
		t.Errorf("%s", got.body)
	}
}
