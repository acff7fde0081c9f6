// Package find reads runs and links by the names that a person typed, and says what to do where there is none. The verbs
// about runs call it.
package find

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// maxNames is how many names a refusal lists.
const maxNames = 10

// Run reads a run. Where there is none of the name, the error says how to list those that are.
func Run(ctx context.Context, live client.Reader, namespace, name string) (*v1alpha1.CIRun, error) {
	var run v1alpha1.CIRun
	err := live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &run)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("namespace %s has no CIRun %s: kubectl katkit runs -n %s lists them, and -n names another tenant", namespace, name, namespace)
	}
	if err != nil {
		return nil, Explain(err, fmt.Sprintf("reading CIRun %s/%s", namespace, name))
	}
	return &run, nil
}

// Runs reads the runs of a namespace, "" for all, and of a link, "" for all. A link that is not there is refused when it has
// no runs, since its name is wrong then.
func Runs(ctx context.Context, live client.Reader, namespace, link string) ([]v1alpha1.CIRun, error) {
	var list v1alpha1.CIRunList
	if err := live.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, Explain(err, "listing the runs")
	}
	if link == "" {
		return list.Items, nil
	}
	found := slices.DeleteFunc(list.Items, func(run v1alpha1.CIRun) bool { return run.Spec.Link.Name != link })
	if len(found) == 0 && namespace != "" {
		if _, err := Link(ctx, live, namespace, link); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Phases reads the Phases of a run, in no order. A Phase that was left behind by an earlier run of the same name is not
// among them.
func Phases(ctx context.Context, live client.Reader, run *v1alpha1.CIRun) ([]v1alpha1.Phase, error) {
	var list v1alpha1.PhaseList
	if err := live.List(ctx, &list, client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRun: run.Name}); err != nil {
		return nil, Explain(err, fmt.Sprintf("reading the phases of CIRun %s/%s", run.Namespace, run.Name))
	}
	var phases []v1alpha1.Phase
	for _, phase := range list.Items {
		if Belongs(&phase, run) {
			phases = append(phases, phase)
		}
	}
	return phases, nil
}

// Belongs tells whether a Phase is of this run, and not of an earlier one that had its name.
func Belongs(phase *v1alpha1.Phase, run *v1alpha1.CIRun) bool {
	if phase.Spec.Run.Name != run.Name {
		return false
	}
	for _, owner := range phase.OwnerReferences {
		if owner.Kind == "CIRun" && owner.UID != run.UID {
			return false
		}
	}
	return true
}

// Link reads a link. Where there is none of the name, the error lists those that are.
func Link(ctx context.Context, live client.Reader, namespace, name string) (*v1alpha1.TenantRepoLink, error) {
	var link v1alpha1.TenantRepoLink
	err := live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &link)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("namespace %s has no TenantRepoLink %s: %s, and -n names another tenant", namespace, name, others(ctx, live, namespace))
	}
	if err != nil {
		return nil, Explain(err, fmt.Sprintf("reading TenantRepoLink %s/%s", namespace, name))
	}
	return &link, nil
}

func others(ctx context.Context, live client.Reader, namespace string) string {
	var links v1alpha1.TenantRepoLinkList
	if err := live.List(ctx, &links, client.InNamespace(namespace)); err != nil {
		return fmt.Sprintf("kubectl get trl -n %s lists them, if you may", namespace)
	}
	if len(links.Items) == 0 {
		return "it has no link at all"
	}
	names := make([]string, 0, maxNames)
	for i := range links.Items {
		if i == maxNames {
			names = append(names, fmt.Sprintf("and %d more", len(links.Items)-maxNames))
			break
		}
		names = append(names, links.Items[i].Name)
	}
	return "it has " + strings.Join(names, ", ")
}

// Explain says what was tried when an error came up, and what to do where Katkit is not installed, or a right is missing for its kinds.
func Explain(err error, tried string) error {
	// Admission and quotas forbid as well.
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "in API group "+strconv.Quote(v1alpha1.GroupVersion.Group)) {
		return fmt.Errorf("%s: %w.\nKubernetes' roles of the namespace have such rights: view reads, edit starts and ends runs, admin links and approves", tried, err)
	}
	if meta.IsNoMatchError(err) {
		return fmt.Errorf("%s: the cluster does not know Katkit's kinds: Katkit is not installed there, or --context names another cluster (%w)", tried, err)
	}
	return fmt.Errorf("%s: %w", tried, err)
}
