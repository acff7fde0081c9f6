package receiver

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/domain/click"
)

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		event, body string
		want        []string
		button      *click.Button
		wrong       bool
	}{
		"a push":                {event: "push", body: `{"repository":{"full_name":"Acme/App"}}`, want: []string{"Acme/App"}},
		"renamed":               {event: "repository", body: `{"action":"renamed","repository":{"full_name":"acme/new"},"changes":{"repository":{"name":{"from":"old"}}}}`, want: []string{"acme/new", "acme/old"}},
		"from a user":           {event: "repository", body: `{"action":"transferred","repository":{"full_name":"acme/app"},"changes":{"owner":{"from":{"user":{"login":"ada"}}}}}`, want: []string{"acme/app", "ada/app"}},
		"from an organization":  {event: "repository", body: `{"action":"transferred","repository":{"full_name":"acme/app"},"changes":{"owner":{"from":{"organization":{"login":"umbrella"}}}}}`, want: []string{"acme/app", "umbrella/app"}},
		"renamed from nothing":  {event: "repository", body: `{"action":"renamed","repository":{"full_name":"acme/new"}}`, want: []string{"acme/new"}},
		"archived":              {event: "repository", body: `{"action":"archived","repository":{"full_name":"acme/app"}}`},
		"a push with changes":   {event: "push", body: `{"action":"renamed","repository":{"full_name":"acme/new"},"changes":{"repository":{"name":{"from":"old"}}}}`, want: []string{"acme/new"}},
		"a check run's button":  {event: "check_run", body: `{"action":"rerequested","check_run":{"id":4711},"repository":{"full_name":"acme/app"}}`, want: []string{"acme/app"}, button: &click.Button{Kind: click.CheckRun, ID: 4711}},
		"a suite's button":      {event: "check_suite", body: `{"action":"rerequested","check_suite":{"id":4712},"repository":{"full_name":"acme/app"}}`, want: []string{"acme/app"}, button: &click.Button{Kind: click.CheckSuite, ID: 4712}},
		"a check run that ends": {event: "check_run", body: `{"action":"completed","check_run":{"id":4711},"repository":{"full_name":"acme/app"}}`},
		"another button":        {event: "check_run", body: `{"action":"requested_action","check_run":{"id":4711},"repository":{"full_name":"acme/app"}}`},
		"a suite that begins":   {event: "check_suite", body: `{"action":"requested","check_suite":{"id":4712},"repository":{"full_name":"acme/app"}}`},
		"a button of nothing":   {event: "check_run", body: `{"action":"rerequested","repository":{"full_name":"acme/app"}}`, wrong: true},
		"the other's number":    {event: "check_suite", body: `{"action":"rerequested","check_run":{"id":4711},"repository":{"full_name":"acme/app"}}`, wrong: true},
		"a number below one":    {event: "check_run", body: `{"action":"rerequested","check_run":{"id":-1},"repository":{"full_name":"acme/app"}}`, wrong: true},
		"a number in words":     {event: "check_run", body: `{"action":"rerequested","check_run":{"id":"4711"},"repository":{"full_name":"acme/app"}}`, wrong: true},
		"no repository":         {event: "push", body: `{}`, wrong: true},
		"null":                  {event: "push", body: `null`, wrong: true},
		"a name without owner":  {event: "push", body: `{"repository":{"full_name":"app"}}`, wrong: true},
		"a list":                {event: "push", body: `[]`, wrong: true},
		"another type":          {event: "push", body: `{"repository":{"full_name":{}}}`, wrong: true},
		"more than one payload": {event: "push", body: `{"repository":{"full_name":"a/b"}}{}`, wrong: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(c.event, []byte(c.body))
			if (err != nil) != c.wrong {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(News{Repositories: c.want, Button: c.button}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add("push", pushed)
	f.Add("repository", []byte(`{"action":"renamed","repository":{"full_name":"acme/new"},"changes":{"repository":{"name":{"from":"old"}}}}`))
	f.Add("repository", []byte(`{"action":"transferred","repository":{"full_name":"a/b"},"changes":{"owner":{"from":{"user":{"login":"c"}}}}}`))
	f.Add("check_run", []byte(`{"action":"rerequested","check_run":{"id":4711},"repository":{"full_name":"acme/app"}}`))
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		news, err := Read(event, body)
		repositories := news.Repositories
		if err != nil && (len(repositories) > 0 || news.Button != nil) {
			t.Errorf("an error and %v", news)
		}
		if news.Button != nil && (news.Button.ID < 1 || (event != "check_run" && event != "check_suite")) {
			t.Errorf("%s: button %v", event, *news.Button)
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
