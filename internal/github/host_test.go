package github_test

import (
	"strings"
	"testing"

	"katkit.dev/katkit/internal/github"
)

func TestParseHost(t *testing.T) {
	for value, want := range map[string]github.Host{
		"github.com":                           {Name: "github.com", APIURL: "https://api.github.com/", CloneURL: "https://github.com/"},
		" GitHub.com ":                         {Name: "github.com", APIURL: "https://api.github.com/", CloneURL: "https://github.com/"},
		"github.example.com":                   {Name: "github.example.com", APIURL: "https://github.example.com/api/v3/", CloneURL: "https://github.example.com/"},
		"ghe:8443":                             {Name: "ghe:8443", APIURL: "https://ghe:8443/api/v3/", CloneURL: "https://ghe:8443/"},
		"github.com=http://github.github.svc":  {Name: "github.com", APIURL: "http://github.github.svc/api/v3/", CloneURL: "http://github.github.svc/"},
		"ghe.example.com=https://proxy/ghe/":   {Name: "ghe.example.com", APIURL: "https://proxy/ghe/api/v3/", CloneURL: "https://proxy/ghe/"},
		"ghe.example.com=http://127.0.0.1:123": {Name: "ghe.example.com", APIURL: "http://127.0.0.1:123/api/v3/", CloneURL: "http://127.0.0.1:123/"},
	} {
		if got, err := github.ParseHost(value); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", value, got, err, want)
		}
	}
	for _, value := range []string{
		"", "https://github.com", "git hub", "-a", "a=", "a=b", "a=ftp://b", "a=http://", "a=https://user:hunter2@b", "a=https://b?c=d", "a=https://b#c", "=https://b", "a..b",
	} {
		got, err := github.ParseHost(value)
		if err == nil {
			t.Errorf("%q: %+v, want an error", value, got)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v repeats a password", value, err)
		}
	}
}

func TestAFactoryRefusesHostsThatAreIncompleteOrThereTwice(t *testing.T) {
	for name, hosts := range map[string][]github.Host{
		"twice":     {github.DotCom(), {Name: "GITHUB.com", APIURL: "https://x/", CloneURL: "https://x/"}},
		"no URL":    {{Name: "github.com"}},
		"no slash":  {{Name: "github.com", APIURL: "https://api.github.com/v3"}},
		"not a URL": {{Name: "github.com", APIURL: "api/"}},
	} {
		if _, err := github.NewFactory(github.Options{Hosts: hosts}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	factory, err := github.NewFactory(github.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := factory.Client("GitHub.com", github.Credential{}, github.Scope{})
	if err != nil || client.CloneURL("acme/app") != "https://github.com/acme/app.git" {
		t.Errorf("github.com: %v", err)
	}
}
