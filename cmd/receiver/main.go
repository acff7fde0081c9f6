// Command receiver takes GitHub's webhooks, and annotates the links that they are about.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"katkit.dev/katkit/internal/receiver"
)

// version is set when the binary is built.
var version = "dev"

func main() {
	if err := run(ctrl.SetupSignalHandler(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "receiver:", err)
		os.Exit(1)
	}
}

// settings are what the flags say.
type settings struct {
	secretFile               string
	webhook, probes, metrics string
}

func parse(args []string) (settings, zap.Options, error) {
	var s settings
	var logging zap.Options
	flags := flag.NewFlagSet("receiver", flag.ContinueOnError)
	flags.StringVar(&s.secretFile, "secret-file", "", "file with the webhook's secret, or several, one a line; needed")
	flags.StringVar(&s.webhook, "webhook-bind-address", ":8080", "address to take deliveries at, in plain HTTP: POST "+receiver.Path)
	flags.StringVar(&s.probes, "health-probe-bind-address", ":8081", "address to serve /healthz and /readyz at")
	flags.StringVar(&s.metrics, "metrics-bind-address", "0", "address to serve metrics at, such as :8082; 0: nowhere")
	logging.BindFlags(flags)
	if err := flags.Parse(args); err != nil {
		return s, logging, fmt.Errorf("reading the flags: %w", err)
	}
	if flags.NArg() > 0 {
		return s, logging, fmt.Errorf("unexpected argument %q: flags begin with --", flags.Arg(0))
	}
	if s.secretFile == "" {
		return s, logging, errors.New("--secret-file is missing: without a secret anybody could pass for GitHub")
	}
	return s, logging, nil
}

func run(ctx context.Context, args []string) error {
	s, logging, err := parse(args)
	if err != nil {
		return err
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging)))
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	config.UserAgent = "katkit-receiver/" + version
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.webhook)
	if err != nil {
		return fmt.Errorf("listening for deliveries: %w", err)
	}
	defer listener.Close()
	mgr, err := receiver.NewManager(ctx, config, ctrl.Options{
		Metrics:                metricsserver.Options{BindAddress: s.metrics},
		HealthProbeBindAddress: s.probes,
	}, receiver.Settings{SecretFile: s.secretFile, Listener: listener, Registerer: metrics.Registry})
	if err != nil {
		return err
	}
	ctrl.Log.WithName("receiver").Info("starting", "version", version, "address", listener.Addr().String())
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("running the receiver: %w", err)
	}
	return nil
}
