package servicedesc_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/domain/diagnostic"
	"katkit.dev/katkit/internal/domain/servicedesc"
)

const (
	fixtures = "../../../test/fixtures"
	corpus   = "../../../../shared/corpus" // files of real users, where they are at hand
	sha      = "0123456789abcdef0123456789abcdef01234567"
)

var update = flag.Bool("update", false, "rewrite the texts beside test/fixtures/invalid/service*.js")

func description(name, image string) string {
	return fmt.Sprintf(`{"Roles": [{"Name": %q, "DockerImage": %q}]}`, name, image)
}

// problemsOf returns all that Parse and Changes say, errors and warnings.
func problemsOf(path string, content []byte) ([]servicedesc.Change, diagnostic.List) {
	d, problems := servicedesc.Parse(path, content)
	changes, more := d.Changes(sha)
	return changes, append(problems, more...).Sorted()
}

func TestImageReplacement(t *testing.T) {
	tests := map[string]struct {
		image string
		want  string // the new image, or how the error begins
	}{
		"the whole tag":                        {"example/web:<hubtag>", "example/web:" + sha},
		"part of a tag":                        {"streamingtv/anyservice:tms_<hubtag>", "streamingtv/anyservice:tms_" + sha},
		"in the middle of a tag":               {"web:a-<hubtag>.b", "web:a-" + sha + ".b"},
		"in the repository, with a tag":        {"localhost:5000/<hubtag>/web:1", "localhost:5000/" + sha + "/web:1"},
		"twice":                                {"web-<hubtag>:<hubtag>", "web-" + sha + ":" + sha},
		"spaces around the image":              {" web:<hubtag>\n", "web:" + sha},
		"with a digest":                        {"web:<hubtag>@sha256:" + strings.Repeat("0", 64), "web:" + sha + "@sha256:" + strings.Repeat("0", 64)},
		"in place of a digest":                 {"web@sha256:<hubtag>", "error: DockerImage of role web gives no image to deploy"},
		"without a tag":                        {"example/<hubtag>", "error: DockerImage of role web gives no image to deploy, it would have neither tag nor digest"},
		"an upper-case repository":             {"Example/Web:<hubtag>", "error: DockerImage of role web gives no image to deploy, Example/Web:" + sha + " is not an image reference"},
		"a tag that becomes too long":          {"web:" + strings.Repeat("x", 89) + "<hubtag>", "error: DockerImage of role web gives no image to deploy"},
		"a tag that is just short enough":      {"web:" + strings.Repeat("x", 88) + "<hubtag>", "web:" + strings.Repeat("x", 88) + sha},
		"a reference of 512 bytes":             {strings.Repeat("a.", 200) + strings.Repeat("b", 67) + "/web:<hubtag>", strings.Repeat("a.", 200) + strings.Repeat("b", 67) + "/web:" + sha},
		"a reference of 513 bytes":             {strings.Repeat("a.", 200) + strings.Repeat("b", 68) + "/web:<hubtag>", "error: DockerImage of role web gives no image to deploy, it would have 513 bytes"},
		"a token of another spelling":          {"web:<HUBTAG>", "error: no role's DockerImage has <hubtag>"},
		"no token":                             {"web:latest", "error: no role's DockerImage has <hubtag>"},
		"shell that tries to ride on an image": {"web:<hubtag>;id", "error: DockerImage of role web gives no image to deploy"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			changes, problems := problemsOf("s.js", []byte(description("web", tt.image)))
			if want, isError := strings.CutPrefix(tt.want, "error: "); isError {
				if errs := problems.Errors(); len(changes) > 0 || len(errs) != 1 || !strings.HasPrefix(errs[0].Message, want) {
					t.Errorf("changes %v, problems %v, want %s", changes, problems, tt.want)
				}
				return
			}
			if diff := cmp.Diff([]servicedesc.Change{{Role: "web", Image: tt.want}}, changes); diff != "" || len(problems) > 0 {
				t.Errorf("problems %v, changes (-want +got):\n%s", problems, diff)
			}
		})
	}
}

func TestRoleNames(t *testing.T) {
	tests := map[string]struct {
		name string
		ok   bool
	}{
		"a plain name":              {"web", true},
		"dots and hyphens":          {"web-1.example", true},
		"253 characters":            {strings.Repeat("a", 253), true},
		"254 characters":            {strings.Repeat("a", 254), false},
		"an underscore":             {"demo_db", false},
		"upper case":                {"Web", false},
		"a hyphen first":            {"-web", false},
		"a hyphen last":             {"web-", false},
		"a dot first":               {".web", false},
		"two dots":                  {"a..b", false},
		"a space within":            {"a b", false},
		"a path out of a directory": {"../web", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, problems := servicedesc.Parse("s.js", []byte(description(tt.name, "web:<hubtag>"))); problems.HasErrors() == tt.ok {
				t.Errorf("role %q with the token: %v", tt.name, problems)
			}
			if _, problems := servicedesc.Parse("s.js", []byte(description(tt.name, "redis:7"))); len(problems) > 0 {
				t.Errorf("role %q without the token: %v", tt.name, problems)
			}
		})
	}
}

func TestNothingIsSaidTwice(t *testing.T) {
	for name, content := range map[string]string{
		"a syntax error":             `{"Roles": [`,
		"no roles":                   `{"Roles": []}`,
		"a role that cannot be read": `{"Roles": [{"DockerImage": "web:<hubtag>"}]}`,
		"no token":                   description("web", "web:1"),
		"too many roles":             `{"Roles": [` + strings.Repeat(`{"Name": "a"},`, 65) + `]}`,
	} {
		if _, problems := problemsOf("s.js", []byte(content)); len(problems) != 1 || !problems.HasErrors() {
			t.Errorf("%s: %v, want one error", name, problems)
		}
	}
}

func TestProblem(t *testing.T) {
	d, _ := servicedesc.Parse("s.js", []byte("{\"Roles\": [\n\t{\"Name\": \"web\", \"DockerImage\": \"web:<hubtag>\"}]}"))
	for role, want := range map[string]string{
		"web":   "s.js:2:11: error: no workload has this name (found web)",
		"other": "s.js: error: no workload has this name (found other)",
	} {
		if got := d.Problem(role, "no workload has this name").String(); got != want {
			t.Errorf("Problem(%s) = %s, want %s", role, got, want)
		}
	}
}

func TestPickContainer(t *testing.T) {
	containers := func(pairs ...string) []servicedesc.Container {
		var list []servicedesc.Container
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, servicedesc.Container{Name: pairs[i], Image: pairs[i+1]})
		}
		return list
	}
	tests := map[string]struct {
		image      string
		containers []servicedesc.Container
		want       string // the container, or "error: " and a part of the message
	}{
		"the one named like the role":            {"web:2", containers("proxy", "web:1", "web", "envoy:1"), "web"},
		"the only one, whatever it runs":         {"web:2", containers("app", "nginx:1"), "app"},
		"the only one of the same repository":    {"example/web:2", containers("proxy", "envoy:1", "app", "example/web:1"), "app"},
		"the same repository in its long form":   {"docker.io/library/redis:2", containers("proxy", "envoy:1", "db", "redis@sha256:"+strings.Repeat("0", 64)), "db"},
		"a registry with a port":                 {"r:5000/web:2", containers("other", "web:1", "app", "r:5000/web"), "app"},
		"another registry is another one":        {"r:5000/web:2", containers("a", "web:1", "b", "q:5000/web:1"), "error: a (web:1), b (q:5000/web:1)"},
		"two of the same repository":             {"web:2", containers("a", "web:1", "b", "envoy:1", "c", "web:0"), "error: 2 run an image of the repository of web:2: name the container to upgrade web; candidates are a (web:1), c (web:0)"},
		"an image that cannot be read is none":   {"web:2", containers("a", "Not An Image", "b", "web:1"), "b"},
		"no container at all":                    {"web:2", nil, "error: the workload has no container"},
		"more than the message should enumerate": {"web:2", containers(strings.Split(strings.Repeat("a,x:1,", 9)+"b,x:1", ",")...), "error: and 2 more"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := servicedesc.PickContainer("web", tt.image, tt.containers)
			if want, isError := strings.CutPrefix(tt.want, "error: "); isError {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("PickContainer() = %q, %v, want an error with %q", got, err, want)
				}
				return
			}
			if got != tt.want || err != nil {
				t.Errorf("PickContainer() = %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestFixtureRepositories(t *testing.T) {
	tests := map[string]struct {
		changes  []servicedesc.Change
		warnings int
	}{
		"mixed-indent":   {[]servicedesc.Change{{Role: "shop", Image: "example/shop:" + sha}}, 2},
		"prefixed-token": {[]servicedesc.Change{{Role: "api", Image: "example/everything:api_" + sha}}, 0},
		"folders/one":    {[]servicedesc.Change{{Role: "one", Image: "example/one:" + sha}}, 0},
		"folders/two":    {[]servicedesc.Change{{Role: "two", Image: "example/two:" + sha}}, 0},
		"commented":      {[]servicedesc.Change{{Role: "web", Image: "example/web:" + sha}}, 0},
		"bom-crlf": {[]servicedesc.Change{
			{Role: "web", Image: "example/team/web:" + sha},
			{Role: "worker", Image: "example/team/worker:" + sha},
		}, 0},
	}
	for folder, tt := range tests {
		t.Run(folder, func(t *testing.T) {
			path := filepath.Join(fixtures, "repos", folder, servicedesc.FilePath)
			changes, problems := problemsOf(path, read(t, path))
			if problems.HasErrors() || len(problems) != tt.warnings {
				t.Errorf("problems %v, want %d warnings", problems, tt.warnings)
			}
			if diff := cmp.Diff(tt.changes, changes); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestInvalidFixtures compares all that is said of a bad file with the text beside it.
func TestInvalidFixtures(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(fixtures, "invalid", "service*.js"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			_, problems := problemsOf(name, read(t, path))
			var got strings.Builder
			for _, d := range problems {
				got.WriteString(d.String() + "\n")
			}
			golden := strings.TrimSuffix(path, ".js") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(read(t, golden)), got.String()); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
			if !problems.HasErrors() {
				t.Error("no error")
			}
		})
	}
}

func TestCorpus(t *testing.T) {
	if _, err := os.Stat(corpus); err != nil {
		t.Skip("the corpus of real users' files is not here; the fixtures cover its traits")
	}
	var paths []string
	for _, pattern := range []string{"*", "*/*"} {
		found, err := filepath.Glob(filepath.Join(corpus, pattern, servicedesc.FilePath))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	if len(paths) == 0 {
		t.Fatal("the corpus has no service description")
	}
	token := regexp.MustCompile(`"DockerImage": "(.*<hubtag>.*)"`)
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			content := read(t, path)
			changes, problems := problemsOf(path, content)
			for _, d := range problems {
				if d.Severity == diagnostic.Error || !strings.Contains(d.Message, "is ignored, the running service keeps its own") {
					t.Errorf("said %v", d)
				}
			}
			var want, got []string
			for _, match := range token.FindAllStringSubmatch(string(content), -1) {
				want = append(want, strings.ReplaceAll(match[1], "<hubtag>", sha))
			}
			for _, c := range changes {
				got = append(got, c.Image)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("images (-want +got):\n%s", diff)
			}
		})
	}
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return content
}

// FuzzParse holds what the docs promise of every description without errors,
// and of every diagnostic, against any content.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"repos/*/" + servicedesc.FilePath, "repos/*/*/" + servicedesc.FilePath, "invalid/*.js"} {
		paths, err := filepath.Glob(filepath.Join(fixtures, pattern))
		if err != nil || len(paths) == 0 {
			f.Fatalf("no seeds for %s: %v", pattern, err)
		}
		for _, path := range paths {
			f.Add(read(f, path))
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		changes, problems := problemsOf("s.js", content)
		lines := strings.Count(string(content), "\n") + 1
		for _, d := range problems {
			if d.Line < 1 || d.Line > lines || d.Column < 1 || d.Column > len(content)+1 {
				t.Errorf("%v is not in a file of %d lines", d, lines)
			}
			if s := d.String(); strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
				t.Errorf("%q is not printable", s)
			}
		}
		if problems.HasErrors() {
			return
		}
		if len(changes) == 0 || len(changes) > servicedesc.MaxRoles {
			t.Errorf("%d changes and no error", len(changes))
		}
		seen := map[string]bool{}
		for _, c := range changes {
			if seen[c.Role] || !workloadName.MatchString(c.Role) || len(c.Role) > 253 {
				t.Errorf("role %q is changed twice or names no workload", c.Role)
			}
			seen[c.Role] = true
			checkImage(t, c.Image)
		}
	})
}

// workloadName is apimachinery's pattern for a DNS-1123 subdomain.
var workloadName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// FuzzImageReplacement holds that a new image is a reference with a tag or
// digest, has the sha and no token, and is the old one when the sha is taken back.
func FuzzImageReplacement(f *testing.F) {
	for _, image := range []string{"web:<hubtag>", "a/b:tms_<hubtag>", "r:5000/<hubtag>/web:1", "web@sha256:<hubtag>", "<hubtag>", "<hub<hubtag>tag>", "web:<HUBTAG>", "web:<hubtag>@sha256:" + strings.Repeat("0", 64)} {
		f.Add(image, sha)
	}
	f.Add("web:<hubtag>", "")
	f.Add("web:<hubtag>", "<hubtag>")
	f.Fuzz(func(t *testing.T, image, commit string) {
		d := servicedesc.Description{Roles: []servicedesc.Role{{Name: "web", DockerImage: image}}}
		changes, problems := d.Changes(commit)
		if problems.HasErrors() == (len(changes) == 1) {
			t.Fatalf("changes %v with problems %v", changes, problems)
		}
		for _, c := range changes {
			checkImage(t, c.Image)
			if !strings.Contains(c.Image, commit) || strings.ReplaceAll(image, servicedesc.Token, commit) != c.Image {
				t.Errorf("%q with %q gave %q", image, commit, c.Image)
			}
		}
	})
}

func checkImage(t *testing.T, image string) {
	t.Helper()
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil || reference.IsNameOnly(named) || strings.Contains(image, servicedesc.Token) {
		t.Errorf("image %q is none to deploy: %v", image, err)
	}
}
