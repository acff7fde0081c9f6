package export

import (
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"katkit.dev/katkit/internal/domain/rollout"
	"katkit.dev/katkit/internal/domain/servicedesc"
)

const (
	liveSHA  = "0123456789abcdef0123456789abcdef01234567"
	otherSHA = "89abcdef0123456789abcdef0123456789abcdef"
)

var digest = "@sha256:" + strings.Repeat("0", 64)

func TestTemplate(t *testing.T) {
	for image, want := range map[string]string{
		"web":                                 "web:<hubtag>",
		"web:1.2":                             "web:<hubtag>",
		"web:" + liveSHA:                      "web:<hubtag>",
		"docker.io/library/web:1.2":           "docker.io/library/web:<hubtag>",
		"registry:5000/web":                   "registry:5000/web:<hubtag>",
		"registry:5000/team/web:1.2":          "registry:5000/team/web:<hubtag>",
		"[fd00::1]:5000/web:1":                "[fd00::1]:5000/web:<hubtag>",
		"web" + digest:                        "web:<hubtag>",
		"registry:5000/web:1.2" + digest:      "registry:5000/web:<hubtag>",
		"web:v2_" + liveSHA + digest:          "web:v2_<hubtag>",
		"streamingtv/any:tms_" + liveSHA:      "streamingtv/any:tms_<hubtag>",
		"web:" + liveSHA + "-debug":           "web:<hubtag>-debug",
		"web:" + liveSHA + "_" + liveSHA:      "web:<hubtag>_<hubtag>",
		"web:" + liveSHA + "_" + otherSHA:     "web:<hubtag>",
		"web:" + liveSHA[:7]:                  "web:<hubtag>",
		"web:" + liveSHA + "ab":               "web:<hubtag>",
		"web:" + strings.Repeat("0", 64):      "web:<hubtag>",
		"web:" + strings.ToUpper(liveSHA):     "web:<hubtag>",
		"registry/" + liveSHA + "/web:latest": "registry/" + liveSHA + "/web:<hubtag>",
	} {
		got, _, err := template(image)
		if got != want || err != nil {
			t.Errorf("template(%s) = %s, %v, want %s", image, got, err, want)
		}
	}
	for _, image := range []string{"", ":", "Web:1", "web:", "web@sha256:0", "a b", "web:<hubtag>"} {
		if got, _, err := template(image); err == nil {
			t.Errorf("template(%q) = %s", image, got)
		}
	}
}

// FuzzExport holds what the package promises: of any workload that is described, a deployment changes the same
// container, and of its image nothing but the tag, which has the new sha; and with the sha that runs, it changes
// nothing.
func FuzzExport(f *testing.F) {
	f.Add("web", "web", "example/web:1", "proxy", "envoy:1", "")
	f.Add("web", "app", "r:5000/web:v2_"+liveSHA, "proxy", "envoy"+digest, "app")
	f.Add("web", "app", "web"+digest, "proxy", "docker.io/library/web:2", "app")
	f.Add("web", "app", "web:"+liveSHA+"."+otherSHA, "web", "web", "app")
	f.Add("web", "", "", "", "", "")
	f.Add(" 0", "app", "0", "0", "1", "app")
	f.Add("0", "", "0", "1", "1", "")
	f.Fuzz(func(t *testing.T, workload, name, image, otherName, otherImage, wanted string) {
		if len(validation.IsDNS1123Subdomain(workload)) > 0 || len(validation.IsDNS1123Label(name)) > 0 {
			return // no workload or container has such a name
		}
		service := rollout.Service{Kind: "Deployment", Name: workload, Containers: []corev1.Container{{Name: name, Image: image}}}
		if len(validation.IsDNS1123Label(otherName)) == 0 && otherName != name {
			service.Containers = append(service.Containers, corev1.Container{Name: otherName, Image: otherImage})
		}
		dockerImage, _, err := describe(service, wanted)
		if err != nil {
			return
		}
		content, err := render(file{Roles: []role{{Name: workload, DockerImage: dockerImage}}})
		if err != nil {
			return
		}
		description, problems := servicedesc.Parse(servicedesc.FilePath, content)
		changes, more := description.Changes(otherSHA)
		if len(problems)+len(more) > 0 || len(changes) != 1 || changes[0].Role != workload {
			t.Fatalf("%s: problems %v, %v, changes %v", content, problems, more, changes)
		}
		var containers []servicedesc.Container
		for _, c := range service.Containers {
			containers = append(containers, servicedesc.Container{Name: c.Name, Image: c.Image})
		}
		chosen, err := servicedesc.PickContainer(workload, changes[0].Image, containers)
		if err != nil || wanted != "" && chosen != wanted || wanted == "" && chosen != workload && len(containers) > 1 {
			t.Fatalf("container %q is changed (%v), %q was asked for", chosen, err, wanted)
		}
		live := containers[slices.IndexFunc(containers, func(c servicedesc.Container) bool { return c.Name == chosen })].Image
		checkTagOnly(t, live, changes[0].Image)
		if same := strings.ReplaceAll(dockerImage, servicedesc.Token, liveSHA); strings.Contains(live, ":"+liveSHA) && !strings.Contains(live, "@") &&
			strings.HasSuffix(live, liveSHA) && same != live {
			t.Errorf("a deployment of the commit that runs changes %s to %s", live, same)
		}
	})
}

// checkTagOnly holds that two images differ in nothing but tag and digest, spelling included.
func checkTagOnly(t *testing.T, before, after string) {
	t.Helper()
	was, err := reference.Parse(before)
	if err != nil {
		t.Fatalf("live image %q: %v", before, err)
	}
	is, err := reference.Parse(after)
	if err != nil {
		t.Fatalf("new image %q: %v", after, err)
	}
	tagged, ok := is.(reference.NamedTagged)
	if !ok || !strings.Contains(tagged.Tag(), otherSHA) {
		t.Errorf("new image %q has no tag with the sha", after)
	}
	if _, pinned := is.(reference.Digested); pinned {
		t.Errorf("new image %q is pinned", after)
	}
	if named, ok := was.(reference.Named); !ok || named.Name() != tagged.Name() {
		t.Errorf("image %q became %q", before, after)
	}
}
