package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Cgroup is one control group: a folder of the same path in every hierarchy of the machine (one
// hierarchy with cgroup v2, one a controller with v1). What is started stays in its group whatever it
// does afterwards, so the group is the one list of our processes that cannot be wrong.
type Cgroup struct {
	roots   []string // mount points of the hierarchies that processes are kept in
	beside  []string // mount point of v2 beside v1: it has no controllers, but runc makes empty groups there
	path    string   // below each of them
	unified bool
}

// RootCgroup returns the machine's control group `name`, a child of the root. It does not create it.
func RootCgroup(name string) (Cgroup, error) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return Cgroup{}, err
	}
	defer f.Close()
	v1, v2 := parseCgroupMounts(bufio.NewScanner(f))
	switch {
	case len(v1) > 0:
		return Cgroup{roots: v1, beside: v2, path: name}, nil
	case len(v2) > 0:
		return Cgroup{roots: v2, path: name, unified: true}, nil
	}
	return Cgroup{}, errors.New("no cgroup file system is mounted below /sys/fs/cgroup; Pods cannot run on this machine")
}

// parseCgroupMounts reads lines of /proc/self/mounts and returns the mount points of either version.
func parseCgroupMounts(lines *bufio.Scanner) (v1, v2 []string) {
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || !strings.HasPrefix(fields[1], "/sys/fs/cgroup") {
			continue
		}
		switch fields[2] {
		case "cgroup":
			v1 = append(v1, fields[1])
		case "cgroup2":
			v2 = append(v2, fields[1])
		}
	}
	return v1, v2
}

// Path is the group's path as the kubelet and runc name it, from the root of the hierarchies.
func (c Cgroup) Path() string { return "/" + c.path }

// Unified tells whether the machine is on cgroup v2 alone.
func (c Cgroup) Unified() bool { return c.unified }

// Child returns the group `name` below c.
func (c Cgroup) Child(name string) Cgroup {
	c.path = filepath.Join(c.path, name)
	return c
}

// Dirs returns the group's folder in each hierarchy.
func (c Cgroup) Dirs() []string { return c.below(c.roots) }

func (c Cgroup) below(roots []string) []string {
	dirs := make([]string, len(roots))
	for i, root := range roots {
		dirs[i] = filepath.Join(root, c.path)
	}
	return dirs
}

// Create makes the group in every hierarchy; it may be there already.
func (c Cgroup) Create() error {
	for i, dir := range c.Dirs() {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("create control group: %w", err)
		}
		// A cpuset group of v1 takes no process before it has processors and memory nodes.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if err := inheritCpuset(c.roots[i], c.path, file); err != nil {
				return err
			}
		}
	}
	return nil
}

// Delegate gives the group's children every controller that the machine has (v2; v1 needs nothing).
func (c Cgroup) Delegate() error {
	if !c.unified {
		return nil
	}
	root := c.roots[0]
	have, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, dir := range []string{root, filepath.Join(root, c.path)} {
		for _, controller := range strings.Fields(string(have)) {
			// Some (cpu, where real-time processes run) cannot always be had; the kubelet says which it misses.
			_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
		}
	}
	return nil
}

func inheritCpuset(root, path, file string) error {
	parent, err := os.ReadFile(filepath.Join(root, file))
	if err != nil || len(strings.TrimSpace(string(parent))) == 0 {
		return nil // not the cpuset hierarchy, or v2, where it is inherited
	}
	dir := root
	for _, part := range strings.Split(path, "/") {
		dir = filepath.Join(dir, part)
		own, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return nil
		}
		if len(strings.TrimSpace(string(own))) > 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, file), parent, 0o644); err != nil {
			return fmt.Errorf("set up control group: %w", err)
		}
	}
	return nil
}

// Processes returns the ids of all processes in the group and below it, in any hierarchy.
func (c Cgroup) Processes() []int {
	var pids []int
	for _, dir := range c.Dirs() {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return nil // groups come and go while we look
			}
			data, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			if err != nil {
				return nil
			}
			for _, line := range strings.Fields(string(data)) {
				if pid, err := strconv.Atoi(line); err == nil && pid > 0 {
					pids = append(pids, pid)
				}
			}
			return nil
		})
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// Kill kills every process in the group and below it and returns when none is left.
func (c Cgroup) Kill(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		pids := c.Processes()
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes %v of control group %s do not die: %w", pids, c.Path(), ctx.Err())
		case <-tick.C:
		}
	}
}

// Remove removes the group and all below it. Groups that hold processes stay, and are an error.
func (c Cgroup) Remove() error {
	var failed error
	for _, dir := range c.below(slices.Concat(c.roots, c.beside)) {
		var found []string
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				found = append(found, path)
			}
			return nil
		})
		for _, path := range slices.Backward(found) { // children first
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				failed = err
			}
		}
	}
	return failed
}
