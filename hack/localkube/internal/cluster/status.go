package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"katkit.dev/katkit/hack/localkube/internal/build"
	"katkit.dev/katkit/hack/localkube/internal/process"
)

// ComponentStatus is how one component is.
type ComponentStatus struct {
	Name    string
	Running bool
	Record  process.Record // when running
	Err     error          // why it is not well; nil when it is
}

// NodeStatus is how one node is.
type NodeStatus struct {
	Name string
	Err  error // why it is not ready; nil when it is
}

// Status is how the cluster is.
type Status struct {
	Components []ComponentStatus
	Nodes      []NodeStatus
	Versions   map[string]string // by name
}

// Ready tells whether everything is up.
func (s Status) Ready() bool {
	for _, p := range s.Components {
		if !p.Running || p.Err != nil {
			return false
		}
	}
	return !slices.ContainsFunc(s.Nodes, func(n NodeStatus) bool { return n.Err != nil })
}

// Status looks at every component, once. It changes nothing.
func (c *Cluster) Status(ctx context.Context) Status {
	list := c.components()
	s := Status{Components: make([]ComponentStatus, len(list)), Nodes: make([]NodeStatus, len(nodes())), Versions: build.Versions(c.settings.Programs)}
	var asking sync.WaitGroup
	for i, p := range list {
		s.Components[i].Name = p.Name
		s.Components[i].Record, s.Components[i].Running = c.table.Find(p.Name)
		if s.Components[i].Running {
			asking.Go(func() { s.Components[i].Err = p.healthy(ctx) })
		}
	}
	for i, n := range nodes() {
		s.Nodes[i].Name = n.Name
		asking.Go(func() { s.Nodes[i].Err = c.checkNode(ctx, n) })
	}
	asking.Wait()
	return s
}

// Variables are what a shell needs to use the cluster.
func (c *Cluster) Variables() []string {
	return []string{
		"KUBECONFIG=" + c.Kubeconfig(),
		"KUBEBUILDER_ASSETS=" + c.settings.Programs,
		"LOCALKUBE_REGISTRY=" + c.RegistryAddress(),
		fmt.Sprintf("LOCALKUBE_HOST=%s", c.plan.Host),
	}
}

// Paths are where a person looks, by name.
func (c *Cluster) Paths() map[string]string {
	return map[string]string{"kubeconfig": c.Kubeconfig(), "state": c.State, "logs": c.table.Logs, "programs": c.settings.Programs}
}
