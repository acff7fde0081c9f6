// Package cancel is the verb that stops a run: kubectl katkit cancel RUN [--follow].
//
// What always holds: spec.cancelled of one CIRun is set, and nothing else is changed.
package cancel

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/complete"
	"katkit.dev/katkit/internal/cli/follow"
)

const long = `Stop a run: what has not begun does not begin, ci.sh is told to end, and a deployment under way is rolled back. Logs and
results are kept. It cannot be taken back. A run that has ended stays as it is.

` + follow.Help

const example = `  # Stop a run, and see it end
  kubectl katkit cancel taskrunner-x7k2p -n d-taskrunner --follow`

// NewCommand makes the verb. It prints to the streams and stops the run in the cluster that connect gives.
func NewCommand(streams genericiooptions.IOStreams, connect cli.Connect) *cobra.Command {
	var following bool
	command := &cobra.Command{
		Use:         "cancel RUN",
		Short:       "Stop a run",
		Long:        long,
		Example:     example,
		Annotations: map[string]string{cli.AnnotationFailure: "2"},
		Args:        cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return cancel(c.Context(), streams, connect, args[0], following)
		},
		ValidArgsFunction: complete.Args(connect, complete.Runs(func(run *v1alpha1.CIRun) bool { return !run.Status.State.Terminal() })),
	}
	command.Flags().BoolVarP(&following, "follow", "f", false, "watch the run until it has ended, and exit with its result")
	return command
}

func cancel(ctx context.Context, streams genericiooptions.IOStreams, connect cli.Connect, name string, following bool) error {
	live, namespace, err := connect()
	if err != nil {
		return err
	}
	run, note, err := Cancel(ctx, live, namespace, name)
	if err != nil {
		return err
	}
	if note != "" {
		fmt.Fprintln(streams.ErrOut, note)
	} else {
		fmt.Fprintf(streams.Out, "cirun.katkit.dev/%s cancelled\n", run.Name)
	}
	if !following {
		return nil
	}
	return follow.Run(ctx, streams, live, run)
}
