// Package rerun is the verb that repeats a run: kubectl katkit rerun RUN [--from PHASE].
//
// What always holds: one CIRun is made, and nothing else is changed.
package rerun

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

const long = `Repeat a run that has ended: a new run of the same commit, with the same phases and variables.

It begins with the first phase that did not succeed, or with that of --from. Phases before it are carried over with their
outputs, and have to have succeeded. Approvals are not carried over.

` + follow.Help

const example = `  # Try again what failed
  kubectl katkit rerun taskrunner-x7k2p -n d-taskrunner --follow

  # From this phase on
  kubectl katkit rerun taskrunner-x7k2p --from DEPLOY -n d-taskrunner`

// options are what the flags say.
type options struct {
	run, from, name string
	allowOlder      bool
}

// NewCommand makes the verb. It prints to the streams and makes the run in the cluster that connect gives.
func NewCommand(streams genericiooptions.IOStreams, connect cli.Connect) *cobra.Command {
	var o options
	var following bool
	command := &cobra.Command{
		Use:         "rerun RUN [--from PHASE]",
		Short:       "Repeat a run that has ended",
		Long:        long,
		Example:     example,
		Annotations: map[string]string{cli.AnnotationFailure: "2"},
		Args:        cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.run = args[0]
			return o.rerun(c.Context(), streams, connect, following)
		},
		ValidArgsFunction: complete.Args(connect, complete.Runs(func(run *v1alpha1.CIRun) bool { return run.Status.State.Terminal() })),
	}
	flags := command.Flags()
	flags.StringVar(&o.from, "from", "", "the phase to begin with (default the first that did not succeed; needed when all did)")
	flags.BoolVar(&o.allowOlder, "allow-older", false, "deploy the commit even if a newer one is live")
	flags.StringVar(&o.name, "name", "", "the name of the new run (default the link's with five characters more)")
	flags.BoolVarP(&following, "follow", "f", false, "watch the run until it has ended, and exit with its result")
	_ = command.RegisterFlagCompletionFunc("from", complete.Flag(connect, complete.Phases(func(v1alpha1.RunPhaseStatus) bool { return true })))
	_ = command.RegisterFlagCompletionFunc("name", cobra.NoFileCompletions)
	return command
}

func (o options) rerun(ctx context.Context, streams genericiooptions.IOStreams, connect cli.Connect, following bool) error {
	live, namespace, err := connect()
	if err != nil {
		return err
	}
	made, err := o.start(ctx, live, namespace)
	if err != nil {
		return err
	}
	fmt.Fprintf(streams.Out, "cirun.katkit.dev/%s created\n", made.Name)
	if !following {
		return nil
	}
	return follow.Run(ctx, streams, live, made)
}
