package cluster

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"

	"katkit.dev/katkit/hack/localkube/internal/network"
)

// Enforces tells whether NetworkPolicies are enforced when the cluster is up.
func (c *Cluster) Enforces() bool { return c.settings.Enforcer != "" }

// networkPolicy is what enforces NetworkPolicies. One does for all nodes, which share a network namespace and an address.
func (c *Cluster) networkPolicy() component {
	kubeconfig, health := c.conf("networkpolicy.kubeconfig"), c.plan.Node.String()+":20244"
	p := c.program(networkPolicyName, httpProbe("http://"+health), []string{
		"-kubeconfig=" + kubeconfig,
		"-node=" + nodeName,
		"-services=" + c.plan.Services.String(),
		"-health=" + health,
	}, kubeconfig)
	p.Argv[0] = filepath.Join(c.settings.Enforcer, networkPolicyName)
	return p
}

// stopEnforcing ends what enforces NetworkPolicies and removes its rules, also when it was killed.
func (c *Cluster) stopEnforcing() error {
	if err := c.table.Stop(networkPolicyName, stopGrace); err != nil {
		return err
	}
	return network.RemovePolicies()
}

// showPodRange has a Node tell the addresses of Pods, where people and programs look for them. The nodes share them.
func (c *Cluster) showPodRange(ctx context.Context, n node) error {
	client, err := c.apiClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	patch := fmt.Sprintf(`{"spec": {"podCIDR": %[1]q, "podCIDRs": [%[1]q]}}`, c.plan.Pods)
	_, err = request(ctx, client, http.MethodPatch, c.apiURL()+"/api/v1/nodes/"+n.Name, "application/merge-patch+json", []byte(patch))
	return err
}
