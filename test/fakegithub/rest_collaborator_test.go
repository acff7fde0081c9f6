package fakegithub_test

import (
	"fmt"
	"testing"

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
		got := w.get(reader, app+"/collaborators/"+login+"/permission").object(t)
		if found := fmt.Sprint(got["permission"], " ", got["role_name"]); found != want {
			t.Errorf("%s: %s, want %s", login, found, want)
		}
		if user, ok := got["user"].(map[string]any); !ok || user["id"] == 0.0 || (login == "max" && user["login"] != "Max") {
			t.Errorf("%s: user %v", login, got["user"])
		}
	}
	if got := w.get(reader, "/api/v3/repos/"+public.Name()+"/collaborators/nobody/permission").object(t); got["permission"] != "read" {
		t.Errorf("of a public repository: %v", got["permission"])
	}
	if got := w.get(reader, app+"/collaborators/none/permission"); got.status != 404 {
		t.Errorf("of nobody: %d", got.status)
	}
	if err := r.SetRole("ada", "boss"); err == nil {
		t.Error("a role of its own was taken")
	}
}
