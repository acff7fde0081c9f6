package fakegithub_test

import (
	"fmt"
	"testing"
	"time"

	"katkit.dev/katkit/test/fakegithub"
)

func TestACheckSuiteWaitsFromThePressToTheNextCheckRun(t *testing.T) {
	w := serve(t)
	r, sha := w.pullRequest()
	app42 := install(t, w)
	token := w.post(app42.valid(time.Now()), appTokens, nil).object(t)["token"].(string)
	created := func(name string) (self string, id, suite int64) {
		t.Helper()
		got := w.post(token, app+"/check-runs", map[string]any{"name": name, "head_sha": sha, "status": "completed", "conclusion": "failure", "external_id": "x/" + name})
		id, suite = int64(got.object(t)["id"].(float64)), int64(got.object(t)["check_suite"].(map[string]any)["id"].(float64))
		return app + "/check-runs/" + fmt.Sprint(id), id, suite
	}
	build, id, suite := created("BUILD")
	test, _, same := created("TEST")
	if suite != same {
		t.Fatalf("two suites of one App and commit: %d and %d", suite, same)
	}
	self := app + "/check-suites/" + fmt.Sprint(suite)
	is := func(when, status string, conclusion any) {
		t.Helper()
		if got := w.get(token, self).object(t); got["status"] != status || got["conclusion"] != conclusion || got["head_sha"] != sha {
			t.Errorf("%s: %v %v", when, got["status"], got["conclusion"])
		}
	}
	is("before", "completed", "failure")

	control := fakegithub.Control{URL: w.url, AdminToken: admin}
	for login, role := range map[string]fakegithub.Role{"ann": fakegithub.RoleWrite, "eve": fakegithub.RoleTriage} {
		if err := r.SetRole(login, role); err != nil {
			t.Fatal(err)
		}
	}
	if err := control.PressRerun(t.Context(), "acme/app", "eve", id); err == nil {
		t.Error("somebody without write permission pressed the button")
	}
	is("after nobody pressed it", "completed", "failure")
	if err := control.PressRerun(t.Context(), "acme/app", "ann", id); err != nil {
		t.Fatal(err)
	}
	is("pressed", "queued", nil)
	if got := w.get(token, build).object(t); got["status"] != "completed" || got["conclusion"] != "failure" {
		t.Errorf("the check run changed: %v", got)
	}
	w.patch(token, test, map[string]any{"status": "in_progress"})
	is("while one is run", "in_progress", nil)
	w.patch(token, test, map[string]any{"conclusion": "success"})
	is("when it ended", "completed", "failure")

	for path, want := range map[string]int{build + "/rerequest": 201, self + "/rerequest": 201, app + "/check-runs/9999/rerequest": 404, app + "/check-suites/9999/rerequest": 404} {
		if got := w.post(token, path, nil); got.status != want {
			t.Errorf("%s: %d %s, want %d", path, got.status, got.body, want)
		}
	}
	is("pressed by the App", "queued", nil)
	if err := control.PressRerunAll(t.Context(), "acme/app", "ann", suite); err != nil {
		t.Fatal(err)
	}
	created("BUILD")
	is("when one was made", "completed", "failure")
	for query, want := range map[string]float64{"": 2, "?filter=all": 3, "?check_name=TEST": 1} {
		if got := w.get(token, self+"/check-runs"+query).object(t)["total_count"]; got != want {
			t.Errorf("check runs %q: %v, want %v", query, got, want)
		}
	}
	if got := w.get(token, app+"/check-suites/9999"); got.status != 404 {
		t.Errorf("an unknown suite: %d", got.status)
	}
}
