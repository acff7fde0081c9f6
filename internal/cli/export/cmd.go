// Package export is the verb that writes the service description of running workloads:
// kubectl katkit export KIND/NAME... [-n TENANT].
//
// What always holds: what is written has no problem that validate would tell, not even a warning, and a deployment of
// it finds the same workloads and containers and changes nothing of them but the image's tag.
package export

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"katkit.dev/katkit/internal/cli"
)

const long = `Write the service description of running workloads: their names, and their images with <hubtag> in place of the tag.

KIND is deployment, statefulset or daemonset, in any of the spellings of kubectl. In a workload with several containers
the one named like the workload is taken; another can be chosen with --container if a deployment would find it by its
image. A tag that holds a commit's sha of 40 digits keeps what is around it: web:v2_<sha> becomes web:v2_<hubtag>.
Environment variables and replicas are not written: a deployment keeps the live ones.`

const example = `  # Save it where Katkit looks for it
  kubectl katkit export deployment/web -n d-taskrunner -f servicedescription/servicedescription.js

  # Two workloads in one description, to the terminal
  kubectl katkit export deploy/web sts/queue -n d-taskrunner

  # The container "app" of a workload with sidecars
  kubectl katkit export deploy/web --container app`

// completionTimeout is how long the shell waits for the names of workloads.
const completionTimeout = 3 * time.Second

// NewCommand makes the verb. It prints to the streams and reads the cluster that connect gives.
func NewCommand(streams genericiooptions.IOStreams, connect cli.Connect) *cobra.Command {
	var file string
	var containers []string
	command := &cobra.Command{
		Use:     "export KIND/NAME...",
		Short:   "Write the service description of running workloads",
		Long:    long,
		Example: example,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("nothing to export: name a workload, such as deployment/web")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			request, err := parse(args, containers)
			if err != nil {
				return err
			}
			live, namespace, err := connect()
			if err != nil {
				return err
			}
			description, err := Describe(c.Context(), live, namespace, request)
			if err != nil {
				return err
			}
			for _, note := range description.Notes {
				fmt.Fprintln(streams.ErrOut, "note:", note)
			}
			if file == "" {
				_, err = streams.Out.Write(description.Content)
				return err
			}
			return save(file, description.Content, streams.ErrOut)
		},
		ValidArgsFunction: func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
			return complete(c.Context(), connect, word)
		},
	}
	command.Flags().StringVarP(&file, "filename", "f", "", "write to this new file instead of the terminal; its folder is made")
	command.Flags().StringArrayVar(&containers, "container", nil,
		"the container to upgrade, as NAME, or WORKLOAD=NAME where several workloads are exported; may be given again")
	return command
}

// save writes a file that must not be there yet.
func save(name string, content []byte, said io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("making the folder of %s: %w", name, err)
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if os.IsExist(err) {
		return fmt.Errorf("%s is there already and was left as it is: remove it first, or leave -f out to see what would be written", name)
	}
	if err != nil {
		return fmt.Errorf("making the file: %w", err)
	}
	_, err = file.Write(content)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(name) // a part of a description is none
		return fmt.Errorf("writing %s: %w", name, err)
	}
	fmt.Fprintf(said, "%s written\n", name)
	return nil
}

// complete gives the words that the shell can go on with: kinds, or names of the kind that was typed.
func complete(ctx context.Context, connect cli.Connect, word string) ([]string, cobra.ShellCompDirective) {
	spelling, _, typed := strings.Cut(word, "/")
	kind, known := kindOf(spelling)
	if !typed || !known {
		return []string{"deployment/", "statefulset/", "daemonset/"}, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	live, namespace, err := connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	list := kind.list()
	if err := live.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var words []string
	for _, name := range kind.names(list) {
		words = append(words, spelling+"/"+name)
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
