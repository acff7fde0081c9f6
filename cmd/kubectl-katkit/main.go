// Command kubectl-katkit is the kubectl plugin: kubectl runs it as `kubectl katkit`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"

	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/approve"
	"katkit.dev/katkit/internal/cli/cancel"
	"katkit.dev/katkit/internal/cli/diff"
	"katkit.dev/katkit/internal/cli/export"
	"katkit.dev/katkit/internal/cli/get"
	"katkit.dev/katkit/internal/cli/link"
	"katkit.dev/katkit/internal/cli/links"
	"katkit.dev/katkit/internal/cli/logs"
	"katkit.dev/katkit/internal/cli/prs"
	"katkit.dev/katkit/internal/cli/rerun"
	runverb "katkit.dev/katkit/internal/cli/run"
	"katkit.dev/katkit/internal/cli/runs"
	"katkit.dev/katkit/internal/cli/tenant"
	"katkit.dev/katkit/internal/cli/validate"
)

// version is set when the binary is built.
var version = "dev"

// completion is the name under which kubectl looks for the completions of `kubectl katkit`.
const completion = "kubectl_complete-katkit"

func main() {
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	os.Exit(run(os.Args, streams))
}

// run returns the exit code.
func run(args []string, streams genericiooptions.IOStreams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := command(streams)
	root.SetArgs(arguments(args))
	failed, err := root.ExecuteContextC(ctx)
	code, tell := cli.ExitCode(failed, err)
	if tell {
		fmt.Fprintln(streams.ErrOut, "error:", err)
	}
	return code
}

// arguments are those of the command line. The binary called by the name of the completion is asked to complete.
func arguments(args []string) []string {
	if strings.TrimSuffix(filepath.Base(args[0]), ".exe") == completion {
		return append([]string{cobra.ShellCompRequestCmd}, args[1:]...)
	}
	return args[1:]
}

func command(streams genericiooptions.IOStreams) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-katkit",
		Short: "Make tenants, link repositories; start, follow and steer Katkit's runs; check, export and compare what they deploy",
		Long: "Make a tenant, and link a repository to it. Start runs, see how they go and what they write, approve, cancel and repeat\n" +
			"them. Check the files that Katkit reads in a repository, write one for a running service, and see what a deployment would\n" +
			"change. Every verb acts with your own rights.",
		Example: `  # Make a tenant, as a cluster admin
  kubectl katkit tenant create d-taskrunner --env DEV

  # Link a repository, with a token that may read it
  kubectl katkit link acme/taskrunner --token-file FILE -n d-taskrunner

  # Are the files of this working copy right?
  kubectl katkit validate

  # The service description of what runs now
  kubectl katkit export deployment/web -n d-taskrunner -f servicedescription/servicedescription.js

  # What would a deployment of this commit change?
  kubectl katkit diff --link taskrunner --sha "$(git rev-parse HEAD)" -n d-taskrunner

  # Run it, and see how it goes
  kubectl katkit run taskrunner --sha "$(git rev-parse HEAD)" -n d-taskrunner --follow

  # What the builds write
  kubectl katkit logs taskrunner-x7k2p -n d-taskrunner --follow

  # Let the deployment begin that waits for approval
  kubectl katkit approve taskrunner-x7k2p DEPLOY -n d-taskrunner`,
		Version:       version,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl katkit"},
		SilenceErrors: true,
		SilenceUsage:  true,
		// kubectl completes for its plugins by the binary's other name.
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	flags := genericclioptions.NewConfigFlags(true)
	flags.AddFlags(root.PersistentFlags())
	userAgent := "kubectl-katkit/" + version
	configure := cli.Configurer(flags, userAgent, rest.NewWarningWriter(streams.ErrOut, rest.WarningWriterOptions{Deduplicate: true}))
	connect := cli.Connector(flags, configure)
	root.AddCommand(
		validate.NewCommand(streams),
		export.NewCommand(streams, connect),
		diff.NewCommand(streams, connect, userAgent),
		tenant.NewCommand(streams, connect),
		link.NewCommand(streams, connect),
		links.NewCommand(streams, connect),
		runverb.NewCommand(streams, connect),
		runs.NewCommand(streams, connect),
		prs.NewCommand(streams, connect),
		get.NewCommand(streams, connect),
		logs.NewCommand(streams, connect, configure),
		approve.NewCommand(streams, connect),
		cancel.NewCommand(streams, connect),
		rerun.NewCommand(streams, connect),
	)
	return root
}
