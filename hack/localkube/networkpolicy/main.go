// Command networkpolicy enforces the NetworkPolicies of the local cluster, by firewall rules of the network namespace that it runs in: it
// is kube-router's controller of them alone, without its router and its proxy, which the cluster has no use for.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	config := options.NewKubeRouterConfig()
	config.EnableIPv4 = true
	config.ClusterIPCIDRs = []string{""}
	config.IPTablesSyncPeriod = time.Hour // what changes is followed at once
	flag.StringVar(&config.Kubeconfig, "kubeconfig", "", "file")
	flag.StringVar(&config.HostnameOverride, "node", "", "a Node; Pods of all Nodes with its address are under control")
	flag.StringVar(&config.ClusterIPCIDRs[0], "services", "", "the addresses of Services")
	health := flag.String("health", "", "HOST:PORT that answers 200 when the rules of what was there at the start are in force")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := enforce(ctx, config, *health); err != nil {
		fmt.Fprintln(os.Stderr, "networkpolicy:", err)
		os.Exit(1)
	}
}

// enforce follows Pods and policies until ctx is done. The rules stay.
func enforce(ctx context.Context, config *options.KubeRouterConfig, health string) error {
	rest, err := clientcmd.BuildConfigFromFlags("", config.Kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return err
	}
	tables, sets, err := netpol.NewIPTablesHandlers(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("reading all %v: %w", kind, context.Cause(ctx))
		}
	}
	controller, err := netpol.NewNetworkPolicyController(client, config, pods, policies, namespaces, &sync.Mutex{}, tables, sets)
	if err != nil {
		return err
	}
	for informer, handler := range map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		pods: controller.PodEventHandler, namespaces: controller.NamespaceEventHandler, policies: controller.NetworkPolicyEventHandler,
	} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	return run(ctx, controller, health)
}

func run(ctx context.Context, controller *netpol.NetworkPolicyController, health string) error {
	beats := make(chan *healthcheck.ControllerHeartbeat)
	var ready atomic.Bool
	go func() {
		<-beats // the first pass begins
		controller.RequestFullSync()
		<-beats // it has ended, since another one begins
		ready.Store(true)
		for range beats {
		}
	}()
	server := &http.Server{Addr: health, ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	var running sync.WaitGroup
	running.Add(1)
	go controller.Run(beats, ctx.Done(), &running)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	running.Wait()
	return nil
}
