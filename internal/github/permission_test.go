package github_test

import (
	"fmt"
	"strings"
	"testing"

	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
)

func TestThePermissionsOfPeopleAndBots(t *testing.T) {
	w := serve(t, github.Options{})
	w.AddToken("writer", fakegithub.Account{Login: "acme-writer", Repositories: map[string]fakegithub.Permission{"*": fakegithub.Write}})
	r := w.repository("acme/app")
	w.commit(r, fakegithub.Commit{Message: "first"})
	for login, role := range map[string]fakegithub.Role{"ada": fakegithub.RoleAdmin, "max": fakegithub.RoleMaintain, "Will": fakegithub.RoleWrite,
		"tom": fakegithub.RoleTriage, "rita": fakegithub.RoleRead, "nick": fakegithub.RoleNone, "renovate[bot]": fakegithub.RoleWrite} {
		if err := r.SetRole(login, role); err != nil {
			t.Fatal(err)
		}
	}
	client, ctx := clientOf(t, w.factory, "writer"), t.Context()
	for login, want := range map[string]string{"acme": "admin", "ada": "admin", "max": "write", "will": "write", "tom": "read",
		"rita": "read", "nick": "none", "renovate[bot]": "write"} {
		got, err := client.Permission(ctx, "acme/app", login)
		if err != nil || got.Level != want || got.UserID < 1 || got.Bot != strings.HasSuffix(login, "[bot]") {
			t.Errorf("%s: %+v, %v; want %s", login, got, err, want)
		}
	}
	if got, err := client.Permission(ctx, "acme/app", "who-is-that"); err != nil || got != (github.Permission{Level: github.LevelNone}) {
		t.Errorf("of nobody: %+v, %v", got, err)
	}
	if _, err := client.Permission(ctx, "acme/none", "ada"); github.KindOf(err) != github.KindNotFound || strings.Contains(err.Error(), "ada") {
		t.Errorf("of a repository that is not there: %v", err)
	}
	asked := len(w.Requests())
	for _, login := range []string{"", "ada/permission", "..", "a b", "ada%2F", "[bot]", "ada[bot]x", "-ada", "ädä", strings.Repeat("a", 101)} {
		if _, err := client.Permission(ctx, "acme/app", login); github.KindOf(err) != github.KindUnprocessable {
			t.Errorf("%q: %v", login, err)
		}
	}
	if len(w.Requests()) != asked {
		t.Error("a login that is none was asked for")
	}
	if _, err := w.client().Permission(ctx, "acme/app", "ada"); github.KindOf(err) != github.KindForbidden ||
		!strings.Contains(err.Error(), "write access to the repository") || !strings.Contains(err.Error(), `"Metadata: read"`) {
		t.Errorf("a token that may only read: %v", err)
	}
	asked = len(w.Requests())
	if _, err := w.client().Permission(ctx, "acme/app", "max"); github.KindOf(err) != github.KindForbidden || len(w.Requests()) != asked {
		t.Errorf("asked again, about another: %v", err)
	}
}

// The author of a pull request has the ID that its permission has, whatever the login has become.
func TestTheAuthorOfAPullRequestAndItsLabels(t *testing.T) {
	w := serve(t, github.Options{})
	w.AddToken("writer", fakegithub.Account{Login: "acme-writer", Repositories: map[string]fakegithub.Permission{"*": fakegithub.Write}})
	r := w.repository("acme/app")
	w.commit(r, fakegithub.Commit{Message: "first"})
	w.commit(r, fakegithub.Commit{Branch: "topic", Message: "topic"})
	for _, author := range []string{"dev", "renovate[bot]"} {
		number, err := r.OpenPullRequest(fakegithub.PullRequest{Title: "t", Author: author, Head: "topic"})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.LabelPullRequest(number, "ready", "needs: ü", strings.Repeat("x", 50), strings.Repeat("x", 51)); err != nil {
			t.Fatal(err)
		}
	}
	client, ctx := clientOf(t, w.factory, "writer"), t.Context()
	want := "ready, needs: ü, " + strings.Repeat("x", 50)
	for range 2 { // the second time from the cache
		pulls, _, err := client.OpenPullRequests(ctx, "acme/app", "trunk", 9)
		if err != nil || len(pulls) != 2 {
			t.Fatalf("%+v, %v", pulls, err)
		}
		for _, pull := range pulls {
			permission, err := client.Permission(ctx, "acme/app", pull.Author)
			if err != nil || permission.UserID != pull.AuthorID || pull.AuthorID == 0 ||
				permission.Bot != pull.AuthorBot || pull.AuthorBot != (pull.Author == "renovate[bot]") {
				t.Errorf("%+v has %+v, %v", pull, permission, err)
			}
			if got := strings.Join(pull.Labels, ", "); got != want {
				t.Errorf("labels %s", got)
			}
			pull.Labels[0] = "changed" // the caller's own
		}
	}
}

func TestHostilePermissions(t *testing.T) {
	for name, body := range map[string]string{
		"no user":                `{"permission": "admin", "role_name": "admin"}`,
		"a user that is null":    `{"permission": "admin", "role_name": "admin", "user": null}`,
		"a user without ID":      `{"permission": "admin", "user": {"login": "ada"}}`,
		"a negative ID":          `{"permission": "admin", "user": {"login": "ada", "id": -1}}`,
		"an ID that is a text":   `{"permission": "admin", "user": {"login": "ada", "id": "1"}}`,
		"no permission":          `{"user": {"login": "ada", "id": 1}}`,
		"a permission of an own": `{"permission": "owner", "user": {"login": "ada", "id": 1}}`,
		"a permission in a list": `{"permission": ["admin"], "user": {"login": "ada", "id": 1}}`,
		"null":                   `null`,
		"a list":                 `[]`,
	} {
		got, err := canned(t, 200, nil, body).Permission(t.Context(), "acme/app", "ada")
		if asError(t, err).Kind != github.KindUnavailable || got != (github.Permission{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	// Everything is not found: nobody says whether that is the login, or the repository.
	if got, err := canned(t, 404, nil, `{"message": "Not Found"}`).Permission(t.Context(), "acme/app", "ada"); github.KindOf(err) != github.KindNotFound {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestHostileAuthorsAndLabels(t *testing.T) {
	many := make([]string, 200)
	for i := range many {
		many[i] = fmt.Sprintf(`{"name": "label-%d"}`, i)
	}
	for name, c := range map[string]struct {
		user, labels string
		id           int64
		bot          bool
		count        int
	}{
		"deleted":                      {user: "null", labels: "null"},
		"nothing in them":              {user: "{}", labels: "[{}, null]"},
		"a negative ID":                {user: `{"login": "dev", "id": -5}`, labels: "[]"},
		"a bot":                        {user: `{"login": "x[bot]", "id": 7, "type": "Bot"}`, labels: `[{"name": "a"}]`, id: 7, bot: true, count: 1},
		"a person who is called a bot": {user: `{"login": "x-bot", "id": 8, "type": "User"}`, labels: "[]", id: 8},
		"more labels than there are":   {user: "null", labels: "[" + strings.Join(many, ",") + "]", count: 100},
		"labels that GitHub refuses":   {user: "null", labels: `[{"name": ""}, {"name": "a\nb"}, {"name": "` + strings.Repeat("x", 1000) + `"}]`},
	} {
		body := fmt.Sprintf(`{"number": 1, "state": "open", "user": %s, "labels": %s, "head": {"ref": "topic", "sha": %q, "repo": null},
			"base": {"ref": "main", "repo": {"id": 5}}}`, c.user, c.labels, shapeSHA)
		got, err := canned(t, 200, nil, body).PullRequest(t.Context(), "acme/app", 1)
		if err != nil || got.AuthorID != c.id || got.AuthorBot != c.bot || len(got.Labels) != c.count {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
