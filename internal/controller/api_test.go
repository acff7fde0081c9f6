package controller_test

import (
	"reflect"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// apiNamespace is no tenant: what the stories of the API make is never carried out.
const apiNamespace = "default"

var sha = strings.Repeat("0123abcdef", 4)

func aLink(mutate func(*v1alpha1.TenantRepoLink)) *v1alpha1.TenantRepoLink {
	link := &v1alpha1.TenantRepoLink{
		ObjectMeta: metav1.ObjectMeta{Namespace: apiNamespace, Name: "api"},
		Spec:       v1alpha1.TenantRepoLinkSpec{Repository: "acme/app", HomeBranch: "main"},
	}
	mutate(link)
	return link
}

func aRun(mutate func(*v1alpha1.CIRun)) *v1alpha1.CIRun {
	run := &v1alpha1.CIRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: apiNamespace, Name: "api"},
		Spec:       v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: "api"}, Commit: v1alpha1.CommitSelector{SHA: sha}},
	}
	mutate(run)
	return run
}

func aPhase(mutate func(*v1alpha1.Phase)) *v1alpha1.Phase {
	phase := &v1alpha1.Phase{
		ObjectMeta: metav1.ObjectMeta{Namespace: apiNamespace, Name: "api"},
		Spec: v1alpha1.PhaseSpec{
			Run: v1alpha1.ObjectName{Name: "api"}, Name: "BUILD", Type: v1alpha1.PhaseExecution, SHA: sha,
			Timeout: metav1.Duration{Duration: time.Minute}, Approval: v1alpha1.ApprovalManual,
			Execution: &v1alpha1.ExecutionSpec{RepositoryURL: "https://github.com/acme/app.git", Parallelism: 1},
		},
	}
	mutate(phase)
	return phase
}

func linkSpec(mutate func(*v1alpha1.TenantRepoLinkSpec)) *v1alpha1.TenantRepoLink {
	return aLink(func(l *v1alpha1.TenantRepoLink) { mutate(&l.Spec) })
}

func runSpec(mutate func(*v1alpha1.CIRunSpec)) *v1alpha1.CIRun {
	return aRun(func(r *v1alpha1.CIRun) { mutate(&r.Spec) })
}

func phaseSpec(mutate func(*v1alpha1.PhaseSpec)) *v1alpha1.Phase {
	return aPhase(func(p *v1alpha1.Phase) { mutate(&p.Spec) })
}

func commitOf(selector v1alpha1.CommitSelector) *v1alpha1.CIRun {
	return runSpec(func(s *v1alpha1.CIRunSpec) { s.Commit = selector })
}

func branchOf(name string) *v1alpha1.CIRun {
	return commitOf(v1alpha1.CommitSelector{Branch: name})
}

func homeBranch(name string) *v1alpha1.TenantRepoLink {
	return linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.HomeBranch = name })
}

func folder(path string) *v1alpha1.TenantRepoLink {
	return linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.FolderPath = path })
}

func address(url string) *v1alpha1.TenantRepoLink {
	return linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.EnvironmentURL = url })
}

func cacheAt(cache v1alpha1.CacheSpec) *v1alpha1.TenantRepoLink {
	return linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.Builder.Cache = &cache })
}

func templates(types ...v1alpha1.PhaseType) []v1alpha1.PhaseTemplate {
	var phases []v1alpha1.PhaseTemplate
	for i, t := range types {
		phases = append(phases, v1alpha1.PhaseTemplate{Name: string(rune('A' + i)), Type: t})
	}
	return phases
}

func aRunWithPhase(template v1alpha1.PhaseTemplate) *v1alpha1.CIRun {
	return runSpec(func(s *v1alpha1.CIRunSpec) { s.Phases = []v1alpha1.PhaseTemplate{template} })
}

func linkEnv(variable v1alpha1.BuilderEnvVar) *v1alpha1.TenantRepoLink {
	return linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.Builder.Env = []v1alpha1.BuilderEnvVar{variable} })
}

func linkEnvFrom(source v1alpha1.EnvFromSource) *v1alpha1.TenantRepoLink {
	return linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.Builder.EnvFrom = []v1alpha1.EnvFromSource{source} })
}

func linkResources(requests, limits corev1.ResourceList) *v1alpha1.TenantRepoLink {
	return linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) {
		s.Builder.Resources = &corev1.ResourceRequirements{Requests: requests, Limits: limits}
	})
}

func disk(amount string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse(amount)}
}

func dryRun(object client.Object) error { return k8s.Create(ctx, object, client.DryRunAll) }

var _ = Describe("The API server, when somebody applies", func() {
	const twoDeployments = "a workflow has at most one phase of type Deployment"

	DescribeTable("something that makes no sense, says why and takes nothing",
		func(object client.Object, message string) {
			err := dryRun(object)
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
			Expect(err).To(MatchError(ContainSubstring(message)))
		},
		Entry("a short sha", commitOf(v1alpha1.CommitSelector{SHA: sha[:39]}), "spec.commit.sha"),
		Entry("a long sha", commitOf(v1alpha1.CommitSelector{SHA: sha + "0"}), "spec.commit.sha"),
		Entry("a sha in upper case", commitOf(v1alpha1.CommitSelector{SHA: strings.ToUpper(sha)}), "^[0-9a-f]{40}$"),
		Entry("a sha that is not hex", commitOf(v1alpha1.CommitSelector{SHA: strings.Repeat("g", 40)}), "^[0-9a-f]{40}$"),
		Entry("no commit", commitOf(v1alpha1.CommitSelector{}), "a run has either commit, which says what is run, or rerunOf"),
		Entry("a commit and a run to repeat", runSpec(func(s *v1alpha1.CIRunSpec) { s.RerunOf = "x" }), "a run has either commit, which says what is run, or rerunOf"),
		Entry("a phase to begin with, and nothing to repeat", runSpec(func(s *v1alpha1.CIRunSpec) { s.FromPhase = "BUILD" }), "fromPhase goes with rerunOf"),
		Entry("a re-run with phases of its own", runSpec(func(s *v1alpha1.CIRunSpec) {
			s.Commit, s.RerunOf, s.Phases = v1alpha1.CommitSelector{}, "x", templates("Execution")
		}), "a re-run has the phases of the run that it repeats"),
		Entry("all three", commitOf(v1alpha1.CommitSelector{SHA: sha, Branch: "main", PullRequest: 1}), "commit takes branch or pullRequest, not both"),
		Entry("branch and pull request", commitOf(v1alpha1.CommitSelector{Branch: "main", PullRequest: 1}), "commit takes branch or pullRequest, not both"),
		Entry("a negative pull request", commitOf(v1alpha1.CommitSelector{PullRequest: -1}), "spec.commit.pullRequest"),
		Entry("a branch that is an option of git", branchOf("-upload-pack=x"), "branch is not a valid branch name"),
		Entry("a branch with ..", branchOf("a..b"), "branch is not a valid branch name"),
		Entry("a branch with a space", branchOf("a b"), "branch is not a valid branch name"),
		Entry("a branch with a line break", branchOf("a\nb"), "branch is not a valid branch name"),
		Entry("a branch with a bracket", branchOf("a[b"), "branch is not a valid branch name"),
		Entry("a branch with a backslash", branchOf(`a\b`), "branch is not a valid branch name"),
		Entry("a branch with a caret", branchOf("a^"), "branch is not a valid branch name"),
		Entry("a branch with a colon", branchOf("a:b"), "branch is not a valid branch name"),
		Entry("a branch with a tilde", branchOf("a~1"), "branch is not a valid branch name"),
		Entry("a branch with a star", branchOf("a*"), "branch is not a valid branch name"),
		Entry("a branch of 256 characters", branchOf(strings.Repeat("b", 256)), "spec.commit.branch"),
		Entry("a run without a link", runSpec(func(s *v1alpha1.CIRunSpec) { s.Link.Name = "" }), "spec.link"),
		Entry("a run whose name is no label", aRun(func(r *v1alpha1.CIRun) { r.Name = strings.Repeat("r", 64) }), "the name of a CIRun has 63 characters at most, since it becomes a label"),
		Entry("a run with two deployments", runSpec(func(s *v1alpha1.CIRunSpec) { s.Phases = templates("Deployment", "Execution", "Deployment") }), twoDeployments),
		Entry("a run with an unknown type of phase", runSpec(func(s *v1alpha1.CIRunSpec) { s.Phases = templates("Compilation") }), `supported values: "Execution", "Deployment"`),
		Entry("a phase whose name starts with a dash", aRunWithPhase(v1alpha1.PhaseTemplate{Name: "-x", Type: "Execution"}), "spec.phases[0].name"),
		Entry("two phases of a name", runSpec(func(s *v1alpha1.CIRunSpec) {
			s.Phases = append(templates("Execution"), templates("Execution")...)
		}), "Duplicate value"),
		Entry("65 replicas", aRunWithPhase(v1alpha1.PhaseTemplate{Name: "x", Type: "Execution", Parallelism: 65}), "spec.phases[0].parallelism"),
		Entry("an order below 0", aRunWithPhase(v1alpha1.PhaseTemplate{Name: "x", Type: "Execution", Order: -1}), "spec.phases[0].order"),
		Entry("an order above 9999", aRunWithPhase(v1alpha1.PhaseTemplate{Name: "x", Type: "Execution", Order: 10000}), "spec.phases[0].order"),
		Entry("an unknown approval", aRunWithPhase(v1alpha1.PhaseTemplate{Name: "x", Type: "Execution", Approval: "Maybe"}), `supported values: "Automatic", "Manual"`),
		Entry("a variable that no shell takes", runSpec(func(s *v1alpha1.CIRunSpec) { s.Env = []v1alpha1.EnvVar{{Name: "A-B"}} }), "spec.env[0].name"),

		Entry("a repository without an owner", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.Repository = "app" }), "spec.repository"),
		Entry("a repository by its URL", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.Repository = "https://github.com/acme/app" }), "spec.repository"),
		Entry("a host with a path", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.Host = "github.com/x" }), "spec.host"),
		Entry("a host with a user", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.Host = "me@github.com" }), "spec.host"),
		Entry("a home branch that is an option of git", homeBranch("--all"), "homeBranch is not a valid branch name"),
		Entry("a home branch with ..", homeBranch("a..b"), "homeBranch is not a valid branch name"),
		Entry("a home branch with a question mark", homeBranch("a?"), "homeBranch is not a valid branch name"),
		Entry("no home branch", homeBranch(""), "spec.homeBranch"),
		Entry("a folder outside of the repository", folder("../other"), "folderPath has no '.' or '..' in it"),
		Entry("a folder by detours", folder("/api/../../x"), "folderPath has no '.' or '..' in it"),
		Entry("a folder with a dot in the path", folder("./api"), "folderPath has no '.' or '..' in it"),
		Entry("a folder with a backslash", folder(`api\x`), "folderPath has no control characters or backslashes"),
		Entry("an address that is none", address("app.example.com"), "environmentURL is an address such as"),
		Entry("an address that runs in a browser", address("javascript:alert(1)"), "environmentURL is an address such as"),
		Entry("an address of no host", address("https:///x"), "environmentURL is an address such as"),
		Entry("labels without their event", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) {
			s.Triggers.PullRequest = &v1alpha1.PullRequestTrigger{Labels: []string{"ci"}}
		}), "labels go with Labelled in on"),
		Entry("an event without its labels", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) {
			s.Triggers.PullRequest = &v1alpha1.PullRequestTrigger{On: []v1alpha1.PullRequestEvent{"Opened", "Labelled"}}
		}), "labels go with Labelled in on"),
		Entry("an event that is none", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) {
			s.Triggers.PullRequest = &v1alpha1.PullRequestTrigger{On: []v1alpha1.PullRequestEvent{"Closed"}}
		}), "Unsupported value"),
		Entry("a folder with a line break", folder("api\n"), "folderPath has no control characters or backslashes"),
		Entry("a link with two deployments", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.Phases = templates("Deployment", "Deployment") }), twoDeployments),
		Entry("a link whose name is no label", aLink(func(l *v1alpha1.TenantRepoLink) { l.Name = strings.Repeat("l", 64) }), "the name of a TenantRepoLink has 63 characters at most, since it becomes a label"),
		Entry("a poll every 9 seconds", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.PollInterval = &metav1.Duration{Duration: 9 * time.Second} }), "pollInterval is 10s at least"),
		Entry("a timeout below a second", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) {
			s.Builder.Timeout = &metav1.Duration{Duration: 100 * time.Millisecond}
		}), "timeout is 1s at least"),
		Entry("a variable with a value and a source", linkEnv(v1alpha1.BuilderEnvVar{Name: "A", Value: "1", ValueFrom: &v1alpha1.EnvVarSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "npm", Key: "a"}}}),
			"a variable has value or valueFrom, not both"),
		Entry("the identity of every Pod", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.Builder.ServiceAccountName = "default" }), "make a ServiceAccount for builders"),
		Entry("the deployer's identity", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.Builder.ServiceAccountName = v1alpha1.DefaultDeployer }), "nor the deployer"),
		Entry("what is asked of the checkout by a Secret", linkEnv(v1alpha1.BuilderEnvVar{Name: "KATKIT_LFS", ValueFrom: &v1alpha1.EnvVarSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "npm", Key: "a"}}}),
			"the checkout reads no Secret and no ConfigMap"),
		Entry("a variable of two sources", linkEnv(v1alpha1.BuilderEnvVar{Name: "A", ValueFrom: &v1alpha1.EnvVarSource{
			SecretKeyRef: &v1alpha1.KeyReference{Name: "npm", Key: "a"}, ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "npm", Key: "a"}}}),
			"exactly one of the fields in [secretKeyRef configMapKeyRef] must be set"),
		Entry("a variable of no source", linkEnv(v1alpha1.BuilderEnvVar{Name: "A", ValueFrom: &v1alpha1.EnvVarSource{}}),
			"exactly one of the fields in [secretKeyRef configMapKeyRef] must be set"),
		Entry("a key without a name", linkEnv(v1alpha1.BuilderEnvVar{Name: "A", ValueFrom: &v1alpha1.EnvVarSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "npm"}}}),
			"spec.builder.env[0].valueFrom.secretKeyRef.key"),
		Entry("all keys of nothing", linkEnvFrom(v1alpha1.EnvFromSource{Prefix: "A_"}), "exactly one of the fields in [secretRef configMapRef] must be set"),
		Entry("a prefix that no shell takes", linkEnvFrom(v1alpha1.EnvFromSource{Prefix: "A-", SecretRef: &v1alpha1.ObjectReference{Name: "npm"}}), "spec.builder.envFrom[0].prefix"),
		Entry("the credential for GitHub as a variable", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) {
			s.SecretRef = &v1alpha1.ObjectName{Name: "github"}
			s.Builder.Env = []v1alpha1.BuilderEnvVar{{Name: "B"}, {Name: "A", ValueFrom: &v1alpha1.EnvVarSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "github", Key: "token"}}}}
		}), "is Katkit's credential for GitHub, and never a variable of ci.sh: take another Secret in builder.env"),
		Entry("all keys of the credential for GitHub as variables", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) {
			s.SecretRef = &v1alpha1.ObjectName{Name: "github"}
			s.Builder.EnvFrom = []v1alpha1.EnvFromSource{{SecretRef: &v1alpha1.ObjectReference{Name: "github"}}}
		}), "is Katkit's credential for GitHub, and never a variable of ci.sh: take another Secret in builder.envFrom"),
		Entry("an unknown fleet", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.Builder.Fleet = "Mars" }), `supported values: "Builder", "Tenant"`),

		Entry("more memory requested than limited", linkResources(amounts("1", "2Gi"), amounts("", "2000Mi")), "resources requests no more than it limits"),
		Entry("more disk requested than limited", linkResources(disk("2Gi"), disk("2000Mi")), "resources requests no more than it limits"),
		Entry("a cache without a claim", cacheAt(v1alpha1.CacheSpec{Path: "/cache"}), "spec.builder.cache.claimName"),
		Entry("a cache at no absolute path", cacheAt(v1alpha1.CacheSpec{ClaimName: "c", Path: "cache"}), "spec.builder.cache.path"),
		Entry("a cache over the whole image", cacheAt(v1alpha1.CacheSpec{ClaimName: "c", Path: "/"}), "spec.builder.cache.path"),
		Entry("a cache by detours", cacheAt(v1alpha1.CacheSpec{ClaimName: "c", Path: "/x/../proc"}), "path has no '.' or '..' in it"),
		Entry("a cache over the checkout", cacheAt(v1alpha1.CacheSpec{ClaimName: "c", Path: "/workspace/src"}), "path is none of Katkit's own folders"),
		Entry("a cache over the agent", cacheAt(v1alpha1.CacheSpec{ClaimName: "c", Path: "/katkit"}), "path is none of Katkit's own folders"),

		Entry("an execution without what to execute", phaseSpec(func(s *v1alpha1.PhaseSpec) { s.Execution = nil }), "a phase of type Execution, and no other, has execution"),
		Entry("a deployment without what to deploy", phaseSpec(func(s *v1alpha1.PhaseSpec) { s.Type, s.Execution = "Deployment", nil }), "a phase of type Deployment, and no other, has deployment"),
		Entry("a deployment that executes", phaseSpec(func(s *v1alpha1.PhaseSpec) { s.Type = "Deployment" }), "a phase of type Execution, and no other, has execution"),

		Entry("a class without an image", &v1alpha1.BuilderClass{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: v1alpha1.BuilderClassSpec{AgentImage: "a"}}, "spec.image"),
		Entry("a class without the agent", &v1alpha1.BuilderClass{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: v1alpha1.BuilderClassSpec{Image: "a"}}, "spec.agentImage"),
	)

	DescribeTable("what makes sense, takes it",
		func(object client.Object) { Expect(dryRun(object)).To(Succeed()) },
		Entry("a sha", commitOf(v1alpha1.CommitSelector{SHA: sha})),
		Entry("a branch", branchOf("feature/a-b_c.d#1")),
		Entry("a branch in another script", branchOf("größe")),
		Entry("a pull request", commitOf(v1alpha1.CommitSelector{PullRequest: 42})),
		Entry("a run of 63 characters", aRun(func(r *v1alpha1.CIRun) { r.Name = strings.Repeat("r", 63) })),
		Entry("one deployment among others", runSpec(func(s *v1alpha1.CIRunSpec) { s.Phases = templates("Execution", "Deployment", "Execution") })),
		Entry("a link with a slash before its folder", folder("/api/v1/")),
		Entry("a cache", cacheAt(v1alpha1.CacheSpec{ClaimName: "go-modules", Path: "/root/.cache/go build"})),
		Entry("as much requested as limited, in other words", linkResources(amounts("1", "1Gi"), amounts("1000m", "1024Mi"))),
		Entry("requests without limits, and devices", linkResources(amounts("1", ""), corev1.ResourceList{"example.com/gpu": resource.MustParse("1")})),
		Entry("an address", address("http://app.example.com:8080/x?y=z")),
		Entry("triggers", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) {
			s.Triggers = v1alpha1.TriggersSpec{
				Push: &v1alpha1.PushTrigger{}, Comments: &v1alpha1.CommentTrigger{Commands: []v1alpha1.CommentCommand{"ok"}},
				PullRequest: &v1alpha1.PullRequestTrigger{On: []v1alpha1.PullRequestEvent{"Labelled"}, Labels: []string{"ci"}, Paths: []string{"**"}},
			}
		})),
		Entry("a commit of a branch", commitOf(v1alpha1.CommitSelector{SHA: sha, Branch: "main"})),
		Entry("a commit of a pull request", commitOf(v1alpha1.CommitSelector{SHA: sha, PullRequest: 3})),
		Entry("a folder with dots in its name", folder("a..b/.hidden/...")),
		Entry("variables from everywhere", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) {
			s.SecretRef = &v1alpha1.ObjectName{Name: "github"}
			s.Builder.Env = []v1alpha1.BuilderEnvVar{{Name: "EMPTY"}, {Name: "PLAIN", Value: "x"},
				{Name: "A", ValueFrom: &v1alpha1.EnvVarSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "npm", Key: "a", Optional: true}}},
				{Name: "B", ValueFrom: &v1alpha1.EnvVarSource{ConfigMapKeyRef: &v1alpha1.KeyReference{Name: "github", Key: "b"}}}}
			s.Builder.EnvFrom = []v1alpha1.EnvFromSource{{Prefix: "P_", SecretRef: &v1alpha1.ObjectReference{Name: "npm"}}, {ConfigMapRef: &v1alpha1.ObjectReference{Name: "github"}}}
		})),
		Entry("a host with a port", linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.Host = "ghe.example.com:8443" })),
		Entry("a phase", aPhase(func(*v1alpha1.Phase) {})),
	)

	It("a link or a run that says little, fills in what is meant", func() {
		link := aLink(func(*v1alpha1.TenantRepoLink) {})
		Expect(dryRun(link)).To(Succeed())
		Expect(link.Spec.Host).To(Equal("github.com"))
		Expect(link.Spec.PollInterval).To(HaveValue(HaveField("Duration", time.Minute)))

		link = linkSpec(func(s *v1alpha1.TenantRepoLinkSpec) { s.Builder.Image = "x"; s.Deployer.ServiceAccountName = "" })
		Expect(dryRun(link)).To(Succeed())
		Expect(link.Spec.Builder.Fleet).To(Equal(v1alpha1.FleetBuilder))
		Expect(link.Spec.Builder.Timeout).To(HaveValue(HaveField("Duration", time.Hour)))

		run := aRun(func(*v1alpha1.CIRun) {})
		Expect(dryRun(run)).To(Succeed())
		Expect(run.Status.State).To(Equal(v1alpha1.RunPending))
		phase := aPhase(func(*v1alpha1.Phase) {})
		Expect(dryRun(phase)).To(Succeed())
		Expect(phase.Status.State).To(Equal(v1alpha1.PhasePending))
	})
})

var _ = Describe("The API server, when somebody changes", Ordered, func() {
	// update tries a change of the object that is there.
	update := func(object client.Object, mutate func()) error {
		GinkgoHelper()
		key := client.ObjectKeyFromObject(object)
		return retry.RetryOnConflict(retry.DefaultBackoff, func() error { // with the manager, which writes status
			reflect.ValueOf(object).Elem().SetZero() // or what an earlier entry changed would stay
			Expect(k8s.Get(ctx, key, object)).To(Succeed())
			mutate()
			return k8s.Update(ctx, object, client.DryRunAll)
		})
	}
	link, run, phase := aLink(func(*v1alpha1.TenantRepoLink) {}), aRun(func(*v1alpha1.CIRun) {}), aPhase(func(*v1alpha1.Phase) {})
	deploying := aPhase(func(p *v1alpha1.Phase) {
		p.Name, p.Spec.Type, p.Spec.Execution, p.Spec.After = "deploying", v1alpha1.PhaseDeployment, nil, []string{"api"}
		p.Spec.Deployment = &v1alpha1.DeploymentSpec{ServiceAccountName: "x", Services: []v1alpha1.ServiceImage{{Role: "app", Image: "app:v1"}}}
	})
	BeforeAll(func() {
		for _, object := range []client.Object{link, run, phase, deploying} {
			create(object)
			DeferCleanup(func() { Expect(client.IgnoreNotFound(k8s.Delete(ctx, object))).To(Succeed()) })
		}
	})

	DescribeTable("what is for good, refuses it",
		func(object client.Object, mutate func(), message string) {
			err := update(object, mutate)
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
			Expect(err).To(MatchError(ContainSubstring(message)))
		},
		Entry("a link's repository", link, func() { link.Spec.Repository = "acme/other" }, "repository is immutable: delete the link and make a new one"),
		Entry("a link's host", link, func() { link.Spec.Host = "evil.example.com" }, "host is immutable: delete the link and make a new one"),
		Entry("a run's commit", run, func() { run.Spec.Commit = v1alpha1.CommitSelector{Branch: "main"} }, "the spec of a CIRun is immutable but for cancelled: make a new run"),
		Entry("a run's link", run, func() { run.Spec.Link.Name = "other" }, "the spec of a CIRun is immutable but for cancelled: make a new run"),
		Entry("a run's phases", run, func() { run.Spec.Phases = templates("Execution") }, "the spec of a CIRun is immutable but for cancelled: make a new run"),
		Entry("a run's env", run, func() { run.Spec.Env = []v1alpha1.EnvVar{{Name: "A"}} }, "the spec of a CIRun is immutable but for cancelled: make a new run"),
		Entry("a run's timeout", run, func() { run.Spec.Timeout = &metav1.Duration{Duration: time.Minute} }, "the spec of a CIRun is immutable but for cancelled: make a new run"),
		Entry("a run's allowOlder", run, func() { run.Spec.AllowOlder = true }, "the spec of a CIRun is immutable but for cancelled: make a new run"),
		Entry("a phase's sha", phase, func() { phase.Spec.SHA = strings.Repeat("a", 40) }, "the spec of a Phase is immutable but for approved"),
		Entry("a phase's run", phase, func() { phase.Spec.Run.Name = "other" }, "the spec of a Phase is immutable but for approved"),
		Entry("a phase's order", phase, func() { phase.Spec.Order = 7 }, "the spec of a Phase is immutable but for approved"),
		Entry("what a phase comes after", deploying, func() { deploying.Spec.After = nil }, "after is immutable"),
		Entry("a phase's timeout", phase, func() { phase.Spec.Timeout.Duration *= 2 }, "timeout is immutable"),
		Entry("a phase's approval mode", phase, func() { phase.Spec.Approval = v1alpha1.ApprovalAutomatic }, "approval is immutable"),
		Entry("a phase's image", phase, func() { phase.Spec.Execution.Builder.Image = "evil:v1" }, "execution is immutable"),
		Entry("where a phase's variables come from", phase, func() {
			phase.Spec.Execution.EnvFrom = []v1alpha1.EnvFromSource{{SecretRef: &v1alpha1.ObjectReference{Name: "x"}}}
		}, "execution is immutable"),
		Entry("a phase's variables", phase, func() { phase.Spec.Execution.Env = []v1alpha1.BuilderEnvVar{{Name: "A"}} }, "execution is immutable"),
		Entry("what a phase deploys", deploying, func() { deploying.Spec.Deployment.Services[0].Image = "evil:v1" }, "deployment is immutable"),
		Entry("whom a phase deploys as", deploying, func() { deploying.Spec.Deployment.ServiceAccountName = "admin" }, "deployment is immutable"),
		Entry("a phase's type", deploying, func() {
			deploying.Spec.Type, deploying.Spec.Deployment, deploying.Spec.Execution = v1alpha1.PhaseExecution, nil, phase.Spec.Execution.DeepCopy()
		}, "execution and deployment are immutable"),
	)

	It("what may change, takes it", func() {
		Expect(update(link, func() { link.Spec.HomeBranch, link.Spec.FolderPath = "next", "api" })).To(Succeed())
		Expect(update(run, func() { run.Labels = map[string]string{"mine": "yes"} })).To(Succeed())
		Expect(update(phase, func() { phase.Spec.Approved = true })).To(Succeed())
	})

	It("a cancelled run, keeps it so", func() {
		change(&v1alpha1.CIRun{}, apiNamespace, "api", func(r *v1alpha1.CIRun) { r.Spec.Cancelled = true })
		Expect(update(run, func() { run.Spec.Cancelled = false })).To(MatchError(ContainSubstring("a cancelled run stays so")))
	})

	It("an approval, keeps it", func() {
		change(&v1alpha1.Phase{}, apiNamespace, "api", func(p *v1alpha1.Phase) { p.Spec.Approved = true })
		Expect(update(phase, func() { phase.Spec.Approved = false })).To(MatchError(ContainSubstring("an approval cannot be taken back")))
	})

	It("a phase of nobody's run, lets Katkit do nothing with it", func() {
		Expect(get(&v1alpha1.Phase{}, apiNamespace, "deploying").Status).To(Equal(v1alpha1.PhaseStatus{State: v1alpha1.PhasePending}))
		var pods corev1.PodList
		Expect(k8s.List(ctx, &pods, client.InNamespace(apiNamespace))).To(Succeed())
		Expect(pods.Items).To(BeEmpty())
	})
})
