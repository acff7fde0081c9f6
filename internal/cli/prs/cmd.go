// Package prs is the verb that lists the open pull requests of a link: kubectl katkit prs LINK.
//
// What always holds: nothing is changed, and GitHub is not asked: it shows what Katkit saw.
package prs

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/complete"
	"katkit.dev/katkit/internal/cli/find"
	"katkit.dev/katkit/internal/cli/view"
)

const long = `List the open pull requests into a link's home branch, the newest first, each with its last run.

STATE is that of the last run. Where it was of an older commit of the pull request, it names that commit.`

const example = `  # The open pull requests of a link
  kubectl katkit prs taskrunner -n d-taskrunner

  # Run the newest commit of one
  kubectl katkit run taskrunner --pr 42 -n d-taskrunner --follow`

// NewCommand makes the verb. It prints to the streams and reads the cluster that connect gives.
func NewCommand(streams genericiooptions.IOStreams, connect cli.Connect) *cobra.Command {
	return &cobra.Command{
		Use:     "prs LINK",
		Short:   "List the open pull requests of a link, with their last run",
		Long:    long,
		Example: example,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return list(c.Context(), streams, connect, args[0])
		},
		ValidArgsFunction: complete.Args(connect, complete.Links),
	}
}

func list(ctx context.Context, streams genericiooptions.IOStreams, connect cli.Connect, name string) error {
	live, namespace, err := connect()
	if err != nil {
		return err
	}
	link, err := find.Link(ctx, live, namespace, name)
	if err != nil {
		return err
	}
	if problem := view.NotReady(link); problem != "" {
		fmt.Fprintf(streams.ErrOut, "Link %s is not ready, and what is shown may be old: %s\n", name, problem)
	}
	if len(link.Status.PullRequests) == 0 {
		fmt.Fprintf(streams.ErrOut, "No open pull requests into branch %s of %s.\n", link.Spec.HomeBranch, link.Spec.Repository)
		return nil
	}
	made, err := find.Runs(ctx, live, namespace, name)
	if err != nil {
		return err
	}
	for _, line := range view.Pulls(link, made) {
		fmt.Fprintln(streams.Out, line)
	}
	if link.Status.MorePullRequests {
		fmt.Fprintf(streams.ErrOut, "There are more than these %d, which were updated last. kubectl katkit run %s --pr NUMBER runs any of them.\n",
			len(link.Status.PullRequests), name)
	}
	return nil
}
