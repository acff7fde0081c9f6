package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// build is one image to build.
type build struct {
	name, tag           string // in the registry
	reference           string // name and tag with the registry's name on this machine
	context, dockerfile string
	target              string
	args                []string // NAME=value
}

// tool builds and pushes images: docker, or buildah with a storage of its own.
type tool struct {
	program string
	global  []string // arguments before the subcommand
	plain   bool     // the registry speaks plain HTTP
}

// buildTool chooses docker where its daemon answers, else buildah. For the local cluster it is always buildah: it runs
// without a daemon, which would have to be told to trust the registry.
func (c *Cluster) buildTool(ctx context.Context) (tool, error) {
	if !c.Registry.Local && exec.CommandContext(ctx, "docker", "info").Run() == nil {
		return tool{program: "docker"}, nil
	}
	if _, err := exec.LookPath("buildah"); err != nil {
		if err := c.installBuildah(ctx); err != nil {
			return tool{}, err
		}
	}
	return c.buildah()
}

func (c *Cluster) buildah() (tool, error) {
	cache, err := cacheFolder()
	if err != nil {
		return tool{}, err
	}
	run := "/run"
	if os.Geteuid() != 0 {
		run = os.Getenv("XDG_RUNTIME_DIR")
	}
	if run == "" {
		run = cache
	}
	return tool{program: "buildah", plain: c.Registry.Scheme == "http", global: []string{
		"--root", filepath.Join(cache, "images"), "--runroot", filepath.Join(run, "katkit-images"),
	}}, nil
}

func (c *Cluster) installBuildah(ctx context.Context) error {
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return errors.New("buildah is needed to build the images: install it, on Debian with `sudo apt-get install --no-install-recommends buildah`")
	}
	return c.step(ctx, "apt-get buildah", func(ctx context.Context, tell func(string)) error {
		for _, args := range [][]string{{"update", "-q"}, {"install", "-q", "-y", "--no-install-recommends", "buildah"}} {
			output := &tail{tell: tell}
			cmd := exec.CommandContext(ctx, "apt-get", args...)
			cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
			cmd.Stdout, cmd.Stderr = output, output
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, output)
			}
		}
		tell("installed")
		return nil
	})
}

func (t tool) has(ctx context.Context, reference string) bool {
	return t.command(ctx, "inspect", "--type", "image", reference).Run() == nil
}

func (t tool) build(ctx context.Context, b build, tell func(string)) error {
	args := []string{"build", "-f", b.dockerfile, "-t", b.reference}
	if b.target != "" {
		args = append(args, "--target", b.target)
	}
	for _, arg := range b.args {
		args = append(args, "--build-arg", arg)
	}
	if t.program == "buildah" {
		args = append(args, "--layers", "--isolation", "chroot", "--network", "host")
		args = append(args, t.trust()...)
	}
	return t.run(ctx, tell, append(args, b.context)...)
}

func (t tool) push(ctx context.Context, reference string, tell func(string)) error {
	tell("pushing")
	if t.program == "docker" {
		return t.run(ctx, tell, "push", reference)
	}
	return t.run(ctx, tell, append(append([]string{"push"}, t.trust()...), reference)...)
}

// trust lets buildah speak plain HTTP.
func (t tool) trust() []string {
	if t.plain {
		return []string{"--tls-verify=false"}
	}
	return nil
}

func (t tool) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, t.program, slices.Concat(t.global, args)...)
}

func (t tool) run(ctx context.Context, tell func(string), args ...string) error {
	output := &tail{tell: tell}
	cmd := t.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", t.program, args[0], err, output)
	}
	return nil
}

// dropOldImages removes what this package built before and no longer needs from buildah's storage. It only saves
// space, so it does not fail. The caller holds the lock.
func (c *Cluster) dropOldImages(ctx context.Context, kept []string) {
	t, err := c.buildah()
	if err != nil {
		return
	}
	if _, err := exec.LookPath(t.program); err != nil {
		return
	}
	_ = t.command(ctx, "rm", "--all").Run() // containers of builds that were interrupted
	var listed bytes.Buffer
	list := t.command(ctx, "images", "--format", "{{.Name}}:{{.Tag}}")
	list.Stdout = &listed
	if list.Run() != nil {
		return
	}
	var old []string
	for reference := range strings.Lines(listed.String()) {
		reference = strings.TrimSpace(reference)
		if strings.Contains(reference, "/katkit/") && !slices.Contains(kept, reference) {
			old = append(old, reference)
		}
	}
	if len(old) > 0 {
		_ = t.command(ctx, append([]string{"rmi"}, old...)...).Run()
	}
}
