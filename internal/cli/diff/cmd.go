// Package diff is the verb that tells what a deployment phase of a commit would change, and what it would keep, of what
// runs now: kubectl katkit diff --link NAME --sha SHA [-n TENANT].
//
// What always holds: nothing is changed, in the cluster, in the working copy or on GitHub; all is read live.
package diff

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/complete"
	"katkit.dev/katkit/internal/github"
)

const long = `Tell what a deployment phase of a commit would change of the running services, and what it would keep.

The service description is read at the commit, from GitHub with the token of the link's Secret if you may read that
Secret, else from a clone that has the commit, named with --dir. A GitHub other than github.com has to be named with
--github-host, since the token goes there.

Exit code: 0 nothing would change, 1 something would change, 2 it could not be found out.`

const example = `  # What would this commit change in the tenant?
  kubectl katkit diff --link taskrunner --sha "$(git rev-parse HEAD)" -n d-taskrunner

  # The same, with the file from a clone
  kubectl katkit diff --link taskrunner --sha "$(git rev-parse HEAD)" -n d-taskrunner --dir .

  # A link to a GitHub Enterprise Server
  kubectl katkit diff --link web --sha "$(git rev-parse HEAD)" --github-host github.example.com`

var fullSHA = regexp.MustCompile(`^[0-9a-f]{40}$`)

// options are what the flags say.
type options struct {
	link, sha, dir string
	hosts          []github.Host
}

// NewCommand makes the verb. It prints to the streams and reads the cluster that connect gives; GitHub is told the
// user agent.
func NewCommand(streams genericiooptions.IOStreams, connect cli.Connect, userAgent string) *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:         "diff --link NAME --sha SHA",
		Short:       "Tell what a deployment of a commit would change",
		Long:        long,
		Example:     example,
		Annotations: map[string]string{cli.AnnotationFailure: "2"}, // as with kubectl diff
		Args:        cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			differs, err := o.run(c.Context(), streams, connect, userAgent)
			if err == nil && differs {
				return cli.Exit(1)
			}
			return err
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := command.Flags()
	flags.StringVar(&o.link, "link", "", "the TenantRepoLink whose repository is deployed")
	flags.StringVar(&o.sha, "sha", "", "the commit, as 40 hex digits")
	flags.StringVar(&o.dir, "dir", "", "a clone of the repository to read the commit from, in place of GitHub")
	flags.Func("github-host", "a GitHub that links may name, as NAME or NAME=URL; may be given again (default github.com)", func(value string) error {
		host, err := github.ParseHost(value)
		o.hosts = append(o.hosts, host)
		return err
	})
	_ = command.MarkFlagDirname("dir")
	_ = command.RegisterFlagCompletionFunc("link", complete.Args(connect, complete.Links))
	return command
}

func (o options) run(ctx context.Context, streams genericiooptions.IOStreams, connect cli.Connect, userAgent string) (differs bool, err error) {
	if o.link == "" {
		return false, errors.New("--link is missing: name the TenantRepoLink; kubectl get trl lists them")
	}
	if !fullSHA.MatchString(o.sha) {
		return false, fmt.Errorf("--sha %q is not a commit's full sha of 40 hex digits in lower case: git rev-parse NAME gives it", o.sha)
	}
	live, namespace, err := connect()
	if err != nil {
		return false, err
	}
	link, err := readLink(ctx, live, namespace, o.link)
	if err != nil {
		return false, err
	}
	commit, err := o.commit(ctx, live, link, userAgent)
	if err != nil {
		return false, err
	}
	comparison, err := Compare(ctx, live, link.Namespace, o.sha, commit)
	if err != nil {
		return false, err
	}
	for _, warning := range comparison.Warnings {
		fmt.Fprintln(streams.ErrOut, warning)
	}
	if err := comparison.Text(streams.Out); err != nil {
		return false, fmt.Errorf("printing the result: %w", err)
	}
	return comparison.Differs(), nil
}

// commit opens the repository where the flags say that it is to be read.
func (o options) commit(ctx context.Context, live client.Reader, link *v1alpha1.TenantRepoLink, userAgent string) (Commit, error) {
	if o.dir != "" {
		return openClone(ctx, o.dir, link, o.sha)
	}
	factory, err := github.NewFactory(github.Options{Hosts: o.hosts, UserAgent: userAgent})
	if err != nil {
		return nil, fmt.Errorf("reading --github-host: %w", err)
	}
	return openGitHub(ctx, live, factory, link, o.sha)
}
