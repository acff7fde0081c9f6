package cancel

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/find"
)

// Cancel asks for the end of a run. The note says why nothing was to be done; "" when something was.
func Cancel(ctx context.Context, live client.Client, namespace, name string) (run *v1alpha1.CIRun, note string, err error) {
	run, err = find.Run(ctx, live, namespace, name)
	switch {
	case err != nil:
		return nil, "", err
	case run.Status.State.Terminal():
		return run, fmt.Sprintf("run %s has ended already: %s", name, run.Status.State), nil
	case run.Spec.Cancelled:
		return run, fmt.Sprintf("run %s is being cancelled already", name), nil
	}
	// The UID keeps a new run of the same name alive.
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": run.UID},
		"spec":     map[string]any{"cancelled": true},
	})
	if err != nil {
		return nil, "", fmt.Errorf("making the patch: %w", err)
	}
	if err := live.Patch(ctx, run, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(v1alpha1.ManagedBy)); err != nil {
		return nil, "", find.Explain(err, fmt.Sprintf("cancelling CIRun %s/%s", namespace, name))
	}
	return run, "", nil
}
