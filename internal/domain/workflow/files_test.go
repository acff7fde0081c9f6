package workflow_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/domain/workflow"
)

const (
	fixtures = "../../../test/fixtures"
	corpus   = "../../../../shared/corpus" // files of real users, where they are at hand
)

var update = flag.Bool("update", false, "rewrite the texts beside test/fixtures/invalid/*.js")

// describe tells a workflow in lines: what a reader of the file would say it does.
func describe(w workflow.Workflow) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s localFleet=%t\n", w.EnvName, w.LocalFleet)
	for _, p := range w.Phases {
		fmt.Fprintf(&b, "%d %s %s x%d automated=%t image=%q tag=%q", p.Order, p.Type, p.Name, p.Parallelism, p.Automated, p.Image, p.AllocationTag)
		if !p.FailFast {
			b.WriteString(" failFast=false")
		}
		for _, v := range p.Params {
			fmt.Fprintf(&b, " %s=%q", v.Name, v.Value)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestFixtureRepositories(t *testing.T) {
	const automatic = ` automated=true image="example/builder:v3" tag=""`
	const deploy = ` automated=true image="" tag=""`
	tests := map[string]struct{ env, want string }{
		"mixed-indent/katkitconfig.js": {"beta", "default localFleet=true\n" +
			`0 Execution BUILD x1` + automatic + ` PHASE="BUILD" LEVEL="full"` + "\n" +
			`1 Deployment ROLLOUT x1` + deploy + ` PHASE="ROLLOUT"` + "\n" +
			`2 Execution SMOKE x1` + automatic + ` PHASE="SMOKE" URL="http://shop/?a=b"` + "\n"},
		"bom-crlf/katkitconfig.js": {"dev", "DEV localFleet=false\n" +
			`0 Execution Bauen x2` + automatic + ` WORT="grün"` + "\n" +
			`10 Deployment Deploy x1 automated=false image="" tag=""` + "\n"},
		"prefixed-token/katkitconfig.js": {"", "default localFleet=true\n" +
			`0 Execution BUILD x1` + automatic + ` PHASE="BUILD" LEVEL="fast"` + "\n" +
			`1 Deployment ROLLOUT x1` + deploy + ` PHASE="ROLLOUT"` + "\n"},
		"folders/katkitconfig.js": {"any", "default localFleet=false\n" +
			`0 Execution BUILD x1 automated=true image="example/builder:root" tag="build" PHASE="BUILD"` + "\n" +
			`1 Deployment ROLLOUT x1` + deploy + ` PHASE="ROLLOUT"` + "\n"},
		"folders/one/katkitconfig.js": {"any", "default localFleet=false\n" +
			`0 Execution BUILD x1 automated=true image="example/builder:one" tag="" PHASE="BUILD"` + "\n" +
			`1 Deployment ROLLOUT x1` + deploy + ` PHASE="ROLLOUT"` + "\n"},
		"commented/katkitconfig.js": {"beta", "default localFleet=false\n" +
			`1 Execution build x1` + deploy + ` PHASE="build" OPTS="--a=b" EMPTY=""` + "\n" +
			`2 Execution unit tests x3` + deploy + " failFast=false\n" +
			`2 Execution lint x1` + deploy + "\n" +
			`3 Deployment deploy x1` + deploy + "\n"},
		"taskrunner/katkitconfig.js": {"dev", "default localFleet=true\n" +
			`0 Execution PRE_DEPLOY_BUILD x1` + deploy + ` PHASE="PRE_DEPLOY_BUILD"` + "\n" +
			`1 Deployment DEPLOY x1` + deploy + ` PHASE="DEPLOY"` + "\n" +
			`2 Execution POST_DEPLOY_VERIFICATION x1` + deploy + ` PHASE="POST_DEPLOY_VERIFICATION"` + "\n"},
	}
	seen := 0
	for _, path := range find(t, filepath.Join(fixtures, "repos")) {
		name, _ := filepath.Rel(filepath.Join(fixtures, "repos"), path)
		tt, known := tests[filepath.ToSlash(name)]
		if !known {
			t.Errorf("no expectation for %s", name)
			continue
		}
		seen++
		t.Run(name, func(t *testing.T) {
			file := workflow.Parse(name, read(t, path))
			if problems := file.Diagnostics(); len(problems) > 0 {
				t.Errorf("problems: %v", problems)
			}
			w, _, _ := file.ForEnv(tt.env)
			if diff := cmp.Diff(tt.want, describe(w)); diff != "" {
				t.Errorf("workflow (-want +got):\n%s", diff)
			}
		})
	}
	if seen != len(tests) {
		t.Errorf("found %d fixtures of %d", seen, len(tests))
	}
}

// TestInvalidFixtures compares all that is said of a bad file with the text beside it.
func TestInvalidFixtures(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(fixtures, "invalid", "*.js"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		if strings.HasPrefix(name, "service") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			problems := workflow.Parse(name, read(t, path)).Diagnostics()
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
	for _, path := range find(t, corpus) {
		t.Run(path, func(t *testing.T) {
			content := read(t, path)
			file := workflow.Parse(workflow.FileName, content)
			if problems := file.Diagnostics(); len(problems) > 0 {
				t.Errorf("problems: %v", problems)
			}
			total := 0
			for _, env := range file.EnvNames() {
				w, _, _ := file.ForEnv(env)
				for _, p := range w.Phases {
					total++
					if len(p.Params) == 0 || p.Params[0] != (workflow.Param{Name: "PHASE", Value: p.Name}) {
						t.Errorf("%s of %s has params %v", p.Name, env, p.Params)
					}
				}
				if !w.LocalFleet || len(w.Phases) < 2 {
					t.Errorf("%s: %s", env, describe(w))
				}
			}
			if want := strings.Count(string(content), `"PhaseType"`); total != want {
				t.Errorf("read %d phases of %d", total, want)
			}
		})
	}
}

// find returns every katkitconfig.js below root.
func find(tb testing.TB, root string) []string {
	tb.Helper()
	var paths []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == workflow.FileName {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no %s below %s: %v", workflow.FileName, root, err)
	}
	return paths
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return content
}
