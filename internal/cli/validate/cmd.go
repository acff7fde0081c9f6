// Package validate is the verb that checks the files that Katkit reads in a working copy, without a cluster and
// without a network: kubectl katkit validate [DIR].
//
// What always holds: nothing is written, nothing outside of the folder is read wherever symbolic links may point, and
// of each file not more than Katkit reads of it.
package validate

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"katkit.dev/katkit/internal/cli"
)

const long = `Check katkitconfig.js and servicedescription/servicedescription.js of a working copy, without a cluster.

DIR is the repository's root, the current folder when absent. Every folder in it that has one of the two files is
checked as a link with this folder path would read it: a folder's katkitconfig.js counts before the root's. Hidden
folders, node_modules and other repositories within the working copy are not looked into.

Problems are told as file:line:column, columns in characters, followed by the phases that a run has in each env.
The exit code is 1 when there is an error, and 0 when there are only warnings.`

const example = `  # The working copy of the current folder
  kubectl katkit validate

  # For a program, such as a check of pull requests
  kubectl katkit validate ~/src/taskrunner -o json`

// NewCommand makes the verb. It prints to the streams.
func NewCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:     "validate [DIR]",
		Short:   "Check the files of a working copy, offline",
		Long:    long,
		Example: example,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if output != "" && output != "json" {
				return fmt.Errorf("unknown output format %q of -o: use json, or leave -o out", output)
			}
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				return fmt.Errorf("opening the working copy: %w; DIR is the folder that was cloned", err)
			}
			defer root.Close()
			report, err := Check(c.Context(), root.FS())
			if err != nil {
				return fmt.Errorf("checking %s: %w", dir, err)
			}
			write := report.Text
			if output == "json" {
				write = report.JSON
			}
			if err := write(streams.Out, dir); err != nil {
				return fmt.Errorf("printing the result: %w", err)
			}
			if !report.Valid {
				return cli.Exit(1)
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "", "json: the result for programs")
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json"}, cobra.ShellCompDirectiveNoFileComp))
	return command
}
