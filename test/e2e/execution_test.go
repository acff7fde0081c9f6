package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/test/fakegithub"
)

var _ = Describe("An execution phase", func() {
	It("that fails stops the run, and says with which code and last lines", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		t.service(ctx, "web")
		run := t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh":         script("echo compiling", "echo 'main.c: no such file' >&2", "exit 3"),
			configFile:      workflow(build, deploy, verify),
			descriptionFile: description("web"),
		}))

		phase := expectPhaseFailed(ctx, run, "BUILD", v1alpha1.FailureUser, string(contract.ReasonCIScriptFailed), "ci.sh exited with code 3")
		replica := phase.Status.Attempts[0].Replicas[0]
		Expect(replica.ExitCode).To(HaveValue(BeEquivalentTo(3)))
		Expect(replica.Log.Tail).To(HavePrefix("compiling\nmain.c: no such file\n"))
		Expect(t.image(ctx, "web")).To(Equal(suite.images.Builder), "nothing is deployed")
	})

	It("fails when the commit has no ci.sh", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		run := t.runOf(ctx, newRepository(ctx, map[string]string{"README": "empty", configFile: workflow(build, verify)}))
		expectPhaseFailed(ctx, run, "BUILD", v1alpha1.FailureConfig, string(contract.ReasonNoCIScript), "the commit has no ci.sh: add it")
	})

	It("keeps the last 64 KiB of its log, to the byte", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		run := succeeded(ctx, t.runOf(ctx, newRepository(ctx, map[string]string{
			"ci.sh": script(
				"case $PHASE in",
				"LINES) seq -f 'line %06g of many' 1 8000 ;;",
				"ONE_LINE) head -c 150000 /dev/zero | tr '\\0' x; printf end ;;",
				"SHORT) printf 'out\\n'; printf 'err' >&2 ;;",
				"esac"),
			configFile: workflow(phase{Name: "LINES", PhaseType: 4}, phase{Name: "ONE_LINE", PhaseType: 4}, phase{Name: "SHORT", PhaseType: 4}),
		})))

		var lines strings.Builder
		for i := range 8000 {
			fmt.Fprintf(&lines, "line %06d of many\n", i+1)
		}
		phases := phasesOf(ctx, run)
		expectLog(ctx, phases["LINES"], lines.String())
		expectLog(ctx, phases["ONE_LINE"], strings.Repeat("x", 150000)+"end")
		expectLog(ctx, phases["SHORT"], "out\nerr")
		Expect(phases["SHORT"].Status.Attempts[0].Replicas[0].Log.ConfigMap).To(BeEmpty(), "the status holds all of it")
	})

	It("shows ci.sh the documented environment, and nothing else", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		r := newRepository(ctx, map[string]string{
			// The environment as the interpreter found it; what ci.sh is called as, and where.
			"services/api/ci.sh":   script("base64 -w0 /proc/$$/environ", "echo", "echo $0", "pwd", "cat api.txt"),
			"services/api/api.txt": "the folder's own file\n",
			configFile: workflow(phase{Name: "BUILD", PhaseType: 4,
				BuildParams: "PHASE=CUSTOM, PARAM=a=b c, LINK_OR_PARAM=param, PARAM_OR_RUN=param"}),
		})
		link := t.link(ctx, r, func(link *v1alpha1.TenantRepoLinkSpec) {
			link.FolderPath = "/services/api/"
			link.Builder.Env = []v1alpha1.BuilderEnvVar{{Name: "LINK", Value: "$(HOME) $$ \"ü\"\nsecond line"}, {Name: "LINK_OR_PARAM", Value: "link"}}
		})
		run := t.run(ctx, link, "", func(run *v1alpha1.CIRunSpec) {
			run.Commit = v1alpha1.CommitSelector{Branch: "main"}
			run.Env = []v1alpha1.EnvVar{{Name: "PARAM_OR_RUN", Value: "run"}, {Name: "ENV", Value: "mine"}, {Name: "EMPTY"}}
		})

		run = succeeded(ctx, run)
		Expect(run.Status.SHA).To(Equal(r.sha))
		lines := strings.SplitN(logOf(ctx, phasesOf(ctx, run)["BUILD"]), "\n", 2)
		Expect(lines[1]).To(Equal("/workspace/src/services/api/ci.sh\n/workspace/src/services/api\nthe folder's own file\n"))
		Expect(withoutContainers(environmentIn(lines[0]))).To(Equal(map[string]string{
			"ENV": "DEV", "GIT_SHA": r.sha, "GIT_REPO": r.name, "CODE_PATH": "services/api",
			"PHASE": "CUSTOM", "REPLICA_ID": "0", "REPLICA_COUNT": "1",
			"KATKIT_TENANT": t.namespace, "KATKIT_RUN": run.Name, "KATKIT_PHASE": "BUILD", "KATKIT_BRANCH": "main",
			"KATKIT_PULL_REQUEST": "", "KATKIT_REPO_URL": r.cloneURL(), "CI": "true", "KATKIT": "true",
			"KATKIT_OUTPUT": contract.ControlDir + "/output",
			"LINK":          "$(HOME) $$ \"ü\"\nsecond line", "PARAM": "a=b c", "LINK_OR_PARAM": "param", "PARAM_OR_RUN": "run", "EMPTY": "",
		}))
	})

	It("runs the head of a pull request, and tells its number", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		r := newRepository(ctx, map[string]string{"ci.sh": script("echo old"), configFile: workflow(build)})
		sha := r.commit(ctx, fakegithub.Commit{Branch: "feature", Message: "new", Files: fakegithub.Texts(map[string]string{
			"ci.sh": script(`echo "$PHASE of #$KATKIT_PULL_REQUEST, $KATKIT_BRANCH"`),
		})})
		number, err := suite.github.OpenPullRequest(ctx, r.name, fakegithub.PullRequest{Title: "new", Head: "feature", Base: "main"})
		Expect(err).NotTo(HaveOccurred())
		run := succeeded(ctx, t.run(ctx, t.link(ctx, r), "", func(run *v1alpha1.CIRunSpec) {
			run.Commit = v1alpha1.CommitSelector{PullRequest: int32(number)}
		}))
		Expect(run.Status.SHA).To(Equal(sha))
		Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(Equal(fmt.Sprintf("BUILD of #%d, feature\n", number)))
	})

	It("runs replicas that know their number, and phases of one order side by side", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		g := newGate(ctx)
		r := newRepository(ctx, map[string]string{
			"ci.sh": script(`echo "$PHASE $REPLICA_ID of $REPLICA_COUNT"`, g.wait()),
			configFile: workflow(phase{Name: "UNIT", PhaseType: 4, Parallelism: 3}, phase{Name: "LINT", PhaseType: 4},
				phase{Name: "LAST", PhaseType: 4, Order: 5}),
		})
		run := t.runOf(ctx, r)

		By("letting none of them end before all run")
		Eventually(func() int {
			return len(suite.pods.of(func(pod *corev1.Pod) bool {
				return pod.Namespace == t.namespace && pod.Status.Phase == corev1.PodRunning
			}))
		}).WithContext(ctx).Should(Equal(4))
		g.open(ctx)

		run = succeeded(ctx, run)
		phases := phasesOf(ctx, run)
		Expect(logs(ctx, phases["UNIT"])).To(Equal([]string{"UNIT 0 of 3\n", "UNIT 1 of 3\n", "UNIT 2 of 3\n"}))
		Expect(logs(ctx, phases["LINT"])).To(Equal([]string{"LINT 0 of 1\n"}))
		expectEvent(ctx, run, corev1.EventTypeNormal, "PhaseSucceeded", "phase UNIT")
		expectEvent(ctx, run, corev1.EventTypeNormal, "PhaseSucceeded", "phase LINT")
		Expect(phases["LAST"].Status.StartTime.Time).NotTo(BeTemporally("<", phases["UNIT"].Status.CompletionTime.Time))
	})

	DescribeTable("shows ci.sh no credential, wherever it looks:",
		func(ctx SpecContext, credentialOf func(context.Context, *tenant, *repository) (credential, string), change func(*v1alpha1.TenantRepoLinkSpec)) {
			t := newTenant(ctx, "DEV")
			r := createRepository(ctx)
			hidden, secret := credentialOf(ctx, t, r)
			r.commit(ctx, fakegithub.Commit{Message: "Begin", Files: fakegithub.Texts(map[string]string{"ci.sh": hidden.search(), configFile: workflow(build)})})
			run := succeeded(ctx, t.runOf(ctx, r, change, func(link *v1alpha1.TenantRepoLinkSpec) { link.SecretRef.Name = secret }))
			Expect(logOf(ctx, phasesOf(ctx, run)["BUILD"])).To(Equal("/tmp/decoy\n"), "what ci.sh finds is what it hid itself")
			for _, pod := range suite.pods.ofRun(run) {
				Expect(pod.Spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
			}
		},
		Entry("a person's token", personal, func(*v1alpha1.TenantRepoLinkSpec) {}),
		Entry("a person's token, where the builder image brings the agent", personal, func(link *v1alpha1.TenantRepoLinkSpec) {
			link.Builder.AgentInImage, link.Builder.Image = true, suite.images.Builder
		}),
		Entry("the token of a GitHub App", ofApp, func(*v1alpha1.TenantRepoLinkSpec) {}),
	)

	It("waits for approval where the workflow says so", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		r := newRepository(ctx, map[string]string{
			"ci.sh":    script("echo $PHASE"),
			configFile: workflow(build, phase{Name: "RELEASE", PhaseType: 4, Order: 1, IsPhaseAutomated: new(false)}),
		})
		run := t.runOf(ctx, r)
		waiting := awaitPhase(ctx, run, "RELEASE", v1alpha1.PhaseWaitingForApproval)
		Eventually(func(g Gomega, ctx SpecContext) {
			g.Expect(suite.Client.Get(ctx, client.ObjectKeyFromObject(run), run)).To(Succeed())
			g.Expect(run.Status.State).To(Equal(v1alpha1.RunWaitingForApproval))
		}).WithContext(ctx).Should(Succeed())
		expectEvent(ctx, &waiting, corev1.EventTypeNormal, "WaitingForApproval", "kubectl patch phase "+waiting.Name)
		Expect(suite.pods.ofRun(run)).To(HaveLen(1), "the phase before it has run")

		patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"approved":true}}`)) // as the event says
		Expect(suite.Client.Patch(ctx, &waiting, patch)).To(Succeed())
		run = succeeded(ctx, run)
		Expect(logOf(ctx, phasesOf(ctx, run)["RELEASE"])).To(Equal("RELEASE\n"))
	})

	It("runs the link's phases when the commit has no katkitconfig.js", func(ctx SpecContext) {
		t := newTenant(ctx, "DEV")
		r := newRepository(ctx, map[string]string{"ci.sh": script("echo $FROM")})
		run := succeeded(ctx, t.runOf(ctx, r, func(link *v1alpha1.TenantRepoLinkSpec) {
			link.Phases = []v1alpha1.PhaseTemplate{{Name: "ONLY", Type: v1alpha1.PhaseExecution, Params: []v1alpha1.EnvVar{{Name: "FROM", Value: "link"}}}}
		}))
		Expect(run.Status.ConfigSource).To(HavePrefix("spec.phases of TenantRepoLink"))
		Expect(logOf(ctx, phasesOf(ctx, run)["ONLY"])).To(Equal("link\n"))
	})
})

// credential is one for GitHub, as ci.sh can search for it.
type credential struct {
	// pattern, of grep -E, matches it as it is and as git sends it, but not itself.
	pattern string
	// decoy is something that the pattern matches, in two parts that it does not.
	decoy [2]string
}

// personal is the token that the tenant's Secret has, whose name it returns, too.
func personal(context.Context, *tenant, *repository) (credential, string) {
	half := len(suite.token) / 2
	// As git sends it, in the middle of the header.
	basic := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + suite.token))[20:36]
	return credential{
		pattern: fmt.Sprintf("%s[%s]%s|%s[%s]%s", suite.token[:half], suite.token[half:half+1], suite.token[half+1:], basic[:8], basic[8:9], basic[9:]),
		decoy:   [2]string{suite.token[:half], suite.token[half:]},
	}, "github"
}

// ofApp makes a GitHub App that is installed on the repository: any of its tokens, and its key.
func ofApp(ctx context.Context, t *tenant, r *repository) (credential, string) {
	GinkgoHelper()
	name := t.installApp(ctx, r, mayReport())
	secret, err := suite.Clientset.CoreV1().Secrets(t.namespace).Get(ctx, name, metav1.GetOptions{})
	Expect(err).NotTo(HaveOccurred())
	line := strings.Split(string(secret.Data[v1alpha1.SecretKeyAppPrivateKey]), "\n")[2]
	return credential{
		// ghs_ and 26 digits in base 32; in base64, after "x-access-token:", which fills its groups.
		pattern: fmt.Sprintf("gh[s]_[A-Z2-7]{26}|Z2[h]zX[01z][A-Za-z0-9+/]{30}|[%s]%s", line[:1], regexp.QuoteMeta(line[1:])),
		decoy:   [2]string{"ghs_", strings.Repeat("K", 26)},
	}, name
}

// search is a ci.sh that says where it finds a credential. A decoy shows that it finds what is there.
func (c credential) search() string {
	return script(
		fmt.Sprintf("token='%s'", c.pattern),
		fmt.Sprintf("printf %%s%%s %s %s > /tmp/decoy", c.decoy[0], c.decoy[1]),
		`look() { if tr '\0' '\n' 2>/dev/null | grep -aEq "$token"; then echo "$1 has it"; fi; }`,
		`env | look environment`,
		`set | look variables`,
		`for file in /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/mountinfo; do look "$file" < "$file"; done 2>/dev/null`,
		`git config --list --show-origin | look "git's configuration"`,
		`grep -q credential /proc/mounts && echo 'a credential is mounted'`,
		`find /var/run/secrets /var/run/katkit -type f 2>/dev/null | grep -v "^/var/run/katkit/log/" | head -3`,
		`grep -rlaED skip --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr "$token" / 2>/dev/null | sort`,
		`if GIT_TERMINAL_PROMPT=0 git ls-remote "$KATKIT_REPO_URL" >/dev/null 2>&1; then echo 'the repository can be read'; fi`,
	)
}

// expectLog checks what was kept of the log of a phase's only replica against all that ci.sh wrote.
func expectLog(ctx SpecContext, phase v1alpha1.Phase, written string) {
	GinkgoHelper()
	log := phase.Status.Attempts[0].Replicas[0].Log
	Expect(log.Bytes).To(BeEquivalentTo(len(written)))
	Expect(written).To(HaveSuffix(log.Tail))
	kept := logOf(ctx, phase)
	end := written[max(0, len(written)-contract.LogTailBytes):]
	Expect(kept).To(HaveLen(len(end)))
	Expect(kept).To(Equal(end))
}

// environmentIn reads an environment as /proc has it, in base 64.
func environmentIn(text string) map[string]string {
	GinkgoHelper()
	raw, err := base64.StdEncoding.DecodeString(text)
	Expect(err).NotTo(HaveOccurred())
	variables := map[string]string{}
	for entry := range bytes.SplitSeq(bytes.TrimRight(raw, "\x00"), []byte{0}) {
		name, value, _ := strings.Cut(string(entry), "=")
		Expect(variables).NotTo(HaveKey(name), "a variable is there twice")
		variables[name] = value
	}
	return variables
}

// withoutContainers removes what every container on Kubernetes has, what the builder image sets, and what lets git
// work in a folder of another user.
func withoutContainers(variables map[string]string) map[string]string {
	for name := range variables {
		switch {
		case name == "PATH", name == "HOME", name == "HOSTNAME", name == "PWD",
			strings.HasPrefix(name, "KUBERNETES_"),
			name == "BUILDAH_ISOLATION", name == "STORAGE_DRIVER",
			strings.HasPrefix(name, "GIT_CONFIG_"):
			delete(variables, name)
		}
	}
	return variables
}
