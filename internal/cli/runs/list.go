package runs

import (
	"context"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/find"
)

// List reads the runs of a namespace, "" for all, and of a link, "" for all. A link that is not there is refused when it has
// no runs, since its name is wrong then.
func List(ctx context.Context, live client.Reader, namespace, link string) ([]v1alpha1.CIRun, error) {
	var list v1alpha1.CIRunList
	if err := live.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, find.Explain(err, "listing the runs")
	}
	if link == "" {
		return list.Items, nil
	}
	found := slices.DeleteFunc(list.Items, func(run v1alpha1.CIRun) bool { return run.Spec.Link.Name != link })
	if len(found) == 0 && namespace != "" {
		if _, err := find.Link(ctx, live, namespace, link); err != nil {
			return nil, err
		}
	}
	return found, nil
}
