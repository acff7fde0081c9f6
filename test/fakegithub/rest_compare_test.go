package fakegithub_test

import (
	"strings"
	"testing"

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
