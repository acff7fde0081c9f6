package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"katkit.dev/katkit/hack/localkube/internal/image"
	"katkit.dev/katkit/hack/localkube/internal/network"
	"katkit.dev/katkit/hack/localkube/internal/process"
)

// Options are what `up` can be told. Empty values leave what was chosen before.
type Options struct {
	Programs string // folder of the built programs
	Network  string // IPv4 /16
	AuditLog string // file for the API server's audit log (metadata of every request); "off": none
	Enforcer string // folder of the built program that enforces NetworkPolicies; "off": none does
}

// Up starts the cluster, or what of it does not run, restarts what runs with another configuration, and
// returns when it can be used.
func (c *Cluster) Up(ctx context.Context, o Options) error {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.MkdirAll(c.State, 0o755); err != nil {
		return err
	}
	if err := c.choose(o); err != nil {
		return err
	}
	if err := c.ownRun(); err != nil {
		return err
	}
	if err := c.clearRemains(ctx); err != nil {
		return err
	}
	v, err := c.prepare()
	if err != nil {
		return err
	}
	if !c.Enforces() {
		if err := c.stopEnforcing(); err != nil {
			return err
		}
	}
	return c.bringUp(ctx, v)
}

// choose merges the options into the settings. The network cannot change while Pods have addresses of it.
func (c *Cluster) choose(o Options) error {
	if o.Network != "" && o.Network != c.settings.Network {
		plan, err := network.NewPlan(o.Network)
		if err != nil {
			return err
		}
		if _, err := os.Stat(c.path("etcd")); err == nil {
			return fmt.Errorf("this cluster's network is %s and its Services have addresses of it: run `localkube down --purge` before choosing another", c.settings.Network)
		}
		c.settings.Network, c.plan = o.Network, plan
	}
	switch o.AuditLog {
	case "":
	case "off":
		c.settings.AuditLog = ""
	default:
		path, err := filepath.Abs(o.AuditLog)
		if err != nil {
			return err
		}
		c.settings.AuditLog = path
	}
	switch o.Enforcer {
	case "":
	case "off":
		c.settings.Enforcer = ""
	default:
		c.settings.Enforcer = o.Enforcer
	}
	c.settings.Programs = o.Programs
	return c.saveSettings()
}

// clearRemains ends what a crash, a kill or a reboot has left of a cluster that cannot be repaired in
// place: Pods whose network is gone, or whose mounts no component of the cluster can see any more.
func (c *Cluster) clearRemains(ctx context.Context) error {
	lost := func(n node) bool { return c.table.Any(n.folder) == 0 }
	if network.Exists() && !slices.ContainsFunc(nodes(), lost) {
		return nil
	}
	if len(c.cgroup.Processes()) > 0 {
		c.Out.Line("what is left of an earlier cluster is ended")
	}
	if err := c.stopAll(ctx); err != nil {
		return err
	}
	return clearRun()
}

// prepare makes everything that the components need before they start.
func (c *Cluster) prepare() (values, error) {
	dirs := []string{c.path("bin"), c.path("logs"), c.table.Records}
	groups := []process.Cgroup{c.cgroup, c.cgroup.Child("shims"), c.cgroup.Child("components")}
	for _, n := range nodes() {
		dirs = append(dirs, c.nodeFolders(n)...)
		groups = append(groups, c.nodeCgroup(n))
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return values{}, err
		}
	}
	if err := c.makeMountPoints(); err != nil {
		return values{}, err
	}
	if err := installSelf(c.launcher()); err != nil {
		return values{}, err
	}
	for _, group := range groups {
		if err := group.Create(); err != nil {
			return values{}, err
		}
	}
	for _, n := range nodes() {
		if err := c.nodeCgroup(n).Delegate(); err != nil {
			return values{}, err
		}
	}
	if err := network.Check(c.plan); err != nil {
		return values{}, err
	}
	if err := network.RecordSysctl(c.sysctlFile()); err != nil {
		return values{}, err
	}
	mtu, err := network.Ensure(c.plan, c.sysctlFile())
	if err != nil {
		return values{}, err
	}
	v := c.values(mtu)
	if err := c.writeConfig(v); err != nil {
		return values{}, err
	}
	return v, c.writePKI(v)
}

// bringUp starts the components in two steps, since those of the second give up without an API server.
func (c *Cluster) bringUp(ctx context.Context, v values) error {
	began := time.Now()
	all := c.components()
	api := slices.IndexFunc(all, func(p component) bool { return p.Name == apiServerName })
	if err := c.start(ctx, all[:api+1]); err != nil {
		return err
	}
	if err := c.await(ctx, all[:api+1]); err != nil {
		return err
	}
	if err := c.pushPause(ctx); err != nil {
		return err
	}
	if err := c.start(ctx, all[api+1:]); err != nil {
		return err
	}
	if err := c.applyAddons(ctx, v); err != nil {
		return err
	}
	if err := c.await(ctx, all[api+1:]); err != nil {
		return err
	}
	for _, n := range nodes() {
		if err := waitFor(ctx, time.Minute, c.nodeReady(n), nil); err != nil {
			return fmt.Errorf("node %s is not ready: %w", n.Name, err)
		}
		if err := c.showPodRange(ctx, n); err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	if err := waitFor(ctx, time.Minute, c.dnsAnswers, nil); err != nil {
		return fmt.Errorf("cluster DNS is not ready: %w", err)
	}
	if err := c.prove(ctx); err != nil {
		return err
	}
	c.Out.Line("cluster: ready, %s", time.Since(began).Round(100*time.Millisecond))
	return nil
}

// prove runs a test Pod, once in a cluster's life.
func (c *Cluster) prove(ctx context.Context) error {
	if c.settings.Proven {
		return nil
	}
	done := c.Out.Start("first Pod", func() string { return "waiting until it has run" })
	if err := c.runTestPod(ctx); err != nil {
		done("failed")
		return err
	}
	done("ran")
	c.settings.Proven = true
	return c.saveSettings()
}

// start starts those components that do not run with their present configuration.
func (c *Cluster) start(ctx context.Context, list []component) error {
	for _, p := range list {
		if c.table.Current(p.Program) {
			continue
		}
		reason := "started"
		if _, running := c.table.Find(p.Name); running {
			reason = "restarted, its configuration changed"
		}
		c.Out.Line("%s: %s", p.Name, reason)
		if err := c.table.Stop(p.Name, stopGrace); err != nil {
			return err
		}
		if err := c.table.Start(ctx, p.Program); err != nil {
			return err
		}
	}
	return nil
}

// startLimit is how long a component may take until it is well, on a slow and busy machine.
const startLimit = 3 * time.Minute

// await waits until all components of the list are well. One that ends meanwhile is an error at once.
func (c *Cluster) await(ctx context.Context, list []component) error {
	for _, p := range list {
		if p.healthy(ctx) == nil {
			continue
		}
		ended := func() error {
			if _, running := c.table.Find(p.Name); !running {
				return errors.New("it has ended")
			}
			return nil
		}
		done := c.Out.Start(p.Name, func() string { return "waiting until it is ready" })
		if err := waitFor(ctx, startLimit, p.healthy, ended); err != nil {
			done("failed")
			return c.explain(p.Name, err)
		}
		done("ready")
	}
	return nil
}

// explain adds the end of a component's log to its failure, and what to do.
func (c *Cluster) explain(name string, err error) error {
	advice := "run `localkube up` again"
	if name == etcdName {
		advice = "if its data is damaged (it is not synced to disk), `localkube down --purge` starts from nothing"
	}
	return fmt.Errorf("%s: %w; %s. The end of its log %s:\n%s", name, err, advice, c.table.Log(name), tail(c.table.Log(name), 15))
}

func (c *Cluster) pushPause(ctx context.Context) error {
	img, err := image.Pause(filepath.Join(c.settings.Programs, "pause"))
	if err != nil {
		return err
	}
	return image.Push(ctx, c.RegistryAddress(), pauseRepository, img)
}

// makeMountPoints makes the folders that the components see covered, and notes which were not there.
func (c *Cluster) makeMountPoints() error {
	for _, bind := range c.table.Binds[""] { // all nodes' are the same
		if _, err := os.Stat(bind.To); err == nil {
			continue
		}
		if err := os.MkdirAll(bind.To, 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(c.path("made-folders"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(f, bind.To)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) sysctlFile() string { return c.path("sysctl.json") }

// installSelf copies the running launcher, wholly or not at all, and only if it differs.
func installSelf(path string) error {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, self) {
		return nil
	}
	return replaceFile(path, self, 0o755)
}

// tail returns the last n lines of a file.
func tail(path string, n int) string {
	const block = 16 << 10 // bytes, ample for n lines
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(size-block, 0), io.SeekStart)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(lines[max(len(lines)-n, 0):], "\n")
}
