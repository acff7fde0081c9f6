package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"katkit.dev/katkit/hack/localkube/internal/network"
	"katkit.dev/katkit/hack/localkube/internal/process"
)

const (
	// stopGrace is how long a component may take to end when asked.
	stopGrace = 10 * time.Second
	// killLimit is how long killed processes may take to be gone.
	killLimit = 30 * time.Second
)

// Down ends everything that the cluster runs and removes what it made on the machine. The state folder
// stays for the next Up, unless purge.
func (c *Cluster) Down(ctx context.Context, purge bool) error {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.ownRun(); err != nil {
		return err
	}
	if err := c.stopAll(ctx); err != nil {
		return err
	}
	if err := errors.Join(clearRun(), c.removeMountPoints()); err != nil {
		return err
	}
	if purge {
		return removeTree(c.State)
	}
	if _, err := os.Stat(c.State); errors.Is(err, fs.ErrNotExist) {
		return nil // there never was a cluster
	}
	c.settings.AuditLog, c.settings.Enforcer = "", ""
	return c.saveSettings()
}

// stopAll ends all processes and removes network and control groups. Pods are killed, not ended: what they
// are is kept, and the kubelet starts them again.
func (c *Cluster) stopAll(ctx context.Context) error {
	if len(c.cgroup.Processes()) > 0 {
		if err := c.stopProcesses(ctx); err != nil {
			return err
		}
	}
	return errors.Join(c.cgroup.Remove(), network.Remove(c.sysctlFile()))
}

func (c *Cluster) stopProcesses(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, killLimit)
	defer cancel()
	done := c.Out.Start("cluster", func() string { return "stopping" })
	// The kubelets first, or they would start again what is killed.
	groups := []process.Cgroup{c.cgroup.Child("shims")}
	for _, n := range nodes() {
		groups = append(groups, c.nodeCgroup(n).Child("kubepods"))
		if err := c.table.Stop(n.program(kubeletName), stopGrace); err != nil {
			return err
		}
	}
	for _, group := range groups {
		if err := group.Kill(ctx); err != nil {
			return err
		}
	}
	for _, p := range slices.Backward(c.components()) {
		if err := c.table.Stop(p.Name, stopGrace); err != nil {
			return err
		}
	}
	if err := c.cgroup.Kill(ctx); err != nil {
		return err
	}
	done("stopped")
	return nil
}

// clearRun empties the run folder: sockets, runtime state, addresses given to Pods.
func clearRun() error { return removeTree(runDir) }

// removeMountPoints removes the folders of makeMountPoints, if they are still empty.
func (c *Cluster) removeMountPoints() error {
	data, err := os.ReadFile(c.path("made-folders"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, dir := range strings.Fields(string(data)) {
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) {
			return err
		}
	}
	return os.Remove(c.path("made-folders"))
}

// removeTree removes a folder, after unmounting whatever is mounted below it: a component mounts in its own
// namespace only, but a mount that somebody made by hand must not have its files deleted.
func removeTree(dir string) error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	for _, point := range slices.Backward(mountsBelow(dir, string(mounts))) {
		if err := unix.Unmount(point, 0); err != nil {
			return fmt.Errorf("unmount %s: %w", point, err)
		}
	}
	return os.RemoveAll(dir)
}

// mountsBelow returns the mount points below a folder, in the order in which they were mounted.
func mountsBelow(dir, mounts string) (points []string) {
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
			points = append(points, fields[1])
		}
	}
	return points
}
