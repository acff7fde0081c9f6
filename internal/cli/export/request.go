package export

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"katkit.dev/katkit/internal/domain/rollout"
	"katkit.dev/katkit/internal/domain/servicedesc"
)

// Workload is a workload to export.
type Workload struct {
	// Kind is one of rollout.Kinds.
	Kind string
	// Name of the workload.
	Name string
	// Container to upgrade; "" for the one that a deployment would choose by itself.
	Container string
}

func (w Workload) String() string { return strings.ToLower(w.Kind) + "/" + w.Name }

// kind is a kind of workload that a role can name.
type kind string

// kindOf knows the spellings of kubectl: singular, plural, short name, with or without the group, in any case.
func kindOf(spelling string) (kind, bool) {
	resource, group, grouped := strings.Cut(strings.ToLower(spelling), ".")
	if grouped && group != "apps" && group != "v1.apps" {
		return "", false
	}
	for _, k := range rollout.Kinds {
		singular := strings.ToLower(k)
		if resource == singular || resource == singular+"s" || !grouped && resource == short[k] {
			return kind(k), true
		}
	}
	return "", false
}

var short = map[string]string{"Deployment": "deploy", "StatefulSet": "sts", "DaemonSet": "ds"}

// list is an empty list of metadata of the kind's objects.
func (k kind) list() *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.APIVersion, list.Kind = "apps/v1", string(k)+"List"
	return list
}

func (k kind) names(list *metav1.PartialObjectMetadataList) []string {
	names := make([]string, 0, len(list.Items))
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}

// parse reads the arguments KIND/NAME and the values [WORKLOAD=]NAME of --container. A workload that is named twice
// is exported once.
func parse(args, containers []string) ([]Workload, error) {
	var workloads []Workload
	for _, arg := range args {
		spelling, name, _ := strings.Cut(arg, "/")
		k, known := kindOf(spelling)
		switch {
		case name == "" || strings.Contains(name, "/"):
			return nil, fmt.Errorf("%q is not of the form KIND/NAME: write it like deployment/web", arg)
		case !known:
			return nil, fmt.Errorf("%q: Katkit upgrades no %q: use deployment, statefulset or daemonset", arg, spelling)
		}
		if w := (Workload{Kind: string(k), Name: name}); !slices.Contains(workloads, w) {
			workloads = append(workloads, w)
		}
	}
	if len(workloads) > servicedesc.MaxRoles {
		return nil, fmt.Errorf("%d workloads: a service description has at most %d; use a folder of the repository for each service", len(workloads), servicedesc.MaxRoles)
	}
	for _, value := range containers {
		if err := choose(workloads, value); err != nil {
			return nil, err
		}
	}
	return workloads, nil
}

// choose sets the container of one workload.
func choose(workloads []Workload, value string) error {
	name, container, named := strings.Cut(value, "=")
	if !named {
		name, container = workloads[0].Name, value
		if len(workloads) > 1 {
			return fmt.Errorf("--container %s: several workloads are exported, say of which one: --container WORKLOAD=%s", value, value)
		}
	}
	if container == "" {
		return fmt.Errorf("--container %q names no container: write it like --container app", value)
	}
	for i := range workloads {
		if workloads[i].Name != name {
			continue
		}
		if workloads[i].Container != "" && workloads[i].Container != container {
			return fmt.Errorf("--container: %s has one container that is upgraded, not both %s and %s", workloads[i], workloads[i].Container, container)
		}
		workloads[i].Container = container
		return nil
	}
	return fmt.Errorf("--container %s: no workload %q is exported", value, name)
}
