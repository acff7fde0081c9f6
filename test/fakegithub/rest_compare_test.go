package fakegithub_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/test/fakegithub"
)

func TestCommitsAreCompared(t *testing.T) {
	w := serve(t)
	r := w.repository("acme/app", true)
	first := w.commit(r, fakegithub.Commit{Message: "first"})
	second := w.commit(r, fakegithub.Commit{Message: "second"})
	other := w.commit(r, fakegithub.Commit{Branch: "other", Message: "other"})
	third := w.commit(r, fakegithub.Commit{Message: "third"})
	for name, c := range map[string]struct {
		basehead, status string
		ahead, behind    float64
	}{
		"forward":      {first + "..." + third, "ahead", 2, 0},
		"back":         {third + "..." + first, "behind", 0, 2},
		"the same":     {second + "..." + second, "identical", 0, 0},
		"side by side": {third + "..." + other, "diverged", 1, 1},
		"by branches":  {"main...other", "diverged", 1, 1},
	} {
		body := w.get(reader, "/api/v3/repos/acme/app/compare/"+c.basehead).object(t)
		if body["status"] != c.status || body["ahead_by"] != c.ahead || body["behind_by"] != c.behind {
			t.Errorf("%s: %v, %v ahead, %v behind", name, body["status"], body["ahead_by"], body["behind_by"])
		}
	}
	for _, basehead := range []string{first, first + "..." + strings.Repeat("0", 39) + "1", "none...main", "--help...main"} {
		if got := w.get(reader, "/api/v3/repos/acme/app/compare/"+basehead); got.status != 404 {
			t.Errorf("%s: %d", basehead, got.status)
		}
	}
}

func TestAComparisonListsWhatWasChangedOnItsFirstPage(t *testing.T) {
	w := serve(t)
	r := w.repository("acme/app", true)
	text := strings.Repeat("a line\n", 20)
	w.commit(r, fakegithub.Commit{Message: "base", Files: fakegithub.Texts(map[string]string{"changed": "1\n2\n", "gone": "3\n", "old": text})})
	files := fakegithub.Texts(map[string]string{"changed": "1\n4\n5\n", "a b/ü": "6\n", "renamed": text + "and more\n"})
	files["binary"], files["link"] = fakegithub.File{Content: []byte{0, 1, 2}}, fakegithub.File{Content: []byte("changed"), Symlink: true}
	head := w.commit(r, fakegithub.Commit{Branch: "topic", Message: "topic", Delete: []string{"gone", "old"}, Files: files})
	w.commit(r, fakegithub.Commit{Message: "later", Files: fakegithub.Texts(map[string]string{"later": "7"})})
	got := w.get(reader, app+"/compare/main..."+head+"?per_page=1&page=1").object(t)
	var list []string
	for _, file := range got["files"].([]any) {
		f := file.(map[string]any)
		list = append(list, fmt.Sprintln(f["status"], f["filename"], f["previous_filename"], f["additions"], f["deletions"], f["changes"]))
	}
	want := []string{"added a b/ü <nil> 1 0 1\n", "added binary <nil> 0 0 0\n", "modified changed <nil> 2 1 3\n", "removed gone <nil> 0 1 1\n",
		"added link <nil> 1 0 1\n", "renamed renamed old 1 0 1\n"}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
	if got := w.get(reader, app+"/compare/main..."+head+"?per_page=1&page=2").object(t); got["files"] != nil {
		t.Errorf("on the second page: %v", got["files"])
	}
	many := map[string]string{}
	for i := range 301 {
		many[fmt.Sprint(i)] = fmt.Sprint("number ", i)
	}
	w.commit(r, fakegithub.Commit{Branch: "many", Message: "many", Files: fakegithub.Texts(many)})
	if got := w.get(reader, app+"/compare/main...many").object(t)["files"].([]any); len(got) != 300 {
		t.Errorf("of 301: %d", len(got))
	}
}
