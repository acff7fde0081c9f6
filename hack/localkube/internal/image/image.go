// Package image makes container images out of files on this machine, with no container engine, and puts
// them into the cluster's registry: the sandbox image that every Pod needs, and base images for the
// project's own. cluster and the command images call it.
package image

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// File is one entry of a layer: a file with Content, or a hard link to Link.
type File struct {
	Path    string // without leading slash
	Content []byte
	Mode    int64
	Link    string
	Dir     bool
}

// Build makes an image of one layer with just these files. The same files make the same image.
func Build(files []File, config v1.Config) (v1.Image, error) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	for _, f := range files {
		header := &tar.Header{Name: f.Path, Mode: f.Mode, Size: int64(len(f.Content)), Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}
		switch {
		case f.Dir:
			header.Typeflag = tar.TypeDir
		case f.Link != "":
			header.Typeflag, header.Linkname = tar.TypeLink, f.Link
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	return fromLayer(l, config)
}

// fromTar makes an image whose one layer is a tar file (gzip or not).
func fromTar(path string, config v1.Config) (v1.Image, error) {
	l, err := tarball.LayerFromFile(path)
	if err != nil {
		return nil, err
	}
	return fromLayer(l, config)
}

func fromLayer(l v1.Layer, config v1.Config) (v1.Image, error) {
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", architecture, config
	return mutate.ConfigFile(img, file)
}

// Push puts an image into a registry that speaks plain HTTP, unless the same is there.
// repository is like "library/busybox:stable".
func Push(ctx context.Context, registry, repository string, img v1.Image) error {
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	if holds(ctx, registry, repository, digest.String()) {
		return nil
	}
	ref, err := name.ParseReference(registry+"/"+repository, name.Insecure)
	if err != nil {
		return err
	}
	if err := remote.Write(ref, img, remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("push %s: %w", repository, err)
	}
	return nil
}

// holds tells whether the registry has just this image (sha256:…) under the repository's tag.
func holds(ctx context.Context, registry, repository, digest string) bool {
	ref, err := name.ParseReference(registry+"/"+repository, name.Insecure)
	if err != nil {
		return false
	}
	have, err := remote.Head(ref, remote.WithContext(ctx))
	return err == nil && have.Digest.String() == digest
}

// Pause makes the sandbox image from the program `pause`.
func Pause(program string) (v1.Image, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	return Build([]File{{Path: "pause", Content: content, Mode: 0o755}}, v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535"})
}
