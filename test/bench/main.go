// Command bench measures what Katkit adds to Pods. Beside runs of three execution phases with an empty ci.sh it times
// the limit in the same minute: three bare Pods of one container and the same builder image, made one after the other
// by a minimal client. `make bench` runs it on the cluster of $KUBECONFIG, else on the local one.
//
// Times are those at which watches of one process told of a change, so they need neither the second-wide stamps of
// objects nor clocks that agree. Only what happens within a builder Pod is told by the agent's report, on the node's
// clock. Writes are counted from the API server's audit log, which the local cluster keeps while this runs; memory
// and CPU are what the manager's own process says.
//
// A target that is missed is printed; it is no error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

func main() {
	ctrl.SetLogger(zap.New())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // stop only ends the signals' delivery
	}
}

// settings are what the flags say.
type settings struct {
	idle, burst int
	auditLog    string
}

func parse(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&s.idle, "n", 10, "runs one after the other, each beside bare Pods")
	flags.IntVar(&s.burst, "burst", 30, "runs at once; 0: none")
	flags.StringVar(&s.auditLog, "audit-log", "", "file that the API server writes its audit log to (default: the local cluster is told to write one)")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if s.idle < 1 || s.burst < 0 || flags.NArg() > 0 {
		return s, errors.New("usage: bench [-n RUNS] [-burst RUNS] [-audit-log FILE]; at least one run is needed")
	}
	return s, nil
}

func run(ctx context.Context, args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	b, err := prepare(ctx, s)
	if err != nil {
		return err
	}
	defer b.close(context.WithoutCancel(ctx))
	results, err := b.measure(ctx)
	if results == nil {
		return err
	}
	return errors.Join(results.write(os.Stdout), err)
}
