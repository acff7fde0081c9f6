package diff_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/diff"
	"katkit.dev/katkit/test/fakegithub"
	"katkit.dev/katkit/test/fakegithub/openapi"
)

const (
	tenant  = "d-shop"
	host    = "github.example.com"
	token   = "token-of-the-link"
	unknown = "0123456789abcdef0123456789abcdef01234567"

	description = `{"Roles": [
  {"Name": "web", "DockerImage": "example/web:<hubtag>", "Replicas": 7},
  {"Name": "queue", "DockerImage": "example/queue:<hubtag>"},
  {"Name": "cache", "DockerImage": "redis:7"}
]}`
)

// world is a tenant with a link to acme/shop, whose folder "shop" has the description above.
type world struct {
	*testing.T
	link     *v1alpha1.TenantRepoLink
	web      *appsv1.Deployment
	queue    *appsv1.StatefulSet
	secret   *corev1.Secret
	replaced interceptor.Funcs
	github   string
	// before is the commit that sha comes after, and that web runs.
	before, sha string
	clone       string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server, err := fakegithub.New(fakegithub.Options{Dir: t.TempDir(), Tokens: map[string]fakegithub.Account{
		token: {Login: "bot", Repositories: map[string]fakegithub.Permission{"acme/shop": fakegithub.Read}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(openapi.Check(t, server))
	t.Cleanup(func() { listener.Close(); server.Close() })
	repository, err := server.CreateRepository("acme/shop", fakegithub.RepositoryOptions{Private: true})
	if err != nil {
		t.Fatal(err)
	}
	var commits []string
	for _, readme := range []string{"the first", "the second"} {
		sha, err := repository.Commit(fakegithub.Commit{Branch: "main", Files: fakegithub.Texts(map[string]string{
			"shop/servicedescription/servicedescription.js": description, "README.md": readme,
		})})
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, sha)
	}
	before, sha := commits[0], commits[1]
	metadata := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: tenant, Name: name} }
	env := []corev1.EnvVar{{Name: "COLOUR", Value: "blue"}, {Name: "SIZE", Value: "1"}}
	w := &world{
		T: t, github: listener.URL, before: before, sha: sha,
		link: &v1alpha1.TenantRepoLink{ObjectMeta: metadata("shop"), Spec: v1alpha1.TenantRepoLinkSpec{
			Repository: "acme/shop", Host: host, HomeBranch: "main", FolderPath: "/shop/", SecretRef: &v1alpha1.ObjectName{Name: "github"},
		}},
		secret: &corev1.Secret{ObjectMeta: metadata("github"), Data: map[string][]byte{"token": []byte(token)}},
		web: &appsv1.Deployment{ObjectMeta: metadata("web"), Spec: appsv1.DeploymentSpec{Replicas: new(int32(3)), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			Containers: []corev1.Container{
				{Name: "proxy", Image: "envoy:1"},
				{Name: "web", Image: "example/web:" + before, Env: env, EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{}}}},
			},
		}}}},
		queue: &appsv1.StatefulSet{ObjectMeta: metadata("queue"), Spec: appsv1.StatefulSetSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "main", Image: "example/queue:" + sha}},
		}}}},
	}
	w.clone = w.cloneOf(listener.URL)
	return w
}

// cloneOf is a clone of the repository that has nothing checked out, as the user git made it.
func (w *world) cloneOf(address string) string {
	w.Helper()
	dir := filepath.Join(w.TempDir(), "shop")
	clone := exec.CommandContext(w.Context(), "git", "clone", "--quiet", "--no-checkout",
		strings.Replace(address, "http://", "http://x-access-token:"+token+"@", 1)+"/acme/shop.git", dir)
	clone.Env = elsewhere()
	if out, err := clone.CombinedOutput(); err != nil {
		w.Fatalf("git clone: %v: %s", err, out)
	}
	return dir
}

// run executes the verb on the world as it is, and gives the exit code as well.
func (w *world) run(args ...string) (out, said string, code int) {
	w.Helper()
	c := fake.NewClientBuilder().WithScheme(cli.Scheme()).WithInterceptorFuncs(w.replaced)
	for _, object := range []client.Object{w.link, w.web, w.queue, w.secret} {
		c.WithObjects(object)
	}
	live := c.Build()
	streams, _, stdout, stderr := genericiooptions.NewTestIOStreams()
	command := diff.NewCommand(streams, func() (client.WithWatch, string, error) { return live, tenant, nil }, "kubectl-katkit/test")
	command.SilenceErrors, command.SilenceUsage = true, true
	command.SetArgs(args)
	command.SetOut(io.Discard)
	err := command.ExecuteContext(w.Context())
	code, tell := cli.ExitCode(command, err)
	said = stderr.String()
	if tell {
		said += err.Error()
	}
	return stdout.String(), said, code
}

func (w *world) fromGitHub() []string {
	return []string{"--link", "shop", "--sha", w.sha, "--github-host", host + "=" + w.github}
}

func (w *world) fromClone() []string {
	return []string{"--link", "shop", "--sha", w.sha, "--dir", w.clone}
}

func TestDifferences(t *testing.T) {
	w := newWorld(t)
	want := `deployment/web, container web
- image: example/web:` + w.before + `
+ image: example/web:` + w.sha + `
  kept: 2 environment variables, 1 source of variables, 3 replicas, 1 other container (proxy)
  set as well: the workload's annotations that name the run and the commit
statefulset/queue, container main
  image: example/queue:` + w.sha + ` (no change)
cache: left alone, its DockerImage has no <hubtag>
`
	for name, args := range map[string][]string{"from GitHub": w.fromGitHub(), "from a clone": w.fromClone()} {
		out, said, code := w.run(args...)
		if out != want || code != 1 {
			t.Errorf("%s: exit code %d, output %s%s", name, code, out, said)
		}
		if want := "shop/servicedescription/servicedescription.js:2:70: warning: Replicas is ignored, the running service keeps its own: remove it (found 7)\n"; said != want {
			t.Errorf("%s: said %q, want %q", name, said, want)
		}
	}
}

func TestNoDifference(t *testing.T) {
	w := newWorld(t)
	w.web.Spec.Template.Spec.Containers[1].Image = "example/web:" + w.sha
	if out, said, code := w.run(w.fromGitHub()...); code != 0 || strings.Count(out, "(no change)") != 2 {
		t.Errorf("exit code %d, output %s%s", code, out, said)
	}
}

func TestALiveImageCannotReachTheTerminal(t *testing.T) {
	w := newWorld(t)
	w.web.Spec.Template.Spec.Containers[1].Image = "a\x1b[2Jb"
	if out, _, code := w.run(w.fromClone()...); code != 1 || !strings.Contains(out, `- image: a\x1b[2Jb`) {
		t.Errorf("exit code %d, output %q", code, out)
	}
}

func TestADaemonSetRunsOnNodes(t *testing.T) {
	var b bytes.Buffer
	comparison := diff.Comparison{Services: []diff.Service{{Kind: "DaemonSet", Name: "agent", Container: "agent", Before: "a:1", After: "a:2", Env: 1, Replicas: 1}}}
	if err := comparison.Text(&b); err != nil || !strings.HasSuffix(b.String(), "  kept: 1 environment variable, a Pod on each of 1 node\n"+
		"  set as well: the workload's annotations that name the run and the commit\n") {
		t.Errorf("output %s, %v", b.String(), err)
	}
}

// TestOlder has a service that runs a newer commit than the one that would be deployed, or one that nobody knows.
func TestOlder(t *testing.T) {
	for name, from := range map[string]func(*world) []string{"from GitHub": (*world).fromGitHub, "from a clone": (*world).fromClone} {
		w := newWorld(t)
		web := &w.web.Spec.Template.Spec.Containers[1].Image
		newer := w.sha
		*web, w.sha = "example/web:"+w.sha, w.before
		want := "warning: a run would refuse this commit: Deployment web runs commit " + newer + ", which comes after " + w.before + ": "
		if out, said, code := w.run(from(w)...); code != 1 || !strings.Contains(said, want) {
			t.Errorf("%s: exit code %d, output %s, said %s, want %s", name, code, out, said, want)
		}
		*web = "example/web:" + unknown
		said := "Deployment web runs commit " + unknown + ", which the clone does not have"
		if _, got, code := w.run(from(w)...); code != 1 || strings.Contains(got, said) != (name == "from a clone") {
			t.Errorf("%s: exit code %d, said %s", name, code, got)
		}
	}
}

func TestAnotherOwnerIsNamed(t *testing.T) {
	w := newWorld(t)
	w.web.Annotations = map[string]string{"meta.helm.sh/release-name": "shop"}
	w.queue.Annotations = w.web.Annotations
	_, said, code := w.run(w.fromClone()...)
	if want := "warning: Deployment web is managed by Helm as well, which may bring its own image back\n"; code != 1 || !strings.HasSuffix(said, want) || strings.Contains(said, "queue") {
		t.Errorf("exit code %d, said %s", code, said)
	}
}

// TestFailures are exit code 2, with a message that says what to do.
func TestFailures(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "github", errors.New(`User "ann" cannot get resource "secrets"`))
	tests := map[string]struct {
		change func(w *world)
		args   func(w *world) []string
		want   string
	}{
		"no link given": {args: func(w *world) []string { return []string{"--sha", w.sha} }, want: "--link is missing: name the TenantRepoLink"},
		"a short sha":   {args: func(*world) []string { return []string{"--link", "shop", "--sha", "0123456"} }, want: `--sha "0123456" is not a commit's full sha`},
		"a host that is none": {args: func(w *world) []string { return append(w.fromClone(), "--github-host", "://") },
			want: `invalid argument "://" for "--github-host"`},
		"a link that is not there": {change: func(w *world) { w.link.Name = "other" }, args: (*world).fromGitHub,
			want: "namespace d-shop has no TenantRepoLink shop: kubectl get trl -n d-shop lists them"},
		"a Secret that the user may not read": {change: func(w *world) {
			w.replaced.Get = func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
				if _, ok := o.(*corev1.Secret); ok {
					return forbidden
				}
				return c.Get(ctx, key, o, options...)
			}
		}, args: (*world).fromGitHub,
			want: "you may not read Secret d-shop/github, which holds the token for acme/shop: name a clone that has the commit with --dir, or ask for the right to get this Secret"},
		"a Secret that is not there": {change: func(w *world) { w.secret.Name = "other" }, args: (*world).fromGitHub,
			want: "Secret d-shop/github, which TenantRepoLink shop names, is not there"},
		"a token that is refused": {change: func(w *world) { w.secret.Data["token"] = []byte("old") }, args: (*world).fromGitHub,
			want: "(token of Secret d-shop/github)"},
		"a host that was not named": {args: func(w *world) []string { return []string{"--link", "shop", "--sha", w.sha} },
			want: "if you trust this host with the link's token, say so with --github-host github.example.com"},
		"a commit that GitHub has not": {args: func(w *world) []string {
			return []string{"--link", "shop", "--sha", unknown, "--github-host", host + "=" + w.github}
		}, want: "commit " + unknown},
		"a commit that the clone has not": {args: func(w *world) []string { return []string{"--link", "shop", "--sha", unknown, "--dir", w.clone} },
			want: "does not have commit " + unknown + ": git fetch brings it, if it was pushed to acme/shop"},
		"a folder that is no clone": {args: func(w *world) []string { return []string{"--link", "shop", "--sha", w.sha, "--dir", t.TempDir()} },
			want: "is not a clone that git can read: fatal: not a git repository"},
		"a folder without the file, on GitHub": {change: func(w *world) { w.link.Spec.FolderPath = "" }, args: (*world).fromGitHub,
			want: "the commit has no servicedescription/servicedescription.js, which a deployment phase needs"},
		"a folder without the file, in a clone": {change: func(w *world) { w.link.Spec.FolderPath = "" }, args: (*world).fromClone,
			want: "the commit has no servicedescription/servicedescription.js, which a deployment phase needs"},
		"a folder in the place of the file": {change: func(w *world) {
			w.sha = w.commit("shop/servicedescription/servicedescription.js/x", "x")
		}, args: (*world).fromClone, want: "is not a file at commit"},
		"a file with errors": {change: func(w *world) {
			w.sha = w.commit("shop/servicedescription/servicedescription.js", `{"Roles": [}`)
		}, args: (*world).fromClone, want: "shop/servicedescription/servicedescription.js:1:12: error: "},
		"a file that is too large": {change: func(w *world) {
			w.sha = w.commit("shop/servicedescription/servicedescription.js", strings.Repeat(" ", 300<<10))
		}, args: (*world).fromClone, want: "at most 262144 are read"},
		"all workloads that cannot be upgraded": {change: func(w *world) {
			w.queue.Name = "other"
			w.web.Spec.Template.Spec.Containers[1].Name = "app"
			w.web.Spec.Template.Spec.Containers[1].Image = "another/web:1"
		}, args: (*world).fromClone, want: "proxy (envoy:1), app (another/web:1)\nrole \"queue\" of servicedescription.js: namespace d-shop has no Deployment, StatefulSet or DaemonSet of this name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tt.change != nil {
				tt.change(w)
			}
			out, said, code := w.run(tt.args(w)...)
			if code != 2 || out != "" || !strings.Contains(said, tt.want) {
				t.Errorf("exit code %d, output %q, said %q, want %q", code, out, said, tt.want)
			}
			if strings.Contains(said, token) {
				t.Errorf("the token is told: %q", said)
			}
		})
	}
}

// commit puts one file into the clone, in place of what is there, and returns the commit.
func (w *world) commit(name, content string) string {
	w.Helper()
	blob := w.git(content, "hash-object", "-w", "--stdin")
	w.git("", "rm", "-r", "-q", "--cached", "--ignore-unmatch", ".")
	w.git("", "update-index", "--add", "--cacheinfo", "100644,"+blob+","+name)
	tree := w.git("", "write-tree")
	return w.git("", "-c", "user.name=ann", "-c", "user.email=ann@example.com", "commit-tree", "-m", "x", tree)
}

func (w *world) git(stdin string, args ...string) string {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), "git", append([]string{"-C", w.clone}, args...)...)
	cmd.Stdin, cmd.Env = strings.NewReader(stdin), elsewhere()
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// elsewhere is the environment without what git tells its hooks and the commands of a rebase, by which the tests would write
// to the repository that they are run in.
func elsewhere() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "GIT_") })
}

// TestNothingOfACloneIsRun has a clone whose configuration names programs wherever git would start one, and an
// environment that names another repository, as in a hook.
func TestNothingOfACloneIsRun(t *testing.T) {
	w := newWorld(t)
	trap := filepath.Join(t.TempDir(), "trap")
	if err := os.WriteFile(trap, []byte("#!/bin/sh\ntouch '"+trap+".sprung'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"core.fsmonitor", "core.pager", "pager.show", "diff.external", "diff.js.textconv", "diff.js.command", "core.sshCommand", "credential.helper", "filter.js.smudge"} {
		w.git("", "config", key, trap)
	}
	if err := os.WriteFile(filepath.Join(w.clone, ".git", "info", "attributes"), []byte("*.js diff=js filter=js\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_DIR", t.TempDir())
	t.Setenv("GIT_EXTERNAL_DIFF", trap)
	t.Setenv("GIT_PAGER", trap)
	if out, said, code := w.run(w.fromClone()...); code != 1 {
		t.Errorf("exit code %d, output %s%s", code, out, said)
	}
	if _, err := os.Stat(trap + ".sprung"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program of the clone's configuration was run (%v)", err)
	}
}

func TestCompletionOfLinks(t *testing.T) {
	w := newWorld(t)
	live := fake.NewClientBuilder().WithScheme(cli.Scheme()).WithObjects(w.link).Build()
	command := diff.NewCommand(genericiooptions.NewTestIOStreamsDiscard(), func() (client.WithWatch, string, error) { return live, tenant, nil }, "")
	var out bytes.Buffer
	command.SetArgs([]string{"__complete", "--link", ""})
	command.SetOut(&out)
	command.SetErr(io.Discard)
	if err := command.ExecuteContext(t.Context()); err != nil || out.String() != "shop\n:4\n" {
		t.Errorf("completed to %q, %v", out.String(), err)
	}
}
