package cluster

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"katkit.dev/katkit/hack/localkube/internal/network"
	"katkit.dev/katkit/hack/localkube/internal/pki"
)

func newCluster(t *testing.T) *Cluster {
	t.Helper()
	plan, err := network.NewPlan("10.77.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	return &Cluster{State: state, plan: plan, pki: pki.Dir(filepath.Join(state, "pki")), settings: settings{Network: "10.77.0.0/16", Programs: "/programs"}}
}

func (c *Cluster) testValues() values {
	return values{
		Plan: c.plan, PKI: c.pki, State: c.State, Run: runDir, NodeName: nodeName, Node: nodes()[0], NodeState: c.State,
		Snapshotter: "overlayfs", PauseImage: pauseImage, Registries: c.conf("registries"), RegistryAddress: c.RegistryAddress(),
		CNIDir: c.conf("cni"), MTU: 1400, Cgroup: "/localkube", ShimCgroup: "/localkube/shims", ResolvConf: c.conf("resolv.conf"),
		NameServers: []string{"192.0.2.53"},
	}
}

func TestEveryConfigurationFileIsRendered(t *testing.T) {
	c := newCluster(t)
	if err := c.writeConfig(c.testValues()); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		t.Helper()
		data, err := os.ReadFile(c.conf(name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for name, want := range map[string]string{
		"containerd.toml": `sandbox = "registry.localkube:5000/localkube/pause:1"`,
		"registries/registry.localkube:5000/hosts.toml": `[host."http://10.77.0.2:5000"]`,
		"registries/docker.io/hosts.toml":               `server = "https://registry-1.docker.io"`,
		"kubelet.yaml":                                  "clusterDNS: [10.77.16.10]",
		"kube-proxy.yaml":                               "clusterCIDR: 10.77.64.0/18",
		"kube-scheduler.yaml":                           c.conf("kube-scheduler.kubeconfig"),
		"Corefile":                                      "forward . 192.0.2.53",
		"resolv.conf":                                   "nameserver 192.0.2.53\n",
	} {
		if got := read(name); !strings.Contains(got, want) {
			t.Errorf("%s lacks %q:\n%s", name, want, got)
		}
	}
	var cni struct{ Plugins []struct{ MTU int } }
	if err := json.Unmarshal([]byte(read("cni/10-localkube.conflist")), &cni); err != nil || len(cni.Plugins) != 1 || cni.Plugins[0].MTU != 1400 {
		t.Errorf("CNI configuration: %+v, %v", cni, err)
	}
}

func TestTheNodesHaveNothingInCommonButTheNetwork(t *testing.T) {
	c := newCluster(t)
	if err := c.writeConfig(c.testValues()); err != nil {
		t.Fatal(err)
	}
	addresses := regexp.MustCompile(`(?m)^(root|state|  address|port|healthzPort|containerRuntimeEndpoint|podLogsDir|tlsCertFile|cgroupRoot)\b.*`)
	seen := map[string]string{}
	for _, n := range nodes() {
		for _, name := range []string{n.File("containerd", ".toml"), n.File("kubelet", ".yaml")} {
			data, err := os.ReadFile(c.conf(name))
			if err != nil {
				t.Fatal(err)
			}
			lines := addresses.FindAllString(string(data), -1)
			if len(lines) < 3 {
				t.Errorf("%s: only %q found", name, lines)
			}
			for _, line := range lines {
				if seen[line] != "" {
					t.Errorf("%q is in %s and in %s", line, seen[line], name)
				}
				seen[line] = name
			}
			if tainted := strings.Contains(string(data), "registerWithTaints: [{key: katkit.dev/fleet, value: builders, effect: NoSchedule}]"); tainted != (name == "kubelet-builders.yaml") {
				t.Errorf("%s has the taint: %v", name, tainted)
			}
		}
	}
}

func TestWithoutNameServersTheDNSForwardsNothing(t *testing.T) {
	c := newCluster(t)
	v := c.testValues()
	v.NameServers = nil
	corefile, err := render("Corefile", v)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(corefile), "forward") {
		t.Errorf("Corefile:\n%s", corefile)
	}
}

func TestEveryAddonHasAnAPIPath(t *testing.T) {
	manifest, err := render("addons.yaml", newCluster(t).testValues())
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for document := range strings.SplitSeq(string(manifest), "\n---\n") {
		path, err := objectPath(document)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	for _, want := range []string{
		"/api/v1/namespaces/localkube",
		"/api/v1/namespaces/kube-system/services/kube-dns",
		"/apis/discovery.k8s.io/v1/namespaces/localkube/endpointslices/registry",
		"/apis/rbac.authorization.k8s.io/v1/clusterroles/localkube:coredns",
	} {
		if !slices.Contains(paths, want) {
			t.Errorf("%s is not among %q", want, paths)
		}
	}
	if _, err := objectPath("kind: Secret\nmetadata: {name: x}\n"); err == nil {
		t.Error("an unknown kind has a path")
	}
}

func TestNothingOfTheCommandLinesIsOutsideTheOwnFolders(t *testing.T) {
	c := newCluster(t)
	c.table = nil // not needed to list components
	for _, p := range c.components() {
		for _, arg := range p.Argv {
			for _, foreign := range []string{"/etc/", "/var/lib/", "/opt/", ".kube/", "/run/containerd"} {
				if strings.Contains(arg, foreign) {
					t.Errorf("%s has %s", p.Name, arg)
				}
			}
		}
	}
}

func TestAuditLogIsAChoice(t *testing.T) {
	c := newCluster(t)
	flag := func() string {
		i := slices.IndexFunc(c.apiServer().Argv, func(s string) bool { return strings.HasPrefix(s, "--audit-log-path=") })
		if i < 0 {
			return ""
		}
		return c.apiServer().Argv[i]
	}
	if got := flag(); got != "" {
		t.Errorf("without being asked for: %s", got)
	}
	for _, step := range []struct{ option, want string }{
		{"/tmp/audit.log", "--audit-log-path=/tmp/audit.log"},
		{"", "--audit-log-path=/tmp/audit.log"}, // a later up does not undo it
		{"off", ""},
	} {
		if err := c.choose(Options{AuditLog: step.option}); err != nil {
			t.Fatal(err)
		}
		if got := flag(); got != step.want {
			t.Errorf("after %q: %q, want %q", step.option, got, step.want)
		}
	}
}

func TestEnforcingNetworkPoliciesIsAChoice(t *testing.T) {
	c := newCluster(t)
	program := func() string {
		for _, p := range c.components() {
			if p.Name == networkPolicyName {
				return p.Argv[0]
			}
		}
		return ""
	}
	for _, step := range []struct{ option, want string }{
		{"", ""},
		{"/enforcer", "/enforcer/networkpolicy"},
		{"", "/enforcer/networkpolicy"}, // a later up does not undo it
		{"off", ""},
	} {
		if err := c.choose(Options{Enforcer: step.option}); err != nil {
			t.Fatal(err)
		}
		if got := program(); got != step.want {
			t.Errorf("after %q: %q, want %q", step.option, got, step.want)
		}
	}
}

func TestTheNetworkOfALivingClusterDoesNotChange(t *testing.T) {
	c := newCluster(t)
	if err := c.choose(Options{Network: "10.78.0.0/16"}); err != nil {
		t.Fatal(err)
	}
	if c.RegistryAddress() != "10.78.0.2:5000" {
		t.Errorf("registry at %s", c.RegistryAddress())
	}
	if err := os.Mkdir(c.path("etcd"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := c.choose(Options{Network: "10.79.0.0/16"}); err == nil || !strings.Contains(err.Error(), "--purge") {
		t.Errorf("got %v, want advice to purge", err)
	}
	if err := c.choose(Options{Network: "10.78.0.0/16"}); err != nil {
		t.Errorf("the same network again: %v", err)
	}
}

func TestSettingsAreRemembered(t *testing.T) {
	c := newCluster(t)
	if s, err := readSettings(c.State); err != nil || s.Network != network.DefaultPrefix {
		t.Errorf("of nothing: %+v, %v", s, err)
	}
	c.settings.Proven = true
	if err := c.saveSettings(); err != nil {
		t.Fatal(err)
	}
	if s, err := readSettings(c.State); err != nil || s != c.settings {
		t.Errorf("got %+v, %v, want %+v", s, err, c.settings)
	}
	if err := os.WriteFile(c.path("settings.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readSettings(c.State); err == nil || !strings.Contains(err.Error(), c.path("settings.json")) {
		t.Errorf("broken settings: %v", err)
	}
}

func TestMountsBelow(t *testing.T) {
	mounts := "tmpfs /run tmpfs rw 0 0\noverlay /run/localkube/a overlay rw 0 0\nproc /run/localkube/a/b proc rw 0 0\nx /run/localkube2/c x rw 0 0\n"
	if got, want := mountsBelow("/run/localkube", mounts), []string{"/run/localkube/a", "/run/localkube/a/b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEveryEmbeddedFileIsUsed(t *testing.T) {
	sources, err := os.ReadFile("config.go")
	if err != nil {
		t.Fatal(err)
	}
	addons, err := os.ReadFile("addons.go")
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(configFiles, "config", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !strings.Contains(string(sources)+string(addons), `"`+d.Name()+`"`) {
			t.Errorf("%s is used nowhere", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheEnvironmentKeepsTheClusterOutOfTheProxy(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://proxy.example:3128")
	t.Setenv("NO_PROXY", "intern.example")
	env := newCluster(t).environment()
	if !slices.Contains(env, "HTTPS_PROXY=http://proxy.example:3128") {
		t.Errorf("the proxy is lost: %q", env)
	}
	i := slices.IndexFunc(env, func(s string) bool { return strings.HasPrefix(s, "NO_PROXY=") })
	if i < 0 || !strings.Contains(env[i], "10.77.0.0/16") || !strings.Contains(env[i], "intern.example") {
		t.Errorf("NO_PROXY is not right: %q", env)
	}
}
