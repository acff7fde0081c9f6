package install

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Images are the names of Katkit's images and the stand-in's, as the cluster pulls them.
type Images struct{ Manager, Receiver, LogStore, Agent, Builder, GitHub string }

// recipe tells how one image is made.
type recipe struct{ name, dockerfile, target, binary string }

var recipes = []recipe{
	{"manager", "Dockerfile", "manager", "bin/manager"},
	{"receiver", "Dockerfile", "receiver", "bin/receiver"},
	{"logstore", "Dockerfile", "logstore", "bin/logstore"},
	{"agent", "Dockerfile", "agent", "bin/katkit-agent"},
	{"builder", "Dockerfile", "builder", "bin/katkit-agent"},
	{"fakegithub", "test/fakegithub/Dockerfile", "", "bin/fakegithub"},
}

// Images builds the binaries and the images and pushes them. A tag is made of what is in the image, so one that was
// pushed before is neither built nor pushed again. Only one process of a user builds at a time.
func (c *Cluster) Images(ctx context.Context) (Images, error) {
	if c.Registry.Push == "" {
		return Images{}, errors.New("no registry for the images: set KATKIT_REGISTRY to one that this machine can push to and the cluster can pull from, such as registry.example.org/katkit; for the local cluster run this through hack/with-cluster.sh")
	}
	unlock, err := lock(ctx)
	if err != nil {
		return Images{}, err
	}
	defer unlock()
	if err := c.step(ctx, "binaries", c.binaries); err != nil {
		return Images{}, err
	}
	base, err := c.baseImage(ctx, "library/debian", "bookworm-slim", cmp.Or(os.Getenv("BASE_IMAGE"), "docker.io/library/debian:bookworm-slim"))
	if err != nil {
		return Images{}, err
	}
	names := make([]string, len(recipes))
	var kept []string
	for i, r := range recipes {
		tag, err := c.tag(r, base)
		if err != nil {
			return Images{}, err
		}
		image := build{
			name: "katkit/" + r.name, tag: tag, context: c.Root, dockerfile: filepath.Join(c.Root, r.dockerfile), target: r.target,
			args: []string{"BASE_IMAGE=" + base},
		}
		if err := c.step(ctx, "image "+r.name, func(ctx context.Context, tell func(string)) error {
			return c.provide(ctx, image, tell)
		}); err != nil {
			return Images{}, err
		}
		names[i] = c.Registry.Pull + "/" + image.name + ":" + tag
		kept = append(kept, c.Registry.Push+"/"+image.name+":"+tag)
	}
	c.dropOldImages(ctx, kept)
	return Images{Manager: names[0], Receiver: names[1], LogStore: names[2], Agent: names[3], Builder: names[4], GitHub: names[5]}, nil
}

// binaries builds what the images hold. Neither version nor commit is stamped in, so that the same source gives the same
// binary, and the same tag.
func (c *Cluster) binaries(ctx context.Context, tell func(string)) error {
	output := &tail{tell: func(line string) {
		if _, binary, compiling := strings.Cut(line, " -o "); compiling {
			tell("compiling " + strings.Fields(binary)[0])
		}
	}}
	cmd := exec.CommandContext(ctx, "make", "--no-print-directory", "-C", c.Root, "build", "VERSION=local")
	cmd.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -buildvcs=false"), "MAKEFLAGS=")
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("make build: %w\n%s", err, output)
	}
	tell("built")
	return nil
}

// baseImage names a base image: on the local cluster its registry's copy by digest, else the one that is given.
func (c *Cluster) baseImage(ctx context.Context, name, tag, elsewhere string) (string, error) {
	if !c.Registry.Local {
		return elsewhere, nil
	}
	digest, err := c.digest(ctx, name, tag)
	if err != nil {
		return "", fmt.Errorf("the local registry's base image %s:%s: %w: `make cluster-up` brings it there", name, tag, err)
	}
	return c.Registry.Push + "/" + name + "@" + digest, nil
}

// tag is a hash of all that decides what is in an image, but for the Debian packages of the day.
func (c *Cluster) tag(r recipe, base string) (string, error) {
	hash := sha256.New()
	for _, name := range []string{r.dockerfile, r.binary} {
		content, err := os.ReadFile(filepath.Join(c.Root, name))
		if err != nil {
			return "", fmt.Errorf("naming the image %s: %w", r.name, err)
		}
		fmt.Fprintf(hash, "%s %d\n", name, len(content))
		hash.Write(content)
	}
	_, digest, _ := strings.Cut(base, "@") // the registry's address does not matter
	fmt.Fprintf(hash, "%s %s", r.target, cmp.Or(digest, base))
	return fmt.Sprintf("%x", hash.Sum(nil))[:12], nil
}

// provide builds and pushes an image unless the registry has it.
func (c *Cluster) provide(ctx context.Context, image build, tell func(string)) error {
	if _, err := c.digest(ctx, image.name, image.tag); err == nil {
		tell("up to date")
		return nil
	}
	tool, err := c.buildTool(ctx)
	if err != nil {
		return err
	}
	image.reference = c.Registry.Push + "/" + image.name + ":" + image.tag
	if !tool.has(ctx, image.reference) {
		if err := tool.build(ctx, image, tell); err != nil {
			return err
		}
	}
	if err := tool.push(ctx, image.reference, tell); err != nil {
		return err
	}
	tell("built and pushed")
	return nil
}

// digest asks the registry for an image. A registry that wants a password is taken for one that has no such image.
func (c *Cluster) digest(ctx context.Context, name, tag string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	host, prefix, _ := strings.Cut(c.Registry.Push, "/")
	path := strings.TrimPrefix(prefix+"/"+name, "/")
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, fmt.Sprintf("%s://%s/v2/%s/manifests/%s", c.Registry.Scheme, host, path, tag), nil)
	if err != nil {
		return "", fmt.Errorf("asking the registry: %w", err)
	}
	request.Header.Set("Accept", "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("asking the registry: %w", err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the registry %s answers %s for %s:%s", host, response.Status, path, tag)
	}
	return response.Header.Get("Docker-Content-Digest"), nil
}

// cacheFolder is where this package keeps what it may lose.
func cacheFolder() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w", err)
	}
	dir = filepath.Join(dir, "katkit")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the cache folder: %w", err)
	}
	return dir, nil
}

// lock makes this process the only one that builds, and waits for its turn. A lock ends with its process.
func lock(ctx context.Context) (unlock func(), err error) {
	dir, err := cacheFolder()
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, "images.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("waiting for another build: %w", err)
	}
	locked := make(chan error, 1)
	go func() { locked <- unix.Flock(int(file.Fd()), unix.LOCK_EX) }()
	select {
	case err = <-locked:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("waiting for another build, which holds %s: %w", file.Name(), err)
	}
	return func() { file.Close() }, nil
}
