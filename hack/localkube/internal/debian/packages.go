// Package debian installs the Debian packages that the cluster needs and are not there, or names them to
// who may not install them. The launcher's commands call it.
package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"katkit.dev/katkit/hack/localkube/internal/progress"
)

// Requirement is a file that must be there, and the package that brings it.
type Requirement struct{ File, Package string }

// Cluster is what a running cluster needs.
var Cluster = []Requirement{
	{"ip", "iproute2"},
	{"iptables", "iptables"},
	{"conntrack", "conntrack"}, // kube-proxy clears stale UDP entries with it
	{"runc", "runc"},
	{"/usr/lib/cni/ptp", "containernetworking-plugins"},
}

// NetworkPolicy is what a cluster needs that enforces NetworkPolicies.
var NetworkPolicy = []Requirement{{"ipset", "ipset"}}

// Images is what the command images needs.
var Images = []Requirement{
	{"debootstrap", "debootstrap"},
	{"/bin/busybox", "busybox-static"},
}

// Ensure installs the packages whose files are missing.
func Ensure(ctx context.Context, out *progress.Printer, requirements []Requirement) error {
	missing := missing(requirements)
	if len(missing) == 0 {
		return nil
	}
	list := strings.Join(missing, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("missing programs, and no apt-get to install them: what the Debian packages %s hold", list)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("missing Debian packages: run `sudo apt-get install --no-install-recommends %s`", list)
	}
	done := out.Start("apt-get install "+list, func() string { return "running" })
	err := install(ctx, missing)
	if err != nil {
		done("failed")
		return err
	}
	done("done")
	return nil
}

func install(ctx context.Context, packages []string) error {
	for _, args := range [][]string{
		{"update", "-q"},
		append([]string{"install", "-q", "-y", "--no-install-recommends"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, output)
		}
	}
	return nil
}

func missing(requirements []Requirement) (packages []string) {
	for _, r := range requirements {
		if _, err := find(r.File); err != nil {
			packages = append(packages, r.Package)
		}
	}
	return packages
}

// find looks where root's programs are too, which an ordinary user's PATH leaves out.
func find(file string) (string, error) {
	for _, candidate := range []string{file, "/usr/sbin/" + file, "/sbin/" + file} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", errors.New("not found")
}
