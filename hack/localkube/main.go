// Command localkube runs a real Kubernetes on this machine, built from pinned Go modules: for the demo, the
// end-to-end tests and the benchmark. See README.md beside it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"katkit.dev/katkit/hack/localkube/internal/build"
	"katkit.dev/katkit/hack/localkube/internal/cluster"
	"katkit.dev/katkit/hack/localkube/internal/debian"
	"katkit.dev/katkit/hack/localkube/internal/process"
	"katkit.dev/katkit/hack/localkube/internal/progress"
	"katkit.dev/katkit/hack/localkube/internal/registry"
)

const usage = `localkube runs a real Kubernetes as processes of this machine.

  localkube up [--network A.B.0.0/16] [--audit-log FILE|off] [--network-policy on|off]
                                 start the cluster, or repair it
  localkube down [--purge]       end it; --purge forgets its state too
  localkube status [-o env]      what runs; exit code 0 when all of it does
  localkube images               put the base images debian and busybox into its registry
  localkube assets               build what envtest needs and print its folder (needs no root)

The state folder is ` + cluster.DefaultState + `, or LOCALKUBE_STATE.
`

func main() {
	if len(os.Args) == 3 && os.Args[1] == process.EntryArgument {
		process.ReportEntryError(process.Enter(os.Args[2]))
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, errNotReady):
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "localkube:", err)
		os.Exit(1)
	}
}

// errNotReady is the result of `status` of a cluster that is not up; the status has been printed.
var errNotReady = errors.New("the cluster is not up")

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return errors.New("no command")
	}
	commands := map[string]func(context.Context, *flag.FlagSet, []string) error{
		"up": up, "down": down, "status": status, "images": images, "assets": assets, "registry": serveRegistry,
	}
	command, known := commands[args[0]]
	if !known {
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("no command %q", args[0])
	}
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	return command(ctx, flags, args[1:])
}

// parse reads a command's flags; no command takes further arguments.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s: unexpected argument %q", flags.Name(), flags.Arg(0))
	}
	return nil
}

func open(out *progress.Printer) (*cluster.Cluster, error) {
	state := os.Getenv("LOCALKUBE_STATE")
	if state == "" {
		state = cluster.DefaultState
	}
	return cluster.Open(state, out)
}

func up(ctx context.Context, flags *flag.FlagSet, args []string) error {
	var o cluster.Options
	flags.StringVar(&o.Network, "network", "", "")
	flags.StringVar(&o.AuditLog, "audit-log", "", "")
	policy := flags.String("network-policy", "", "")
	if err := parse(flags, args); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return cluster.ErrNotRoot
	}
	out := progress.New(os.Stderr)
	c, err := open(out)
	if err != nil {
		return err
	}
	if err := debian.Ensure(ctx, out, debian.Cluster); err != nil {
		return err
	}
	if o.Programs, err = built(ctx, out, build.Binaries, build.All()...); err != nil {
		return err
	}
	if o.Enforcer, err = enforcer(ctx, out, *policy, c.Enforces()); err != nil {
		return err
	}
	if err := c.Up(ctx, o); err != nil {
		return err
	}
	fmt.Printf("The cluster is up. Use it with:\n\n  export KUBECONFIG=%s PATH=%s:$PATH\n  kubectl get pods -A\n", c.Kubeconfig(), o.Programs)
	return nil
}

// enforcer gives what is to enforce NetworkPolicies from now on, as [cluster.Options] take it; before tells whether something did.
func enforcer(ctx context.Context, out *progress.Printer, policy string, before bool) (string, error) {
	switch {
	case policy == "off":
		return "off", nil
	case policy == "" && !before:
		return "", nil
	case policy != "" && policy != "on":
		return "", fmt.Errorf("--network-policy %q: it is on or off", policy)
	}
	if err := debian.Ensure(ctx, out, debian.NetworkPolicy); err != nil {
		return "", err
	}
	return built(ctx, out, build.NetworkPolicy, build.Enforcer)
}

// built builds what is missing of the programs of a folder, and returns where they are.
func built(ctx context.Context, out *progress.Printer, folder string, programs ...build.Program) (string, error) {
	builder, err := build.NewBuilder(folder, out)
	if err != nil {
		return "", err
	}
	return builder.Ensure(ctx, programs)
}

func down(ctx context.Context, flags *flag.FlagSet, args []string) error {
	purge := flags.Bool("purge", false, "")
	if err := parse(flags, args); err != nil {
		return err
	}
	c, err := open(progress.New(os.Stderr))
	if err != nil {
		return err
	}
	return c.Down(ctx, *purge)
}

func status(ctx context.Context, flags *flag.FlagSet, args []string) error {
	format := flags.String("o", "", "")
	if err := parse(flags, args); err != nil {
		return err
	}
	c, err := open(progress.New(os.Stderr))
	if err != nil {
		return err
	}
	s := c.Status(ctx)
	switch *format {
	case "env":
		fmt.Println(strings.Join(c.Variables(), "\n"))
	case "":
		printStatus(os.Stdout, c, s)
	default:
		return fmt.Errorf("status: no output format %q; there is `env`", *format)
	}
	if !s.Ready() {
		return errNotReady
	}
	return nil
}

func printStatus(to io.Writer, c *cluster.Cluster, s cluster.Status) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "COMPONENT\tPID\tSINCE\tHEALTH")
	for _, p := range s.Components {
		if !p.Running {
			fmt.Fprintf(w, "%s\t-\t-\tnot running\n", p.Name)
			continue
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", p.Name, p.Record.PID, p.Record.Started.Format(time.DateTime), health(p.Err))
	}
	for _, n := range s.Nodes {
		fmt.Fprintf(w, "node %s\t\t\t%s\n", n.Name, health(n.Err))
	}
	fmt.Fprintln(w)
	for _, name := range []string{"kubernetes", "etcd", "containerd", "coredns"} {
		fmt.Fprintf(w, "%s\t%s\n", name, s.Versions[name])
	}
	for _, name := range []string{"kubeconfig", "state", "logs", "programs"} {
		fmt.Fprintf(w, "%s\t%s\n", name, c.Paths()[name])
	}
	w.Flush()
}

func health(err error) string {
	if err != nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		return "not well: " + line
	}
	return "ok"
}

func assets(ctx context.Context, flags *flag.FlagSet, args []string) error {
	if err := parse(flags, args); err != nil {
		return err
	}
	dir, err := built(ctx, progress.New(os.Stderr), build.Binaries, build.Kube)
	if err != nil {
		return err
	}
	fmt.Println(dir)
	return nil
}

// serveRegistry is a component of the cluster, started by up.
func serveRegistry(ctx context.Context, flags *flag.FlagSet, args []string) error {
	listen := flags.String("listen", "", "")
	data := flags.String("data", "", "")
	if err := parse(flags, args); err != nil {
		return err
	}
	handler, err := registry.Open(*data, log.Default())
	if err != nil {
		return err
	}
	server := &http.Server{Addr: *listen, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		stopped <- server.Shutdown(last)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
