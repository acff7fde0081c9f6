// Package tenant is the verb that makes what a tenant needs: kubectl katkit tenant create NAME --env DEV.
//
//	objects of the flags ──-o yaml──> print
//	      └──> observe ──> decide ──> apply, as a dry run ──> apply ──> what was made, what is next
//
// What always holds: a Namespace that is another tenant's, has another env, or is the system's is left alone unless --force is given;
// what is applied are the fields of the objects that are printed, and no others.
package tenant

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/cli/view"
	"katkit.dev/katkit/internal/domain/text"
)

const long = `Make a tenant: a Namespace with the label and the env that Katkit looks at, and the ServiceAccount that Katkit deploys as, with its
rights. A cluster admin does that, since the label lets Katkit act there.

What is there already stays, and gets what it lacks. The same command again changes nothing.

With --network-policy builders reach the tenant's own Pods, names, Katkit's log store and the world outside of the cluster, and neither
other tenants nor the API server, where the network of the cluster enforces policies. The addresses of the cluster are looked up.

With -o yaml the manifests are printed, to be kept in Git, and no cluster is asked, except for addresses.`

const example = `  # A tenant, and its first link
  kubectl katkit tenant create d-taskrunner --env DEV
  kubectl katkit link acme/taskrunner --token-file FILE -n d-taskrunner

  # In a namespace of another name, with bounds for what runs there
  kubectl katkit tenant create taskrunner --env DEV -n d-taskrunner --quota cpu=8,memory=16Gi,pods=50

  # With builders that reach no other tenant
  kubectl katkit tenant create d-taskrunner --env DEV --network-policy --pod-cidr 10.244.0.0/16

  # The manifests
  kubectl katkit tenant create d-taskrunner --env DEV --quota sample -o yaml > tenant.yaml`

type options struct {
	wanted
	networkPolicy bool
	podCIDRs      []string
	force         bool
	output        string
	dryRun        string
}

// NewCommand makes the verb with its subcommand create. It prints to the streams, and makes the tenant in the cluster that connect gives.
func NewCommand(streams genericiooptions.IOStreams, connect cli.Connect) *cobra.Command {
	command := &cobra.Command{
		Use:   "tenant",
		Short: "Make tenants",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	command.AddCommand(newCreate(streams, connect))
	return command
}

func newCreate(streams genericiooptions.IOStreams, connect cli.Connect) *cobra.Command {
	var o options
	var quota string
	command := &cobra.Command{
		Use:     "create NAME",
		Short:   "Make a tenant, or print what one needs",
		Long:    long,
		Example: example,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.name, o.namespace = args[0], args[0]
			if flag := c.Flags().Lookup("namespace"); flag != nil && flag.Changed {
				o.namespace = flag.Value.String()
			}
			if c.Flags().Changed("env") && o.env == "" { // an unset variable of a script
				return errors.New("--env is empty")
			}
			var err error
			if o.quota, err = parseQuota(quota); err != nil {
				return err
			}
			return create(c.Context(), streams, connect, o)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := command.Flags()
	flags.StringVar(&o.env, "env", "", "the name of the environment, as DEV; katkitconfig.js has its phases by it")
	flags.StringVar(&quota, "quota", "", "bounds for all that runs in the namespace, as "+sampleQuota+", or sample for these")
	flags.BoolVar(&o.networkPolicy, "network-policy", false, "a NetworkPolicy that keeps builders away from other tenants and the API server")
	flags.StringSliceVar(&o.podCIDRs, "pod-cidr", nil, "for --network-policy, the addresses of all Pods, as the network plugin was told (default those of the Nodes there are)")
	flags.BoolVar(&o.force, "force", false, "take over a Namespace of another tenant, of another env, or of the system")
	flags.StringVarP(&o.output, "output", "o", "", "yaml prints the manifests, and makes nothing")
	flags.StringVar(&o.dryRun, "dry-run", "none", "client is the same as -o yaml")
	for flag, values := range map[string][]string{"output": {"yaml"}, "dry-run": {"none", "client"}, "env": nil, "quota": {"sample"}, "pod-cidr": nil} {
		if err := command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // a flag that is not there: a mistake in the code
		}
	}
	return command
}

func create(ctx context.Context, streams genericiooptions.IOStreams, connect cli.Connect, o options) error {
	switch {
	case o.output != "" && o.output != "yaml":
		return fmt.Errorf("-o %q: only yaml is there", o.output)
	case o.dryRun != "none" && o.dryRun != "client":
		return fmt.Errorf("--dry-run %q: it is none or client", o.dryRun)
	}
	if err := errors.Join(o.check(), checkRanges(o.podCIDRs)); err != nil {
		return err
	}
	printed := o.output == "yaml" || o.dryRun == "client"
	if err := o.lookAround(ctx, streams, connect, printed); err != nil {
		return err
	}
	if printed {
		manifests, err := o.yaml()
		if err != nil {
			return err
		}
		_, err = streams.Out.Write(manifests)
		return err
	}
	live, _, err := connect()
	if err != nil {
		return err
	}
	made, warnings, err := ensure(ctx, live, o.wanted, o.force)
	for _, line := range made {
		fmt.Fprintln(streams.Out, line)
	}
	for _, line := range warnings {
		fmt.Fprintln(streams.ErrOut, "Warning:", text.Line(line))
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(streams.Out, "\nNext:\n  kubectl katkit link OWNER/REPO --token-file FILE -n %s\n", view.Quote(o.namespace))
	return nil
}

// lookAround finds out what a NetworkPolicy has to know of the cluster, when one is wanted. What cannot be found is left to the
// user to fill in, where the manifests are printed.
func (o *options) lookAround(ctx context.Context, streams genericiooptions.IOStreams, connect cli.Connect, printed bool) error {
	if !o.networkPolicy {
		if len(o.podCIDRs) > 0 {
			return errors.New("--pod-cidr is for --network-policy, which is not given")
		}
		return nil
	}
	live, _, err := connect()
	if err != nil {
		return err
	}
	found, unknown := observeNetwork(ctx, live, o.podCIDRs)
	o.network = &found
	if len(unknown) > 0 && !printed {
		return fmt.Errorf("not all addresses are known that the NetworkPolicy is about, so nothing is made; with -o yaml it is printed, to be filled in:\n%s",
			text.Lines("  "+strings.Join(unknown, "\n  ")))
	}
	for _, line := range unknown {
		fmt.Fprintln(streams.ErrOut, "Warning: fill in:", text.Line(line))
	}
	if len(o.podCIDRs) == 0 && found.pods[0] != unknownPods {
		fmt.Fprintf(streams.ErrOut, "Warning: Pods are taken to have addresses of %s, as the Nodes say. If the network plugin gives out others, or Nodes to come bring others, "+
			"name the whole range: --pod-cidr\n", text.Line(strings.Join(found.pods, ", ")))
	}
	return nil
}
