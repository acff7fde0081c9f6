package install

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func TestRegistry(t *testing.T) {
	for name, c := range map[string]struct {
		local, other string
		want         Registry
	}{
		"the local cluster's":   {"10.0.0.2:5000", "", Registry{Push: "10.0.0.2:5000", Pull: localRegistry, Scheme: "http", Local: true}},
		"another":               {"", "registry.example.org/katkit/", Registry{Push: "registry.example.org/katkit", Pull: "registry.example.org/katkit", Scheme: "https"}},
		"another in plain HTTP": {"", "http://registry:5000", Registry{Push: "registry:5000", Pull: "registry:5000", Scheme: "http"}},
		"none":                  {"", "", Registry{Scheme: "https"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("LOCALKUBE_REGISTRY", c.local)
			t.Setenv("KATKIT_REGISTRY", c.other)
			if got := registryFromEnv(); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestManifestsHoldTheImagesAndFlags(t *testing.T) {
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{Root: root}
	images := Images{Manager: "r/manager:1", Agent: "r/agent:1", Builder: "r/builder:1"}
	var all []*unstructured.Unstructured
	for _, folder := range []string{"config/default", "config/builderclass"} {
		objects, err := c.manifests(folder)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, objects...)
	}
	if kind := all[0].GetKind(); kind != "Namespace" {
		t.Errorf("the first object is a %s: what is in a Namespace cannot be applied before it", kind)
	}
	text := ""
	for _, object := range all {
		if err := customize(object, images, []string{"--workers=2"}); err != nil {
			t.Fatal(err)
		}
		if _, there := object.Object["status"]; there {
			t.Errorf("%s %s would be applied with a status", object.GetKind(), object.GetName())
		}
		content, err := object.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		text += string(content)
	}
	for _, want := range []string{images.Manager, images.Agent, images.Builder, `"--leader-elect"`, `"--github-host=github.com=` + GitHubURL + `"`, `"--workers=2"`} {
		if n := strings.Count(text, want); n != 1 {
			t.Errorf("%s is in the manifests %d times, not once", want, n)
		}
	}
	if strings.Contains(text, `"image":"katkit/`) || strings.Contains(text, `"agentImage":"katkit/`) {
		t.Error("an image of the manifests was left as it is")
	}
}

func TestAClusterThatServesNoMutatingPoliciesGetsTheRest(t *testing.T) {
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	kinds := []string{"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}
	old, current := meta.NewDefaultRESTMapper(nil), meta.NewDefaultRESTMapper(nil)
	for _, kind := range kinds {
		current.Add(admissionregistrationv1.SchemeGroupVersion.WithKind(kind), meta.RESTScopeRoot)
	}
	for name, test := range map[string]struct {
		mapper meta.RESTMapper
		want   []string
	}{"1.35": {old, kinds}, "1.36": {current, nil}} {
		c := &Cluster{Root: root, Client: fake.NewClientBuilder().WithRESTMapper(test.mapper).Build()}
		objects, err := c.manifests("config/default")
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, object := range objects {
			if c.optional(object) {
				left = append(left, object.GetKind())
			}
		}
		if !slices.Equal(left, test.want) {
			t.Errorf("%s: %v were left out, not %v", name, left, test.want)
		}
	}
}

func TestTheTagTellsWhatIsInAnImage(t *testing.T) {
	c := &Cluster{Root: t.TempDir()}
	r := recipe{"manager", "Dockerfile", "manager", "binary"}
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(c.Root, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]string{}
	step := func(what string, r recipe, base string, fresh bool) {
		tag, err := c.tag(r, base)
		if err != nil {
			t.Fatal(err)
		}
		if before, known := seen[tag]; known == fresh {
			t.Errorf("%s: tag %s, which was seen for %q", what, tag, before)
		}
		seen[tag] = what
	}
	write("Dockerfile", "FROM a")
	write("binary", "1")
	step("first", r, "10.0.0.1:5000/debian@sha256:1", true)
	step("the same", r, "10.0.0.1:5000/debian@sha256:1", false)
	step("the same base image elsewhere", r, "10.0.0.2:5000/debian@sha256:1", false)
	step("another base image", r, "10.0.0.1:5000/debian@sha256:2", true)
	step("another target", recipe{"agent", "Dockerfile", "agent", "binary"}, "10.0.0.1:5000/debian@sha256:1", true)
	write("binary", "2")
	step("another binary", r, "10.0.0.1:5000/debian@sha256:1", true)
	write("Dockerfile", "FROM b")
	step("another Dockerfile", r, "10.0.0.1:5000/debian@sha256:1", true)
}

func TestSampleNamesTheClustersRegistry(t *testing.T) {
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{Root: root, Registry: Registry{Push: "r.example.org/x", Pull: "r.example.org/x"}}
	files, err := c.Sample(App)
	if err != nil {
		t.Fatal(err)
	}
	if !files["ci.sh"].Executable {
		t.Error("ci.sh is not executable")
	}
	for _, path := range []string{"ci.sh", "servicedescription/servicedescription.js"} {
		content := string(files[path].Content)
		if !strings.Contains(content, "r.example.org/x/acme/taskrunner:") || strings.Contains(content, localRegistry) {
			t.Errorf("%s does not name the cluster's registry:\n%s", path, content)
		}
	}
}

func TestTextForPeople(t *testing.T) {
	for d, want := range map[time.Duration]string{
		340 * time.Millisecond: "0.3 s", 12*time.Second + 400*time.Millisecond: "12 s", 125 * time.Second: "2 min 5 s",
	} {
		if got := Seconds(d); got != want {
			t.Errorf("Seconds(%s) = %q, want %q", d, got, want)
		}
	}
	if got := Indent(LastLines("1\n2\n3\n", 2), "| "); got != "| 2\n| 3" {
		t.Errorf("the last two lines are %q", got)
	}
	if got := clip("ünïcode", 4); got != "ünï…" {
		t.Errorf("clipped: %q", got)
	}
}
