package github_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
)

func TestThePushesToABranchAreTheNewestFirst(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.repository("acme/app")
	first := w.commit(r, fakegithub.Commit{Message: "first"})
	second := w.commit(r, fakegithub.Commit{Message: "second"})
	w.commit(r, fakegithub.Commit{Branch: "feature/a#b", Message: "elsewhere"})
	forced := w.commit(r, fakegithub.Commit{From: first, Force: true, Message: "forced"})
	if err := r.DeleteBranch("trunk", "octocat"); err != nil {
		t.Fatal(err)
	}
	again := w.commit(r, fakegithub.Commit{From: first, Message: "again"})
	want := []github.Push{
		{After: again, Type: "branch_creation"}, {Before: second, After: forced, Type: "force_push"},
		{Before: first, After: second, Type: "push"}, {After: first, Type: "branch_creation"},
	}
	client, ctx := w.client(), t.Context()
	for limit, want := range map[int][]github.Push{100: want, 1000: want, 3: want[:2], 1: want[:1], 0: want[:1]} {
		pushes, err := client.Pushes(ctx, "acme/app", "trunk", limit)
		if err != nil || len(pushes) != len(want) {
			t.Fatalf("%d at most: %+v, %v; want %+v", limit, pushes, err, want)
		}
		for i, push := range pushes {
			if time.Since(push.Time) > time.Minute || push.Time.Location() != time.UTC {
				t.Errorf("time %s", push.Time)
			}
			if push.Time = (time.Time{}); push != want[i] {
				t.Errorf("%d at most, %d: %+v, want %+v", limit, i, push, want[i])
			}
		}
	}
	if pushes, err := client.Pushes(ctx, "acme/app", "feature/a#b", 9); err != nil || len(pushes) != 1 {
		t.Errorf("of another branch: %+v, %v", pushes, err)
	}
	if pushes, err := client.Pushes(ctx, "acme/app", "none", 9); err != nil || len(pushes) != 0 {
		t.Errorf("of no branch: %+v, %v", pushes, err)
	}
	if _, err := client.Pushes(ctx, "acme/app", "..", 9); github.KindOf(err) != github.KindUnprocessable {
		t.Errorf("of what is no branch: %v", err)
	}
	if _, err := client.Pushes(ctx, "acme/none", "trunk", 9); github.KindOf(err) != github.KindNotFound {
		t.Errorf("of no repository: %v", err)
	}
}

func TestHostileActivities(t *testing.T) {
	a, b, zeros := strings.Repeat("a", 40), strings.Repeat("b", 40), strings.Repeat("0", 40)
	entry := func(before, after, ref, at, kind string) string {
		return fmt.Sprintf(`{"before": %q, "after": %q, "ref": %q, "timestamp": %q, "activity_type": %q, "actor": null}`, before, after, ref, at, kind)
	}
	const main, at = "refs/heads/main", "2026-01-02T04:04:05+01:00"
	good := entry(a, b, main, at, "push")
	for name, c := range map[string]struct {
		status int
		body   string
		kind   github.Kind
		pushes int
	}{
		"without actor":               {200, "[" + good + "]", "", 1},
		"a type of the future":        {200, "[" + entry(a, b, main, at, "teleport") + "]", "", 1},
		"a deletion":                  {200, "[" + entry(a, zeros, main, at, "branch_deletion") + "," + good + "]", "", 1},
		"more than were asked for":    {200, "[" + strings.Repeat(good+",", 1000) + good + "]", "", 7},
		"no before":                   {200, "[" + entry("", b, main, at, "push") + "]", github.KindUnavailable, 0},
		"an after that is none":       {200, "[" + good + "," + entry(a, "main", main, at, "push") + "]", github.KindUnavailable, 0},
		"a sha in capitals":           {200, "[" + entry(strings.ToUpper(a), b, main, at, "push") + "]", github.KindUnavailable, 0},
		"another branch":              {200, "[" + entry(a, b, "refs/heads/other", at, "push") + "]", github.KindUnavailable, 0},
		"a time that is none":         {200, "[" + entry(a, b, main, "yesterday", "push") + "]", github.KindUnavailable, 0},
		"no time":                     {200, `[{"before": "` + a + `", "after": "` + b + `", "ref": "` + main + `", "activity_type": "push"}]`, github.KindUnavailable, 0},
		"no type":                     {200, "[" + entry(a, b, main, at, "") + "]", github.KindUnavailable, 0},
		"nothing in it":               {200, "[{}]", github.KindUnavailable, 0},
		"null in it":                  {200, "[null]", github.KindUnavailable, 0},
		"null":                        {200, "null", "", 0},
		"numbers":                     {200, `[{"before": 1}]`, github.KindUnavailable, 0},
		"no list":                     {200, `{"message": "hello"}`, github.KindUnavailable, 0},
		"no end":                      {200, "[" + strings.Repeat(good+",", 40000) + good + "]", github.KindTooLarge, 0},
		"a host without the endpoint": {404, `{"message": "Not Found"}`, github.KindNotFound, 0},
	} {
		t.Run(name, func(t *testing.T) {
			pushes, err := canned(t, c.status, nil, c.body).Pushes(t.Context(), "acme/app", "main", 7)
			if (err == nil) != (c.kind == "") || (err != nil && asError(t, err).Kind != c.kind) || len(pushes) != c.pushes {
				t.Errorf("%d pushes, %v; want %d, %q", len(pushes), err, c.pushes, c.kind)
			}
			for _, push := range pushes {
				if push.Before != a || push.After != b || !push.Time.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
					t.Errorf("%+v", push)
				}
			}
		})
	}
}
