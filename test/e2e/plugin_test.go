package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

// plugin runs kubectl-katkit, as it was built for this suite, in the tenant. It returns what it printed and its exit code.
func (t *tenant) plugin(ctx context.Context, args ...string) (output string, code int) {
	GinkgoHelper()
	command := exec.CommandContext(ctx, pluginPath, append(args, "-n", t.namespace)...)
	out, err := command.CombinedOutput()
	if exit, ended := errors.AsType[*exec.ExitError](err); ended {
		return string(out), exit.ExitCode()
	}
	Expect(err).NotTo(HaveOccurred())
	return string(out), 0
}

var _ = Describe("The plugin", func() {
	It("describes what runs, so that a deployment of it changes the tag and nothing else, and tells so before and after", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web", func(d *appsv1.Deployment) {
			sidecar := corev1.Container{Name: "sidecar", Image: suite.images.Agent, Command: []string{"sleep", "infinity"}}
			d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, sidecar)
		})
		t.service(ctx, "api")

		By("exporting it into a working copy that is valid")
		copied := GinkgoT().TempDir()
		path := filepath.Join(copied, descriptionFile)
		Expect(os.MkdirAll(filepath.Dir(path), 0o750)).To(Succeed())
		printed, code := t.plugin(ctx, "export", "deployment/web", "deploy/api", "-f", path)
		Expect(code).To(Equal(0), printed)
		description, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		files := map[string]string{configFile: workflow(deploy), "ci.sh": script("true"), descriptionFile: string(description)}
		Expect(os.WriteFile(filepath.Join(copied, configFile), []byte(files[configFile]), 0o600)).To(Succeed())
		printed, code = t.plugin(ctx, "validate", copied)
		Expect(code).To(Equal(0), printed)
		Expect(printed).To(contain("0 errors, 0 warnings", suite.serviceImage("<hubtag>")))

		By("telling what a deployment of the commit changes")
		r := newRepositoryOf(ctx, fakegithub.Texts(files))
		link := t.link(ctx, r)
		diff := func() (string, int) {
			return t.plugin(ctx, "diff", "--link", link, "--sha", r.sha, "--github-host", "github.com="+suite.github.URL)
		}
		printed, code = diff()
		Expect(code).To(Equal(1), printed)
		Expect(printed).To(contain("web", "api", suite.images.Builder, suite.serviceImage(r.sha)))

		By("deploying it, which changes no more; the specs are compared after every spec")
		succeeded(ctx, t.run(ctx, link, r.sha))
		for _, name := range []string{"web", "api"} {
			Expect(t.image(ctx, name)).To(Equal(suite.serviceImage(r.sha)))
		}
		printed, code = diff()
		Expect(code).To(Equal(0), printed)
	})

	It("starts a run and follows it, approves, repeats and cancels, and ends as the run does", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		g := newGate(ctx)
		link := t.link(ctx, newRepository(ctx, map[string]string{
			"ci.sh": script("case $PHASE in", "TEST) echo looking; "+g.isOpen()+" ;;", "SOAK) echo soaking; sleep 600 ;;", "esac"),
			configFile: workflow(build, phase{Name: "TEST", PhaseType: 4, Order: 1},
				phase{Name: "SOAK", PhaseType: 4, Order: 2, IsPhaseAutomated: new(false)}),
		}))

		By("following a run that fails")
		printed, code := t.plugin(ctx, "run", link, "--name", "first", "--follow")
		Expect(code).To(Equal(1), printed)
		Expect(printed).To(MatchRegexp(`(?s)cirun.katkit.dev/first created.* BUILD Running.* BUILD Succeeded.* TEST Running.* TEST replica 0: exit code 2.*\| looking.* first Failed: `))
		printed, code = t.plugin(ctx, "get", "first")
		Expect(code).To(Equal(0), printed)
		Expect(printed).To(contain("  | looking", "kubectl katkit rerun first -n "+t.namespace))

		By("repeating it from the phase that failed, which now succeeds, and cancelling it in the next")
		g.open(ctx)
		followed := make(chan int, 1)
		var second string
		go func() {
			defer GinkgoRecover()
			printed, code := t.plugin(ctx, "rerun", "first", "--name", "second", "--follow")
			second = printed
			followed <- code
		}()
		run := &v1alpha1.CIRun{ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: "second"}}
		Eventually(func(ctx context.Context) (v1alpha1.RunState, error) {
			err := client.IgnoreNotFound(suite.Client.Get(ctx, client.ObjectKeyFromObject(run), run))
			return run.Status.State, err
		}).WithContext(ctx).Should(Equal(v1alpha1.RunWaitingForApproval))
		printed, code = t.plugin(ctx, "approve", "second", "SOAK")
		Expect(code).To(Equal(0), printed)
		awaitPhase(ctx, run, "SOAK", v1alpha1.PhaseRunning)
		printed, code = t.plugin(ctx, "cancel", "second", "--follow")
		Expect(code).To(Equal(3), printed)
		Eventually(ctx, followed).Should(Receive(Equal(3)))
		Expect(second).To(MatchRegexp(`(?s) TEST Succeeded.* SOAK WaitingForApproval.* SOAK Running.* second Cancelled: `))
		Expect(phasesOf(ctx, run)).NotTo(HaveKey("BUILD"), "it is carried over")

		By("listing both, the newest first")
		printed, code = t.plugin(ctx, "runs", link)
		Expect(code).To(Equal(0), printed)
		Expect(printed).To(MatchRegexp(`(?s)second .*Cancelled .*2/3.*first .*Failed .*1/3`))
	})

	It("shows what a build writes while it runs, and the same bytes afterwards", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		g := newGate(ctx)
		link := t.link(ctx, newRepository(ctx, map[string]string{
			"ci.sh":    script(`printf 'looking\tat \033[31mit\033[0m\n'`, g.wait(), "seq 3", "printf end"),
			configFile: workflow(build),
		}))
		By("following the logs of a run that has not begun")
		printed, code := t.plugin(ctx, "run", link, "--name", "logged")
		Expect(code).To(Equal(0), printed)
		live := follow(ctx, []string{pluginPath, "logs", "logged", "-n", t.namespace})
		Eventually(ctx, live.out).Should(gbytes.Say(`looking\tat \x1b\[31mit`))

		By("letting the build end")
		g.open(ctx)
		Expect(live.Wait()).To(Succeed(), "the run succeeds: %s", live.said.Contents())
		Expect(live.written()).To(ContainSubstring("it\x1b[0m\n1\n2\n3\nend"))
		run := &v1alpha1.CIRun{}
		Expect(suite.Client.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: "logged"}, run)).To(Succeed())
		awaitNoPods(ctx, run)
		afterwards, err := exec.CommandContext(ctx, pluginPath, "logs", "logged", "BUILD", "-n", t.namespace).Output()
		Expect(err).NotTo(HaveOccurred())
		// A kubelet ends the last line, which ci.sh did not.
		Expect(strings.TrimSuffix(string(afterwards), "\n")).To(Equal(strings.TrimSuffix(live.written(), "\n")))
	})
})
