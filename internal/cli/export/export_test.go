package export_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/export"
	"katkit.dev/katkit/internal/cli/validate"
	"katkit.dev/katkit/internal/domain/servicedesc"
)

const (
	tenant = "d-shop"
	sha    = "0123456789abcdef0123456789abcdef01234567"
)

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: tenant, Name: name} }

// pods is a Pod template with containers of pairs of a name and an image.
func pods(pairs ...string) corev1.PodTemplateSpec {
	var template corev1.PodTemplateSpec
	for i := 0; i < len(pairs); i += 2 {
		template.Spec.Containers = append(template.Spec.Containers, corev1.Container{
			Name: pairs[i], Image: pairs[i+1], Env: []corev1.EnvVar{{Name: "COLOUR", Value: "blue"}},
		})
	}
	template.Spec.InitContainers = []corev1.Container{{Name: "first", Image: "example/init:1"}}
	return template
}

func deployment(name string, pairs ...string) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: meta(name), Spec: appsv1.DeploymentSpec{Replicas: new(int32(3)), Template: pods(pairs...)}}
}

func statefulSet(name string, pairs ...string) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{ObjectMeta: meta(name), Spec: appsv1.StatefulSetSpec{Template: pods(pairs...)}}
}

func daemonSet(name string, pairs ...string) *appsv1.DaemonSet {
	return &appsv1.DaemonSet{ObjectMeta: meta(name), Spec: appsv1.DaemonSetSpec{Template: pods(pairs...)}}
}

// execute runs the verb on a cluster that has objects, in the tenant's namespace.
func execute(t *testing.T, objects []client.Object, args ...string) (out, said string, err error) {
	t.Helper()
	c := fake.NewClientBuilder().WithScheme(cli.Scheme()).WithObjects(objects...).Build()
	return executeWith(t, c, args...)
}

func executeWith(t *testing.T, c client.WithWatch, args ...string) (out, said string, err error) {
	t.Helper()
	streams, _, stdout, stderr := genericiooptions.NewTestIOStreams()
	command := export.NewCommand(streams, func() (client.WithWatch, string, error) { return c, tenant, nil })
	command.SilenceErrors, command.SilenceUsage = true, true
	command.SetArgs(args)
	command.SetOut(io.Discard)
	err = command.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

func TestWhatIsWritten(t *testing.T) {
	out, said, err := execute(t, []client.Object{
		deployment("web", "proxy", "envoy:1", "web", "registry.example.com:5000/team/web:1.2"),
		statefulSet("queue", "main", "queue@sha256:"+strings.Repeat("0", 64)),
		daemonSet("agent", "agent", "example/all:agent_"+sha),
	}, "deploy/web", "StatefulSets/queue", "ds/agent", "deployments.apps/web")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
	"Roles": [
		{
			"Name": "web",
			"DockerImage": "registry.example.com:5000/team/web:<hubtag>"
		},
		{
			"Name": "queue",
			"DockerImage": "queue:<hubtag>"
		},
		{
			"Name": "agent",
			"DockerImage": "example/all:agent_<hubtag>"
		}
	]
}
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	if want := "note: statefulset/queue: its image is pinned to sha256:" + strings.Repeat("0", 64) + "; a deployment sets a tag without digest\n"; said != want {
		t.Errorf("said %q, want %q", said, want)
	}
	report, err := validate.Check(t.Context(), fstest.MapFS{
		servicedesc.FilePath: {Data: []byte(out)}, "ci.sh": {},
		"katkitconfig.js": {Data: []byte(`[{"EnvName": "default", "WorkFlow": [{"Name": "deploy", "PhaseType": 1, "Order": 0}]}]`)},
	})
	if err != nil || len(report.Diagnostics) > 0 {
		t.Errorf("validate says %v, %v", report.Diagnostics, err)
	}
}

func TestRefusals(t *testing.T) {
	web := deployment("web", "web", "example/web:1")
	sidecars := deployment("shop", "a", "example/shop:1", "b", "example/shop:2", "c", "envoy:1")
	tests := map[string]struct {
		objects []client.Object
		args    []string
		want    string
	}{
		"nothing":                        {nil, nil, "nothing to export: name a workload, such as deployment/web"},
		"no kind":                        {nil, []string{"web"}, `"web" is not of the form KIND/NAME: write it like deployment/web`},
		"no name":                        {nil, []string{"deploy/"}, `"deploy/" is not of the form KIND/NAME`},
		"two slashes":                    {nil, []string{"deploy/a/b"}, `not of the form KIND/NAME`},
		"a kind that is never upgraded":  {nil, []string{"pod/web"}, `"pod/web": Katkit upgrades no "pod": use deployment, statefulset or daemonset`},
		"another group's kind":           {nil, []string{"deployments.example.com/web"}, `Katkit upgrades no "deployments.example.com"`},
		"a workload that is not there":   {nil, []string{"deploy/web"}, "namespace d-shop has no deployment/web: check the name, and the namespace with -n"},
		"a workload of another kind":     {[]client.Object{web}, []string{"sts/web"}, "namespace d-shop has no statefulset/web: did you mean deployment/web?"},
		"a name that two kinds have":     {[]client.Object{web, statefulSet("web", "web", "x:1")}, []string{"sts/web"}, "namespace d-shop also has the Deployment web, which Katkit would upgrade in place of statefulset/web"},
		"both of them":                   {[]client.Object{web, statefulSet("web", "web", "x:1")}, []string{"deploy/web", "sts/web"}, "which Katkit would upgrade in place of statefulset/web"},
		"all that is wrong at once":      {nil, []string{"deploy/a", "ds/b"}, "namespace d-shop has no deployment/a: check the name, and the namespace with -n\nnamespace d-shop has no daemonset/b"},
		"several containers":             {[]client.Object{sidecars}, []string{"deploy/shop"}, "deployment/shop in namespace d-shop: it has several containers and none is named shop: choose the one to upgrade with --container shop=NAME; it has a (example/shop:1), b (example/shop:2), c (envoy:1)"},
		"one of two of a repository":     {[]client.Object{sidecars}, []string{"deploy/shop", "--container", "a"}, "a deployment could not find container a again: no container is named shop, and 2 run an image of the repository of example/shop:"},
		"beside the one named like it":   {[]client.Object{deployment("web", "web", "example/web:1", "side", "envoy:1")}, []string{"deploy/web", "--container=side"}, "a deployment would upgrade container web in place of side"},
		"a container that is not there":  {[]client.Object{web}, []string{"deploy/web", "--container=x"}, "it has no container x, but web (example/web:1)"},
		"an init container":              {[]client.Object{web}, []string{"deploy/web", "--container=first"}, "it has no container first"},
		"a container of which workload":  {[]client.Object{web}, []string{"deploy/web", "deploy/b", "--container=x"}, "say of which one: --container WORKLOAD=x"},
		"a container of another one":     {[]client.Object{web}, []string{"deploy/web", "--container=y=x"}, `--container y=x: no workload "y" is exported`},
		"two containers of one workload": {[]client.Object{web}, []string{"deploy/web", "--container=x", "--container=y"}, "deployment/web has one container that is upgraded, not both x and y"},
		"an empty container":             {[]client.Object{web}, []string{"deploy/web", "--container="}, "names no container"},
		"an image that is none":          {[]client.Object{deployment("web", "web", "Not An Image")}, []string{"deploy/web"}, "container web: its image Not An Image is not an image reference"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out, _, err := execute(t, tt.objects, tt.args...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || out != "" {
				t.Errorf("wrote %q, error %v, want %q", out, err, tt.want)
			}
		})
	}
}

func TestChosenContainers(t *testing.T) {
	objects := []client.Object{
		deployment("web", "proxy", "envoy:1", "app", "example/web:1"),
		deployment("queue", "main", "example/queue", "side", "envoy:1"),
	}
	out, said, err := execute(t, objects, "deploy/web", "deploy/queue", "--container=queue=main", "--container", "web=app")
	if err != nil || !strings.Contains(out, `"example/web:<hubtag>"`) || !strings.Contains(out, `"example/queue:<hubtag>"`) {
		t.Errorf("wrote %s, error %v", out, err)
	}
	if want := "note: deployment/queue: its image has no tag, which means latest; a deployment sets one\n"; said != want {
		t.Errorf("said %q, want %q", said, want)
	}
	if out, _, err := execute(t, objects, "deploy/web", "--container=app"); err != nil || !strings.Contains(out, `"example/web:<hubtag>"`) {
		t.Errorf("wrote %s, error %v", out, err)
	}
}

func TestTooManyWorkloads(t *testing.T) {
	var args []string
	for i := range servicedesc.MaxRoles + 1 {
		args = append(args, "deploy/"+strings.Repeat("a", i+1))
	}
	if _, _, err := execute(t, nil, args...); err == nil || !strings.Contains(err.Error(), "65 workloads: a service description has at most 64") {
		t.Errorf("error %v", err)
	}
}

func TestAWorkloadThatMayNotBeRead(t *testing.T) {
	c := fake.NewClientBuilder().WithScheme(cli.Scheme()).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return apierrors.NewForbidden(schema.GroupResource{Group: "apps", Resource: "deployments"}, "web", errors.New(`User "ann" cannot get resource`))
		},
	}).Build()
	if _, _, err := executeWith(t, c, "deploy/web"); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "reading Deployment d-shop/web") {
		t.Errorf("error %v", err)
	}
}

func TestAFileIsWrittenOnceAndWhole(t *testing.T) {
	objects := []client.Object{deployment("web", "web", "example/web:1")}
	name := filepath.Join(t.TempDir(), servicedesc.FilePath)
	out, said, err := execute(t, objects, "deploy/web", "-f", name)
	if err != nil || out != "" || said != name+" written\n" {
		t.Fatalf("wrote %q, said %q, error %v", out, said, err)
	}
	content, err := os.ReadFile(name)
	if err != nil || !bytes.Contains(content, []byte("example/web:<hubtag>")) {
		t.Errorf("the file holds %s, %v", content, err)
	}
	if err := os.WriteFile(name, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := execute(t, objects, "deploy/web", "-f", name); err == nil || !strings.Contains(err.Error(), "is there already and was left as it is") {
		t.Errorf("error %v", err)
	}
	if content, err := os.ReadFile(name); err != nil || string(content) != "mine" {
		t.Errorf("the file holds %s, %v", content, err)
	}
}

func TestCompletion(t *testing.T) {
	objects := []client.Object{deployment("web", "web", "x:1"), deployment("api", "api", "x:1"), statefulSet("queue", "queue", "x:1")}
	for word, want := range map[string]string{
		"":        "deployment/\nstatefulset/\ndaemonset/\n:6\n",
		"web":     "deployment/\nstatefulset/\ndaemonset/\n:6\n",
		"deploy/": "deploy/api\ndeploy/web\n:4\n",
		"sts/":    "sts/queue\n:4\n",
		"pod/":    "deployment/\nstatefulset/\ndaemonset/\n:6\n",
	} {
		c := fake.NewClientBuilder().WithScheme(cli.Scheme()).WithObjects(objects...).Build()
		command := export.NewCommand(genericiooptions.NewTestIOStreamsDiscard(), func() (client.WithWatch, string, error) { return c, tenant, nil })
		var out bytes.Buffer
		command.SetArgs([]string{"__complete", word})
		command.SetOut(&out)
		command.SetErr(io.Discard)
		if err := command.ExecuteContext(t.Context()); err != nil || out.String() != want {
			t.Errorf("%q is completed to %q, %v, want %q", word, out.String(), err, want)
		}
	}
}
