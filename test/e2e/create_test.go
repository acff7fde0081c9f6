package e2e

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var _ = Describe("A tenant that the plugin makes", func() {
	It("has all that a link, a build and a deployment need, within a quota", func(ctx SpecContext) {
		t := &tenant{namespace: newNamespaceName(), services: map[string]baseline{}}
		DeferCleanup(func(ctx SpecContext) { Expect(deleteNamespace(ctx, t.namespace)).To(Succeed()) }) // also of one that was not made whole
		printed, code := t.plugin(ctx, "tenant", "create", t.namespace, "--env", "DEV", "--quota", "sample")
		Expect(code).To(Equal(0), printed)
		Expect(printed).To(contain("namespace/"+t.namespace+" created", "kubectl katkit link OWNER/REPO --token-file FILE -n "+t.namespace))
		t.adopt(ctx)
		t.service(ctx, "web")

		By("linking a repository with a token")
		r := newRepository(ctx, map[string]string{
			"ci.sh": script(`echo "built for $ENV of $KATKIT_TENANT"`), configFile: workflow(build, deploy), descriptionFile: description("web"),
		})
		token := filepath.Join(GinkgoT().TempDir(), "token")
		Expect(os.WriteFile(token, []byte(suite.token+"\n"), 0o600)).To(Succeed())
		printed, code = t.plugin(ctx, "link", r.name, "--token-file", token)
		Expect(code).To(Equal(0), printed)
		_, link, _ := strings.Cut(r.name, "/")
		Expect(printed).To(contain("ready: branch main of "+r.name+" was found", "kubectl katkit run "+link+" -n "+t.namespace))

		By("running it")
		printed, code = t.plugin(ctx, "run", link, "--name", "first", "--follow")
		Expect(code).To(Equal(0), printed)
		Expect(t.image(ctx, "web")).To(Equal(suite.serviceImage(r.sha)))
		printed, code = t.plugin(ctx, "logs", "first", "BUILD", "--tail", "1")
		Expect(code).To(Equal(0), printed)
		Expect(printed).To(ContainSubstring("built for DEV of " + t.namespace))

		quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "katkit"}}
		Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(quota), quota)).To(Succeed())
		hard, used := quota.Status.Hard[corev1.ResourcePods], quota.Status.Used[corev1.ResourceRequestsCPU]
		Expect(hard.Value()).To(BeEquivalentTo(50))
		Expect(used.MilliValue()).To(BeNumerically(">=", 100), "the service counts, which asks for nothing itself")
	}, SpecTimeout(patience))
})
