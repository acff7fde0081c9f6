package follow

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/find"
	"katkit.dev/katkit/internal/cli/view"
)

// versions are where the watches go on.
type versions struct{ run, phases string }

// read takes the whole snapshot anew. A run of the same name that is another is not taken.
func (f *follower) read(ctx context.Context) (versions, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var runs v1alpha1.CIRunList
	err := f.live.List(ctx, &runs, client.InNamespace(f.run.Namespace), client.MatchingFields{"metadata.name": f.run.Name})
	if err != nil {
		return versions{}, fmt.Errorf("reading the run: %w", err)
	}
	if len(runs.Items) == 0 || runs.Items[0].UID != f.run.UID {
		return versions{}, errGone
	}
	run := &runs.Items[0]
	var list v1alpha1.PhaseList
	err = f.live.List(ctx, &list, client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRun: run.Name})
	if err != nil {
		return versions{}, fmt.Errorf("reading the phases: %w", err)
	}
	var phases []v1alpha1.Phase
	for i := range list.Items {
		if find.Belongs(&list.Items[i], run) {
			phases = append(phases, list.Items[i])
		}
	}
	f.now = view.Snapshot{Run: run, Phases: phases}
	return versions{runs.ResourceVersion, list.ResourceVersion}, nil
}

// From makes a watch go on where a list was read.
func From(version string) client.ListOption {
	return &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: version}}
}
