package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// PublishBusybox makes the busybox base image from a static busybox and puts it into a registry.
func PublishBusybox(ctx context.Context, registry, repository, program string) error {
	img, err := busybox(ctx, program)
	if err != nil {
		return err
	}
	return Push(ctx, registry, repository, img)
}

// busybox makes an image of a static busybox with a link for each of its applets.
func busybox(ctx context.Context, program string) (v1.Image, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	applets, err := exec.CommandContext(ctx, program, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --list: %w", program, err)
	}
	files := []File{
		{Path: "bin/", Mode: 0o755, Dir: true},
		{Path: "etc/", Mode: 0o755, Dir: true},
		{Path: "root/", Mode: 0o700, Dir: true},
		{Path: "tmp/", Mode: 0o1777, Dir: true},
		{Path: "etc/passwd", Mode: 0o644, Content: []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")},
		{Path: "etc/group", Mode: 0o644, Content: []byte("root:x:0:\nnogroup:x:65534:\n")},
		{Path: "bin/busybox", Mode: 0o755, Content: content},
	}
	for _, applet := range strings.Fields(string(applets)) {
		if applet != "busybox" {
			files = append(files, File{Path: "bin/" + applet, Mode: 0o755, Link: "bin/busybox"})
		}
	}
	return Build(files, v1.Config{Cmd: []string{"sh"}, Env: []string{"PATH=/bin"}})
}
