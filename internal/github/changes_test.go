package github_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
)

func TestTheChangedFilesOfACommitSinceItPartedFromItsBase(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.repository("acme/app")
	text := strings.Repeat("a line\n", 20)
	base := w.commit(r, fakegithub.Commit{Branch: "release/a#b%c", Message: "base", Files: fakegithub.Texts(map[string]string{
		"kept": "1", "changed": "1", "gone": "2", "old name": text})})
	head := w.commit(r, fakegithub.Commit{Branch: "topic", From: base, Message: "topic", Delete: []string{"gone", "old name"},
		Files: fakegithub.Texts(map[string]string{"changed": "3", "neu/ü #?%.go": "4", "new name": text})})
	moved := w.commit(r, fakegithub.Commit{Branch: "release/a#b%c", Message: "later", Files: fakegithub.Texts(map[string]string{"other": "5"})})
	want := []string{"changed", "gone", "neu/ü #?%.go", "new name", "old name"}
	client, ctx := w.client(), t.Context()
	for _, from := range []string{base, moved, "release/a#b%c"} {
		files, complete, err := client.ChangedFiles(ctx, "acme/app", from, head)
		slices.Sort(files)
		if diff := cmp.Diff(want, files); err != nil || !complete || diff != "" {
			t.Errorf("from %s: complete %t, %v, %s", from, complete, err, diff)
		}
	}
	if files, complete, err := client.ChangedFiles(ctx, "acme/app", head, head); err != nil || !complete || len(files) != 0 {
		t.Errorf("the same: %v, complete %t, %v", files, complete, err)
	}
	for what, c := range map[string]struct {
		base, head string
		kind       github.Kind
	}{
		"a head that is not there": {base, unknownSHA, github.KindNotFound},
		"a base that is not there": {"none", head, github.KindNotFound},
		"a branch as head":         {base, "topic", github.KindUnprocessable},
		"a base that climbs":       {"../..", head, github.KindUnprocessable},
		"three shas":               {base + "..." + moved, head, github.KindUnprocessable},
		"a branch of a fork":       {"stranger:main", head, github.KindUnprocessable},
	} {
		if _, _, err := client.ChangedFiles(ctx, "acme/app", c.base, c.head); github.KindOf(err) != c.kind {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestWhatTwoShasDifferInIsAskedForOnceAndWhatABranchDiffersInAlways(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.repository("acme/app")
	base := w.commit(r, fakegithub.Commit{Message: "base"})
	head := w.commit(r, fakegithub.Commit{Branch: "topic", Message: "topic", Files: fakegithub.Texts(map[string]string{"f": "1"})})
	client, ctx := w.client(), t.Context()
	read := func(from, want string) {
		t.Helper()
		files, complete, err := client.ChangedFiles(ctx, "acme/app", from, head)
		if got := strings.Join(files, " "); err != nil || !complete || got != want {
			t.Fatalf("%q, complete %t, %v; want %q", got, complete, err, want)
		}
		if len(files) > 0 {
			files[0] = "changed" // the caller's own
		}
	}
	read(base, "f")
	read(base, "f")
	if asked := len(w.Requests()); asked != 1 {
		t.Errorf("%d requests", asked)
	}
	read("trunk", "f")
	w.commit(r, fakegithub.Commit{From: head, Force: true, Message: "merged"})
	read("trunk", "")
	if _, _, err := clientOf(t, w.factory, "other").ChangedFiles(ctx, "acme/app", base, head); github.KindOf(err) != github.KindNotFound {
		t.Errorf("a token without access: %v", err)
	}
}

func TestACommitThatChangesMoreThanGitHubListsIsNotComplete(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.repository("acme/app")
	base := w.commit(r, fakegithub.Commit{Message: "base"})
	for n, complete := range map[int]bool{299: true, 300: false, 301: false} {
		files := map[string]string{}
		for i := range n {
			files[fmt.Sprintf("%d/%03d", n, i)] = fmt.Sprint(n, i)
		}
		head := w.commit(r, fakegithub.Commit{Branch: fmt.Sprint("topic", n), From: base, Message: "topic", Files: fakegithub.Texts(files)})
		for range 2 { // the second time from the cache
			listed, got, err := w.client().ChangedFiles(t.Context(), "acme/app", base, head)
			if err != nil || got != complete || len(listed) != min(n, 300) {
				t.Errorf("%d files: %d listed, complete %t, %v", n, len(listed), got, err)
			}
		}
	}
}

func TestHostileComparisons(t *testing.T) {
	list := func(n int, entry string) string {
		return `{"files": [` + strings.TrimSuffix(strings.Repeat(entry+",", n), ",") + `]}`
	}
	for name, c := range map[string]struct {
		body     string
		kind     github.Kind
		files    int
		complete bool
	}{
		"no files":                     {`{"files": []}`, "", 0, true},
		"as many as nobody lists":      {list(50000, `{"filename": "f", "status": "added"}`), "", 300, false},
		"changes without end":          {list(1, `{"filename": "f", "status": "added", "patch": "`+strings.Repeat("x", 4<<20)+`"}`), "", 0, false},
		"a copy":                       {list(1, `{"filename": "f", "status": "copied", "previous_filename": "g"}`), "", 1, true},
		"a list that is missing":       {`{"status": "ahead"}`, github.KindUnavailable, 0, false},
		"a list that is null":          {`{"files": null}`, github.KindUnavailable, 0, false},
		"a file that is null":          {`{"files": [null]}`, github.KindUnavailable, 0, false},
		"a file without name":          {list(1, `{"status": "added"}`), github.KindUnavailable, 0, false},
		"a renamed one, nobody knows":  {list(1, `{"filename": "f", "status": "renamed"}`), github.KindUnavailable, 0, false},
		"a name that is a number":      {list(1, `{"filename": 1}`), github.KindUnavailable, 0, false},
		"a list that is none":          {`{"files": {}}`, github.KindUnavailable, 0, false},
		"one that ends in the middle":  {`{"files": [`, github.KindUnavailable, 0, false},
		"something else than JSON":     {`<html>`, github.KindUnavailable, 0, false},
		"a list instead of the answer": {`[]`, github.KindUnavailable, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			files, complete, err := canned(t, 200, nil, c.body).ChangedFiles(t.Context(), "acme/app", "main", unknownSHA)
			if (err == nil) != (c.kind == "") || (err != nil && asError(t, err).Kind != c.kind) || len(files) != c.files || complete != c.complete {
				t.Errorf("%d files, complete %t, %v", len(files), complete, err)
			}
		})
	}
}
