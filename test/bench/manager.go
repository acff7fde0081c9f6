package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"katkit.dev/katkit/test/install"
)

// sampleInterval is how often the manager's memory is looked at while it is busy.
const sampleInterval = time.Second

// manager is the manager's Pod.
type manager struct {
	cluster *install.Cluster
	pod     string
}

// usage is what a process uses.
type usage struct {
	memory int64         // resident, in bytes
	cpu    time.Duration // since it began
}

func findManager(ctx context.Context, cluster *install.Cluster) (*manager, error) {
	pods, err := cluster.Clientset.CoreV1().Pods(install.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=manager"})
	if err != nil {
		return nil, fmt.Errorf("looking for the manager's Pod: %w", err)
	}
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning {
			return &manager{cluster: cluster, pod: pod.Name}, nil
		}
	}
	return nil, errors.New("the manager's Pod is gone")
}

// usage asks the manager's own metrics.
func (m *manager) usage(ctx context.Context) (usage, error) {
	text, err := m.cluster.Clientset.CoreV1().RESTClient().Get().Namespace(install.Namespace).Resource("pods").
		Name(fmt.Sprintf("http:%s:%d", m.pod, metricsPort)).SubResource("proxy").Suffix("metrics").DoRaw(ctx)
	if err != nil {
		return usage{}, fmt.Errorf("asking the manager for its metrics: %w", err)
	}
	return readUsage(text)
}

// readUsage reads metrics in Prometheus' text format.
func readUsage(text []byte) (usage, error) {
	memory, err := metric(text, "process_resident_memory_bytes")
	if err != nil {
		return usage{}, err
	}
	cpu, err := metric(text, "process_cpu_seconds_total")
	if err != nil {
		return usage{}, err
	}
	return usage{memory: int64(memory), cpu: time.Duration(cpu * float64(time.Second))}, nil
}

func metric(text []byte, name string) (float64, error) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), name+" "); found {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("the manager's metrics have no %s", name)
}

// watched looks at the manager until its end is called.
type watched struct {
	manager *manager
	stop    context.CancelFunc
	done    sync.WaitGroup
	first   usage
	peak    int64
	err     error
}

func (m *manager) watch(ctx context.Context) *watched {
	w := &watched{manager: m}
	if w.first, w.err = m.usage(ctx); w.err != nil {
		return w
	}
	ctx, w.stop = context.WithCancel(ctx)
	w.done.Go(func() {
		tick := time.NewTicker(sampleInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if now, err := m.usage(ctx); err == nil {
					w.peak = max(w.peak, now.memory)
				}
			}
		}
	})
	return w
}

// end returns the most memory that was seen and the CPU time that was used since watch.
func (w *watched) end(ctx context.Context) (peak int64, cpu time.Duration, err error) {
	if w.err != nil {
		return 0, 0, w.err
	}
	w.stop()
	w.done.Wait()
	last, err := w.manager.usage(ctx)
	return max(w.peak, last.memory), last.cpu - w.first.cpu, err
}
