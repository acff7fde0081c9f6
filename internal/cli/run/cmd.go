// Package run is the verb that starts a run: kubectl katkit run LINK [--sha SHA] [--branch B | --pr N].
//
// What always holds: one CIRun is made, and nothing else is changed.
package run

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/complete"
	"katkit.dev/katkit/internal/cli/follow"
)

const long = `Start a run of a link: one commit goes through the phases of its workflow.

Without --sha, --branch and --pr it is the newest commit of the link's home branch. --sha with --branch or --pr is a commit
of that branch or pull request. A fork's commit is not deployed, nor is one that is named by --sha alone where GitHub does
not show that a branch of the repository has it: name the branch, too.

` + follow.Help

const example = `  # The newest commit of the home branch, and see how it goes
  kubectl katkit run taskrunner -n d-taskrunner --follow

  # This commit
  kubectl katkit run taskrunner --sha "$(git rev-parse HEAD)" -n d-taskrunner

  # A pull request, with a variable for ci.sh
  kubectl katkit run taskrunner --pr 42 --env LEVEL=debug -n d-taskrunner

  # Exactly the commit of a pull request that you have read, and only these phases
  kubectl katkit run taskrunner --pr 42 --sha SHA --phase BUILD --phase TEST -n d-taskrunner

  # Back to an older commit
  kubectl katkit run taskrunner --sha "$(git rev-parse HEAD~1)" --allow-older -n d-taskrunner`

// NewCommand makes the verb. It prints to the streams and makes the run in the cluster that connect gives.
func NewCommand(streams genericiooptions.IOStreams, connect cli.Connect) *cobra.Command {
	var o options
	var timeout time.Duration
	var following bool
	command := &cobra.Command{
		Use:         "run LINK [--sha SHA] [--branch NAME | --pr NUMBER]",
		Short:       "Start a run of a commit",
		Long:        long,
		Example:     example,
		Annotations: map[string]string{cli.AnnotationFailure: "2"},
		Args:        cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.link = args[0]
			if c.Flags().Changed("timeout") {
				o.timeout = &timeout
			}
			o.byNumber = c.Flags().Changed("pr")
			return o.run(c.Context(), streams, connect, following)
		},
		ValidArgsFunction: complete.Args(connect, complete.Links),
	}
	flags := command.Flags()
	flags.StringVar(&o.sha, "sha", "", "the commit, as 40 hex digits")
	flags.StringVar(&o.branch, "branch", "", "the branch whose newest commit is run, or that the commit of --sha is on")
	flags.Int32Var(&o.pullRequest, "pr", 0, "the number of the pull request whose newest commit is run, or that has the commit of --sha")
	flags.StringArrayVar(&o.phases, "phase", nil, "a phase of the workflow that is run, instead of all; may be given again")
	flags.StringArrayVar(&o.env, "env", nil, "a variable for ci.sh, as NAME=VALUE; may be given again")
	flags.BoolVar(&o.allowOlder, "allow-older", false, "deploy the commit even if a newer one is live")
	flags.DurationVar(&timeout, "timeout", 0, "how long the run may take, such as 90m (default 3h)")
	flags.StringVar(&o.name, "name", "", "the name of the run (default the link's with five characters more)")
	flags.BoolVarP(&following, "follow", "f", false, "watch the run until it has ended, and exit with its result")
	command.MarkFlagsMutuallyExclusive("branch", "pr")
	_ = command.RegisterFlagCompletionFunc("pr", complete.Flag(connect, complete.Pulls))
	_ = command.RegisterFlagCompletionFunc("sha", complete.Flag(connect, complete.Commits))
	for _, name := range []string{"branch", "phase", "env", "timeout", "name"} {
		_ = command.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return command
}

func (o options) run(ctx context.Context, streams genericiooptions.IOStreams, connect cli.Connect, following bool) error {
	wanted, err := o.spec()
	if err != nil {
		return err
	}
	live, namespace, err := connect()
	if err != nil {
		return err
	}
	made, err := Start(ctx, live, namespace, o.name, wanted)
	if err != nil {
		return err
	}
	fmt.Fprintf(streams.Out, "cirun.katkit.dev/%s created\n", made.Name)
	if !following {
		return nil
	}
	return follow.Run(ctx, streams, live, made)
}
