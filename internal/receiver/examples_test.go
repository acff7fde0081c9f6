package receiver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
)

// examples are payloads of GitHub's webhooks, by the GitHub that they are of and the event.
func examples(t *testing.T) map[string]map[string][]json.RawMessage {
	t.Helper()
	var complaint strings.Builder
	command := exec.CommandContext(t.Context(), filepath.Join("..", "..", "hack", "octokit-assets.sh"))
	command.Stderr = &complaint
	output, err := command.Output()
	if err != nil {
		if os.Getenv("CI") == "" {
			t.Skipf("the examples of webhooks cannot be fetched (%v), so none of them is tried: %s", err, complaint.String())
		}
		t.Fatalf("hack/octokit-assets.sh: %v: %s", err, complaint.String())
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(output)), "webhooks-examples", "*", "index.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s holds no examples: %v", output, err)
	}
	all := map[string]map[string][]json.RawMessage{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var events []struct {
			Name     string
			Examples []json.RawMessage
		}
		if err := json.Unmarshal(content, &events); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		of := map[string][]json.RawMessage{}
		for _, event := range events {
			of[event.Name] = event.Examples
		}
		all[filepath.Base(filepath.Dir(file))] = of
	}
	return all
}

func TestEveryExampleOfAWebhook(t *testing.T) {
	tried, pressed := 0, 0
	for github, events := range examples(t) {
		for event, payloads := range events {
			t.Run(github+" "+event, func(t *testing.T) {
				for i, payload := range payloads {
					if asked := try(t, github, event, fmt.Sprint(event, " ", i), payload); len(asked) > 0 && strings.HasPrefix(event, "check_") {
						pressed++
					}
					tried++
				}
			})
		}
	}
	t.Logf("%d payloads", tried)
	if pressed < 4 {
		t.Errorf("only %d payloads are of a button", pressed)
	}
	if tried < 300 {
		t.Errorf("only %d payloads were tried", tried)
	}
}

// try delivers one payload to a receiver with links of the repositories that the examples are about, and returns what it asked for.
func try(t *testing.T, github, event, name string, payload []byte) (asked []string) {
	t.Helper()
	r := newRig(t)
	host := dotCom
	if strings.HasPrefix(github, "ghes") {
		host = "ghe.example.com"
	}
	r.links = map[string][]types.NamespacedName{}
	for _, repository := range []string{"Codertocat/Hello-World", "octocoders/hello-world", "octocat/hello-world", "github/hello-world"} {
		for _, of := range []string{dotCom, "ghe.example.com"} {
			r.links[repositoryKey(of, repository)] = []types.NamespacedName{link(of, strings.ToLower(repository))}
		}
	}
	request := delivery(event, payload)
	if host != dotCom {
		request.Header.Set(hostHeader, host)
	}
	status := r.deliver(request).StatusCode
	wantStatus, want := expected(t, host, event, payload)
	if status != wantStatus {
		t.Errorf("%s is answered with %d, want %d", name, status, wantStatus)
	}
	asked = r.takeAsked()
	slices.Sort(asked)
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("%s: links asked for (-want +got):\n%s", name, diff)
	}
	return asked
}

// expected tells what comes of a payload, from its fields read without a type.
func expected(t *testing.T, host, event string, payload []byte) (status int, asked []string) {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(payload, &fields); err != nil {
		t.Fatal(err)
	}
	text := func(path ...string) string {
		var value any = fields
		for _, name := range path {
			object, _ := value.(map[string]any)
			value = object[name]
		}
		found, _ := value.(string)
		return found
	}
	repositories := []string{text("repository", "full_name")}
	switch event {
	case "ping":
		return http.StatusOK, nil
	case "push", "pull_request", "issue_comment":
	case "check_run", "check_suite":
		if text("action") != "rerequested" {
			return http.StatusAccepted, nil
		}
		checked, _ := fields[event].(map[string]any)
		number, _ := checked["id"].(float64)
		event = fmt.Sprintf("%s/%d", event, int64(number))
	case "repository":
		switch text("action") {
		case "renamed":
			repositories = append(repositories, text("repository", "owner", "login")+"/"+text("changes", "repository", "name", "from"))
		case "transferred":
			repositories = append(repositories, text("changes", "owner", "from", "user", "login")+"/"+text("repository", "name"))
		default:
			return http.StatusAccepted, nil
		}
	default:
		return http.StatusAccepted, nil
	}
	for _, repository := range repositories {
		asked = append(asked, host+"/"+strings.ToLower(repository)+" "+event)
	}
	slices.Sort(asked)
	return http.StatusAccepted, asked
}
