// Package get is the verb that shows a run: kubectl katkit get RUN [--follow].
//
// What always holds: nothing is changed.
package get

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/complete"
	"katkit.dev/katkit/internal/cli/find"
	"katkit.dev/katkit/internal/cli/follow"
	"katkit.dev/katkit/internal/cli/view"
)

const long = `Show a run: its commit, its phases and what became of them, and what can be done next.

` + follow.Help + `
Without --follow it is 0 when the run could be shown, whatever became of it, else 2.`

const example = `  # How far is this run?
  kubectl katkit get taskrunner-x7k2p -n d-taskrunner

  # See how it goes on, and exit with its result
  kubectl katkit get taskrunner-x7k2p -n d-taskrunner --follow`

// NewCommand makes the verb. It prints to the streams and reads the cluster that connect gives.
func NewCommand(streams genericiooptions.IOStreams, connect cli.Connect) *cobra.Command {
	var following bool
	command := &cobra.Command{
		Use:         "get RUN",
		Short:       "Show a run and its phases",
		Long:        long,
		Example:     example,
		Annotations: map[string]string{cli.AnnotationFailure: "2"},
		Args:        cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return get(c.Context(), streams, connect, args[0], following)
		},
		ValidArgsFunction: complete.Args(connect, complete.Runs(func(*v1alpha1.CIRun) bool { return true })),
	}
	command.Flags().BoolVarP(&following, "follow", "f", false, "watch the run until it has ended, and exit with its result")
	return command
}

func get(ctx context.Context, streams genericiooptions.IOStreams, connect cli.Connect, name string, following bool) error {
	live, namespace, err := connect()
	if err != nil {
		return err
	}
	run, err := find.Run(ctx, live, namespace, name)
	if err != nil {
		return err
	}
	if following {
		return follow.Run(ctx, streams, live, run)
	}
	phases, err := find.Phases(ctx, live, run)
	if err != nil {
		return err
	}
	for _, line := range view.Lines(view.Snapshot{Run: run, Phases: phases}, time.Now(), 0) {
		fmt.Fprintln(streams.Out, line)
	}
	return nil
}
