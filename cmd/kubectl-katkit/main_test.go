package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// plugin is the binary, and completion the other name by which kubectl calls it.
var plugin, completion string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kubectl-katkit")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	plugin, completion = filepath.Join(dir, "kubectl-katkit"), filepath.Join(dir, "kubectl_complete-katkit")
	if out, err := exec.Command("go", "build", "-ldflags", "-X main.version=v9.9.9", "-o", plugin, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the plugin: %v\n%s", err, out)
		return 1
	}
	if err := os.Symlink("kubectl-katkit", completion); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// run executes the binary, without any kubeconfig.
func run(t *testing.T, binary string, args ...string) (out, said string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(t.TempDir(), "none"), "HOME="+t.TempDir())
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

func TestHelpAndExitCodes(t *testing.T) {
	const fixtures = "../../test/fixtures/repos/"
	sha := strings.Repeat("0", 40)
	tests := map[string]struct {
		args      []string
		code      int
		out, said string
	}{
		"help":                          {[]string{"--help"}, 0, "Usage:\n  kubectl katkit [flags]", ""},
		"no verb":                       {nil, 0, "Usage:\n  kubectl katkit [flags]", ""},
		"help has examples":             {[]string{"--help"}, 0, "kubectl katkit export deployment/web -n d-taskrunner", ""},
		"help has kubeconfig flags":     {[]string{"--help"}, 0, "--context string", ""},
		"help of a verb":                {[]string{"validate", "-h"}, 0, "Usage:\n  kubectl katkit validate [DIR]", ""},
		"help of another":               {[]string{"help", "diff"}, 0, "Usage:\n  kubectl katkit diff --link NAME --sha SHA", ""},
		"version":                       {[]string{"--version"}, 0, "kubectl katkit version v9.9.9", ""},
		"a verb that is not there":      {[]string{"deploy"}, 1, "", `error: unknown command "deploy" for "kubectl katkit"`},
		"valid files":                   {[]string{"validate", fixtures + "taskrunner"}, 0, "0 errors, 0 warnings", ""},
		"files with warnings":           {[]string{"validate", fixtures + "folders"}, 0, "0 errors, 2 warnings", ""},
		"files with errors":             {[]string{"validate", "../../internal/cli/validate/testdata/errors"}, 1, "3 errors, 0 warnings", ""},
		"errors for programs":           {[]string{"validate", "-ojson", "../../internal/cli/validate/testdata/errors"}, 1, `"valid": false`, ""},
		"no working copy":               {[]string{"validate", "absent"}, 1, "", "error: opening the working copy"},
		"a flag that validate has not":  {[]string{"validate", "--bogus"}, 1, "", "error: unknown flag: --bogus"},
		"nothing to export":             {[]string{"export"}, 1, "", "error: nothing to export"},
		"no cluster to export from":     {[]string{"export", "deploy/web", "-s", "http://127.0.0.1:1"}, 1, "", "connection refused"},
		"no cluster to compare with":    {[]string{"diff", "--link=x", "--sha=" + sha, "-s", "http://127.0.0.1:1"}, 2, "", "connection refused"},
		"a context that is not there":   {[]string{"diff", "--link=x", "--sha=" + sha, "--context", "nowhere"}, 2, "", `context "nowhere" does not exist`},
		"help of a verb about runs":     {[]string{"run", "--help"}, 0, "kubectl katkit run taskrunner -n d-taskrunner --follow", ""},
		"no cluster to run in":          {[]string{"run", "x", "-s", "http://127.0.0.1:1"}, 2, "", "connection refused"},
		"a commit that is too short":    {[]string{"run", "x", "--sha", "0000000"}, 2, "", "git rev-parse NAME gives it"},
		"no link to run":                {[]string{"run"}, 2, "", "error: accepts 1 arg(s), received 0"},
		"help of the verb that links":   {[]string{"link", "-h"}, 0, "Usage:\n  kubectl katkit link OWNER/REPO", ""},
		"no cluster to link in":         {[]string{"link", "acme/shop", "-s", "http://127.0.0.1:1"}, 2, "", "connection refused"},
		"no repository to link":         {[]string{"link", "shop"}, 2, "", `error: "shop" does not name a repository: expected OWNER/REPO`},
		"a tenant with two names":       {[]string{"link", "a/b", "-n", "one", "--tenant", "two"}, 2, "", `--tenant "two" and --namespace "one" are two names`},
		"a tenant without a name":       {[]string{"link", "a/b", "--tenant", ""}, 2, "", "--tenant is empty"},
		"two places of a token":         {[]string{"link", "a/b", "--secret", "s", "--token-file", "f"}, 2, "", "[secret token-file] were all set"},
		"a file that is not there":      {[]string{"link", "a/b", "--token-file", "absent"}, 2, "", "reading the token: open absent"},
		"no time to wait":               {[]string{"link", "a/b", "--timeout", "0s"}, 2, "", "--timeout 0s is too short"},
		"a token for the cluster":       {[]string{"link", "a/b", "--token", "ghp_" + sha[:36]}, 2, "", "--token is what kubectl logs in to the cluster with"},
		"help of the verb for logs":     {[]string{"logs", "-h"}, 0, "Usage:\n  kubectl katkit logs RUN [PHASE] [flags]", ""},
		"no cluster to read logs of":    {[]string{"logs", "x", "-s", "http://127.0.0.1:1"}, 2, "", "connection refused"},
		"an address in plain http":      {[]string{"logs", "x", "--log-store", "http://192.0.2.1", "-s", "http://127.0.0.1:1"}, 2, "", "and your token would go there"},
		"no run to read logs of":        {[]string{"logs"}, 2, "", "error: accepts between 1 and 2 arg(s), received 0"},
		"help of the verb for tenants":  {[]string{"tenant"}, 0, "Usage:\n  kubectl katkit tenant [flags]", ""},
		"no cluster for a tenant":       {[]string{"tenant", "create", "x", "-s", "http://127.0.0.1:1"}, 1, "", "connection refused"},
		"a tenant as manifests":         {[]string{"tenant", "create", "x", "-o", "yaml", "-s", "http://127.0.0.1:1"}, 0, "    katkit.dev/tenant: x\n", ""},
		"a tenant that is no namespace": {[]string{"tenant", "create", "X"}, 1, "", "-n gives it another name than the tenant's"},
		"a quota that is none":          {[]string{"tenant", "create", "x", "--quota", "cpu"}, 1, "", "is not one of cpu=N, memory=N and pods=N"},
		"no cluster to list links of":   {[]string{"links", "-s", "http://127.0.0.1:1"}, 1, "", "connection refused"},
		"no cluster to list runs of":    {[]string{"runs", "-s", "http://127.0.0.1:1"}, 1, "", "connection refused"},
		"no cluster to follow a run in": {[]string{"get", "x", "--follow", "-s", "http://127.0.0.1:1"}, 2, "", "connection refused"},
		"no cluster to approve in":      {[]string{"approve", "x", "y", "-s", "http://127.0.0.1:1"}, 1, "", "connection refused"},
		"no phase to approve":           {[]string{"approve", "x"}, 1, "", "error: accepts 2 arg(s), received 1"},
		"no cluster to cancel in":       {[]string{"cancel", "x", "-s", "http://127.0.0.1:1"}, 2, "", "connection refused"},
		"no cluster to repeat a run in": {[]string{"rerun", "x", "-s", "http://127.0.0.1:1"}, 2, "", "connection refused"},
		"nothing to compare":            {[]string{"diff"}, 2, "", "error: --link is missing"},
		"a flag that diff has not":      {[]string{"diff", "--bogus"}, 2, "", "error: unknown flag: --bogus"},
		"an argument that diff has not": {[]string{"diff", "bogus"}, 2, "", "error: unknown command \"bogus\""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out, said, code := run(t, plugin, tt.args...)
			if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(said, tt.said) {
				t.Errorf("exit code %d, output %s, said %s, want %d, %q, %q", code, out, said, tt.code, tt.out, tt.said)
			}
			if tt.out == "" && out != "" || tt.said == "" && said != "" {
				t.Errorf("output %q, said %q", out, said)
			}
		})
	}
}

// TestTheManual holds that docs/plugin.md shows what validate prints.
func TestTheManual(t *testing.T) {
	manual, err := os.ReadFile("../../docs/plugin.md")
	if err != nil {
		t.Fatal(err)
	}
	out, _, _ := run(t, plugin, "validate", "../../internal/cli/validate/testdata/errors")
	shown := strings.ReplaceAll("    "+strings.ReplaceAll(strings.TrimSpace(out), "\n", "\n    "), "../../", "")
	if !strings.Contains(string(manual), strings.ReplaceAll(shown, "\n    \n", "\n\n")) {
		t.Errorf("docs/plugin.md does not have\n%s", shown)
	}
}

func TestKubectlCompletes(t *testing.T) {
	want, _, _ := run(t, plugin, "__complete", "validate", "-o", "")
	got, _, code := run(t, completion, "validate", "-o", "")
	if code != 0 || got != want || got != "json\n:4\n" {
		t.Errorf("exit code %d, completed to %q and %q", code, got, want)
	}
}

// TestAsTheUser holds that the flags of kubectl reach the API server.
func TestAsTheUser(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]string{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.URL.Path] = r.Header.Get("Authorization") + ", " + r.Header.Get("Impersonate-User") + ", " + r.UserAgent()
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/api":
			answer(w, metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions", APIVersion: "v1"}, Versions: []string{"v1"}})
		case "/apis":
			version := metav1.GroupVersionForDiscovery{GroupVersion: "apps/v1", Version: "v1"}
			answer(w, metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{
				{Name: "apps", Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version}}})
		case "/apis/apps/v1":
			answer(w, metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "apps/v1",
				APIResources: []metav1.APIResource{{Name: "deployments", Kind: "Deployment", Namespaced: true, Verbs: []string{"get"}}}})
		case "/apis/apps/v1/namespaces/d-shop/deployments/web":
			w.Header().Set("Warning", `299 - "this is an old version"`)
			answer(w, appsv1.Deployment{TypeMeta: metav1.TypeMeta{Kind: "Deployment", APIVersion: "apps/v1"}, ObjectMeta: metav1.ObjectMeta{Namespace: "d-shop", Name: "web"},
				Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "example/web:1"}}}}}})
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	out, said, code := run(t, plugin, "export", "deploy/web", "--server", server.URL, "--insecure-skip-tls-verify", "--namespace", "d-shop", "--as", "ann", "--token", "t0ken")
	if code != 0 || !strings.Contains(out, `"example/web:<hubtag>"`) {
		t.Errorf("exit code %d, output %s, said %s, requests %v", code, out, said, seen)
	}
	if said != "Warning: this is an old version\n" {
		t.Errorf("said %q", said)
	}
	if got, want := seen["/apis/apps/v1/namespaces/d-shop/deployments/web"], "Bearer t0ken, ann, kubectl-katkit/v9.9.9"; got != want {
		t.Errorf("asked with %q, want %q", got, want)
	}
}

// TestAClusterWithoutKatkit has an API server that knows Kubernetes' own kinds alone.
func TestAClusterWithoutKatkit(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/api":
			answer(w, metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions", APIVersion: "v1"}, Versions: []string{"v1"}})
		case "/apis":
			answer(w, metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}})
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	_, said, code := run(t, plugin, "diff", "--link", "shop", "--sha", strings.Repeat("0", 40), "--server", server.URL)
	if code != 2 || !strings.Contains(said, "Katkit is not installed there") {
		t.Errorf("exit code %d, said %s", code, said)
	}
}

func answer(w http.ResponseWriter, object any) {
	if err := json.NewEncoder(w).Encode(object); err != nil {
		panic(err)
	}
}
