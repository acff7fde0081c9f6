package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

const secret = "the-secret-of-the-bench"

// repository is the name of the n-th.
func repository(n int) string { return fmt.Sprintf("acme/app-%d", n) }

// startCluster starts an API server with links, two of each repository, and returns an admin's kubeconfig, too.
func startCluster(ctx context.Context, links int) (*envtest.Environment, []byte, error) {
	cluster := &envtest.Environment{CRDDirectoryPaths: []string{filepath.Join("config", "crd")}, ErrorIfCRDPathMissing: true}
	config, err := cluster.Start()
	if err != nil {
		return nil, nil, fmt.Errorf("starting the API server (KUBEBUILDER_ASSETS is the folder that hack/envtest-assets.sh prints): %w", err)
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return cluster, nil, err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return cluster, nil, err
	}
	admin, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return cluster, nil, err
	}
	for _, namespace := range []string{"d-one", "d-two"} {
		if err := admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
			return cluster, nil, err
		}
		for n := range links / 2 {
			link := &v1alpha1.TenantRepoLink{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("app-%d", n)},
				Spec:       v1alpha1.TenantRepoLinkSpec{Repository: repository(n), HomeBranch: "main"},
			}
			if err := admin.Create(ctx, link); err != nil {
				return cluster, nil, fmt.Errorf("making a link: %w", err)
			}
		}
	}
	user, err := cluster.AddUser(envtest.User{Name: "bench", Groups: []string{"system:masters"}}, config)
	if err != nil {
		return cluster, nil, err
	}
	kubeconfig, err := user.KubeConfig()
	return cluster, kubeconfig, err
}

// process is the receiver that runs.
type process struct {
	command               *exec.Cmd
	dir, webhook, metrics string
}

func startReceiver(ctx context.Context, kubeconfig []byte) (*process, error) {
	dir, err := os.MkdirTemp("", "katkit-bench-")
	if err != nil {
		return nil, err
	}
	p := &process{dir: dir}
	if err := p.start(ctx, kubeconfig); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *process) start(ctx context.Context, kubeconfig []byte) error {
	binary := filepath.Join(p.dir, "receiver")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "./cmd/receiver")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the receiver: %w: %s", err, output)
	}
	files := map[string][]byte{"kubeconfig": kubeconfig, "secret": []byte(secret)}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(p.dir, name), content, 0o600); err != nil {
			return err
		}
	}
	var addresses [3]string
	for i := range addresses {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addresses[i] = listener.Addr().String()
		listener.Close()
	}
	p.webhook, p.metrics = "http://"+addresses[0]+"/webhook", "http://"+addresses[1]+"/metrics"
	p.command = exec.CommandContext(ctx, binary, "--secret-file="+filepath.Join(p.dir, "secret"),
		"--webhook-bind-address="+addresses[0], "--metrics-bind-address="+addresses[1], "--health-probe-bind-address="+addresses[2])
	// As in config/receiver.
	p.command.Env = append(os.Environ(), "GOMEMLIMIT=200MiB", "KUBECONFIG="+filepath.Join(p.dir, "kubeconfig"))
	p.command.Stderr = os.Stderr
	if err := p.command.Start(); err != nil {
		return fmt.Errorf("starting the receiver: %w", err)
	}
	ready := func(context.Context) (bool, error) {
		response, err := http.Get("http://" + addresses[2] + "/readyz")
		if err != nil {
			return false, nil //nolint:nilerr // it does not listen yet
		}
		return response.StatusCode == http.StatusOK, response.Body.Close()
	}
	if err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true, ready); err != nil {
		return fmt.Errorf("waiting for the receiver to be ready: %w", err)
	}
	return nil
}

func (p *process) stop() {
	if p.command != nil && p.command.Process != nil {
		_ = p.command.Process.Signal(syscall.SIGTERM)
		_ = p.command.Wait()
	}
	os.RemoveAll(p.dir)
}

// memory is what the kernel says of the process: resident now, and at most since it was asked last, in MiB.
func (p *process) memory() (now, most int) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return 0, 0
	}
	value := func(name string) int {
		_, rest, _ := strings.Cut(string(status), name+":")
		kib, _ := strconv.Atoi(strings.Fields(rest + " 0")[0])
		return kib >> 10
	}
	return value("VmRSS"), value("VmHWM")
}

// resetPeak makes the kernel forget the most that was resident.
func (p *process) resetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.command.Process.Pid), []byte("5"), 0o600)
}

// counters are the receiver's own metrics, and its heap in MiB.
func (p *process) counters() (map[string]float64, error) {
	response, err := http.Get(p.metrics)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	counters := map[string]float64{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		value, err := strconv.ParseFloat(text, 64)
		switch {
		case err != nil:
		case strings.HasPrefix(name, "katkit_receiver_"):
			counters[strings.TrimPrefix(name, "katkit_receiver_")] = value
		case name == "go_memstats_heap_inuse_bytes":
			counters["heap"] = value / (1 << 20)
		case name == "process_cpu_seconds_total":
			counters["cpu"] = value
		}
	}
	return counters, nil
}
