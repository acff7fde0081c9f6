// Command logstore stores the logs of builder Pods and serves them to those who may read them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"katkit.dev/katkit/internal/logstore"
)

// version is set when the binary is built.
var version = "dev"

func main() {
	if err := run(ctrl.SetupSignalHandler(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "logstore:", err)
		os.Exit(1)
	}
}

// settings are what the flags say.
type settings struct {
	bucket                 string
	serve, probes, metrics string
	logstore.Settings
}

func parse(args []string) (settings, zap.Options, error) {
	var s settings
	var logging zap.Options
	flags := flag.NewFlagSet("logstore", flag.ContinueOnError)
	flags.StringVar(&s.bucket, "bucket", "", "URL of where the logs are: file:///FOLDER, s3://BUCKET?region=REGION, gs://BUCKET or azblob://CONTAINER, with ?prefix=FOLDER/ for a part of it; needed")
	flags.StringVar(&s.serve, "bind-address", ":8080", "address to serve logs at")
	flags.StringVar(&s.CertFile, "tls-cert-file", "", "certificate to serve logs with, in PEM, read again when it changes; none: plain HTTP")
	flags.StringVar(&s.KeyFile, "tls-key-file", "", "key of the certificate, in PEM")
	flags.DurationVar(&s.Retention, "retention", 720*time.Hour, "how long a log is kept after its newest byte, 1h at least; 0: for ever")
	flags.Int64Var(&s.Limits.LogBytes, "max-log-bytes", 10<<30, "bytes of the longest log that is taken")
	flags.Int64Var(&s.Limits.NamespaceBytes, "max-namespace-bytes", 20<<30, "bytes that all logs of a namespace have together at most; 0: any number")
	flags.IntVar(&s.MaxWrites, "max-writes", 64, "writes at once, of which a namespace has an eighth; in a bucket that is no folder each may need 16 MiB of memory")
	flags.StringVar(&s.probes, "health-probe-bind-address", ":8081", "address to serve /healthz and /readyz at")
	flags.StringVar(&s.metrics, "metrics-bind-address", "0", "address to serve metrics at, such as :8082; 0: nowhere")
	logging.BindFlags(flags)
	if err := flags.Parse(args); err != nil {
		return s, logging, fmt.Errorf("reading the flags: %w", err)
	}
	switch {
	case flags.NArg() > 0:
		return s, logging, fmt.Errorf("unexpected argument %q: flags begin with --", flags.Arg(0))
	case s.bucket == "":
		return s, logging, errors.New("--bucket is missing: name where logs are to be stored, such as file:///var/lib/katkit/logs")
	case s.Retention != 0 && s.Retention < time.Hour:
		return s, logging, fmt.Errorf("--retention=%s is less than an hour, which a build may be silent for; 0 keeps logs for ever", s.Retention)
	case s.Limits.LogBytes < 1 || s.MaxWrites < 1:
		return s, logging, errors.New("--max-log-bytes and --max-writes are 1 at least")
	case s.Limits.NamespaceBytes < 0:
		return s, logging, errors.New("--max-namespace-bytes is a number of bytes, or 0 for any")
	case (s.CertFile == "") != (s.KeyFile == ""):
		return s, logging, errors.New("--tls-cert-file and --tls-key-file go together")
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
	config.UserAgent = "katkit-logstore/" + version
	if s.Bucket, err = logstore.OpenBucket(ctx, s.bucket); err != nil {
		return err
	}
	defer s.Bucket.Close()
	if s.Listener, err = new(net.ListenConfig).Listen(ctx, "tcp", s.serve); err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	defer s.Listener.Close()
	s.Registerer = metrics.Registry
	mgr, err := logstore.NewManager(config, ctrl.Options{
		Metrics:                metricsserver.Options{BindAddress: s.metrics},
		HealthProbeBindAddress: s.probes,
	}, s.Settings)
	if err != nil {
		return err
	}
	ctrl.Log.WithName("logstore").Info("starting", "version", version, "address", s.Listener.Addr().String())
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("running the log store: %w", err)
	}
	return nil
}
