package cluster

import (
	"os"
	"slices"
	"strings"
)

// proxyVariables is what of the user's environment the components get: containerd pulls images by it.
var proxyVariables = []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"}

// environment is that of every component. Containerd finds its shim, and everybody runc and iptables, in PATH.
func (c *Cluster) environment() []string {
	env := []string{
		"PATH=" + c.settings.Programs + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
	}
	for _, name := range proxyVariables {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	// What is in the cluster's network is never behind the machine's proxy.
	outside := slices.DeleteFunc([]string{os.Getenv("NO_PROXY"), os.Getenv("no_proxy")}, func(s string) bool { return s == "" })
	inside := slices.Concat(outside, []string{c.plan.Prefix.String(), "127.0.0.1", "localhost", ".localkube", ".svc", ".cluster.local"})
	list := strings.Join(inside, ",")
	return append(env, "NO_PROXY="+list, "no_proxy="+list)
}
