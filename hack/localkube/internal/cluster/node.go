package cluster

import (
	"path/filepath"
	"strconv"

	"katkit.dev/katkit/hack/localkube/internal/process"
)

// node is one of the cluster's nodes: a kubelet and a containerd with folders, mounts and ports of their own. All nodes share the
// cluster's network namespace and so its address, the addresses of Pods, and kube-proxy's rules.
type node struct {
	Name string
	// folder is the node's below the state and the run folder, and the end of its programs' and files' names; "" for the first.
	folder string
	// Port and HealthPort are the kubelet's.
	Port, HealthPort int
	// Labels of the Node, as a flag of the kubelet takes them; a taint of the same key and value keeps all other Pods away.
	Labels, TaintKey, TaintValue string
}

// nodes lists them. The second is a fleet of hosts apart, where a Pod comes only if it asks for it.
func nodes() []node {
	return []node{
		{Name: nodeName, Port: 10250, HealthPort: 10248},
		{
			Name: nodeName + "-" + fleet, folder: fleet, Port: 10350, HealthPort: 10348,
			Labels: fleetKey + "=" + fleet, TaintKey: fleetKey, TaintValue: fleet,
		},
	}
}

// program is the name of a program of the node.
func (n node) program(name string) string {
	if n.folder == "" {
		return name
	}
	return name + "-" + n.folder
}

// File is the name of a file that each node has.
func (n node) File(base, extension string) string { return n.program(base) + extension }

// Run is the node's folder for sockets and runtime state.
func (n node) Run() string { return filepath.Join(runDir, n.folder) }

// Socket is where its containerd listens.
func (n node) Socket() string { return filepath.Join(n.Run(), "containerd.sock") }

// shims is the folder that covers containerd's compiled-in one.
func (n node) shims() string { return filepath.Join(n.Run(), "shims") }

// nodeState is the node's state folder.
func (c *Cluster) nodeState(n node) string { return c.path(n.folder) }

// nodeFolders are those that the node's programs need to find.
func (c *Cluster) nodeFolders(n node) []string {
	state := c.nodeState(n)
	return []string{filepath.Join(state, "kubelet"), filepath.Join(state, "container-logs"), filepath.Join(state, "pod-logs"), n.shims()}
}

// binds is what its programs see in the place of paths that are compiled into them.
func (c *Cluster) binds(n node) []process.Bind {
	state := c.nodeState(n)
	return []process.Bind{
		{From: n.shims(), To: "/run/containerd"},
		{From: filepath.Join(state, "kubelet"), To: "/var/lib/kubelet"},
		{From: filepath.Join(state, "container-logs"), To: "/var/log/containers"},
	}
}

// nodeCgroup is the group below which the node's Pods are.
func (c *Cluster) nodeCgroup(n node) process.Cgroup { return c.cgroup.Child(n.folder) }

func (c *Cluster) containerd(n node) component {
	config := c.conf(n.File("containerd", ".toml"))
	p := c.program(n.program(containerdName), socketProbe(n.Socket()), []string{"--config=" + config, "--log-level=info"}, config)
	return c.onNode(n, p, containerdName)
}

func (c *Cluster) kubelet(n node) component {
	address := c.plan.Node.String()
	config, kubeconfig := c.conf(n.File("kubelet", ".yaml")), c.conf(n.File("kubelet", ".kubeconfig"))
	p := c.program(n.program(kubeletName), httpProbe("http://"+address+":"+strconv.Itoa(n.HealthPort)+"/healthz"), []string{
		"--config=" + config,
		"--kubeconfig=" + kubeconfig,
		"--hostname-override=" + n.Name,
		"--node-ip=" + address,
		"--node-labels=" + n.Labels,
	}, config, kubeconfig, c.pki.Cert(n.File("kubelet-server", "")))
	return c.onNode(n, p, kubeletName)
}

// onNode puts a component of a program among the mounts of a node.
func (c *Cluster) onNode(n node, p component, program string) component {
	p.Argv[0] = filepath.Join(c.settings.Programs, program)
	p.Mounts = n.folder
	return p
}
