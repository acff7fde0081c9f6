package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/install"
)

// numbered is a shell command that writes lines of 100 bytes, and what it writes.
func numbered(first, last int) (command, written string) {
	var lines strings.Builder
	for i := first; i <= last; i++ {
		fmt.Fprintf(&lines, "line %094d\n", i)
	}
	return fmt.Sprintf("seq -f 'line %%094.0f' %d %d", first, last), lines.String()
}

// following is a call of the plugin that goes on until the run has ended.
type following struct {
	*exec.Cmd
	out, said *gbytes.Buffer
}

func follow(ctx context.Context, call []string) following {
	GinkgoHelper()
	f := following{exec.CommandContext(ctx, call[0], append(call[1:], "--follow")...), gbytes.NewBuffer(), gbytes.NewBuffer()}
	f.Stdout, f.Stderr = f.out, f.said
	Expect(f.Start()).To(Succeed())
	return f
}

func (f following) written() string { return string(f.out.Contents()) }

// told is what it said beside that it waits, which may be long on a slow cluster.
func (f following) told() string {
	var told strings.Builder
	for line := range strings.Lines(string(f.said.Contents())) {
		if !strings.Contains(line, ", which is waited for") {
			told.WriteString(line)
		}
	}
	return told.String()
}

// of returns the lines of one log among several.
func of(prefix, merged string) []string {
	var lines []string
	for line := range strings.Lines(merged) {
		if text, is := strings.CutPrefix(line, prefix+" | "); is {
			lines = append(lines, text)
		}
	}
	return lines
}

var _ = Describe("The plugin's logs, to somebody who has Kubernetes' role view", func() {
	It("are those of the log store, to the byte, while the build runs and when its Pod is gone", func(ctx SpecContext) {
		logStoreURL(ctx)
		t := newTenant(ctx, "DEV")
		v, g := t.viewer(ctx), newGate(ctx)
		more, first := numbered(1, 1500)
		first = "looking\tat \x1b[31mit\x1b[0m\xff\r\n" + first
		rest, second := numbered(1501, 3000)
		second += "no end"
		run := t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh":    script(`printf 'looking\tat \033[31mit\033[0m\xff\r\n'`, more, g.wait(), rest, "printf 'no end'"),
			configFile: workflow(build),
		}))

		By("following it")
		live := follow(ctx, v.logs(run.Name))
		Eventually(live.written).WithContext(ctx).Should(Equal(first))
		g.open(ctx)
		Expect(live.Wait()).To(Succeed(), "%s", live.said.Contents())
		Expect(live.written()).To(Equal(first + second))
		Expect(live.told()).To(BeEmpty())

		By("reading it, when nothing but the end is elsewhere")
		awaitNoPods(ctx, run)
		Expect(v.shows(ctx, run.Name)).To(Equal(first + second))
		Expect(v.shows(ctx, run.Name, "BUILD", "--tail", "1501")).To(Equal(second))
		byCertificate := []string{pluginPath, "logs", run.Name, "-n", t.namespace, "--token", v.token}
		Expect(shows(ctx, byCertificate)).To(Equal(first+second), "where the kubeconfig signs in by a certificate, the token is for the store")
	}, SpecTimeout(patience))

	It("are waited for where the store has nothing of them yet, and come whole, more than a node keeps of a Pod's", func(ctx SpecContext) {
		logStoreURL(ctx)
		t := newTenant(ctx, "DEV")
		v, g := t.storeViewer(ctx), newGate(ctx)
		const lines = 12 << 20 / 100 // of 100 bytes; a node begins a new file at 10 MiB, and shows the last one
		command, _ := numbered(1, lines)
		run := t.runOf(ctx, newRepository(ctx, map[string]string{"ci.sh": script(g.wait(), command), configFile: workflow(build)}))
		live := follow(ctx, v.logs(run.Name))
		Eventually(live.said).WithContext(ctx).Should(gbytes.Say("BUILD: the log store has nothing of its log yet"))
		Expect(live.written()).To(BeEmpty())
		g.open(ctx)
		Expect(live.Wait()).To(Succeed(), "%s", live.said.Contents())
		sum := sha256.Sum256(live.out.Contents())
		Expect(storedLog{len(live.out.Contents()), hex.EncodeToString(sum[:])}).To(Equal(storedLog{100 * lines, bigLog(lines)}))
		Expect(live.told()).To(BeEmpty())
	}, SpecTimeout(patience))

	It("are told apart by phase and replica, where there are several, and are harmless in a terminal", func(ctx SpecContext) {
		logStoreURL(ctx)
		t := newTenant(ctx, "DEV")
		v, built, g := t.viewer(ctx), newGate(ctx), newGate(ctx)
		const tricks = "\x1b]0;title\a\x1b[2J\x1b[31mred\x1b[0m\n10 %\r100 %\n"
		r := newRepository(ctx, map[string]string{
			"ci.sh": script("case $PHASE in",
				`BUILD) echo "one of $REPLICA_ID"; `+built.wait()+`; printf "end of $REPLICA_ID" ;;`,
				"LAST) "+g.wait()+`; printf '\033]0;title\a\033[2J\033[31mred\033[0m\n10 %%\r100 %%\n' ;;`, "esac"),
			configFile: workflow(phase{Name: "BUILD", PhaseType: 4, Parallelism: 2}, phase{Name: "LAST", PhaseType: 4, Order: 1}),
		})
		link := t.link(ctx, r)

		By("following the run from its beginning")
		run := t.run(ctx, link, r.sha)
		live := follow(ctx, v.logs(run.Name))
		Eventually(live.written).WithContext(ctx).Should(And(ContainSubstring("BUILD[0] | one of 0\n"), ContainSubstring("BUILD[1] | one of 1\n")))
		built.open(ctx)

		By("looking at parts of it, when one phase is over and the next one has nothing to tell yet")
		awaitPhase(ctx, run, "BUILD", v1alpha1.PhaseSucceeded)
		Eventually(func(g Gomega, ctx context.Context) {
			for _, replica := range phasesOf(ctx, run)["BUILD"].Status.Attempts[0].Replicas {
				g.Expect(replica.Log.Stored).To(HaveValue(HaveField("State", v1alpha1.StoredLogComplete)))
			}
		}).WithContext(ctx).Should(Succeed())
		stored := time.Now()
		Expect(v.shows(ctx, run.Name, "BUILD")).To(Equal("BUILD[0] | one of 0\nBUILD[0] | end of 0\nBUILD[1] | one of 1\nBUILD[1] | end of 1\n"))
		Expect(v.shows(ctx, run.Name, "BUILD", "--replica", "1")).To(Equal("one of 1\nend of 1"))
		Expect(v.shows(ctx, run.Name, "BUILD", "--tail", "1")).To(Equal("BUILD[0] | end of 0\nBUILD[1] | end of 1\n"))

		g.open(ctx)
		Expect(live.Wait()).To(Succeed(), "%s", live.said.Contents())
		Expect(live.told()).To(BeEmpty())
		last := "LAST | " + strings.TrimSuffix(strings.ReplaceAll(tricks, "\n", "\nLAST | "), "LAST | ")
		Expect(live.written()).To(HaveSuffix(last), "a phase comes after those before it")
		for i := range 2 {
			name := fmt.Sprintf("BUILD[%d]", i)
			Expect(of(name, live.written())).To(Equal([]string{fmt.Sprintf("one of %d\n", i), fmt.Sprintf("end of %d\n", i)}))
		}
		awaitNoPods(ctx, run)
		Eventually(func(ctx context.Context) string { // it is reckoned from when the plugin has begun, which may take its time
			return v.shows(ctx, run.Name, "--since", time.Since(stored).String())
		}).WithContext(ctx).Should(Equal(last), "what came to the store since then")

		By("looking at it in a terminal")
		script, err := exec.LookPath("script")
		if err != nil {
			Skip("there is no program script, which runs others in a terminal: all else is well")
		}
		shown := inTerminal(ctx, script, v.logs(run.Name))
		Expect(shown).To(HaveSuffix("BUILD[1] | end of 1\r\nLAST | \uFFFD]0;title\uFFFD\x1b[31mred\x1b[0m\r\nLAST | 100 %\r\n"))
		Expect(v.shows(ctx, run.Name, "LAST")).To(Equal(tricks), "in a pipe it is as it was written")
	}, SpecTimeout(patience))
})

// inTerminal returns what a program writes to its terminal, which ends well.
func inTerminal(ctx context.Context, script string, call []string) string {
	GinkgoHelper()
	words := slices.Clone(call)
	for i, word := range words {
		words[i] = "'" + word + "'" // none of them has a quotation mark
	}
	command := exec.CommandContext(ctx, script, "--quiet", "--return", "--command", strings.Join(words, " "), os.DevNull)
	command.Env = append(os.Environ(), "NO_COLOR=1")
	shown, err := command.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", shown)
	return string(shown)
}

var _ = Describe("A build whose log store is down", Serial, func() {
	It("succeeds at once, and its log is delivered to the byte when the store is back, which has kept those of before", func(ctx SpecContext) {
		store := logStoreURL(ctx)
		t := newTenant(ctx, "DEV")
		const lines = 2000
		command, _ := numbered(1, lines)
		r := newRepository(ctx, map[string]string{"ci.sh": script(command), configFile: workflow(build)})
		link := t.link(ctx, r)
		before := succeeded(ctx, t.run(ctx, link, r.sha))
		expectStored(ctx, before)

		scaleLogStore(ctx, 0)
		DeferCleanup(func(ctx SpecContext) { scaleLogStore(ctx, 1) }, NodeTimeout(patience))
		run := succeeded(ctx, t.run(ctx, link, r.sha))
		replica := func(ctx context.Context, run *v1alpha1.CIRun) v1alpha1.ReplicaStatus {
			return phasesOf(ctx, run)["BUILD"].Status.Attempts[0].Replicas[0]
		}
		Expect(replica(ctx, run).Log.Stored).To(HaveValue(Equal(v1alpha1.StoredLog{State: v1alpha1.StoredLogDelivering})))

		scaleLogStore(ctx, 1)
		Eventually(func(ctx context.Context) *v1alpha1.StoredLog { return replica(ctx, run).Log.Stored }).WithContext(ctx).Should(
			HaveValue(Equal(v1alpha1.StoredLog{State: v1alpha1.StoredLogComplete, Bytes: 100 * lines})))
		for what, run := range map[string]*v1alpha1.CIRun{"before the store was down": before, "meanwhile": run} {
			Expect(readStored(ctx, t, store, run, replica(ctx, run).Pod, 100*lines)).To(Equal(storedLog{bytes: 100 * lines, sum: bigLog(lines)}), what)
		}
	}, SpecTimeout(3*patience))
})

// scaleLogStore has so many Pods of the log store run, and waits until they are ready and all others are gone.
func scaleLogStore(ctx context.Context, replicas int) {
	GinkgoHelper()
	store := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: install.LogStoreDeployment}}
	Expect(suite.Client.Patch(ctx, store, merge(fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas)))).To(Succeed())
	Expect(suite.RolledOut(ctx, install.Namespace, install.LogStoreDeployment)).To(Succeed())
	Eventually(func(ctx context.Context) ([]corev1.Pod, error) { // also those that terminate, which not every cluster counts
		var pods corev1.PodList
		err := suite.Client.List(ctx, &pods, client.InNamespace(install.Namespace), client.MatchingLabels{"app.kubernetes.io/component": "logstore"})
		return pods.Items, err
	}).WithContext(ctx).Should(HaveLen(replicas))
}
