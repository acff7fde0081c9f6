package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"katkit.dev/katkit/hack/localkube/internal/cluster"
	"katkit.dev/katkit/hack/localkube/internal/debian"
	"katkit.dev/katkit/hack/localkube/internal/filelock"
	"katkit.dev/katkit/hack/localkube/internal/image"
	"katkit.dev/katkit/hack/localkube/internal/progress"
)

func images(ctx context.Context, flags *flag.FlagSet, args []string) error {
	if err := parse(flags, args); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return cluster.ErrNotRoot
	}
	out := progress.New(os.Stderr)
	c, err := open(out)
	if err != nil {
		return err
	}
	if err := c.RegistryReady(ctx); err != nil {
		return fmt.Errorf("the local registry does not answer: %w: run `localkube up` first", err)
	}
	if err := debian.Ensure(ctx, out, debian.Images); err != nil {
		return err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	images := filepath.Join(cache, "localkube", "images")
	if err := os.MkdirAll(images, 0o755); err != nil {
		return err
	}
	unlock, err := filelock.Lock(ctx, filepath.Join(images, ".lock"), out, "another localkube makes the base images")
	if err != nil {
		return err
	}
	defer unlock()
	// The names are those of Docker Hub, so that Dockerfiles and Pods that ask for them get these.
	busybox, base := "library/busybox:stable", "library/debian:"+image.DebianSuite+"-slim"
	err = publish(out, busybox, func(func(string)) error {
		return image.PublishBusybox(ctx, c.RegistryAddress(), busybox, "/bin/busybox")
	})
	if err != nil {
		return err
	}
	return publish(out, base, func(status func(string)) error {
		return image.PublishDebian(ctx, c.RegistryAddress(), base, images, image.MachineApt(ctx), status)
	})
}

// publish shows what is done for an image while it is done.
func publish(out *progress.Printer, repository string, do func(status func(string)) error) error {
	var status atomic.Value
	status.Store("at work")
	done := out.Start(repository, func() string { return status.Load().(string) })
	if err := do(func(s string) { status.Store(s) }); err != nil {
		done("failed")
		return err
	}
	done("in the registry")
	return nil
}
