package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeyFollowsWhatIsBuilt(t *testing.T) {
	source := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(source, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b := &Builder{Source: source}
	key := func() string {
		t.Helper()
		k, err := b.key(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	write("go.mod", "module x\n")
	write("cmd/kube/main.go", "package main\n")
	before := key()
	write("README.md", "words\n")
	if key() != before {
		t.Error("a text that is not built changes the key")
	}
	write("cmd/kube/main.go", "package main // changed\n")
	if key() == before {
		t.Error("a changed source does not change the key")
	}
	write("cmd/kube/main.go", "package main\n")
	write("go.mod", "module x\nrequire y v1.0.0\n")
	if key() == before {
		t.Error("a changed pin does not change the key")
	}
}

func TestParseModule(t *testing.T) {
	got := parseModule("module x\n\nrequire (\n\tk8s.io/kubernetes v1.37.2\n\tgithub.com/containerd/containerd/v2 v2.4.2 // comment\n\tgo.etcd.io/etcd/server/v3 v3.7.0\n)\nreplace (\n\tk8s.io/api => k8s.io/api v0.37.2\n)\n")
	if want := (module{kubernetes: "v1.37.2", containerd: "v2.4.2", etcd: "v3.7.0"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestThePinsOfThisCheckoutAreRead(t *testing.T) {
	m, err := readModule("../../binaries")
	if err != nil {
		t.Fatal(err)
	}
	if m.kubernetes == "" || m.containerd == "" || m.coreDNS == "" || m.etcd == "" {
		t.Errorf("go.mod lacks a version: %+v", m)
	}
	enforcer, err := readModule("../../networkpolicy")
	if err != nil {
		t.Fatal(err)
	}
	if enforcer.kubeRouter == "" || enforcer.name() == m.name() {
		t.Errorf("%+v and %+v are kept in folders that begin with %q and %q", m, enforcer, m.name(), enforcer.name())
	}
}

func TestVersionIsStamped(t *testing.T) {
	flags := strings.Join((&Builder{}).flags(module{kubernetes: "v1.37.2"}), " ")
	for _, want := range []string{"gitVersion=v1.37.2", "gitMajor=1 ", "gitMinor=37 "} {
		if !strings.Contains(flags, want) {
			t.Errorf("flags %q lack %q", flags, want)
		}
	}
}

func TestMissingWantsLinksToo(t *testing.T) {
	dir := t.TempDir()
	programs := []Program{{Name: "a"}, {Name: "b", Links: []string{"b1"}}}
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got := missing(dir, programs); len(got) != 1 || got[0].Name != "b" {
		t.Errorf("missing = %v, want b alone", got)
	}
	if err := os.Symlink("b", filepath.Join(dir, "b1")); err != nil {
		t.Fatal(err)
	}
	if got := missing(dir, programs); len(got) != 0 {
		t.Errorf("missing = %v, want nothing", got)
	}
}

func TestCounterFollowsTheGoCommand(t *testing.T) {
	c := &counter{}
	steps := []struct{ read, want string }{
		{"", "looking up packages"},
		{"go: downloading k8s.io/kubernetes v1.37.2", "1 modules downloaded"},
		{"stale", "0 of 2 packages"},
		{"k8s.io/api/core/v1", "1 of 2 packages"},
		{"# k8s.io/api/apps/v1\ntypes.go:1:2: undefined: x", "1 of 2 packages"},
		{"k8s.io/api/apps/v1", "2 packages compiled, linking"},
	}
	for _, step := range steps {
		if step.read == "stale" {
			c.countStale(strings.NewReader("stale dependency: a\n\n" + cachedReason + "\nbuild ID mismatch\n"))
		} else {
			c.watch(strings.NewReader(step.read))
		}
		if got := c.status(); got != step.want {
			t.Errorf("after %q: %q, want %q", step.read, got, step.want)
		}
	}
	if got := c.errorLines(); !strings.Contains(got, "undefined: x") {
		t.Errorf("the compiler's error is lost: %q", got)
	}
}
