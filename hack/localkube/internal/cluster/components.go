package cluster

import (
	"path/filepath"

	"katkit.dev/katkit/hack/localkube/internal/process"
)

// component is a program of the cluster and how to ask it whether it is well.
type component struct {
	process.Program
	healthy probe
}

// Names of the components, in the order in which they start.
const (
	registryName          = "registry"
	etcdName              = "etcd"
	containerdName        = "containerd"
	apiServerName         = "kube-apiserver"
	controllerManagerName = "kube-controller-manager"
	schedulerName         = "kube-scheduler"
	kubeletName           = "kubelet"
	kubeProxyName         = "kube-proxy"
	coreDNSName           = "coredns"
	networkPolicyName     = "networkpolicy"
)

// components lists all of them in the order in which they start; they end in the opposite one.
func (c *Cluster) components() []component {
	node := c.plan.Node.String()
	first, second := nodes()[0], nodes()[1]
	list := []component{
		c.registry(),
		c.etcd(),
		c.containerd(first),
		c.containerd(second),
		c.apiServer(),
		c.program(controllerManagerName, httpProbe("https://"+node+":10257/healthz"), c.controllerManagerFlags()),
		c.program(schedulerName, httpProbe("https://"+node+":10259/healthz"), []string{"--config=" + c.conf("kube-scheduler.yaml")}, c.conf("kube-scheduler.yaml"), c.conf("kube-scheduler.kubeconfig")),
		c.kubelet(first),
		c.kubelet(second),
		c.program(kubeProxyName, httpProbe("http://"+node+":10256/healthz"), []string{"--config=" + c.conf("kube-proxy.yaml")}, c.conf("kube-proxy.yaml"), c.conf("kube-proxy.kubeconfig")),
		c.program(coreDNSName, httpProbe("http://"+node+":8181/ready"), []string{"-conf", c.conf("Corefile")}, c.conf("Corefile"), c.conf("coredns.kubeconfig")),
	}
	if c.Enforces() {
		list = append(list, c.networkPolicy())
	}
	return list
}

// program makes a component of one of the built programs.
func (c *Cluster) program(name string, healthy probe, flags []string, files ...string) component {
	argv := append([]string{filepath.Join(c.settings.Programs, name)}, flags...)
	return component{process.Program{Name: name, Argv: argv, Env: c.environment(), Files: files}, healthy}
}

func (c *Cluster) registry() component {
	address := c.RegistryAddress()
	return component{process.Program{
		Name: registryName,
		Argv: []string{c.launcher(), "registry", "-listen", address, "-data", c.path("registry")},
		Env:  c.environment(),
	}, httpProbe("http://" + address + "/v2/")}
}

func (c *Cluster) etcd() component {
	metrics := "http://" + c.plan.Node.String() + ":2381"
	return c.program(etcdName, httpProbe(metrics+"/readyz"), []string{
		"--name=" + nodeName,
		"--data-dir=" + c.path("etcd"),
		// Within the namespace whoever can reach this address can do anything; only components and Pods on
		// the host network are there.
		"--listen-client-urls=http://127.0.0.1:2379",
		"--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380",
		"--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=" + nodeName + "=http://127.0.0.1:2380",
		"--listen-metrics-urls=" + metrics,
		"--log-level=warn",
		// A development cluster: writes are several times faster, and a power cut may cost the data.
		"--unsafe-no-fsync",
	})
}

func (c *Cluster) apiServer() component {
	flags := []string{
		"--etcd-servers=http://127.0.0.1:2379",
		"--advertise-address=" + c.plan.Node.String(),
		"--secure-port=6443",
		"--client-ca-file=" + c.pki.Cert("ca"),
		"--tls-cert-file=" + c.pki.Cert("kube-apiserver"),
		"--tls-private-key-file=" + c.pki.Key("kube-apiserver"),
		"--kubelet-certificate-authority=" + c.pki.Cert("ca"),
		"--kubelet-client-certificate=" + c.pki.Cert("kubelet-client"),
		"--kubelet-client-key=" + c.pki.Key("kubelet-client"),
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + c.pki.Cert("front-proxy-ca"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + c.pki.Cert("front-proxy-client"),
		"--proxy-client-key-file=" + c.pki.Key("front-proxy-client"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + c.path("pki", "service-account.pub"),
		"--service-account-signing-key-file=" + c.pki.Key("service-account"),
		"--service-cluster-ip-range=" + c.plan.Services.String(),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
	}
	if c.settings.AuditLog != "" {
		flags = append(flags, "--audit-log-path="+c.settings.AuditLog, "--audit-policy-file="+c.conf("audit-policy.yaml"))
	}
	health := c.apiProbe("/readyz")
	return c.program(apiServerName, health, flags, c.pki.Cert("kube-apiserver"), c.pki.Cert("ca"), c.conf("audit-policy.yaml"))
}

func (c *Cluster) controllerManagerFlags() []string {
	kubeconfig := c.conf("kube-controller-manager.kubeconfig")
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + c.pki.Key("service-account"),
		"--root-ca-file=" + c.pki.Cert("ca"),
		"--cluster-signing-cert-file=" + c.pki.Cert("ca"),
		"--cluster-signing-key-file=" + c.pki.Key("ca"),
		"--allocate-node-cidrs=false", // the nodes share the addresses of Pods
		"--service-cluster-ip-range=" + c.plan.Services.String(),
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
}
