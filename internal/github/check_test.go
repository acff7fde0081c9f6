package github_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
)

func TestCheckRuns(t *testing.T) {
	w := serveApp(t)
	client, began := w.ofApp(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if may, err := client.WritesChecks(t.Context()); err != nil || !may {
		t.Fatalf("may write check runs: %t, %v", may, err)
	}
	build := github.CheckRun{Name: "katkit/t/-/BUILD", ExternalID: "1/BUILD", Started: began, Title: "running", Summary: "**runs**"}
	id, err := client.CreateCheckRun(t.Context(), "acme/app", w.sha, build)
	if err != nil || id == 0 {
		t.Fatalf("made %d, %v", id, err)
	}
	shown := func(want ...github.CheckRun) {
		t.Helper()
		got, err := client.CheckRuns(t.Context(), "acme/app", w.sha, []string{"KATKIT/t/-/build", "katkit/t/-/TEST"})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
	shown(github.CheckRun{ID: id, Name: build.Name, ExternalID: "1/BUILD", Title: "running"})
	build.ID, build.Title, build.Conclusion, build.Completed, build.Text = id, "failed", "failure", began.Add(time.Minute), "the log"
	build.Annotations = []github.CheckAnnotation{
		{Path: "a.go", StartLine: 3, EndLine: 3, StartColumn: 7, Level: "failure", Message: "undefined: x"},
		{Path: "b.go", StartLine: 1, EndLine: 2, StartColumn: 7, EndColumn: 9, Level: "warning", Title: "lint", Message: "unused"},
	}
	if err := client.UpdateCheckRun(t.Context(), "acme/app", build); err != nil {
		t.Fatal(err)
	}
	shown(github.CheckRun{ID: id, Name: build.Name, ExternalID: "1/BUILD", Conclusion: "failure", Title: "failed"})
	again := github.CheckRun{Name: build.Name, ExternalID: "2/BUILD", Conclusion: "success", Completed: began, Title: "succeeded"}
	if again.ID, err = client.CreateCheckRun(t.Context(), "acme/app", w.sha, again); err != nil {
		t.Fatal(err)
	}
	shown(github.CheckRun{ID: again.ID, Name: build.Name, ExternalID: "2/BUILD", Conclusion: "success", Title: "succeeded"})
	repository, _ := w.Repository("acme/app")
	sent := repository.Sent().CheckRuns
	if len(sent) != 2 || sent[0].Text != "the log" || sent[0].StartedAt == nil || !sent[0].StartedAt.Equal(began) || len(sent[0].Annotations) != 2 || len(sent[1].Annotations) != 0 {
		t.Errorf("sent %+v", sent)
	}
	if err := client.UpdateCheckRun(t.Context(), "acme/app", github.CheckRun{ID: 4711, Name: build.Name}); github.KindOf(err) != github.KindNotFound {
		t.Errorf("one that is not there: %v", err)
	}
}

// TestOnlyAnAppWritesCheckRuns, and one that may.
func TestOnlyAnAppWritesCheckRuns(t *testing.T) {
	w := serveApp(t)
	w.install(fakegithub.Installation{Account: "acme", Permissions: map[string]string{"contents": "read", "checks": "read"}}, appKey())
	if may, err := w.ofApp().WritesChecks(t.Context()); err != nil || may {
		t.Errorf("that may read them: %t, %v", may, err)
	}
	if err := w.ofApp().Refused("acme/app", true); err != nil {
		t.Errorf("before it tried: %v", err)
	}
	if _, err := w.ofApp().CreateCheckRun(t.Context(), "acme/app", w.sha, github.CheckRun{Name: "c"}); github.KindOf(err) != github.KindForbidden {
		t.Errorf("that tries all the same: %v", err)
	}
	if err := w.ofApp().Refused("acme/app", true); github.KindOf(err) != github.KindForbidden {
		t.Errorf("it is remembered: %v", err)
	}
	if err := w.ofApp().Refused("acme/app", false); err != nil {
		t.Errorf("of check runs alone: %v", err)
	}
	other := serve(t, github.Options{})
	if may, err := other.client().WritesChecks(t.Context()); err != nil || may {
		t.Errorf("a token: %t, %v", may, err)
	}
}
