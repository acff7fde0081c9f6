// Package runs is the verb that lists runs: kubectl katkit runs [LINK].
//
// What always holds: nothing is changed.
package runs

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/complete"
	"katkit.dev/katkit/internal/cli/find"
	"katkit.dev/katkit/internal/cli/view"
)

const long = `List the runs of a tenant or of one of its links, the newest first.

PHASES counts those that succeeded, and all.`

const example = `  # The runs of a tenant
  kubectl katkit runs -n d-taskrunner

  # Those of one link
  kubectl katkit runs taskrunner -n d-taskrunner

  # All that you may see
  kubectl katkit runs -A`

// NewCommand makes the verb. It prints to the streams and reads the cluster that connect gives.
func NewCommand(streams genericiooptions.IOStreams, connect cli.Connect) *cobra.Command {
	var all bool
	command := &cobra.Command{
		Use:     "runs [LINK]",
		Short:   "List runs, the newest first",
		Long:    long,
		Example: example,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			link := ""
			if len(args) == 1 {
				link = args[0]
			}
			return list(c.Context(), streams, connect, link, all)
		},
		ValidArgsFunction: complete.Args(connect, complete.Links),
	}
	command.Flags().BoolVarP(&all, "all-namespaces", "A", false, "the runs of all namespaces")
	return command
}

func list(ctx context.Context, streams genericiooptions.IOStreams, connect cli.Connect, link string, all bool) error {
	live, namespace, err := connect()
	if err != nil {
		return err
	}
	where := "namespace " + namespace
	if all {
		namespace, where = "", "any namespace"
	}
	found, err := find.Runs(ctx, live, namespace, link)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		what := "No runs"
		if link != "" {
			what += " of link " + link
		}
		fmt.Fprintf(streams.ErrOut, "%s in %s. kubectl katkit run LINK starts one.\n", what, where)
		return nil
	}
	for _, line := range view.Table(found, time.Now(), all) {
		fmt.Fprintln(streams.Out, line)
	}
	return nil
}
