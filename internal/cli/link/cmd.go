// Package link is the verb that links a repository to a tenant: kubectl katkit link OWNER/REPO [--token-file FILE] -n TENANT.
//
//	check what was typed ──> observe ──> decide ──> act, as a dry run ──> act ──> wait until Ready tells
//
// What always holds: one TenantRepoLink and one Secret are made at most, and nothing unless the API server takes both; the
// only thing that is ever changed is the token or the App of a Secret that this verb has made; a token or key is never printed.
package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/follow"
	"katkit.dev/katkit/internal/cli/view"
)

// exitNotReady: the link was made, and does not work.
const exitNotReady cli.Exit = 1

const long = `Link a GitHub repository to a tenant, and wait until Katkit has found it.

The repository is OWNER/REPO, or the address of its page, or what git clones from. With --token-file the token is kept in a
Secret that is named after the link; the same command with another token replaces it. The token has to read the
repository's contents and pull requests, and to write commit statuses and deployments if GitHub shall show how runs go. A
public repository needs none to be read.

With --app-id, --app-installation-id and --app-private-key-file it is a GitHub App that reads the repository, with tokens of
an hour for this repository alone; the same command with another key replaces it.

A link that is there already stays as it is: it has to be what is asked for.

Exit code: 0 the link works, 1 it does not, and says why, 2 it could not be told, or nothing was made, 130 stopped by Ctrl-C.
With --wait=false it is 0 when the link is there.`

const example = `  # With the token in a file
  kubectl katkit link acme/taskrunner --token-file FILE -n d-taskrunner

  # With the token of GitHub's command line
  gh auth token | kubectl katkit link acme/taskrunner --token-file - -n d-taskrunner

  # With a GitHub App
  kubectl katkit link acme/taskrunner --app-id 12345 --app-installation-id 67890 --app-private-key-file FILE.pem -n d-taskrunner

  # One service of a monorepo, at another branch, with the token of a Secret that is there
  kubectl katkit link acme/shop --folder services/api --branch develop --secret github -n d-shop

  # An address as the browser has it
  kubectl katkit link https://github.com/acme/shop/tree/develop -n d-shop`

// NewCommand makes the verb. It reads a token from the streams, prints to them, and makes the link in the cluster that connect
// gives.
func NewCommand(streams genericiooptions.IOStreams, connect cli.Connect) *cobra.Command {
	var o options
	var tenant string
	var wait bool
	var timeout time.Duration
	command := &cobra.Command{
		Use:         "link OWNER/REPO",
		Short:       "Link a repository to a tenant",
		Long:        long,
		Example:     example,
		Annotations: map[string]string{cli.AnnotationFailure: "2"},
		Args:        cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.address = args[0]
			if err := checkFlags(c, tenant, timeout); err != nil {
				return err
			}
			if !wait {
				timeout = 0
			}
			return o.link(c.Context(), streams, connect, timeout)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := command.Flags()
	flags.StringVar(&o.branch, "branch", "", "the branch whose commits are deployed (default that of the address, else main)")
	flags.StringVar(&o.folder, "folder", "", "the folder that this link is about, of a monorepo (default the root)")
	flags.StringVar(&o.env, "env", "", "the name of the environment (default the tenant's)")
	flags.StringVar(&o.host, "host", "", "the GitHub (default that of the address, else github.com)")
	flags.StringVar(&o.name, "name", "", "the name of the link (default made of the repository's and the folder)")
	flags.StringVar(&o.tokenFile, "token-file", "", "a file that holds a GitHub token and nothing else; - is the standard input")
	flags.Int64Var(&o.app.id, "app-id", 0, "the ID of a GitHub App, from its settings")
	flags.Int64Var(&o.app.installation, "app-installation-id", 0, "where the App is installed: the number at the end of the address of the installation's page")
	flags.StringVar(&o.app.keyFile, "app-private-key-file", "", "the .pem file of a private key of the App; - is the standard input")
	flags.StringVar(&o.secret, "secret", "", "a Secret of the tenant that is there, with the token in its key token, or with a GitHub App")
	flags.BoolVar(&wait, "wait", true, "wait until Katkit has checked the link")
	flags.DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait")
	flags.StringVar(&tenant, "tenant", "", "the same as --namespace")
	command.MarkFlagsMutuallyExclusive("token-file", "secret", "app-private-key-file")
	command.MarkFlagsRequiredTogether("app-id", "app-installation-id", "app-private-key-file")
	for _, name := range []string{"branch", "folder", "env", "host", "name", "secret", "timeout", "tenant", "app-id", "app-installation-id"} {
		_ = command.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	return command
}

// checkFlags tells what is wrong with the flags, and makes --tenant the namespace.
func checkFlags(c *cobra.Command, tenant string, timeout time.Duration) error {
	for _, name := range []string{"tenant", "token-file", "app-private-key-file", "secret", "name", "branch", "host"} { // an unset variable of a script
		if flag := c.Flags().Lookup(name); flag.Changed && flag.Value.String() == "" {
			return fmt.Errorf("--%s is empty: give it a value, or leave it out", name)
		}
	}
	if timeout < time.Second {
		return fmt.Errorf("--timeout %s is too short: it is 1s at least, and --wait=false does not wait", timeout)
	}
	if token := c.Flags().Lookup("token"); token != nil && secretLooking(token.Value.String()) {
		return errors.New("--token is what kubectl logs in to the cluster with, and was given what looks like a token of GitHub: name a file that holds it with --token-file." +
			" It is in your shell's history now: revoke it, and make a new one")
	}
	if tenant == "" {
		return nil
	}
	namespace := c.Flags().Lookup("namespace")
	if namespace.Changed && namespace.Value.String() != tenant {
		return fmt.Errorf("--tenant %s and --namespace %s are two names for one thing: leave one of them out", shown(tenant), shown(namespace.Value.String()))
	}
	return namespace.Value.Set(tenant)
}

// link makes the link, and waits until Katkit has checked it; with a timeout of 0 it does not wait.
func (o options) link(ctx context.Context, streams genericiooptions.IOStreams, connect cli.Connect, timeout time.Duration) error {
	wanted, secret, err := o.objects(streams)
	if err != nil {
		return err
	}
	live, namespace, err := connect()
	if err != nil {
		return err
	}
	made, err := ensure(ctx, live, namespace, wanted, secret)
	if err != nil {
		return err
	}
	for _, line := range madeLines(made) {
		fmt.Fprintln(streams.Out, line)
	}
	say := sayer(streams)
	if deployerMissing(ctx, live, made.link) {
		say(deployerLines(made.link)...)
	}
	if timeout == 0 {
		say("Katkit checks the link now: " + command("links", made.link) + " shows whether it works")
		return nil
	}
	return await(ctx, streams, live, made, timeout)
}

// objects are the link that the flags ask for, and its Secret; nil when there is no token and no App. Both are without a
// namespace.
func (o options) objects(streams genericiooptions.IOStreams) (*v1alpha1.TenantRepoLink, *corev1.Secret, error) {
	link, err := o.wanted()
	if err != nil {
		return nil, nil, err
	}
	if o.app.given() {
		data, err := o.app.read(streams)
		if err != nil {
			return nil, nil, err
		}
		return link, newSecret(link, data), nil
	}
	if o.tokenFile == "" {
		return link, nil, nil
	}
	token, err := ReadToken(streams, o.tokenFile)
	if err != nil {
		return nil, nil, err
	}
	return link, newSecret(link, map[string][]byte{v1alpha1.SecretKeyToken: []byte(token)}), nil
}

// await waits until Katkit has told whether the link works, and ends the verb with it.
func await(ctx context.Context, streams genericiooptions.IOStreams, live client.WithWatch, made result, timeout time.Duration) error {
	say := sayer(streams)
	w := waiter{live: live, now: made.link, say: func(line string) { say(line) }, pause: follow.Pause}
	if made.plan.link == unchanged && (made.secret == created || made.secret == rotated) {
		w.stale = &made.link.Status
	}
	if w.stale != nil || view.Ready(w.now) == nil {
		say(waitingLine(w.now, w.stale != nil, timeout))
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch err := w.wait(bounded); {
	case ctx.Err() != nil:
		say("stopped waiting; the link stays: " + command("links", w.now) + " shows whether it works")
		return follow.ExitInterrupted
	case errors.Is(err, context.DeadlineExceeded):
		return untoldError(w.now, w.stale != nil, timeout)
	case errors.Is(err, errGone):
		return fmt.Errorf("TenantRepoLink %s was deleted while it was waited for", id(w.now))
	case err != nil:
		return fmt.Errorf("TenantRepoLink %s is there, but it could not be told whether it works: %w", id(w.now), err)
	}
	if view.Ready(w.now).Status != metav1.ConditionTrue {
		say(refusedLines(w.now)...)
		return exitNotReady
	}
	for _, line := range readyLines(w.now) {
		fmt.Fprintln(streams.Out, line)
	}
	return nil
}

// sayer prints what is not the result.
func sayer(streams genericiooptions.IOStreams) func(lines ...string) {
	return func(lines ...string) {
		for _, line := range lines {
			fmt.Fprintln(streams.ErrOut, line)
		}
	}
}
