package fakegithub_test

import (
	"fmt"
	"testing"
	"time"

	"katkit.dev/katkit/test/fakegithub"
)

func TestPermissionsOfPeople(t *testing.T) {
	w := serve(t)
	r, _ := w.pullRequest()
	public := w.repository("acme/new", false)
	for login, role := range map[string]fakegithub.Role{"ada": fakegithub.RoleAdmin, "Max": fakegithub.RoleMaintain, "tom": fakegithub.RoleTriage} {
		if err := r.SetRole(login, role); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.AddUser("nobody"); err != nil {
		t.Fatal(err)
	}
	for login, want := range map[string]string{
		"acme": "admin admin", "ada": "admin admin", "max": "write maintain", "tom": "read triage", "nobody": "none none",
		"octocat": "none none", // who opened the pull request
	} {
		got := w.get(writer, app+"/collaborators/"+login+"/permission").object(t)
		if found := fmt.Sprint(got["permission"], " ", got["role_name"]); found != want {
			t.Errorf("%s: %s, want %s", login, found, want)
		}
		if user, ok := got["user"].(map[string]any); !ok || user["id"] == 0.0 || (login == "max" && user["login"] != "Max") {
			t.Errorf("%s: user %v", login, got["user"])
		}
	}
	if got := w.get(writer, "/api/v3/repos/"+public.Name()+"/collaborators/nobody/permission").object(t); got["permission"] != "read" {
		t.Errorf("of a public repository: %v", got["permission"])
	}
	if got := w.get(writer, app+"/collaborators/none/permission"); got.status != 404 {
		t.Errorf("of nobody: %d", got.status)
	}
	const ofAda = "/collaborators/ada/permission"
	for token, want := range map[string]int{reader: 403, "": 404, stranger: 404} {
		if got := w.get(token, app+ofAda); got.status != want {
			t.Errorf("for %q: %d", token, got.status)
		}
	}
	if got := w.get("", "/api/v3/repos/acme/new"+ofAda); got.status != 401 {
		t.Errorf("of a public repository, without token: %d", got.status)
	}
	installed := w.post(install(t, w).valid(time.Now()), appTokens, nil).object(t)["token"].(string)
	if got := w.get(installed, app+ofAda).object(t); got["permission"] != "admin" {
		t.Errorf("for an App: %v", got)
	}
	if err := r.SetRole("ada", "boss"); err == nil {
		t.Error("a role of its own was taken")
	}
}
