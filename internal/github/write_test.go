package github_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
)

// writable is a world with the repository acme/app, a commit of it, and a client that may write.
func writable(t *testing.T) (*world, *fakegithub.Repository, string, *github.Client) {
	t.Helper()
	w := serve(t, github.Options{})
	w.AddToken("writer", fakegithub.Account{Login: "katkit-bot", Repositories: map[string]fakegithub.Permission{"*": fakegithub.Write}})
	r := w.repository("acme/app")
	return w, r, w.commit(r, fakegithub.Commit{Message: "first"}), clientOf(t, w.factory, "writer")
}

func TestStatusesAreWrittenAndFoundAgain(t *testing.T) {
	_, r, sha, client := writable(t)
	tell := func(context, state, description string) {
		t.Helper()
		if err := client.CreateStatus(t.Context(), "acme/app", sha, github.Status{Context: context, State: state, Description: description}); err != nil {
			t.Fatal(err)
		}
	}
	tell("katkit/t/-/BUILD", "pending", "running in run a")
	tell("katkit/t/-/build", "success", "succeeded in run a")
	tell("katkit/u/-/BUILD", "failure", "failed in run b")
	for i := range 120 { // so that what is wanted is on the second page
		tell(fmt.Sprint("other/", i), "success", "")
	}
	got, err := client.Statuses(t.Context(), "acme/app", sha, []string{"katkit/t/-/BUILD", "katkit/t/-/TEST"})
	want := []github.Status{{Context: "katkit/t/-/build", State: "success", Description: "succeeded in run a"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	if sent := r.Sent().Statuses; len(sent) != 123 || sent[0].By != "katkit-bot" || sent[0].Description != "running in run a" {
		t.Errorf("sent: %+v", sent[0])
	}
}

func TestADeploymentIsMadeOnceAndFoundByItsRun(t *testing.T) {
	_, r, sha, client := writable(t)
	if err := client.CreateStatus(t.Context(), "acme/app", sha, github.Status{Context: "c", State: "pending"}); err != nil {
		t.Fatal(err) // which forbids a deployment, unless told otherwise
	}
	deployment := func(uid string) github.Deployment {
		return github.Deployment{SHA: sha, Task: "katkit/t/app & more", Environment: "DEV #1", Description: "run r", Payload: github.DeploymentPayload{Run: "r", RunUID: uid}}
	}
	find := func(uid string) (int64, github.DeploymentStatus) {
		t.Helper()
		id, err := client.FindDeployment(t.Context(), "acme/app", deployment(uid))
		if err != nil || id == 0 {
			return id, github.DeploymentStatus{State: fmt.Sprint(err)}
		}
		status, err := client.DeploymentStatus(t.Context(), "acme/app", id)
		if err != nil {
			t.Fatal(err)
		}
		return id, status
	}
	if id, none := find("1"); id != 0 || none.State != "<nil>" {
		t.Errorf("found %d before it is there, %s", id, none.State)
	}
	var ids []int64
	for _, uid := range []string{"1", "2"} {
		id, err := client.CreateDeployment(t.Context(), "acme/app", deployment(uid))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if id, status := find("1"); id != ids[0] || status != (github.DeploymentStatus{}) {
		t.Errorf("found %d %+v, want %d without status", id, status, ids[0])
	}
	for _, id := range ids {
		for _, state := range []string{"in_progress", "success"} {
			if err := client.CreateDeploymentStatus(t.Context(), "acme/app", id, github.DeploymentStatus{State: state, Description: "so"}, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	if id, status := find("1"); id != ids[0] || status != (github.DeploymentStatus{State: "success", Description: "so"}) {
		t.Errorf("found %d %+v: another deployment must not end it", id, status)
	}
	if sent := r.Sent().Deployments; len(sent) != 2 || sent[0].SHA != sha || sent[0].Environment != "DEV #1" || sent[0].Task != "katkit/t/app & more" {
		t.Errorf("sent: %+v", sent)
	}
}

func TestAPayloadOfSomebodyElseIsNobodys(t *testing.T) {
	for payload, want := range map[string]int64{`{"runUID": "1"}`: 7, `"{\"runUID\": \"1\"}"`: 7, `{"runUID": "2"}`: 0, `"text"`: 0, `{}`: 0, `null`: 0, `{"runUID": 1}`: 0} {
		w := answering(t, func(*http.Request) (int, string) { return 200, `[{"id": 7, "payload": ` + payload + `}]` })
		id, err := w.FindDeployment(t.Context(), "acme/app", github.Deployment{SHA: shapeSHA, Payload: github.DeploymentPayload{RunUID: "1"}})
		if err != nil || id != want {
			t.Errorf("%s: %d, %v", payload, id, err)
		}
	}
}

// TestARefusalIsNotAskedForAgain: of any commit of the repository, nor of what it shows, but of other repositories.
func TestARefusalIsNotAskedForAgain(t *testing.T) {
	w, _, sha, _ := writable(t)
	w.repository("acme/other")
	client := w.client() // may read
	tell := func(client *github.Client) error {
		return client.CreateStatus(t.Context(), "acme/app", sha, github.Status{Context: "c", State: "success"})
	}
	if e := asError(t, tell(client)); e.Kind != github.KindForbidden || e.Status != 403 {
		t.Fatalf("%+v, want Forbidden", e)
	}
	asked := len(w.Requests())
	if e := asError(t, tell(client)); e.Kind != github.KindForbidden || !strings.Contains(e.Message, "personal access token") {
		t.Errorf("again: %+v", e)
	}
	if _, err := client.Statuses(t.Context(), "ACME/app", sha, []string{"c"}); github.KindOf(err) != github.KindForbidden {
		t.Errorf("what it shows: %v", err)
	}
	if err := client.Refused("acme/app", false); github.KindOf(err) != github.KindForbidden || client.Refused("acme/other", false) != nil {
		t.Errorf("before anything is asked: %v", err)
	}
	if now := len(w.Requests()); now != asked {
		t.Errorf("GitHub was asked %d times more", now-asked)
	}
	_, err := client.FindDeployment(t.Context(), "acme/app", github.Deployment{SHA: sha})
	if _, other := client.Statuses(t.Context(), "acme/other", sha, []string{"c"}); err != nil || github.KindOf(other) != github.KindNotFound {
		t.Errorf("deployments: %v, another repository: %v", err, other)
	}
	if err := tell(clientOf(t, w.factory, "writer")); err != nil {
		t.Errorf("another token: %v", err)
	}
}

func TestWhatIsNotARefusalIsAskedForAgain(t *testing.T) {
	w, _, sha, client := writable(t)
	for name, c := range map[string]struct {
		fault fakegithub.Fault
		want  github.Kind
	}{
		"a server error":      {fakegithub.Fault{Status: 502}, github.KindUnavailable},
		"a page of a proxy":   {fakegithub.Fault{Status: 503, HTML: "<html>"}, github.KindUnavailable},
		"what makes no sense": {fakegithub.Fault{Status: 422, Message: "No commit found"}, github.KindUnprocessable},
		"a conflict":          {fakegithub.Fault{Status: 409}, github.KindUnprocessable},
		"an answer cut off":   {fakegithub.Fault{TruncateAfter: 10}, ""},
		"an answer too late":  {fakegithub.Fault{Status: 408}, github.KindUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			c.fault.Method, c.fault.Path = "POST", "/statuses/"
			if err := w.Inject(c.fault); err != nil {
				t.Fatal(err)
			}
			status := github.Status{Context: "c", State: "success"}
			if err := client.CreateStatus(t.Context(), "acme/app", sha, status); github.KindOf(err) != c.want || (err == nil) != (c.want == "") {
				t.Errorf("%v, want %q", err, c.want)
			}
			w.ForgetFaults()
			if err := client.CreateStatus(t.Context(), "acme/app", sha, status); err != nil {
				t.Errorf("then: %v", err)
			}
		})
	}
	if e := asError(t, client.CreateDeploymentStatus(t.Context(), "acme/app", 9, github.DeploymentStatus{State: "success"}, false)); e.Kind != github.KindNotFound {
		t.Errorf("the status of a deployment that is gone: %+v", e)
	}
	if _, err := client.CreateDeployment(t.Context(), "acme/app", github.Deployment{SHA: sha, Task: "t", Environment: "DEV"}); err != nil {
		t.Errorf("then a deployment: %v", err)
	}
	if _, err := client.CreateDeployment(t.Context(), "acme/app", github.Deployment{SHA: unknownSHA, Task: "t", Environment: "DEV"}); github.KindOf(err) != github.KindUnprocessable {
		t.Errorf("a deployment of an unknown commit: %v", err)
	}
}

func TestAnAnswerCutOffSaysNotWhichDeploymentItIs(t *testing.T) {
	w, r, sha, client := writable(t)
	wanted := github.Deployment{SHA: sha, Task: "t", Environment: "DEV", Payload: github.DeploymentPayload{RunUID: "1"}}
	if err := w.Inject(fakegithub.Fault{Method: "POST", TruncateAfter: 20}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateDeployment(t.Context(), "acme/app", wanted); github.KindOf(err) != github.KindUnavailable {
		t.Errorf("%v, want Unavailable", err)
	}
	if id, err := client.FindDeployment(t.Context(), "acme/app", wanted); err != nil || id != r.Sent().Deployments[0].ID {
		t.Errorf("it was made, and is found as %d, %v", id, err)
	}
}

func TestAWriteDoesNotFollowARedirect(t *testing.T) {
	w, r, sha, client := writable(t)
	if err := w.Rename("acme/app", "acme/new"); err != nil {
		t.Fatal(err)
	}
	err := client.CreateStatus(t.Context(), "acme/app", sha, github.Status{Context: "c", State: "success"})
	if e := asError(t, err); e.Kind != github.KindUnavailable || !strings.Contains(e.Message, "renamed") {
		t.Errorf("%+v, want Unavailable", e)
	}
	if len(r.Sent().Statuses) != 0 {
		t.Error("it was followed")
	}
	if err := client.CreateStatus(t.Context(), "acme/new", sha, github.Status{Context: "c", State: "success"}); err != nil {
		t.Errorf("by its new name: %v", err)
	}
}

func TestNothingIsWrittenWhileALimitIsUsedUp(t *testing.T) {
	w, r, sha, client := writable(t)
	if err := w.Inject(fakegithub.SecondaryRateLimit(403, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	tell := func() error {
		return client.CreateStatus(t.Context(), "acme/app", sha, github.Status{Context: "c", State: "success"})
	}
	e := asError(t, tell())
	if wait := time.Until(e.ResetTime); e.Kind != github.KindRateLimited || wait < 25*time.Second {
		t.Errorf("%+v, want RateLimited for 30 s", e)
	}
	asked := len(w.Requests())
	if e := asError(t, tell()); e.Kind != github.KindRateLimited {
		t.Errorf("again: %+v", e)
	}
	if len(w.Requests()) != asked || len(r.Sent().Statuses) != 0 {
		t.Error("GitHub was asked before the time is over")
	}
}

func TestMalformedWritesAreNotSent(t *testing.T) {
	client := answering(t, func(r *http.Request) (int, string) {
		t.Errorf("GitHub was asked for %s", r.URL)
		return 500, ""
	})
	_, list := client.Statuses(t.Context(), "acme/app", "main", []string{"c"})
	_, find := client.FindDeployment(t.Context(), "acme/app", github.Deployment{SHA: "../x"})
	_, deploy := client.CreateDeployment(t.Context(), "acme/app", github.Deployment{SHA: "x"})
	for _, err := range []error{list, find, deploy, client.CreateStatus(t.Context(), "acme/app", "x/y", github.Status{})} {
		if github.KindOf(err) != github.KindUnprocessable {
			t.Errorf("%v, want Unprocessable", err)
		}
	}
}

// answering is a client of a GitHub that answers as told.
func answering(t *testing.T, answer func(*http.Request) (int, string)) *github.Client {
	t.Helper()
	return clientOf(t, factoryFor(t, "https://api.example.com", github.Options{Transport: answers(answer)}), token)
}

// answers is a transport that goes nowhere.
type answers func(*http.Request) (int, string)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := a(r)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// TestAnAppWithoutATokenIsNotAMissingPermission: what is wrong is the credential, and it is not tried again for a minute.
func TestAnAppWithoutATokenIsNotAMissingPermission(t *testing.T) {
	tell := func(w *appWorld) error {
		return w.ofApp().CreateStatus(t.Context(), "acme/app", w.sha, github.Status{Context: "c", State: "success"})
	}
	if w := serveApp(t); github.KindOf(tell(w)) != github.KindForbidden || github.KindOf(w.ofApp().Refused("acme/other", false)) != "" {
		t.Error("an App that may not write statuses is not Forbidden to do so")
	}
	w := serveApp(t)
	suspended := installed()
	suspended.Suspended = true
	w.install(suspended, appKey())
	if e := asError(t, tell(w)); e.Kind != github.KindUnauthorized || !strings.Contains(e.Error(), "the installation is suspended") {
		t.Errorf("suspended: %v", e)
	}
	if err := w.ofApp().Refused("acme/other", false); github.KindOf(err) != github.KindUnauthorized || !strings.Contains(err.Error(), "the installation is suspended") {
		t.Errorf("then: %v", err)
	}
	w.install(installed(), appKey())
	if _, err := w.ofApp().Repository(t.Context(), "acme/app"); err != nil || w.ofApp().Refused("acme/other", false) != nil {
		t.Errorf("once it is read again: %v, then %v", err, w.ofApp().Refused("acme/other", false))
	}
}

func TestATokenThatIsNotAcceptedIsKnownBeforeAnythingIsWritten(t *testing.T) {
	client := answering(t, func(*http.Request) (int, string) { return 401, `{"message": "Bad credentials"}` })
	if _, err := client.Repository(t.Context(), "acme/app"); github.KindOf(err) != github.KindUnauthorized {
		t.Fatal(err)
	}
	if err := client.Refused("acme/app", false); github.KindOf(err) != github.KindUnauthorized || strings.Contains(err.Error(), token) {
		t.Errorf("%v, want Unauthorized", err)
	}
}

func TestADeploymentThatIsThereAndNotFoundMayNotBeWritten(t *testing.T) {
	for _, seen := range []bool{false, true} {
		asked := 0
		client := answering(t, func(*http.Request) (int, string) {
			asked++
			return 404, `{"message": "Not Found"}`
		})
		tell := func() github.Kind {
			return github.KindOf(client.CreateDeploymentStatus(t.Context(), "acme/app", 9, github.DeploymentStatus{State: "success"}, seen))
		}
		first, second := tell(), tell()
		if want := map[bool]github.Kind{false: github.KindNotFound, true: github.KindForbidden}[seen]; first != github.KindNotFound || second != want {
			t.Errorf("seen %t: %s, then %s", seen, first, second)
		}
		if want := map[bool]int{false: 2, true: 1}[seen]; asked != want {
			t.Errorf("seen %t: asked %d times", seen, asked)
		}
	}
}
