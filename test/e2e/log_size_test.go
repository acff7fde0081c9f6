package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/test/install"
)

var _ = Describe("A build of 1 GiB of output", func() {
	It("costs the agent, the manager and the log store no memory for it", func(ctx SpecContext) {
		logStoreURL(ctx)
		const size, most = 1 << 30, 64 << 20
		t := newTenant(ctx, "DEV")
		run := t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh": script(
				fmt.Sprintf("(yes 'all work and no play makes a log a dull read' || :) | head -c %d", size),
				"echo; grep VmHWM /proc/$PPID/status"), // the most that its parent, the agent, had resident
			configFile: workflow(build),
		}))
		peaks := map[string]int64{}
		Eventually(func(g Gomega, ctx context.Context) {
			noteMemory(ctx, peaks, t.namespace, install.Namespace)
			g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(run), run)).To(Succeed())
			g.Expect(run.Status.State.Terminal()).To(BeTrue())
		}).WithContext(ctx).Should(Succeed())
		phase := phasesOf(ctx, succeeded(ctx, run))["BUILD"]
		Eventually(func(g Gomega, ctx context.Context) {
			noteMemory(ctx, peaks, t.namespace, install.Namespace)
			phase = phasesOf(ctx, run)["BUILD"]
			g.Expect(phase.Status.Attempts[0].Replicas[0].Log.Stored).To(HaveValue(And(
				HaveField("State", v1alpha1.StoredLogComplete), HaveField("Bytes", BeNumerically(">", size)))))
		}).WithContext(ctx).Should(Succeed())

		var agent int64 // in KiB
		lines := strings.Split(strings.TrimSpace(logOf(ctx, phase)), "\n")
		_, err := fmt.Sscanf(lines[len(lines)-1], "VmHWM: %d kB", &agent)
		Expect(err).NotTo(HaveOccurred())
		peaks["agent"] = agent << 10
		AddReportEntry("bytes resident at most", peaks)
		for _, name := range []string{"agent", contract.CheckoutContainer, "manager", "logstore"} {
			Expect(peaks).To(HaveKeyWithValue(name, And(BeNumerically(">", 0), BeNumerically("<", most))))
		}
	}, SpecTimeout(4*patience))
})

// noteMemory looks at what the containers of namespaces have resident now, and keeps the most of each, in bytes by the container's name.
func noteMemory(ctx context.Context, peaks map[string]int64, namespaces ...string) {
	GinkgoHelper()
	nodes, err := suite.Clientset.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	Expect(err).NotTo(HaveOccurred())
	for i := range nodes.Items {
		said, err := suite.Clientset.CoreV1().RESTClient().Get().Resource("nodes").Name(nodes.Items[i].Name).SubResource("proxy").Suffix("stats/summary").DoRaw(ctx)
		Expect(err).NotTo(HaveOccurred())
		var summary struct {
			Pods []struct {
				PodRef     struct{ Namespace string }
				Containers []struct {
					Name   string
					Memory struct{ RSSBytes int64 }
				}
			}
		}
		Expect(json.Unmarshal(said, &summary)).To(Succeed())
		for _, pod := range summary.Pods {
			for _, container := range pod.Containers {
				if slices.Contains(namespaces, pod.PodRef.Namespace) {
					peaks[container.Name] = max(peaks[container.Name], container.Memory.RSSBytes)
				}
			}
		}
	}
}
