// Package cluster runs a whole Kubernetes as processes of this machine: it writes their configuration,
// starts, checks, repairs and ends them. The launcher's commands call Up, Down and Status.
//
// States of a cluster, and what leads from one to the other:
//
//	absent --Up--> running --Down--> stopped --Up--> running
//	                  |                  |
//	      crash, kill or reboot       Down with Purge --> absent
//	                  v
//	                broken --Up--> running
//
// What always holds: Up and Down exclude each other (lockFile); everything that runs is
// in the control group `localkube`, everything mounted is in a mount namespace of its node that ends with the last
// process, everything of the network is in the namespace `localkube` or listed in package network; so Down
// takes all of it away, whatever happened before.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"katkit.dev/katkit/hack/localkube/internal/filelock"
	"katkit.dev/katkit/hack/localkube/internal/network"
	"katkit.dev/katkit/hack/localkube/internal/pki"
	"katkit.dev/katkit/hack/localkube/internal/process"
	"katkit.dev/katkit/hack/localkube/internal/progress"
)

const (
	// DefaultState is the state folder unless LOCALKUBE_STATE names another.
	DefaultState = "/var/lib/localkube"
	// runDir holds sockets and what is void after a reboot. There is one cluster a machine.
	runDir = "/run/localkube"
	// lockFile is outside both folders, since Down removes them while it holds the lock.
	lockFile = "/run/localkube.lock"
	// nodeName is the name of the first node.
	nodeName = "localkube"
	// fleet and fleetKey are the second node's label and taint.
	fleet, fleetKey = "builders", "katkit.dev/fleet"
	// registryHost is the registry's name for Pods and in image references.
	registryHost = "registry.localkube:5000"
	// pauseImage is the sandbox image of all Pods.
	pauseImage = registryHost + "/" + pauseRepository
	// pauseRepository is the same within the registry.
	pauseRepository = "localkube/pause:1"
)

// ErrNotRoot is what an ordinary user gets from Up and Down.
var ErrNotRoot = errors.New("the cluster runs real Pods and needs root: run it as root (`localkube assets`, for envtest, works without)")

// Cluster is the cluster of one state folder.
type Cluster struct {
	State string // folder that outlives Down
	Out   *progress.Printer

	plan     network.Plan
	settings settings
	table    *process.Table
	cgroup   process.Cgroup
	pki      pki.Dir
}

// Open returns the cluster of a state folder, which need not exist. It changes nothing.
func Open(state string, out *progress.Printer) (*Cluster, error) {
	state, err := filepath.Abs(state)
	if err != nil {
		return nil, err
	}
	settings, err := readSettings(state)
	if err != nil {
		return nil, err
	}
	plan, err := network.NewPlan(settings.Network)
	if err != nil {
		return nil, err
	}
	cgroup, err := process.RootCgroup("localkube")
	if err != nil {
		return nil, err
	}
	c := &Cluster{State: state, Out: out, plan: plan, settings: settings, cgroup: cgroup, pki: pki.Dir(filepath.Join(state, "pki"))}
	c.table = &process.Table{
		Records:  filepath.Join(runDir, "processes"),
		Logs:     c.path("logs"),
		Launcher: c.launcher(),
		Cgroup:   cgroup.Child("components"),
		NetNS:    network.NamespaceFile,
		Binds:    map[string][]process.Bind{},
	}
	for _, n := range nodes() {
		c.table.Binds[n.folder] = c.binds(n)
	}
	return c, nil
}

// Kubeconfig is the path of the administrator's kubeconfig file.
func (c *Cluster) Kubeconfig() string { return c.path("kubeconfig") }

// RegistryAddress is the registry's HOST:PORT for the machine itself.
func (c *Cluster) RegistryAddress() string { return c.plan.Node.String() + ":5000" }

func (c *Cluster) path(elements ...string) string {
	return filepath.Join(append([]string{c.State}, elements...)...)
}

// launcher is the launcher's copy in the state folder: `go run` removes its own when it ends.
func (c *Cluster) launcher() string { return c.path("bin", "localkube") }

// lock makes sure that one command at a time changes the cluster.
func (c *Cluster) lock(ctx context.Context) (unlock func(), err error) {
	if os.Geteuid() != 0 {
		return nil, ErrNotRoot
	}
	return filelock.Lock(ctx, lockFile, c.Out, "another localkube command is at work")
}

// ownRun makes the run folder this state folder's. Two state folders would fight for one network namespace.
func (c *Cluster) ownRun() error {
	owner := filepath.Join(runDir, "state")
	if data, err := os.ReadFile(owner); err == nil {
		if other := strings.TrimSpace(string(data)); other != c.State && len(c.cgroup.Processes()) > 0 {
			return fmt.Errorf("a cluster with the state folder %s is running: end it first with `LOCALKUBE_STATE=%s localkube down`", other, other)
		}
	}
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(owner, []byte(c.State+"\n"), 0o644)
}
