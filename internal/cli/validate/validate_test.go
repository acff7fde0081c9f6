package validate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/validate"
	"katkit.dev/katkit/internal/domain/servicedesc"
	"katkit.dev/katkit/internal/domain/workflow"
)

var update = flag.Bool("update", false, "write the golden files")

const fixtures = "../../../test/fixtures"

const (
	testOnly   = `[{"EnvName": "default", "WorkFlow": [{"Name": "test", "PhaseType": 4, "Order": 0}]}]`
	deploying  = `[{"EnvName": "default", "WorkFlow": [{"Name": "build", "PhaseType": 4, "Order": 0}, {"Name": "deploy", "PhaseType": 1, "Order": 1}]}]`
	service    = `{"Roles": [{"Name": "web", "DockerImage": "example/web:<hubtag>"}]}`
	noToken    = `{"Roles": [{"Name": "web", "DockerImage": "example/web:1"}]}`
	configFile = workflow.FileName
	descFile   = servicedesc.FilePath
)

// tree makes a working copy of pairs of a path and a content.
func tree(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

func check(t *testing.T, fsys fs.FS) validate.Report {
	t.Helper()
	report, err := validate.Check(t.Context(), fsys)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func said(report validate.Report) []string {
	var lines []string
	for _, d := range report.Diagnostics {
		lines = append(lines, d.String())
	}
	return lines
}

// folders tells what each folder reads, as "path: config, description".
func folders(report validate.Report) []string {
	var list []string
	for _, f := range report.Folders {
		list = append(list, f.Path+": "+f.Config+", "+f.Description)
	}
	return list
}

func TestCheck(t *testing.T) {
	huge := strings.Repeat(" ", 256<<10) + "[]"
	tests := map[string]struct {
		files   fs.FS
		folders []string
		said    []string
	}{
		"a repository with all it needs": {
			files:   tree(configFile, deploying, descFile, service, "ci.sh", "#!/bin/sh"),
			folders: []string{": katkitconfig.js, servicedescription/servicedescription.js"},
		},
		"a folder's file counts before the root's, and the root without a service is no service": {
			files:   tree(configFile, deploying, "api/"+configFile, testOnly, "api/ci.sh", "", "web/"+descFile, service, "web/ci.sh", ""),
			folders: []string{": katkitconfig.js, ", "api: api/katkitconfig.js, ", "web: katkitconfig.js, web/servicedescription/servicedescription.js"},
		},
		"every problem of every file": {
			files: tree(configFile, `[{"EnvName": "default", "WorkFlow": [{"Name": "x", "PhaseType": 9, "Order": 0}], "Odd": 1}]`,
				"api/"+descFile, "{\n\"Roles\": [{\"Name\": \"Api\", \"DockerImage\": \"a:<hubtag>\"}, {\"Name\": \"b\", \"DockerImage\": \"b@<hubtag>\"}]}"),
			folders: []string{": katkitconfig.js, ", "api: katkitconfig.js, api/servicedescription/servicedescription.js"},
			said: []string{
				"api/servicedescription/servicedescription.js:2:20: error: a workload cannot have this Name: use at most 253 lower-case letters, digits, '-' and '.', a letter or digit first and last (found \"Api\")",
				"api/servicedescription/servicedescription.js:2:86: error: DockerImage of role b gives no image to deploy, b@" + strings.Repeat("0", 40) + " is not an image reference (invalid reference format): write it like registry/name:<hubtag> (found b@<hubtag>)",
				"katkitconfig.js:1:65: error: PhaseType must be 4 (execution) or 1 (deployment) (found 9)",
				"katkitconfig.js:1:82: warning: unknown field in an environment, it is ignored: correct its name or remove it (found \"Odd\")",
			},
		},
		"a deployment without a service description": {
			files:   tree(configFile, deploying, "ci.sh", ""),
			folders: []string{": katkitconfig.js, "},
			said: []string{"servicedescription/servicedescription.js: error: it is not there, but phase \"deploy\" of env \"default\" deploys it: " +
				"write it with kubectl katkit export deployment/NAME -n TENANT -f FILE"},
		},
		"phases to execute, and no ci.sh": {
			files:   tree(configFile, testOnly),
			folders: []string{": katkitconfig.js, "},
			said:    []string{"ci.sh: warning: it is not there, but phase \"test\" of env \"default\" runs it: add it"},
		},
		"a service description that no phase reads": {
			files:   tree(configFile, testOnly, descFile, noToken, "ci.sh", ""),
			folders: []string{": katkitconfig.js, servicedescription/servicedescription.js"},
			said: []string{"servicedescription/servicedescription.js:1:1: warning: no role's DockerImage has <hubtag>, so there is nothing to deploy: " +
				"write <hubtag> in place of the tag of the image that the build pushes"},
		},
		"a service description without a workflow": {
			files:   tree("api/"+descFile, service),
			folders: []string{"api: , api/servicedescription/servicedescription.js"},
			said: []string{"api/katkitconfig.js: warning: it is not there, nor is one in the root: add it to say which phases to run, " +
				"or list them in spec.phases of the TenantRepoLink"},
		},
		"neither file": {
			files: tree("README.md", "", "src/main.go", ""),
			said: []string{"katkitconfig.js: error: neither this file nor servicedescription/servicedescription.js was found, " +
				"in the root or in a folder (2 looked into): run this in the repository's root, or add the two files"},
		},
		"names that were meant to be read": {
			files:   tree(configFile, testOnly, "ci.sh", "", "api/KatkitConfig.js", "x", "servicedescription.js", "x", "servicedescription/servicdescription.js", "x"),
			folders: []string{": katkitconfig.js, "},
			said: []string{
				"api/KatkitConfig.js: warning: Katkit does not read this file: rename it to katkitconfig.js",
				"servicedescription.js: warning: Katkit does not read this file: move it to servicedescription/servicedescription.js below the folder of the service",
				"servicedescription/servicdescription.js: warning: Katkit does not read this file: move it to servicedescription/servicedescription.js below the folder of the service",
			},
		},
		"a file that is too large": {
			files:   tree(configFile, huge),
			folders: []string{": katkitconfig.js, "},
			said:    []string{"katkitconfig.js: error: the file has 262146 bytes, at most 262144 are read: make it smaller"},
		},
		"what is no part of the repository": {
			files: tree(configFile, testOnly, "ci.sh", "", ".git/"+configFile, "x", "node_modules/a/"+configFile, "x",
				"vendored/.git", "gitdir: x", "vendored/"+configFile, "x"),
			folders: []string{": katkitconfig.js, "},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			report := check(t, tt.files)
			if diff := cmp.Diff(tt.said, said(report)); diff != "" {
				t.Errorf("said (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.folders, folders(report)); diff != "" {
				t.Errorf("folders (-want +got):\n%s", diff)
			}
			if report.Valid == strings.Contains(strings.Join(tt.said, "\n"), ": error: ") {
				t.Errorf("Valid is %t", report.Valid)
			}
		})
	}
}

func TestAnEnvWithErrorsHasNoPhases(t *testing.T) {
	report := check(t, tree(configFile, `[{"EnvName": "a", "WorkFlow": [{"Name": "x", "PhaseType": 9, "Order": 0}]},
		{"EnvName": "b", "WorkFlow": [{"Name": "x", "PhaseType": 4, "Order": 0}]}]`))
	envs := report.Folders[0].Envs
	if len(envs) != 2 || envs[0].Valid || len(envs[0].Phases) != 0 || !envs[1].Valid || len(envs[1].Phases) != 1 {
		t.Errorf("envs %+v", envs)
	}
}

// TestLinks has symbolic links and other odd files in the place of the files.
func TestLinks(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside.js")
	write(t, outside, testOnly)
	tests := map[string]struct {
		make func(name string) error
		want string
	}{
		"a link inside of the working copy": {func(name string) error { return os.Symlink("real.js", name) }, ""},
		"a link out of it":                  {func(name string) error { return os.Symlink("../outside.js", name) }, "it could not be read (path escapes from parent)"},
		"an absolute link":                  {func(name string) error { return os.Symlink(outside, name) }, "it could not be read (path escapes from parent)"},
		"a link to nothing":                 {func(name string) error { return os.Symlink("nothing.js", name) }, "it could not be read (no such file or directory)"},
		"a pipe that nobody writes to":      {func(name string) error { return syscall.Mkfifo(name, 0o600) }, "it is not a file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "outside.js"), testOnly)
			copied := filepath.Join(dir, "copy")
			if err := os.Mkdir(copied, 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(copied, "real.js"), testOnly)
			write(t, filepath.Join(copied, "ci.sh"), "")
			if err := tt.make(filepath.Join(copied, configFile)); err != nil {
				t.Fatal(err)
			}
			streams, _, out, _ := genericiooptions.NewTestIOStreams()
			done := make(chan error, 1)
			go func() { done <- execute(t, streams, copied) }()
			select {
			case err := <-done:
				if !strings.Contains(out.String(), tt.want) || (err == nil) != (tt.want == "") {
					t.Errorf("error %v, said %s, want %q", err, out, tt.want)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the check waits for something")
			}
		})
	}
}

func TestACheckEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := validate.Check(ctx, tree(configFile, testOnly)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestFixtures holds that whatever the parsers say of a bad file, the verb says, and that good repositories pass.
func TestFixtures(t *testing.T) {
	bad, err := filepath.Glob(filepath.Join(fixtures, "invalid", "*.js"))
	if err != nil || len(bad) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, name := range bad {
		place := configFile
		if strings.HasPrefix(filepath.Base(name), "service") {
			place = descFile
		}
		report := check(t, tree(place, read(t, name), "ci.sh", ""))
		all := strings.Join(said(report), "\n") + "\n"
		for line := range strings.Lines(read(t, strings.TrimSuffix(name, ".js")+".txt")) {
			want := place + strings.TrimPrefix(line, filepath.Base(name))
			// The tests of the parsers fill in another sha.
			want = strings.ReplaceAll(want, "0123456789abcdef0123456789abcdef01234567", strings.Repeat("0", 40))
			if !strings.Contains(all, want) {
				t.Errorf("%s: said %swant %s", name, all, want)
			}
		}
		if report.Valid {
			t.Errorf("%s is valid", name)
		}
	}
	for _, name := range []string{"bom-crlf", "commented", "folders", "mixed-indent", "prefixed-token", "taskrunner"} {
		if report := check(t, os.DirFS(filepath.Join(fixtures, "repos", name))); !report.Valid || len(report.Folders) == 0 {
			t.Errorf("%s: said %v", name, said(report))
		}
	}
}

// TestOutput compares what people and programs get with the golden files.
func TestOutput(t *testing.T) {
	for name, args := range map[string][]string{
		"folders.txt":  {filepath.Join(fixtures, "repos", "folders")},
		"commented.js": {filepath.Join(fixtures, "repos", "commented"), "-o", "json"},
		"errors.txt":   {"testdata/errors"},
		"nothing.txt":  {"testdata/nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			streams, _, out, _ := genericiooptions.NewTestIOStreams()
			err := execute(t, streams, args...)
			var exit cli.Exit
			if failed := errors.As(err, &exit); failed != (name == "errors.txt" || name == "nothing.txt") || failed && exit != 1 {
				t.Errorf("error %v", err)
			}
			if strings.HasSuffix(name, ".js") && !json.Valid(out.Bytes()) {
				t.Error("it is no JSON")
			}
			golden := filepath.Join("testdata", name)
			if *update {
				write(t, golden, out.String())
			}
			if diff := cmp.Diff(read(t, golden), out.String()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHostileNamesCannotReachTheTerminal(t *testing.T) {
	report := check(t, tree("a\x1b[2J/"+configFile, strings.ReplaceAll(testOnly, "default", `x\u001b[2Jy\n`), "a\x1b[2J/"+descFile,
		strings.ReplaceAll(service, "example/web", `\u001b[2J`)))
	var out bytes.Buffer
	if err := report.Text(&out, "."); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("output %q", out.String())
	}
}

func TestFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"unknown output format":  {"-o", "yaml"},
		"accepts at most 1 arg":  {".", "."},
		"opening the working":    {"testdata/absent"},
		"not a directory":        {"cmd.go"},
		"unknown shorthand flag": {"-z"},
	} {
		streams, _, _, _ := genericiooptions.NewTestIOStreams()
		err := execute(t, streams, args...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", args, err, want)
		}
	}
}

func execute(t *testing.T, streams genericiooptions.IOStreams, args ...string) error {
	t.Helper()
	command := validate.NewCommand(streams)
	command.SilenceErrors, command.SilenceUsage = true, true
	command.SetArgs(args)
	command.SetOut(io.Discard)
	return command.ExecuteContext(t.Context())
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
