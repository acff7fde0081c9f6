package fakegithub_test

import (
	"fmt"
	"testing"
)

func TestDeploymentsAndTheirStatuses(t *testing.T) {
	w := serve(t)
	r, sha := w.pullRequest()
	w.post(writer, app+"/statuses/"+sha, map[string]any{"state": "pending"})
	if got := w.post(writer, app+"/deployments", map[string]any{"ref": sha, "environment": "BETA"}); got.status != 409 {
		t.Errorf("with a pending status: %d, want the conflict that GitHub answers unless required_contexts is empty", got.status)
	}
	var first string
	for i := range 2 {
		got := w.post(writer, app+"/deployments", map[string]any{"ref": sha, "environment": "BETA", "required_contexts": []string{},
			"auto_merge": false, "payload": map[string]any{"run": "r"}, "transient_environment": false, "production_environment": false})
		if got.status != 201 || got.object(t)["sha"] != sha {
			t.Fatalf("%d %s", got.status, got.body)
		}
		self := app + "/deployments/" + fmt.Sprint(int64(got.object(t)["id"].(float64)))
		for _, state := range []string{"in_progress", "success"} {
			if got := w.post(writer, self+"/statuses", map[string]any{"state": state, "environment_url": "https://beta.example.com"}); got.status != 201 {
				t.Errorf("%s: %d %s", state, got.status, got.body)
			}
		}
		if got := w.get(reader, self+"/statuses").field(t, "state"); got != "success in_progress" {
			t.Errorf("statuses: %s", got)
		}
		if i == 0 {
			first = self
		}
	}
	if got := w.get(reader, first+"/statuses").field(t, "state"); got != "inactive success in_progress" {
		t.Errorf("statuses of the one before: %s", got)
	}
	for query, want := range map[string]string{"": "BETA BETA", "environment=BETA&per_page=1": "BETA", "environment=DEV": "", "sha=" + sha: "BETA BETA"} {
		if got := w.get(reader, app+"/deployments?"+query).field(t, "environment"); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
	if sent := r.Sent().Deployments; len(sent) != 2 || sent[1].Statuses[1].State != "success" || sent[1].Statuses[1].EnvironmentURL != "https://beta.example.com" {
		t.Errorf("sent: %+v", sent)
	}
	for name, got := range map[string]answer{
		"of an unknown ref":             w.post(writer, app+"/deployments", map[string]any{"ref": "none"}),
		"a status of an unknown":        w.post(writer, app+"/deployments/9/statuses", map[string]any{"state": "success"}),
		"statuses of an unknown":        w.get(reader, app+"/deployments/9/statuses"),
		"a deployment of a mere reader": w.post(reader, app+"/deployments", map[string]any{"ref": sha}),
	} {
		if got.status < 400 || got.status >= 500 {
			t.Errorf("%s: %d", name, got.status)
		}
	}
}
