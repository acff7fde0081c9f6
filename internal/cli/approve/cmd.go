// Package approve is the verb that lets a phase begin that waits for a person: kubectl katkit approve RUN PHASE.
//
// What always holds: spec.approved and spec.approvedBy of one Phase are set, and nothing else is changed.
package approve

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/complete"
)

const long = `Let a phase of a run begin that waits for approval. PHASE is its name in the workflow.

It needs the verb approve on phases.katkit.dev in the tenant, and patch. Who approved is recorded. An approval is for this
run alone, and cannot be taken back; cancel stops the run.`

const example = `  # Let the deployment of this run begin
  kubectl katkit approve taskrunner-x7k2p DEPLOY -n d-taskrunner`

// NewCommand makes the verb. It prints to the streams and approves in the cluster that connect gives.
func NewCommand(streams genericiooptions.IOStreams, connect cli.Connect) *cobra.Command {
	return &cobra.Command{
		Use:     "approve RUN PHASE",
		Short:   "Let a phase begin that waits for approval",
		Long:    long,
		Example: example,
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return approve(c.Context(), streams, connect, args[0], args[1])
		},
		ValidArgsFunction: complete.Args(connect,
			complete.Runs(func(run *v1alpha1.CIRun) bool { return len(waiting(run)) > 0 }),
			complete.Phases(func(phase v1alpha1.RunPhaseStatus) bool { return phase.State == v1alpha1.PhaseWaitingForApproval })),
	}
}

func approve(ctx context.Context, streams genericiooptions.IOStreams, connect cli.Connect, run, phase string) error {
	live, namespace, err := connect()
	if err != nil {
		return err
	}
	result, err := Approve(ctx, live, namespace, run, phase)
	if err != nil {
		return err
	}
	if result.Note != "" {
		fmt.Fprintln(streams.ErrOut, result.Note)
		return nil
	}
	fmt.Fprintf(streams.Out, "phase.katkit.dev/%s approved by %s\n", result.Phase, result.By)
	return nil
}
