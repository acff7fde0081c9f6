// Package create makes CIRuns, and checks the names that a person gives to what the plugin makes. The verbs run, rerun and
// link call it.
package create

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/find"
)

const (
	// MaxName is what the name of a CIRun and of a link may have, since it becomes a label.
	MaxName = 63
	// suffix is what the API server adds to a generateName.
	suffix = 5
)

// CheckName tells what is wrong with a name for a run or a link. "" is none, and right.
func CheckName(name string) error {
	if name == "" {
		return nil
	}
	if len(name) > MaxName {
		return fmt.Errorf("--name %s has %d characters: it may have %d at most", name, len(name), MaxName)
	}
	if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 {
		return fmt.Errorf("--name %q: %s", name, strings.Join(wrong, "; "))
	}
	return nil
}

// Run makes a CIRun with Katkit's field manager, so that the link's retention may delete it some day. Without a name it is
// named after the link.
func Run(ctx context.Context, live client.Client, namespace, name string, spec v1alpha1.CIRunSpec) (*v1alpha1.CIRun, error) {
	run := &v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec}
	if name == "" {
		run.GenerateName = prefix(spec.Link.Name)
	}
	err := live.Create(ctx, run, client.FieldOwner(v1alpha1.ManagedBy))
	if apierrors.IsAlreadyExists(err) && name != "" {
		return nil, fmt.Errorf("namespace %s has a CIRun %s already: choose another --name, or leave it out", namespace, name)
	}
	if err != nil {
		return nil, find.Explain(err, "creating the run in namespace "+namespace)
	}
	return run, nil
}

// prefix leaves room for the suffix.
func prefix(link string) string {
	return strings.TrimRight(link[:min(len(link), MaxName-suffix-1)], "-.") + "-"
}
