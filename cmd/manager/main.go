// Command manager runs Katkit's controllers: it checks links, plans runs and carries out their phases.
package main

import (
	"flag"
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/controller"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/github"
)

// version is set when the binary is built.
var version = "dev"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1)
	}
}

// settings are what the flags say.
type settings struct {
	hosts       []github.Host
	caBundle    []byte
	metrics     string
	probes      string
	leaderElect bool
	namespace   string
	limits      controller.Limits
	agent       v1alpha1.AgentDelivery
	logStore    string
	logStoreCA  []byte
}

func parse(args []string) (settings, zap.Options, error) {
	var s settings
	var logging zap.Options
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	flags.Func("github-host", "a GitHub that links may name, as NAME or NAME=URL; may be given again (default github.com)", func(value string) error {
		host, err := github.ParseHost(value)
		s.hosts = append(s.hosts, host)
		return err
	})
	flags.Func("github-ca-file", "a file of certificates in PEM that the GitHub hosts are trusted by, beside the system's", func(name string) (err error) {
		s.caBundle, err = os.ReadFile(name)
		return err
	})
	flags.StringVar(&s.metrics, "metrics-bind-address", "0", "address to serve metrics at, such as :8080; 0: nowhere")
	flags.StringVar(&s.probes, "health-probe-bind-address", ":8081", "address to serve /healthz and /readyz at")
	flags.BoolVar(&s.leaderElect, "leader-elect", false, "work only while holding the lease, so that several managers may run")
	flags.StringVar(&s.namespace, "leader-election-namespace", "", "namespace of the lease (default: the manager's own)")
	flags.IntVar(&s.limits.Workers, "workers", 16, "objects of a kind that are worked on at once; a tenant has a quarter of them at most")
	flags.IntVar(&s.limits.Builders, "max-builders", 0, "builder Pods that the cluster may have at once, shared by the tenants in turns; 0: any number")
	flags.Func("agent-delivery", "how builder images get the agent: image-volume, init-container, or auto, which goes by the API server's version (default auto)", func(value string) (err error) {
		s.agent, err = controller.ParseAgentDelivery(value)
		return err
	})
	flags.StringVar(&s.logStore, "log-store-url", "", "where the logs of builder Pods are stored, an address of http or https; empty: nowhere")
	flags.Func("log-store-ca-file", "a file of certificates in PEM that the log store is trusted by, beside the system's", func(name string) (err error) {
		s.logStoreCA, err = os.ReadFile(name)
		return err
	})
	logging.BindFlags(flags)
	if err := flags.Parse(args); err != nil {
		return s, logging, fmt.Errorf("reading the flags: %w", err)
	}
	if flags.NArg() > 0 {
		return s, logging, fmt.Errorf("unexpected argument %q: flags begin with --", flags.Arg(0))
	}
	if s.limits.Workers < 1 || s.limits.Builders < 0 {
		return s, logging, fmt.Errorf("--workers=%d and --max-builders=%d: workers are 1 at least, builders 0 or more", s.limits.Workers, s.limits.Builders)
	}
	return s, logging, nil
}

func run(args []string) error {
	s, logging, err := parse(args)
	if err != nil {
		return err
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging)))
	factory, err := github.NewFactory(github.Options{Hosts: s.hosts, CABundle: s.caBundle, UserAgent: "katkit/" + version})
	if err != nil {
		return fmt.Errorf("reading --github-host and --github-ca-file: %w", err)
	}
	logs, err := buildpod.ParseLogStore(s.logStore, s.logStoreCA)
	if err != nil {
		return fmt.Errorf("reading --log-store-url and --log-store-ca-file: %w", err)
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	config.UserAgent = "katkit-manager/" + version
	mgr, err := controller.NewManager(config, ctrl.Options{
		Metrics:                       server.Options{BindAddress: s.metrics},
		HealthProbeBindAddress:        s.probes,
		LeaderElection:                s.leaderElect,
		LeaderElectionID:              "katkit-manager",
		LeaderElectionNamespace:       s.namespace,
		LeaderElectionReleaseOnCancel: true,
	}, factory, s.limits, s.agent, logs)
	if err != nil {
		return err
	}
	ctrl.Log.WithName("manager").Info("starting", "version", version, "githubHosts", factory.Hosts())
	if err := mgr.Start(ctrl.SetupSignalHandler()); err != nil {
		return fmt.Errorf("running the controllers: %w", err)
	}
	return nil
}
