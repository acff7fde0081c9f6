package controller_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/test/fakegithub"
)

// env is the value of a variable that ci.sh sees in a phase that has begun.
func env(phase *v1alpha1.Phase, name string) string {
	for _, variable := range phase.Spec.Execution.Env {
		if variable.Name == name {
			return variable.Value
		}
	}
	for _, variable := range phase.Status.Builder.Env {
		if variable.Name == name {
			return variable.Value
		}
	}
	return ""
}

func ofCommit(selector v1alpha1.CommitSelector) func(*v1alpha1.CIRun) {
	return func(r *v1alpha1.CIRun) { r.Spec.Commit = selector }
}

// names lists the phases of a run in their order.
func names(run *v1alpha1.CIRun) []string {
	var list []string
	for _, phase := range run.Status.Phases {
		list = append(list, phase.Name)
	}
	return list
}

var _ = Describe("A person who asks for a run", func() {
	Describe("of a commit", func() {
		It("gets that commit, by its sha", func() {
			t := newTenant()
			old := t.commit(workflow(execution("BUILD", 0)))
			t.commit(map[string]string{"newer": "x"})
			t.link()
			t.run(ofCommit(v1alpha1.CommitSelector{SHA: old}))
			run := t.runIs(v1alpha1.RunRunning)
			Expect(run.Status).To(And(HaveField("SHA", old), HaveField("Message", "Mend it"), HaveField("Author", "ada"),
				HaveField("Ref", ""), HaveField("ConfigSource", "katkitconfig.js (entry default)"), HaveField("StartTime", Not(BeNil()))))
			Expect(t.phase("BUILD").Spec.SHA).To(Equal(old))
		})

		It("gets the newest one of a branch, and keeps it when the branch moves on", func() {
			t := newTenant()
			t.commit(workflow(execution("BUILD", 0), execution("TEST", 1)))
			asked := t.commitTo("feature")
			t.link()
			t.run(ofCommit(v1alpha1.CommitSelector{Branch: "feature"}))
			build := t.builder("BUILD")
			t.commitTo("feature", map[string]string{"newer": "x"})
			succeed(build)
			t.builder("TEST")
			run := t.runIs(v1alpha1.RunRunning)
			Expect(run.Status).To(And(HaveField("SHA", asked), HaveField("Ref", "feature")))
			Expect(t.phase("TEST").Spec.SHA).To(Equal(asked))
			Expect(env(t.phase("TEST"), "KATKIT_BRANCH")).To(Equal("feature"))
		})

		It("gets the head of a pull request", func() {
			t := newTenant()
			t.commit(workflow(execution("BUILD", 0)))
			head := t.commitTo("feature", map[string]string{"new": "x"})
			number, err := t.repository.OpenPullRequest(fakegithub.PullRequest{Title: "Improve", Head: "feature"})
			Expect(err).NotTo(HaveOccurred())
			t.link()
			t.run(ofCommit(v1alpha1.CommitSelector{PullRequest: int32(number)}))
			run := t.runIs(v1alpha1.RunRunning)
			Expect(run.Status).To(And(HaveField("SHA", head), HaveField("Ref", "feature"), HaveField("PullRequest", int32(number))))
			Expect(env(t.phase("BUILD"), "KATKIT_PULL_REQUEST")).To(Equal("1"))
		})

		DescribeTable("is told when there is no such",
			func(selector v1alpha1.CommitSelector, text string) {
				t := newTenant()
				t.commit(workflow(execution("BUILD", 0)))
				t.link()
				t.run(ofCommit(selector))
				t.runFails(v1alpha1.ReasonCommitNotFound, text, t.repository.Name())
			},
			Entry("sha", v1alpha1.CommitSelector{SHA: sha}, "commit "+sha),
			Entry("branch", v1alpha1.CommitSelector{Branch: "trunk"}, "branch trunk"),
			Entry("pull request", v1alpha1.CommitSelector{PullRequest: 7}, "pull request #7"),
		)
	})

	Describe("follows the workflow", func() {
		DescribeTable("that counts",
			func(files map[string]string, link func(*v1alpha1.TenantRepoLinkSpec), run func(*v1alpha1.CIRunSpec), source string, phases ...string) {
				t := newTenant()
				t.commit(files)
				t.link(func(l *v1alpha1.TenantRepoLink) { link(&l.Spec) })
				t.run(func(r *v1alpha1.CIRun) { run(&r.Spec) })
				planned := t.runIs(v1alpha1.RunRunning)
				Expect(names(planned)).To(Equal(phases))
				Expect(planned.Status.ConfigSource).To(ContainSubstring(source))
			},
			Entry("of the folder, before that of the root", both("api"), inFolder("/api/"), runAsIs, "api/katkitconfig.js (entry default)", "FOLDER"),
			Entry("of the root, when the folder has none", both("web"), inFolder("api"), runAsIs, "katkitconfig.js (entry default)", "ROOT"),
			Entry("of the tenant's env, whatever the case", twoEnvs("dev"), linkAsIs, runAsIs, "katkitconfig.js (entry dev)", "OF_DEV"),
			Entry("of the link's env", twoEnvs("beta"), func(s *v1alpha1.TenantRepoLinkSpec) { s.Env = "BETA" }, runAsIs, "katkitconfig.js (entry beta)", "OF_BETA"),
			Entry("of the default env, when no other fits", twoEnvs("prod"), linkAsIs, runAsIs, "katkitconfig.js (entry default)", "OF_DEFAULT"),
			Entry("of the run, before any file", workflow(execution("FILE", 0)), withLinkPhase, withRunPhase, "the run's spec.phases", "FROM_RUN"),
			Entry("of the file, before the link", workflow(execution("FILE", 0)), withLinkPhase, runAsIs, "katkitconfig.js", "FILE"),
			Entry("of the link, without a file", map[string]string{}, withLinkPhase, runAsIs, "spec.phases of TenantRepoLink app", "FROM_LINK"),
			Entry("in the order of its numbers", workflow(execution("C", 30), execution("A", 4), execution("B", 5)), linkAsIs, runAsIs, "katkitconfig.js", "A", "B", "C"),
		)

		It("and is told when there is none", func() {
			t := newTenant()
			t.commit()
			t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.FolderPath = "api" })
			t.run()
			t.runFails(v1alpha1.ReasonNoWorkflow, "api/katkitconfig.js or katkitconfig.js", "spec.phases")
		})

		It("and is told when it has nothing for the tenant's env", func() {
			t := newTenant()
			t.commit(map[string]string{"katkitconfig.js": configFile(map[string][]step{"beta": {execution("A", 0)}})})
			t.link()
			t.run()
			t.runFails(v1alpha1.ReasonInvalidConfig, "katkitconfig.js:1:1", "DEV", "beta")
		})

		It("and is warned of what Katkit does not understand", func() {
			t := newTenant()
			t.commit(workflow(execution("BUILD", 0).with("Colour", "blue")))
			t.link()
			t.run()
			run := t.runIs(v1alpha1.RunRunning)
			Expect(run.Status.Warnings).To(ConsistOf(And(HavePrefix("katkitconfig.js:"), ContainSubstring("Colour"))))
			Eventually(t.events).WithArguments("CIRun", "run").Should(ContainElement(And(
				HavePrefix("Warning ConfigWarning: katkitconfig.js:"), ContainSubstring("Colour"))))
		})

		It("on the hosts and with the variables that class, link, file and run ask for, the later ones winning", func() {
			t := newTenant()
			t.commit(workflow(execution("BUILD", 0).with("BuildParams", "PHASE=COMPILE, FROM_FILE=a=b, WHO_WINS=file, ALSO=file").with("AllocationTags", "big"),
				execution("OTHER", 1).with("ContainerImage", "own:v1")))
			t.link(func(l *v1alpha1.TenantRepoLink) {
				l.Spec.FolderPath = "/svc/"
				l.Spec.Builder.Env = []v1alpha1.BuilderEnvVar{{Name: "FROM_LINK", Value: "link"}, {Name: "WHO_WINS", Value: "link"}, {Name: "ALSO", Value: "link"}}
			})
			t.run(func(r *v1alpha1.CIRun) {
				r.Spec.Env = []v1alpha1.EnvVar{{Name: "FROM_RUN", Value: "run"}, {Name: "WHO_WINS", Value: "run"}, {Name: "GIT_SHA", Value: "forged"}, {Name: "CI", Value: "no"}}
			})
			run := t.runIs(v1alpha1.RunRunning)
			build := t.phaseIs("BUILD", v1alpha1.PhaseRunning)
			for name, value := range map[string]string{
				"FROM_CLASS": "class", "FROM_LINK": "link", "FROM_FILE": "a=b", "FROM_RUN": "run", "ALSO": "file", "WHO_WINS": "run",
				"GIT_SHA": run.Status.SHA, "GIT_REPO": t.repository.Name(), "CODE_PATH": "svc", "ENV": "DEV", "PHASE": "COMPILE", "CI": "true",
				"KATKIT": "true", "KATKIT_TENANT": "team-" + t.namespace, "KATKIT_RUN": "run", "KATKIT_PHASE": "BUILD", "KATKIT_BRANCH": "main",
				"KATKIT_PULL_REQUEST": "", "REPLICA_COUNT": "1",
			} {
				Expect(env(build, name)).To(Equal(value), name)
			}
			Expect(build.Status.Builder).To(HaveValue(And(
				HaveField("Image", "builder:v1"), HaveField("AgentImage", "agent:v1"),
				HaveField("NodeSelector", map[string]string{"pool": "builders", "katkit.dev/allocation-tag": "big"}),
				HaveField("Tolerations", HaveLen(1)))))
			succeed(t.builder("BUILD"))
			other := t.phaseIs("OTHER", v1alpha1.PhaseRunning)
			Expect(env(other, "PHASE")).To(Equal("OTHER"))
			Expect(other.Status.Builder.Image).To(Equal("own:v1"))
		})

		It("on the tenant's own hosts, when the link asks for them", func() {
			t := newTenant()
			t.commit(workflow(execution("BUILD", 0)))
			t.link(func(l *v1alpha1.TenantRepoLink) {
				l.Spec.Builder.Fleet, l.Spec.Builder.Image = v1alpha1.FleetTenant, "mine:v1"
			})
			t.run()
			t.runIs(v1alpha1.RunRunning)
			Expect(t.phaseIs("BUILD", v1alpha1.PhaseRunning).Status.Builder).To(HaveValue(And(
				HaveField("Image", "mine:v1"), HaveField("NodeSelector", BeEmpty()), HaveField("Tolerations", BeEmpty()))))
		})
	})

	Describe("with bad files is told file, line and column, and nothing is begun:", func() {
		good := workflow(execution("BUILD", 0), deployment("DEPLOY", 1))
		inFile := func(text string) map[string]string { return map[string]string{"katkitconfig.js": text} }
		described := func(text string) map[string]string {
			return map[string]string{"katkitconfig.js": good["katkitconfig.js"], "servicedescription/servicedescription.js": text}
		}
		DescribeTable("", func(files map[string]string, reason string, texts ...string) {
			t := newTenant()
			t.newDeployment(appName, "registry.example/app:old")
			t.commit(files)
			t.link()
			t.run()
			t.runFails(reason, texts...)
			Expect(t.imageOf(appName, appName)).To(Equal("registry.example/app:old"))
		},
			Entry("a missing comma", inFile("[\n  {\"EnvName\": \"default\"\n   \"WorkFlow\": []}]"), v1alpha1.ReasonInvalidConfig, "katkitconfig.js:3:4: error:"),
			Entry("code", inFile("module.exports = []"), v1alpha1.ReasonInvalidConfig, "katkitconfig.js:1:1: error:"),
			Entry("an empty file", inFile(""), v1alpha1.ReasonInvalidConfig, "katkitconfig.js"),
			Entry("a file over 256 KiB", inFile("["+strings.Repeat(" ", 256<<10)+"]"), v1alpha1.ReasonInvalidConfig, "katkitconfig.js:1:1: error:", "256 KiB"),
			Entry("two deployment phases", inFile(`[{"EnvName": "default", "WorkFlow": [
				{"Name": "A", "PhaseType": 1, "Order": 0},
				{"Name": "B", "PhaseType": 1, "Order": 1}]}]`), v1alpha1.ReasonInvalidConfig, "katkitconfig.js:3:", "error:", "deployment"),
			Entry("an unknown type of phase", inFile(`[{"EnvName": "default", "WorkFlow": [
				{"Name": "A", "PhaseType": 3, "Order": 0}]}]`), v1alpha1.ReasonInvalidConfig, "katkitconfig.js:2:", "PhaseType", "3"),
			Entry("a variable of Katkit's own", inFile(`[{"EnvName": "default", "WorkFlow": [
				{"Name": "A", "PhaseType": 4, "Order": 0, "BuildParams": "LD_PRELOAD=x"}]}]`), v1alpha1.ReasonInvalidConfig, "katkitconfig.js:2:", "LD_PRELOAD"),
			Entry("no service description", good, v1alpha1.ReasonInvalidServiceDescription, "servicedescription/servicedescription.js", "<hubtag>"),
			Entry("a malformed service description", described("{\"Roles\": [\n  {\"Name\": \"app\", \"DockerImage\": }]}"), v1alpha1.ReasonInvalidServiceDescription, "servicedescription/servicedescription.js:2:34: error:"),
			Entry("a service description over 256 KiB", described("{"+strings.Repeat("\n", 256<<10)+"}"), v1alpha1.ReasonInvalidServiceDescription, "servicedescription/servicedescription.js:1:1: error:", "256 KiB"),
			Entry("an image that is none", described("{\"Roles\": [\n  {\"Name\": \"app\", \"DockerImage\": \"registry.example/App:<hubtag>\"}]}"), v1alpha1.ReasonInvalidServiceDescription, "servicedescription/servicedescription.js:2:"),
			Entry("a role without a workload", described(services("nobody")["servicedescription/servicedescription.js"]), v1alpha1.ReasonServiceNotFound, `role "nobody"`, "no Deployment, StatefulSet or DaemonSet"),
		)

		It("a role whose container cannot be told", func() {
			t := newTenant()
			t.newDeployment(appName, "registry.example/app:old")
			t.newDeployment("other", "registry.example/other:old")
			change(&appsv1.Deployment{}, t.namespace, "other", func(d *appsv1.Deployment) {
				d.Spec.Template.Spec.Containers[0] = corev1.Container{Name: "renamed", Image: "elsewhere/thing:v1"}
			})
			t.commit(good, services(appName, "other"))
			t.link()
			t.run()
			t.runFails(v1alpha1.ReasonServiceNotFound, "other", "renamed", "proxy")
		})
	})

	Describe("before all is in place", func() {
		It("is told how the namespace becomes a tenant", func() {
			t := strangers()
			t.commit(workflow(execution("BUILD", 0)))
			t.link()
			t.run()
			t.runFails(v1alpha1.ReasonNotATenant, "kubectl label namespace "+t.namespace)
		})

		It("is told of a missing token", func() {
			t := newTenant()
			t.commit(workflow(execution("BUILD", 0)))
			t.link(secretNamed("none"))
			t.run()
			t.runFails(v1alpha1.ReasonTokenMissing, "kubectl create secret generic none -n "+t.namespace)
		})

		It("is told of a wrong token", func() {
			t := newTenant()
			t.commit(workflow(execution("BUILD", 0)))
			t.secret("odd", "token", "wrong")
			t.link(secretNamed("odd"))
			t.run()
			t.runFails(v1alpha1.ReasonTokenRejected, "wrong, expired or revoked", t.namespace+"/odd")
		})

		It("has the run wait for its link", func() {
			t := newTenant()
			t.commit(workflow(execution("BUILD", 0)))
			t.run()
			Eventually(func() *metav1.Condition {
				return meta.FindStatusCondition(get(&v1alpha1.CIRun{}, t.namespace, "run").Status.Conditions, v1alpha1.ConditionSucceeded)
			}).Should(HaveValue(And(HaveField("Status", metav1.ConditionUnknown), HaveField("Reason", v1alpha1.ReasonLinkNotFound))))
			Eventually(t.events).WithArguments("CIRun", "run").Should(ContainElement(HavePrefix("Warning LinkNotFound: waiting for TenantRepoLink " + t.namespace + "/app")))
			t.link()
			t.runIs(v1alpha1.RunRunning)
		})

		It("has the run wait for GitHub", func() {
			t := newTenant()
			t.commit(workflow(execution("BUILD", 0)))
			t.link()
			t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
			down(t.repository.Name(), 4)
			t.run()
			Eventually(t.events).WithArguments("CIRun", "run").Should(ContainElement(HavePrefix("Warning GitHubUnavailable: ")))
			t.runIs(v1alpha1.RunRunning)
		})

		It("has the run wait for the rate limit", func() {
			t := newTenant()
			t.commit(workflow(execution("BUILD", 0)))
			spent := "spent-" + t.namespace
			gh.AddToken(spent, reader())
			gh.SetRateLimit(spent, 5000, 0, time.Now().Add(2*time.Second))
			t.secret("spent", "token", spent)
			t.link(secretNamed("spent"))
			t.run()
			Eventually(t.events).WithArguments("CIRun", "run").Should(ContainElement(HavePrefix("Warning RateLimited: ")))
			t.runIs(v1alpha1.RunRunning)
		})

		It("is told of a missing builder class", func() {
			t := newTenant()
			t.commit(workflow(execution("BUILD", 0)))
			t.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.Builder.ClassName = "huge" })
			t.run()
			t.runFails(v1alpha1.ReasonNoBuilderClass, "BuilderClass huge")
		})

		It("is told when no builder class is the default one", func() {
			mark := func(value string) {
				change(&v1alpha1.BuilderClass{}, "", defaultClass, func(c *v1alpha1.BuilderClass) { c.Annotations[v1alpha1.AnnotationDefaultClass] = value })
			}
			mark("false")
			DeferCleanup(mark, "true")
			t := newTenant()
			t.commit(workflow(execution("BUILD", 0)))
			t.link()
			t.run()
			t.runFails(v1alpha1.ReasonNoBuilderClass, "kubectl annotate builderclass NAME katkit.dev/is-default-class=true")
		})

		It("is told when two builder classes are the default one, and may name one of them", func() {
			second := get(&v1alpha1.BuilderClass{}, "", defaultClass)
			second.ObjectMeta = metav1.ObjectMeta{Name: "another", Annotations: second.Annotations}
			second.Spec.Image = "another:v1"
			create(second)
			DeferCleanup(func() { Expect(k8s.Delete(ctx, second)).To(Succeed()) })
			t, u := newTenant(), newTenant()
			t.commit(workflow(execution("BUILD", 0)))
			t.link()
			t.run()
			t.runFails(v1alpha1.ReasonSeveralDefaultClasses, "another, standard")
			u.commit(workflow(execution("BUILD", 0)))
			u.link(func(l *v1alpha1.TenantRepoLink) { l.Spec.Builder.ClassName = "another" })
			u.run()
			u.runIs(v1alpha1.RunRunning)
			Expect(u.phaseIs("BUILD", v1alpha1.PhaseRunning).Status.Builder.Image).To(Equal("another:v1"))
		})
	})
})

// both is a repository with one workflow in its root and another in a folder.
func both(folder string) map[string]string {
	return map[string]string{
		"katkitconfig.js":           workflow(execution("ROOT", 0))["katkitconfig.js"],
		folder + "/katkitconfig.js": workflow(execution("FOLDER", 0))["katkitconfig.js"],
	}
}

// twoEnvs is a workflow of an env and of the default one.
func twoEnvs(name string) map[string]string {
	return map[string]string{"katkitconfig.js": configFile(map[string][]step{
		name: {execution("OF_"+strings.ToUpper(name), 0)}, "default": {execution("OF_DEFAULT", 0)},
	})}
}

func linkAsIs(*v1alpha1.TenantRepoLinkSpec) {}

func runAsIs(*v1alpha1.CIRunSpec) {}

func inFolder(path string) func(*v1alpha1.TenantRepoLinkSpec) {
	return func(s *v1alpha1.TenantRepoLinkSpec) { s.FolderPath = path }
}

func withLinkPhase(s *v1alpha1.TenantRepoLinkSpec) {
	s.Phases = []v1alpha1.PhaseTemplate{{Name: "FROM_LINK", Type: v1alpha1.PhaseExecution}}
}

func withRunPhase(s *v1alpha1.CIRunSpec) {
	s.Phases = []v1alpha1.PhaseTemplate{{Name: "FROM_RUN", Type: v1alpha1.PhaseExecution}}
}
