// Package links is the verb that lists links: kubectl katkit links.
//
// What always holds: nothing is changed.
package links

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/complete"
	"katkit.dev/katkit/internal/cli/find"
	"katkit.dev/katkit/internal/cli/view"
)

const long = `List the links of a tenant.

READY tells whether a link works, else why not; kubectl describe trl NAME tells more. COMMIT is the newest one of the branch.`

const example = `  # The links of a tenant
  kubectl katkit links -n d-taskrunner

  # All that you may see
  kubectl katkit links -A`

// NewCommand makes the verb. It prints to the streams and reads the cluster that connect gives.
func NewCommand(streams genericiooptions.IOStreams, connect cli.Connect) *cobra.Command {
	var all bool
	command := &cobra.Command{
		Use:     "links",
		Short:   "List links, and whether they work",
		Long:    long,
		Example: example,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return list(c.Context(), streams, connect, all)
		},
		ValidArgsFunction: complete.Args(connect),
	}
	command.Flags().BoolVarP(&all, "all-namespaces", "A", false, "the links of all namespaces")
	return command
}

func list(ctx context.Context, streams genericiooptions.IOStreams, connect cli.Connect, all bool) error {
	live, namespace, err := connect()
	if err != nil {
		return err
	}
	where := "namespace " + namespace
	if all {
		namespace, where = "", "any namespace"
	}
	var found v1alpha1.TenantRepoLinkList
	if err := live.List(ctx, &found, client.InNamespace(namespace)); err != nil {
		return find.Explain(err, "listing the links")
	}
	if len(found.Items) == 0 {
		fmt.Fprintf(streams.ErrOut, "No links in %s. kubectl katkit link OWNER/REPO makes one.\n", where)
		return nil
	}
	for _, line := range view.Links(found.Items, time.Now(), all) {
		fmt.Fprintln(streams.Out, line)
	}
	return nil
}
