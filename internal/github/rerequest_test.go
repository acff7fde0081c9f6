package github_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
)

// check makes a check run in acme/app by App 42's rights, and returns its number.
func (w *appWorld) check(name, externalID string) int64 {
	w.Helper()
	w.read(w.ofApp())
	tokens := w.tokens()
	var made struct{ ID int64 }
	w.post(tokens[len(tokens)-1].secret, "/api/v3/repos/acme/app/check-runs",
		map[string]string{"name": name, "head_sha": w.sha, "external_id": externalID, "status": "completed", "conclusion": "failure"}, &made)
	return made.ID
}

func TestAButtonIsReadByItsNumber(t *testing.T) {
	w := serveApp(t)
	client := w.ofApp()
	build, test := w.check("BUILD", "u/BUILD"), w.check("TEST", "u/TEST")
	got, err := client.ButtonRun(t.Context(), "acme/app", build)
	if err != nil {
		t.Fatal(err)
	}
	want := github.ButtonRun{ID: build, SuiteID: got.SuiteID, AppID: 42, Name: "BUILD", ExternalID: "u/BUILD"}
	if diff := cmp.Diff(want, got); diff != "" || got.SuiteID < 1 || client.AppID() != 42 {
		t.Errorf("of App %d (-want +got):\n%s", client.AppID(), diff)
	}
	all, err := client.SuiteRuns(t.Context(), "acme/app", got.SuiteID)
	if err != nil {
		t.Fatal(err)
	}
	want2 := []github.ButtonRun{{ID: test, SuiteID: got.SuiteID, AppID: 42, Name: "TEST", ExternalID: "u/TEST"}, want}
	if diff := cmp.Diff(want2, all); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	status := func() string {
		t.Helper()
		status, err := client.SuiteStatus(t.Context(), "acme/app", got.SuiteID)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	if is := status(); is != "completed" {
		t.Errorf("before: %s", is)
	}
	repository, _ := w.Repository("acme/app")
	if err := repository.SetRole("ann", fakegithub.RoleWrite); err != nil {
		t.Fatal(err)
	}
	if err := repository.PressRerun("ann", build); err != nil {
		t.Fatal(err)
	}
	if is := status(); is != github.SuiteQueued {
		t.Errorf("pressed: %s", is)
	}
	w.check("BUILD", "v/BUILD")
	if is := status(); is != "completed" {
		t.Errorf("after another was made: %s", is)
	}
}

func TestButtonsThatCannotBeRead(t *testing.T) {
	w := serveApp(t)
	id := w.check("BUILD", "u/BUILD")
	kinds := func() []github.Kind {
		client := w.ofApp()
		_, run := client.ButtonRun(t.Context(), "acme/app", id)
		_, suite := client.SuiteStatus(t.Context(), "acme/app", 99)
		_, runs := client.SuiteRuns(t.Context(), "acme/app", 99)
		return []github.Kind{github.KindOf(run), github.KindOf(suite), github.KindOf(runs)}
	}
	if diff := cmp.Diff([]github.Kind{"", github.KindNotFound, github.KindNotFound}, kinds()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := w.Inject(fakegithub.Fault{Path: "/check-", Times: 1 << 20, Status: http.StatusBadGateway}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]github.Kind{github.KindUnavailable, github.KindUnavailable, github.KindUnavailable}, kinds()); diff != "" {
		t.Errorf("of a GitHub that fails (-want +got):\n%s", diff)
	}
	w.ForgetFaults()
	granted := installed()
	delete(granted.Permissions, "checks")
	w.install(granted, appKey())
	w.later(time.Hour)
	if diff := cmp.Diff([]github.Kind{github.KindForbidden, github.KindForbidden, github.KindForbidden}, kinds()); diff != "" {
		t.Errorf("of an App without the permission (-want +got):\n%s", diff)
	}
}

// post sends a body to the stand-in with a token, and reads what it made.
func (w *appWorld) post(token, path string, body, into any) {
	w.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		w.Fatal(err)
	}
	request, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.url+path, bytes.NewReader(data))
	if err != nil {
		w.Fatal(err)
	}
	for name, value := range map[string]string{"Authorization": "Bearer " + token, "Accept": "application/vnd.github+json",
		"Content-Type": "application/json", "X-GitHub-Api-Version": "2022-11-28"} {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		w.Fatalf("%s: %s", path, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		w.Fatal(err)
	}
}
