package cli_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/approve"
	"katkit.dev/katkit/internal/cli/cancel"
	"katkit.dev/katkit/internal/cli/diff"
	"katkit.dev/katkit/internal/cli/export"
	"katkit.dev/katkit/internal/cli/get"
	"katkit.dev/katkit/internal/cli/link"
	"katkit.dev/katkit/internal/cli/links"
	"katkit.dev/katkit/internal/cli/logs"
	"katkit.dev/katkit/internal/cli/prs"
	"katkit.dev/katkit/internal/cli/rerun"
	"katkit.dev/katkit/internal/cli/run"
	"katkit.dev/katkit/internal/cli/runs"
	tenantverb "katkit.dev/katkit/internal/cli/tenant"
	"katkit.dev/katkit/internal/cli/validate"
	"katkit.dev/katkit/test/fakegithub"
	"katkit.dev/katkit/test/fakegithub/openapi"
)

const (
	tenant = "d-shop"
	token  = "token-of-the-link"
)

// TestAServiceFromExportToDiff is the way of a new repository, on a real API server with the rights of two people: ann
// may read workloads and links, bob the link's Secret, too.
func TestAServiceFromExportToDiff(t *testing.T) {
	cluster, admin := start(t)
	live := fill(t, admin)
	ann := person(t, cluster, admin, "ann", nil)
	bob := person(t, cluster, admin, "bob", []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"github"}, Verbs: []string{"get"}}})

	dir := t.TempDir()
	file := filepath.Join(dir, "servicedescription", "servicedescription.js")
	if _, said, code := ann.run(t, "export", "deploy/web", "sts/queue", "-f", file); code != 0 {
		t.Fatalf("export: exit code %d, said %s", code, said)
	}
	write(t, filepath.Join(dir, "katkitconfig.js"), `[{"EnvName": "default", "WorkFlow": [{"Name": "deploy", "PhaseType": 1, "Order": 0}]}]`)
	if out, _, code := ann.run(t, "validate", dir); code != 0 || !strings.Contains(out, "0 errors, 0 warnings") {
		t.Errorf("validate: exit code %d, output %s", code, out)
	}

	address, sha := serve(t, dir)
	compare := []string{"diff", "--link", "shop", "--sha", sha, "--github-host", "github.example.com=" + address}
	if _, said, code := ann.run(t, compare...); code != 2 || !strings.Contains(said, "you may not read Secret d-shop/github") {
		t.Errorf("ann: exit code %d, said %s", code, said)
	}
	out, said, code := bob.run(t, compare...)
	for _, want := range []string{
		"deployment/web, container web\n- image: example/web:1\n+ image: example/web:" + sha + "\n  kept: 1 environment variable, 2 replicas, 1 other container (proxy)\n",
		"statefulset/queue, container main\n- image: example/queue:v2_" + strings.Repeat("0", 40) + "\n+ image: example/queue:v2_" + sha + "\n",
	} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("bob: exit code %d, output %s%s, want %s", code, out, said, want)
		}
	}
	// Nothing but the tag of the images is to be changed until there is no difference.
	live.web.Spec.Template.Spec.Containers[1].Image = "example/web:" + sha
	live.queue.Spec.Template.Spec.Containers[0].Image = "example/queue:v2_" + sha
	for _, object := range []client.Object{live.web, live.queue} {
		if err := admin.Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	if out, said, code := bob.run(t, compare...); code != 0 || strings.Contains(out, "+ image") {
		t.Errorf("bob: exit code %d, output %s%s", code, out, said)
	}
}

func start(t *testing.T) (*envtest.Environment, client.Client) {
	t.Helper()
	cluster := &envtest.Environment{
		CRDDirectoryPaths: []string{filepath.Join("..", "..", "config", "crd")}, ErrorIfCRDPathMissing: true, UseExistingCluster: new(false),
		ControlPlaneStartTimeout: time.Minute, ControlPlaneStopTimeout: time.Minute,
	}
	config, err := cluster.Start()
	if err != nil {
		t.Fatalf("starting an API server: %v (KUBEBUILDER_ASSETS is the folder that hack/envtest-assets.sh prints)", err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	admin, err := client.New(config, client.Options{Scheme: cli.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return cluster, admin
}

type workloads struct {
	web   *appsv1.Deployment
	queue *appsv1.StatefulSet
}

// fill makes the tenant with its workloads, link and Secret.
func fill(t *testing.T, admin client.Client) workloads {
	t.Helper()
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}}
	template := func(containers ...corev1.Container) corev1.PodTemplateSpec {
		return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selector.MatchLabels}, Spec: corev1.PodSpec{Containers: containers}}
	}
	live := workloads{
		web: &appsv1.Deployment{ObjectMeta: meta("web"), Spec: appsv1.DeploymentSpec{Replicas: new(int32(2)), Selector: selector, Template: template(
			corev1.Container{Name: "proxy", Image: "envoy:1"},
			corev1.Container{Name: "web", Image: "example/web:1", Env: []corev1.EnvVar{{Name: "COLOUR", Value: "blue"}}},
		)}},
		queue: &appsv1.StatefulSet{ObjectMeta: meta("queue"), Spec: appsv1.StatefulSetSpec{Selector: selector, Template: template(
			corev1.Container{Name: "main", Image: "example/queue:v2_" + strings.Repeat("0", 40)},
		)}},
	}
	create(t, admin,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenant, Labels: map[string]string{v1alpha1.LabelTenant: tenant}}},
		live.web, live.queue,
		&corev1.Secret{ObjectMeta: meta("github"), StringData: map[string]string{v1alpha1.SecretKeyToken: token}},
		&v1alpha1.TenantRepoLink{ObjectMeta: meta("shop"), Spec: v1alpha1.TenantRepoLinkSpec{
			Repository: "acme/shop", Host: "github.example.com", HomeBranch: "main", SecretRef: &v1alpha1.ObjectName{Name: "github"}}})
	return live
}

// serve puts a folder into the repository acme/shop of a GitHub, and returns its address and the commit.
func serve(t *testing.T, dir string) (address, sha string) {
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
	files, err := fakegithub.FilesOf(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if sha, err = repository.Commit(fakegithub.Commit{Branch: "main", Files: files}); err != nil {
		t.Fatal(err)
	}
	return listener.URL, sha
}

// user is somebody with a kubeconfig.
type user struct{ kubeconfig string }

// person makes a user who may read the tenant's workloads and links, and what else the rules say.
func person(t *testing.T, cluster *envtest.Environment, admin client.Client, name string, more []rbacv1.PolicyRule) user {
	t.Helper()
	added, err := cluster.AddUser(envtest.User{Name: name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := added.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	get := []string{"get"}
	create(t, admin,
		&rbacv1.Role{ObjectMeta: meta(name), Rules: append(more,
			rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments", "statefulsets", "daemonsets"}, Verbs: get},
			rbacv1.PolicyRule{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"tenantrepolinks"}, Verbs: get})},
		&rbacv1.RoleBinding{ObjectMeta: meta(name), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: name}}})
	path := filepath.Join(t.TempDir(), "kubeconfig")
	write(t, path, string(kubeconfig))
	return user{path}
}

// run executes a verb as the user in the tenant, and gives the exit code as well.
func (u user) run(t *testing.T, args ...string) (out, said string, code int) {
	t.Helper()
	streams, _, stdout, stderr := genericiooptions.NewTestIOStreams()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	code = u.execute(ctx, streams, args...)
	return stdout.String(), stderr.String(), code
}

// execute gives the exit code, and prints an error as the plugin does.
func (u user) execute(ctx context.Context, streams genericiooptions.IOStreams, args ...string) int {
	flags := genericclioptions.NewConfigFlags(false)
	configure := cli.Configurer(flags, "kubectl-katkit/test", rest.NoWarnings{})
	connect := cli.Connector(flags, configure)
	root := &cobra.Command{Use: "katkit", SilenceErrors: true, SilenceUsage: true}
	root.SetOut(streams.Out)
	root.SetErr(io.Discard)
	flags.AddFlags(root.PersistentFlags())
	root.AddCommand(validate.NewCommand(streams), export.NewCommand(streams, connect), diff.NewCommand(streams, connect, "kubectl-katkit/test"),
		link.NewCommand(streams, connect), links.NewCommand(streams, connect), run.NewCommand(streams, connect), runs.NewCommand(streams, connect), get.NewCommand(streams, connect), logs.NewCommand(streams, connect, configure), prs.NewCommand(streams, connect),
		tenantverb.NewCommand(streams, connect), approve.NewCommand(streams, connect), cancel.NewCommand(streams, connect), rerun.NewCommand(streams, connect))
	global := []string{"--kubeconfig", u.kubeconfig}
	if !slices.Contains(args, "--tenant") && args[0] != "tenant" {
		global = append(global, "--namespace", tenant)
	}
	root.SetArgs(append(global, args...))
	failed, err := root.ExecuteContextC(ctx)
	code, tell := cli.ExitCode(failed, err)
	if tell {
		fmt.Fprintln(streams.ErrOut, "error:", err)
	}
	return code
}

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: tenant, Name: name} }

func create(t *testing.T, admin client.Client, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
