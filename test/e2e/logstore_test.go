package e2e

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

// Where a Pod has its ServiceAccount's token for the API server, and the one for the log store, where withLogToken gave it one.
const (
	apiToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	logToken = contract.LogTokenDir + "/" + contract.LogTokenKey
)

var _ = Describe("The log store, to Pods that call its Service", func() {
	It("shows a log to those who may see its tenant, and nobody else", func(ctx SpecContext) {
		store := logStoreURL(ctx)
		own, other := newTenant(ctx, "DEV"), newTenant(ctx, "DEV")
		run, pod := own.storedRun(ctx)
		url := store + contract.ReadLogPath(own.namespace, phasesOf(ctx, run)["BUILD"].Name, pod)
		asViewer := func(t *tenant) func(*corev1.PodSpec) {
			t.viewer(ctx)
			return func(pod *corev1.PodSpec) { pod.ServiceAccountName = "viewer" }
		}
		Expect(own.logReader(ctx, request(apiToken, url, ""), asViewer(own))).To(Equal("built\n200"))
		Expect(other.logReader(ctx, request(apiToken, url, ""), asViewer(other))).To(And(
			ContainSubstring("system:serviceaccount:%s:viewer may not get phases/log", other.namespace), HaveSuffix("403")))
		Expect(other.logReader(ctx, request(apiToken, url, ""))).To(HaveSuffix("403"), "to who may get logs, of another tenant")
	}, SpecTimeout(patience))

	It("takes from a Pod its own log, by the token for that, and no other", func(ctx SpecContext) {
		store := logStoreURL(ctx)
		own, other := newTenant(ctx, "DEV"), newTenant(ctx, "DEV")
		run, pod := own.storedRun(ctx)
		put := func(t *tenant, token, namespace, pod string) string {
			return t.logReader(ctx, request(token, store+contract.LogPath(namespace, pod)+"?offset=0", "--upload-file - <<<forged"), withLogToken)
		}
		Expect(put(own, logToken, own.namespace, "$HOSTNAME")).To(MatchRegexp(`^{"bytes":7,"complete":false}\s*200$`))
		Expect(put(own, apiToken, own.namespace, "$HOSTNAME")).To(HaveSuffix("401"), "with the token for the API server")
		refused := And(ContainSubstring("which writes its own log and no other"), HaveSuffix("403"))
		Expect(put(own, logToken, own.namespace, pod)).To(refused)
		Expect(put(other, logToken, own.namespace, pod)).To(refused)
		Expect(readStored(ctx, own, store, run, pod, 0).bytes).To(Equal(len("built\n")))
	}, SpecTimeout(2*patience))
})

// storedRun is a run whose log is in the store: "built", of the builder Pod that is returned, too.
func (t *tenant) storedRun(ctx context.Context) (run *v1alpha1.CIRun, pod string) {
	GinkgoHelper()
	run = succeeded(ctx, t.runOf(ctx, newRepository(ctx, map[string]string{"ci.sh": script("echo built"), configFile: workflow(build)})))
	expectStored(ctx, run)
	return run, phasesOf(ctx, run)["BUILD"].Status.Attempts[0].Replicas[0].Pod
}

// request is a command that writes the answer to a request with a token, of the further arguments of curl, and behind it its status code.
func request(token, url, arguments string) string {
	return fmt.Sprintf(`curl -sS -w '%%{http_code}' -H "Authorization: Bearer $(cat %s)" "%s" %s`, token, url, arguments)
}

// withLogToken gives the Pod's first container the token of a builder Pod for the log store.
func withLogToken(pod *corev1.PodSpec) {
	const name = "log-token"
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Audience: contract.LogAudience, Path: contract.LogTokenKey}}},
	}}})
	pod.Containers[0].VolumeMounts = append(pod.Containers[0].VolumeMounts, corev1.VolumeMount{Name: name, MountPath: contract.LogTokenDir, ReadOnly: true})
}
