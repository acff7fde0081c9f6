// Package build compiles the cluster's programs from the pinned modules of hack/localkube/binaries (and networkpolicy) and
// keeps them in the user's cache folder, so that every checkout with the same pins shares them.
// The commands up and assets call it.
//
// What always holds: a program in a cache folder is complete (it is built elsewhere and renamed), and was
// built from exactly what the folder's key says.
package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"katkit.dev/katkit/hack/localkube/internal/filelock"
	"katkit.dev/katkit/hack/localkube/internal/progress"
)

// Program is one program to build.
type Program struct {
	Name    string   // of the file
	Package string   // to build, relative to the module or an import path
	Links   []string // further names of a multi-call program
}

// The programs. All that envtest needs is links to Kube.
var (
	Kube = Program{
		Name: "kube", Package: "./cmd/kube",
		Links: []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"},
	}
	coreDNS    = Program{Name: "coredns", Package: "./cmd/coredns"}
	pause      = Program{Name: "pause", Package: "./cmd/pause"}
	containerd = Program{Name: "containerd", Package: "github.com/containerd/containerd/v2/cmd/containerd"}
	shim       = Program{Name: "containerd-shim-runc-v2", Package: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"}
)

// The folders of hack/localkube that programs are built from. Each is a module with pins and a cache folder of its own.
const (
	Binaries      = "binaries"
	NetworkPolicy = "networkpolicy"
)

// Enforcer is the one program of the folder NetworkPolicy.
var Enforcer = Program{Name: "networkpolicy", Package: "."}

// All is every program that the cluster needs, of the folder Binaries.
func All() []Program { return []Program{Kube, coreDNS, containerd, shim, pause} }

// tags leaves out the parts of containerd that need C libraries.
const tags = "no_btrfs no_devmapper no_zfs"

// Builder builds from one source folder into the cache.
type Builder struct {
	Source string // hack/localkube/binaries, or another module
	Cache  string // the user's cache folder of localkube
	Out    *progress.Printer
}

// NewBuilder finds a folder of sources from the working directory (hack/localkube, or any folder of the checkout)
// and the user's cache folder.
func NewBuilder(folder string, out *progress.Printer) (*Builder, error) {
	source, err := findSource(folder)
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("no cache folder to keep what is built: %w: set HOME or XDG_CACHE_HOME", err)
	}
	return &Builder{Source: source, Cache: filepath.Join(cache, "localkube"), Out: out}, nil
}

func findSource(folder string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for start := dir; ; dir = filepath.Dir(dir) {
		for _, candidate := range []string{folder, filepath.Join("hack", "localkube", folder)} {
			source := filepath.Join(dir, candidate)
			if _, err := os.Stat(filepath.Join(source, "go.mod")); err == nil {
				return source, nil
			}
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("hack/localkube/%s was not found from %s upwards: run localkube inside a checkout", folder, start)
		}
	}
}

// Ensure builds what is missing of the programs and returns the folder that holds them, which is also
// what KUBEBUILDER_ASSETS wants. Another Ensure that runs at the same time is waited for.
func (b *Builder) Ensure(ctx context.Context, programs []Program) (dir string, err error) {
	module, err := readModule(b.Source)
	if err != nil {
		return "", err
	}
	key, err := b.key(ctx)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(b.Cache, module.name()+"-"+key)
	if len(missing(dir, programs)) == 0 {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := filelock.Lock(ctx, filepath.Join(dir, ".lock"), b.Out, "another localkube builds the same programs")
	if err != nil {
		return "", err
	}
	defer unlock()
	programs = missing(dir, programs) // somebody may have built them while we waited
	if len(programs) == 0 {
		return dir, nil
	}
	if err := b.build(ctx, dir, module, programs); err != nil {
		return "", err
	}
	return dir, writeVersions(dir, module)
}

func missing(dir string, programs []Program) []Program {
	return slices.DeleteFunc(slices.Clone(programs), func(p Program) bool {
		return !slices.ContainsFunc(append([]string{p.Name}, p.Links...), func(name string) bool {
			_, err := os.Stat(filepath.Join(dir, name))
			return err != nil
		})
	})
}

// build compiles into a folder beside the final one, then renames.
func (b *Builder) build(ctx context.Context, dir string, module module, programs []Program) error {
	temp := filepath.Join(dir, ".build")
	if err := errors.Join(os.RemoveAll(temp), os.Mkdir(temp, 0o755)); err != nil { // one that was killed may have left it
		return err
	}
	defer os.RemoveAll(temp)
	args := append(b.flags(module), packages(programs)...)
	if err := b.goBuild(ctx, temp, args, names(programs)); err != nil {
		return err
	}
	for _, p := range programs {
		if err := os.Rename(filepath.Join(temp, p.Name), filepath.Join(dir, p.Name)); err != nil {
			return err
		}
		for _, link := range p.Links {
			path := filepath.Join(dir, link)
			if err := os.Symlink(p.Name, path); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
	}
	return nil
}

func (b *Builder) flags(m module) []string {
	version := "k8s.io/component-base/version"
	major, minor, _ := strings.Cut(strings.TrimPrefix(m.kubernetes, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	ldflags := fmt.Sprintf("-s -w -X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s -X github.com/containerd/containerd/v2/version.Version=%s",
		version, m.kubernetes, version, major, version, minor, m.containerd)
	return []string{"-trimpath", "-buildvcs=false", "-tags", tags, "-ldflags", ldflags}
}

func packages(programs []Program) (list []string) {
	for _, p := range programs {
		list = append(list, p.Package)
	}
	return list
}

func names(programs []Program) string {
	var list []string
	for _, p := range programs {
		list = append(list, p.Name)
	}
	return strings.Join(list, ", ")
}

// key names what the programs are built from: the pins and sources, the toolchain and the flags.
func (b *Builder) key(ctx context.Context) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(b.Source, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if ext := filepath.Ext(path); ext != ".go" && ext != ".mod" && ext != ".sum" {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(b.Source, path)
		fmt.Fprintf(h, "%s %x\n", name, sha256.Sum256(data))
		return err
	})
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH", "GOFLAGS", "GOEXPERIMENT")
	cmd.Dir = b.Source
	toolchain, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w: is Go installed and in PATH?", err)
	}
	fmt.Fprintf(h, "%s %q", toolchain, b.flags(module{}))
	return hex.EncodeToString(h.Sum(nil)[:6]), nil
}

// Versions returns the versions of what a folder of programs holds, by name ("kubernetes": "v1.37.2").
func Versions(dir string) map[string]string {
	versions := map[string]string{}
	if data, err := os.ReadFile(filepath.Join(dir, "versions.json")); err == nil {
		_ = json.Unmarshal(data, &versions)
	}
	return versions
}

func writeVersions(dir string, m module) error {
	data, err := json.Marshal(map[string]string{"kubernetes": m.kubernetes, "containerd": m.containerd, "coredns": m.coreDNS, "etcd": m.etcd})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "versions.json"), data, 0o644)
}

// module is the versions that the source folder's go.mod pins.
type module struct{ kubernetes, containerd, coreDNS, etcd, kubeRouter string }

// name is the begin of the cache folder's.
func (m module) name() string {
	if m.kubeRouter != "" {
		return "kube-router-" + m.kubeRouter
	}
	return m.kubernetes
}

func readModule(source string) (module, error) {
	data, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return module{}, err
	}
	m := parseModule(string(data))
	if m.name() == "" {
		return module{}, fmt.Errorf("%s/go.mod requires neither k8s.io/kubernetes nor kube-router", source)
	}
	return m, nil
}

func parseModule(goMod string) (m module) {
	for line := range strings.Lines(goMod) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "k8s.io/kubernetes":
			m.kubernetes = fields[1]
		case "github.com/containerd/containerd/v2":
			m.containerd = fields[1]
		case "github.com/coredns/coredns":
			m.coreDNS = fields[1]
		case "go.etcd.io/etcd/server/v3":
			m.etcd = fields[1]
		case "github.com/cloudnativelabs/kube-router/v2":
			m.kubeRouter = fields[1]
		}
	}
	return m
}
