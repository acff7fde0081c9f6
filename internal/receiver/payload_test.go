package receiver

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRepositories(t *testing.T) {
	for name, c := range map[string]struct {
		event, body string
		want        []string
		wrong       bool
	}{
		"a push":                {event: "push", body: `{"repository":{"full_name":"Acme/App"}}`, want: []string{"Acme/App"}},
		"renamed":               {event: "repository", body: `{"action":"renamed","repository":{"full_name":"acme/new"},"changes":{"repository":{"name":{"from":"old"}}}}`, want: []string{"acme/new", "acme/old"}},
		"from a user":           {event: "repository", body: `{"action":"transferred","repository":{"full_name":"acme/app"},"changes":{"owner":{"from":{"user":{"login":"ada"}}}}}`, want: []string{"acme/app", "ada/app"}},
		"from an organization":  {event: "repository", body: `{"action":"transferred","repository":{"full_name":"acme/app"},"changes":{"owner":{"from":{"organization":{"login":"umbrella"}}}}}`, want: []string{"acme/app", "umbrella/app"}},
		"renamed from nothing":  {event: "repository", body: `{"action":"renamed","repository":{"full_name":"acme/new"}}`, want: []string{"acme/new"}},
		"archived":              {event: "repository", body: `{"action":"archived","repository":{"full_name":"acme/app"}}`},
		"a push with changes":   {event: "push", body: `{"action":"renamed","repository":{"full_name":"acme/new"},"changes":{"repository":{"name":{"from":"old"}}}}`, want: []string{"acme/new"}},
		"no repository":         {event: "push", body: `{}`, wrong: true},
		"null":                  {event: "push", body: `null`, wrong: true},
		"a name without owner":  {event: "push", body: `{"repository":{"full_name":"app"}}`, wrong: true},
		"a list":                {event: "push", body: `[]`, wrong: true},
		"another type":          {event: "push", body: `{"repository":{"full_name":{}}}`, wrong: true},
		"more than one payload": {event: "push", body: `{"repository":{"full_name":"a/b"}}{}`, wrong: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Repositories(c.event, []byte(c.body))
			if (err != nil) != c.wrong {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzRepositories(f *testing.F) {
	f.Add("push", pushed)
	f.Add("repository", []byte(`{"action":"renamed","repository":{"full_name":"acme/new"},"changes":{"repository":{"name":{"from":"old"}}}}`))
	f.Add("repository", []byte(`{"action":"transferred","repository":{"full_name":"a/b"},"changes":{"owner":{"from":{"user":{"login":"c"}}}}}`))
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		repositories, err := Repositories(event, body)
		if err != nil && len(repositories) > 0 {
			t.Errorf("an error and %v", repositories)
		}
		if len(repositories) > 3 {
			t.Errorf("%d repositories of one delivery", len(repositories))
		}
		for _, repository := range repositories {
			if !strings.Contains(repository, "/") {
				t.Errorf("%q is no owner/name", repository)
			}
		}
	})
}
