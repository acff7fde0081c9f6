package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/test/install"
)

// bigLines is how many lines of 100 bytes the spec's ci.sh writes: 200 MiB.
const bigLines = 200 << 20 / 100

// bigLog returns the hash, in hex, of the lines of such a ci.sh, from the first of them to one.
func bigLog(lines int) string {
	sum := sha256.New()
	for i := range lines {
		fmt.Fprintf(sum, "line %094d\n", i+1)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

var _ = Describe("The log of a build of 200 MiB of output", func() {
	It("is stored to the byte, though the Pod, the manager and the log store are killed while output flows, each once", func(ctx SpecContext) {
		store := logStoreURL(ctx)
		t := newTenant(ctx, "DEV")
		g := newGate(ctx)
		const half, chunk = bigLines / 2, 1 << 10
		const more = half + chunk
		run := t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh": script(
				"lines() { seq -f 'line %094.0f' $(($1 + 1)) $2; }",
				fmt.Sprintf("lines 0 %d", half),
				"# The rest trickles, until the gate is open.",
				fmt.Sprintf("n=%d", half),
				fmt.Sprintf("until [ $n -eq %d ] || %s; do lines $n $((n + %d)); n=$((n + %[3]d)); sleep 0.1; done", bigLines, g.isOpen(), chunk),
				fmt.Sprintf("lines $n %d", bigLines)),
			configFile: workflow(build),
		}), func(link *v1alpha1.TenantRepoLinkSpec) { link.Builder.Retry = &v1alpha1.RetrySpec{OnInfra: true} })

		By("killing the Pod, beyond half the way")
		first := isRunning(ctx, run, 1)
		awaitStored(ctx, t, store, run, first.Name, 100*more)
		Expect(suite.Clientset.CoreV1().Pods(first.Namespace).Delete(ctx, first.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})).To(Succeed())

		By("killing manager and store, when the next attempt is there")
		second := isRunning(ctx, run, 2)
		awaitStored(ctx, t, store, run, second.Name, 100*more)
		managerIsBack, storeIsBack := kill(ctx, "manager"), kill(ctx, "logstore")
		storeIsBack(ctx)
		back := awaitStored(ctx, t, store, run, second.Name, 100*more)
		Expect(awaitStored(ctx, t, store, run, second.Name, back+1)).To(BeNumerically("<", 100*bigLines), "it trickled all the time")
		g.open(ctx)
		managerIsBack(ctx)

		succeeded(ctx, run)
		Eventually(func(g Gomega, ctx context.Context) {
			attempts := phasesOf(ctx, run)["BUILD"].Status.Attempts
			g.Expect(attempts).To(HaveLen(2))
			g.Expect(attempts[1].Replicas[0].Log).To(HaveField("Stored", HaveValue(Equal(
				v1alpha1.StoredLog{State: v1alpha1.StoredLogComplete, Bytes: 100 * bigLines}))))
		}).WithContext(ctx).Should(Succeed())
		Expect(readStored(ctx, t, store, run, second.Name, 100*bigLines)).To(Equal(storedLog{bytes: 100 * bigLines, sum: bigLog(bigLines)}))
		killed := readStored(ctx, t, store, run, first.Name, 100*more)
		Expect(killed.bytes).To(BeNumerically(">=", 100*more), "what was stored when it was killed, and perhaps more")
		Expect(killed.sum).To(Equal(bigLog(more)))
	}, SpecTimeout(4*patience))
})

var _ = Describe("A ci.sh that empties the folder of its log", func() {
	It("loses what it removed, which is told, and keeps no Pod", func(ctx SpecContext) {
		logStoreURL(ctx)
		t := newTenant(ctx, "DEV")
		run := succeeded(ctx, t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh":    script("rm -rf "+contract.SpoolDir+"/*", "echo built"),
			configFile: workflow(build),
		})))
		awaitNoPods(ctx, run)
		stored := phasesOf(ctx, run)["BUILD"].Status.Attempts[0].Replicas[0].Log.Stored
		Expect(stored).To(Or( // whether its files were opened before they were removed is chance
			HaveValue(Equal(v1alpha1.StoredLog{State: v1alpha1.StoredLogComplete, Bytes: int64(len("built\n"))})),
			HaveValue(And(HaveField("State", v1alpha1.StoredLogIncomplete), HaveField("Message", ContainSubstring("something removed them")))),
		))
	}, SpecTimeout(2*patience))
})

// storedLog is what the store says of a log.
type storedLog struct {
	bytes int
	sum   string // of its first bytes, in hex
}

// awaitStored waits until the store has so many bytes of a log, and returns how many it has.
func awaitStored(ctx context.Context, t *tenant, store string, run *v1alpha1.CIRun, pod string, bytes int) (stored int) {
	GinkgoHelper()
	Eventually(func(ctx context.Context) int {
		stored = readStored(ctx, t, store, run, pod, 0).bytes
		return stored
	}).WithContext(ctx).WithPolling(3 * glance).Should(BeNumerically(">=", bytes))
	return stored
}

// readStored reads a log as a person of the tenant would, from a Pod, which the service is in reach of. The hash is of the first
// bytes of it.
func readStored(ctx context.Context, t *tenant, store string, run *v1alpha1.CIRun, pod string, bytes int) storedLog {
	GinkgoHelper()
	url := store + contract.ReadLogPath(t.namespace, phasesOf(ctx, run)["BUILD"].Name, pod)
	said := t.logReader(ctx, fmt.Sprintf(
		`curl -sS --fail -H "Authorization: Bearer $(cat /var/run/secrets/kubernetes.io/serviceaccount/token)" -o /tmp/log '%s' || : > /tmp/log
echo "$(stat -c %%s /tmp/log) $(head -c %d /tmp/log | sha256sum | cut -d' ' -f1)"`, url, bytes))
	var stored storedLog
	lines := strings.Split(strings.TrimSpace(said), "\n")
	_, err := fmt.Sscan(lines[len(lines)-1], &stored.bytes, &stored.sum)
	Expect(err).NotTo(HaveOccurred(), "%s", said)
	return stored
}

// logReader runs a command in a Pod whose ServiceAccount may read logs of the tenant, changed by the given functions, and returns what it
// wrote when it has ended.
func (t *tenant) logReader(ctx context.Context, command string, changes ...func(*corev1.PodSpec)) string {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Namespace: t.namespace, Name: "log-reader"}
	for _, object := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: meta},
		&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{contract.LogResource}, Verbs: []string{"get"}}}},
		&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: t.namespace, Name: meta.Name}}},
	} {
		if err := suite.Client.Create(ctx, object); !apierrors.IsAlreadyExists(err) {
			Expect(err).NotTo(HaveOccurred())
		}
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, GenerateName: "log-reader-"},
		Spec: corev1.PodSpec{
			ServiceAccountName: meta.Name, RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{Name: "reader", Image: suite.images.Builder, Command: []string{"bash", "-c", command}}},
		},
	}
	for _, change := range changes {
		change(&pod.Spec)
	}
	Expect(suite.Client.Create(ctx, pod)).To(Succeed())
	Eventually(func(ctx context.Context) (corev1.PodPhase, error) {
		err := suite.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod)
		return pod.Status.Phase, err
	}).WithContext(ctx).Should(Or(Equal(corev1.PodSucceeded), Equal(corev1.PodFailed)))
	said, err := suite.Clientset.CoreV1().Pods(t.namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(ctx)
	Expect(err).NotTo(HaveOccurred())
	return string(said)
}

// logStoreURL is the address that the manager gives to builder Pods.
func logStoreURL(ctx context.Context) string {
	GinkgoHelper()
	var manager appsv1.Deployment
	Expect(suite.Client.Get(ctx, types.NamespacedName{Namespace: install.Namespace, Name: install.ManagerDeployment}, &manager)).To(Succeed())
	for _, arg := range manager.Spec.Template.Spec.Containers[0].Args {
		if url, is := strings.CutPrefix(arg, "--log-store-url="); is {
			return strings.TrimSuffix(url, "/")
		}
	}
	Fail("the manager has no --log-store-url, which config/default gives it")
	return ""
}
