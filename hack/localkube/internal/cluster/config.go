package cluster

import (
	"bytes"
	"embed"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"text/template"

	"golang.org/x/sys/unix"

	"katkit.dev/katkit/hack/localkube/internal/network"
	"katkit.dev/katkit/hack/localkube/internal/pki"
)

//go:embed config
var configFiles embed.FS

var templates = template.Must(template.New("").ParseFS(configFiles, "config/*"))

// values is what the templates of the configuration files see.
type values struct {
	Plan                network.Plan
	PKI                 pki.Dir
	State, Run          string
	NodeName            string // the first node's
	Node                node   // whose file it is; its state folder and control group
	NodeState, Cgroup   string
	Snapshotter         string
	PauseImage          string
	Registries          string // folder of containerd's hosts.toml files
	RegistryAddress     string
	CNIDir              string
	MTU                 int // bytes
	ShimCgroup          string
	RestrictOOMScoreAdj bool
	ResolvConf          string
	NameServers         []string
}

// Kubeconfig is the path of a component's kubeconfig file.
func (v values) Kubeconfig(name string) string {
	return filepath.Join(v.State, "conf", name+".kubeconfig")
}

// conf is the path of a configuration file.
func (c *Cluster) conf(name string) string { return c.path("conf", name) }

func (c *Cluster) values(mtu int) values {
	return values{
		Plan: c.plan, PKI: c.pki, State: c.State, Run: runDir, NodeName: nodeName,
		Snapshotter:         snapshotter(c.State),
		PauseImage:          pauseImage,
		Registries:          c.conf("registries"),
		RegistryAddress:     c.RegistryAddress(),
		CNIDir:              c.conf("cni"),
		MTU:                 mtu,
		ShimCgroup:          c.cgroup.Child("shims").Path(),
		RestrictOOMScoreAdj: !mayRaiseImportance(),
		ResolvConf:          c.conf("resolv.conf"),
		NameServers:         network.NameServers(),
	}
}

// writeConfig writes every component's configuration file.
func (c *Cluster) writeConfig(v values) error {
	for _, n := range nodes() {
		own := v
		own.Node, own.NodeState, own.Cgroup = n, c.nodeState(n), c.nodeCgroup(n).Path()
		if err := c.writeFiles(own, map[string]string{
			n.File("containerd", ".toml"): "containerd.toml",
			n.File("kubelet", ".yaml"):    "kubelet.yaml",
		}); err != nil {
			return err
		}
	}
	return c.writeFiles(v, map[string]string{
		"registries/" + registryHost + "/hosts.toml": "hosts-local.toml",
		"registries/docker.io/hosts.toml":            "hosts-docker.toml",
		"cni/10-localkube.conflist":                  "cni.conflist",
		"kube-proxy.yaml":                            "kube-proxy.yaml",
		"kube-scheduler.yaml":                        "kube-scheduler.yaml",
		"audit-policy.yaml":                          "audit-policy.yaml",
		"Corefile":                                   "Corefile",
		"resolv.conf":                                "resolv.conf",
	})
}

// writeFiles writes files, whose templates are the values of the map.
func (c *Cluster) writeFiles(v values, files map[string]string) error {
	for file, source := range files {
		content, err := render(source, v)
		if err != nil {
			return err
		}
		path := c.conf(file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := replaceFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func render(name string, v values) ([]byte, error) {
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, name, v); err != nil {
		return nil, fmt.Errorf("configuration %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// writePKI makes the certificates and kubeconfig files.
func (c *Cluster) writePKI(v values) error {
	ca, err := c.pki.EnsureAuthority("ca")
	if err != nil {
		return err
	}
	frontProxy, err := c.pki.EnsureAuthority("front-proxy-ca")
	if err != nil {
		return err
	}
	if err := c.pki.EnsureKeyPair("service-account"); err != nil {
		return err
	}
	node := c.plan.Node.String()
	type certificate struct {
		authority *pki.Authority
		name      string
		subject   pki.Subject
	}
	certificates := []certificate{
		{ca, "kube-apiserver", pki.Subject{Name: "kube-apiserver", Hosts: []string{
			node, c.plan.API.String(), "127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		}}},
		{ca, "kubelet-client", pki.Subject{Name: "kube-apiserver", Groups: []string{"system:masters"}}},
		{frontProxy, "front-proxy-client", pki.Subject{Name: "front-proxy-client"}},
	}
	for _, n := range nodes() {
		certificates = append(certificates, certificate{ca, n.File("kubelet-server", ""), pki.Subject{Name: n.Name, Hosts: []string{node, n.Name}}})
		subject := pki.Subject{Name: "system:node:" + n.Name, Groups: []string{"system:nodes"}}
		if err := ca.EnsureKubeconfig(v.Kubeconfig(n.File("kubelet", "")), n.File("kubelet", ""), c.apiURL(), subject); err != nil {
			return err
		}
	}
	for _, cert := range certificates {
		if err := cert.authority.Ensure(cert.name, cert.subject); err != nil {
			return err
		}
	}
	for name, subject := range map[string]pki.Subject{
		"kube-controller-manager": {Name: "system:kube-controller-manager"},
		"kube-scheduler":          {Name: "system:kube-scheduler"},
		"kube-proxy":              {Name: "system:kube-proxy"},
		"coredns":                 {Name: "localkube:coredns"},
		"networkpolicy":           {Name: "localkube:networkpolicy"},
	} {
		if err := ca.EnsureKubeconfig(v.Kubeconfig(name), name, c.apiURL(), subject); err != nil {
			return err
		}
	}
	return ca.EnsureKubeconfig(c.Kubeconfig(), "admin", c.apiURL(), pki.Subject{Name: "admin", Groups: []string{"system:masters"}})
}

func (c *Cluster) apiURL() string { return "https://" + net.JoinHostPort(c.plan.Node.String(), "6443") }

// snapshotter is overlayfs where the state folder's file system can carry one, else the slow one that always works.
func snapshotter(state string) string {
	dir, err := os.MkdirTemp(state, ".overlay-")
	if err != nil {
		return "native"
	}
	defer os.RemoveAll(dir)
	for _, sub := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return "native"
		}
	}
	merged := filepath.Join(dir, "merged")
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", dir)
	if unix.Mount("overlay", merged, "overlay", 0, options) != nil {
		return "native"
	}
	_ = unix.Unmount(merged, unix.MNT_DETACH)
	return "overlayfs"
}

// mayRaiseImportance tells whether we may lower an oom_score_adj (CAP_SYS_RESOURCE).
func mayRaiseImportance() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[unix.CAP_SYS_RESOURCE/32].Effective&(1<<(unix.CAP_SYS_RESOURCE%32)) != 0
}
