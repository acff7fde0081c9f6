// Command receiver measures the webhook receiver under load: the real binary, with links on a real API server, and 1,000
// deliveries a second over loopback, half of them forged. Latency counts from the moment that a delivery is due, not
// from when it was sent, so that a receiver that stalls cannot hide it. `make bench-receiver` runs it.
//
// The load comes twice: by itself, and beside connections that send forged bodies of GitHub's largest size as fast as
// they are taken. A target that is missed is printed; it is no error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

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
	rate, links, size, floods int
	lasting                   time.Duration
}

func parse(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&s.rate, "rate", 1000, "deliveries a second, half of them forged")
	flags.DurationVar(&s.lasting, "duration", 20*time.Second, "how long")
	flags.IntVar(&s.links, "links", 200, "links, two of each repository")
	flags.IntVar(&s.size, "size", 20<<10, "bytes of a payload")
	flags.IntVar(&s.floods, "floods", 16, "connections that send forged bodies of 25 MiB, in the second part; 0: no second part")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if s.rate < 1 || s.links < 2 || s.size < 1<<10 || s.floods < 0 || s.lasting < time.Second || flags.NArg() > 0 {
		return s, errors.New("usage: receiver [-rate N] [-duration D] [-links N] [-size BYTES] [-floods N]")
	}
	return s, nil
}

func run(ctx context.Context, args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	fmt.Println("starting an API server with", s.links, "links")
	cluster, kubeconfig, err := startCluster(ctx, s.links)
	if err != nil {
		return err
	}
	defer cluster.Stop() //nolint:errcheck // nothing to do about it
	p, err := startReceiver(ctx, kubeconfig)
	if err != nil {
		return err
	}
	defer p.stop()

	fmt.Printf("\n%d deliveries of %d KiB a second for %s, half of them forged\n", s.rate, s.size>>10, s.lasting)
	if err := measure(ctx, p, s, 0); err != nil {
		return err
	}
	if s.floods > 0 {
		fmt.Printf("\nthe same, beside %d connections that send forged bodies of 25 MiB\n", s.floods)
		if err := measure(ctx, p, s, s.floods); err != nil {
			return err
		}
	}
	return nil
}
