package e2e

import (
	"os"
	"os/exec"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("A person with kubectl", func() {
	It("waits for a run, sees it in one line, and reads its story", func(ctx SpecContext) {
		kubectl, err := exec.LookPath("kubectl")
		if err != nil {
			kubectl, err = exec.LookPath(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"))
		}
		if err != nil {
			Skip("there is no kubectl on the PATH")
		}
		t := newTenant(ctx, "DEV")
		r := newRepository(ctx, map[string]string{"ci.sh": script("echo $PHASE"), configFile: workflow(build, verify)})
		run := t.runOf(ctx, r)
		call := func(args ...string) string {
			GinkgoHelper()
			output, err := exec.CommandContext(ctx, kubectl, append([]string{"--namespace", t.namespace}, args...)...).CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), "%s", output)
			return string(output)
		}

		Expect(call("wait", "--for=condition=Succeeded", "--timeout="+patience.String(), "cirun/"+run.Name)).To(contain("condition met"))
		Expect(call("get", "run", run.Name)).To(contain(run.Name, r.sha, "Succeeded"))
		Expect(call("get", "katkit")).To(contain("link-app", "BUILD", "VERIFY"))
		expectEvent(ctx, run, "Normal", "Succeeded")
		Expect(call("describe", "run", run.Name)).To(contain("PhaseSucceeded", "phase BUILD", "phase VERIFY", "all 2 phases succeeded"))
	})
})
