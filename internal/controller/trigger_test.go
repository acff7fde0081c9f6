package controller_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	domain "katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/test/fakegithub"
)

// robot is the token of a machine user that may write, as a link with triggers needs it.
const robot = "token-of-the-robot"

// triggered links a repository with a workflow of BUILD, TEST and DEPLOY, and waits until its triggers have seen what is there.
func triggered(triggers v1alpha1.TriggersSpec) *tenant {
	GinkgoHelper()
	t := newTenant()
	t.newDeployment(appName, "registry.example/app:old")
	t.commit(workflow(execution("BUILD", 0), execution("TEST", 1), deployment("DEPLOY", 2)), services(appName))
	gh.AddToken(robot, fakegithub.Account{Login: "katkit-robot", Repositories: map[string]fakegithub.Permission{"*": fakegithub.Write}})
	t.secret("robot", v1alpha1.SecretKeyToken, robot)
	t.link(func(l *v1alpha1.TenantRepoLink) {
		l.Spec.SecretRef.Name, l.Spec.Triggers = "robot", triggers
	})
	Eventually(func() *v1alpha1.TriggersStatus { return t.seen().Triggers }).ShouldNot(BeNil())
	return t
}

// look lets the link be looked at, and waits until it was.
func (t *tenant) look() {
	GinkgoHelper()
	for range 3 { // the first may be one that was under way; a link is looked at by one worker at a time, so that the second is over when the third begins
		since := time.Now()
		t.nudge()
		Eventually(func() bool {
			return slices.ContainsFunc(t.asked(http.MethodGet, "/branches/main"), func(r fakegithub.Request) bool { return r.Time.After(since) })
		}).Should(BeTrue())
	}
}

// asked are the requests about the repository, of a method and with a path that ends so; "": any.
func (t *tenant) asked(method, suffix string) []fakegithub.Request {
	var list []fakegithub.Request
	for _, request := range gh.Requests() {
		if (method == "" || request.Method == method) && strings.Contains(request.Path, "/"+t.repository.Name()) && strings.HasSuffix(strings.SplitN(request.Path, "?", 2)[0], suffix) {
			list = append(list, request)
		}
	}
	return list
}

// commits are those of the link's runs, as "TRIGGER SHA PHASES".
func (t *tenant) commits() []string {
	GinkgoHelper()
	var runs v1alpha1.CIRunList
	Expect(k8s.List(ctx, &runs, client.InNamespace(t.namespace))).To(Succeed())
	var list []string
	for _, run := range runs.Items {
		list = append(list, strings.TrimSpace(run.Labels[v1alpha1.LabelTrigger]+" "+run.Spec.Commit.SHA+" "+strings.Join(run.Spec.PhaseNames, ",")))
	}
	return list
}

func (t *tenant) roles(roles map[string]fakegithub.Role) {
	GinkgoHelper()
	for login, role := range roles {
		Expect(t.repository.SetRole(login, role)).To(Succeed())
	}
}

var _ = Describe("A link with triggers", func() {
	It("runs what is pushed to the home branch, each push once, with the phases that it says", func() {
		t := triggered(v1alpha1.TriggersSpec{Push: &v1alpha1.PushTrigger{Phases: []string{"TEST"}}})
		first := t.commit(map[string]string{"a": "1"})
		second := t.commit(map[string]string{"a": "2"})
		t.commitTo("topic", map[string]string{"b": "1"})
		t.look()
		want := []string{"push " + first + " TEST", "push " + second + " TEST"}
		Expect(t.commits()).To(ConsistOf(want))
		name := domain.RunName(linkName, domain.Key(v1alpha1.TriggerPush, second))
		Eventually(t.stateOf).WithArguments(name).Should(Equal(v1alpha1.RunRunning))
		run := get(&v1alpha1.CIRun{}, t.namespace, name)
		Expect(run.Status).To(And(HaveField("Ref", "main"), HaveField("SHA", second), HaveField("Phases", HaveExactElements(HaveField("Name", "TEST")))))

		By("looking again, also by another manager, and after the runs are gone")
		restart()
		t.look()
		Expect(t.commits()).To(ConsistOf(want))
		for _, sha := range []string{first, second} {
			Expect(k8s.Delete(ctx, get(&v1alpha1.CIRun{}, t.namespace, domain.RunName(linkName, domain.Key(v1alpha1.TriggerPush, sha))))).To(Succeed())
		}
		t.look()
		Expect(t.commits()).To(BeEmpty())
	})

	It("runs a commit once though the manager ends between the run and the record of it", func() {
		t := triggered(v1alpha1.TriggersSpec{Push: &v1alpha1.PushTrigger{}})
		sha := t.commit(map[string]string{"a": "1"})
		name := domain.RunName(linkName, domain.Key(v1alpha1.TriggerPush, sha))
		create(&v1alpha1.CIRun{
			ObjectMeta: t.newRun(func(r *v1alpha1.CIRun) { r.Name = name }).ObjectMeta,
			Spec:       v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: linkName}, Commit: v1alpha1.CommitSelector{SHA: sha, Branch: "main"}},
		})
		t.look()
		Expect(t.commits()).To(ConsistOf(sha))
		// A manager that does not see the run yet is refused another of the name, and looks again.
		Eventually(func() []string { return t.seen().Triggers.Handled }).Should(ContainElement(domain.Key(v1alpha1.TriggerPush, sha)))
	})

	It("runs what changes files of its paths", func() {
		t := triggered(v1alpha1.TriggersSpec{
			Push:        &v1alpha1.PushTrigger{Paths: []string{"api/**"}},
			PullRequest: &v1alpha1.PullRequestTrigger{Paths: []string{"api/**"}},
		})
		t.roles(map[string]fakegithub.Role{"ann": fakegithub.RoleWrite})
		t.commit(map[string]string{"web/index.html": "1"})
		api := t.commit(map[string]string{"web/index.html": "1", "api/main.go": "1"})
		t.commitTo("web", map[string]string{"web/index.html": "2"})
		topic := t.commitTo("topic", map[string]string{"api/main.go": "2"})
		t.open(fakegithub.PullRequest{Title: "Web", Author: "ann", Head: "web"})
		t.open(fakegithub.PullRequest{Title: "API", Author: "ann", Head: "topic"})
		t.look()
		Expect(t.commits()).To(ConsistOf("push "+api, "pr "+topic))
		compared := len(t.asked(http.MethodGet, "..."+topic))
		Expect(compared).To(Equal(1))
		t.look()
		Expect(t.asked(http.MethodGet, "..."+topic)).To(HaveLen(compared), "what was judged is not asked for again")
	})

	It("does not lose a commit though GitHub fails three times of ten", func() {
		t := triggered(v1alpha1.TriggersSpec{Push: &v1alpha1.PushTrigger{}, PullRequest: &v1alpha1.PullRequestTrigger{}})
		t.roles(map[string]fakegithub.Role{"ann": fakegithub.RoleWrite})
		Expect(gh.Inject(fakegithub.Fault{Path: "/" + t.repository.Name(), Percent: 30, Times: 1000, Status: http.StatusBadGateway})).To(Succeed())
		DeferCleanup(gh.ForgetFaults)
		var want []string
		for i := range 5 {
			want = append(want, "push "+t.commit(map[string]string{"n": fmt.Sprint(i)}))
			branch := fmt.Sprint("topic", i)
			want = append(want, "pr "+t.commitTo(branch, map[string]string{"t": branch}))
			t.open(fakegithub.PullRequest{Title: branch, Author: "ann", Head: branch})
			t.nudge()
		}
		Eventually(func() []string {
			t.nudge()
			return t.commits()
		}, 30*time.Second, 200*time.Millisecond).Should(ConsistOf(want))
	})

	It("goes by the home branch's katkitconfig.js for pull requests, whatever theirs says", func() {
		t := triggered(v1alpha1.TriggersSpec{PullRequest: &v1alpha1.PullRequestTrigger{Phases: []string{"BUILD"}}})
		t.roles(map[string]fakegithub.Role{"bob": fakegithub.RoleWrite})
		topic := t.commitTo("topic", workflow(deployment("BUILD", 0)), services(appName))
		t.open(fakegithub.PullRequest{Title: "Sly", Author: "bob", Head: "topic"})
		t.look()
		name := domain.RunName(linkName, domain.Key(v1alpha1.TriggerPullRequest, topic))
		succeed(t.podOf(name, "BUILD"))
		Eventually(t.stateOf).WithArguments(name).Should(Equal(v1alpha1.RunSucceeded))
		Expect(get(&v1alpha1.CIRun{}, t.namespace, name).Status.ConfigSource).To(HaveSuffix("of branch main"))
		Expect(t.imageOf(appName, appName)).To(Equal("registry.example/app:old"))

		By("repeating it by hand")
		t.run(func(r *v1alpha1.CIRun) {
			r.Spec.Commit, r.Spec.RerunOf, r.Spec.FromPhase = v1alpha1.CommitSelector{}, name, "BUILD"
		})
		succeed(t.podOf("run", "BUILD"))
		t.runIs(v1alpha1.RunSucceeded)
	})

	It("runs what GitHub cannot compare, and goes on", func() {
		t := triggered(v1alpha1.TriggersSpec{PullRequest: &v1alpha1.PullRequestTrigger{Paths: []string{"api/**"}}})
		t.roles(map[string]fakegithub.Role{"ann": fakegithub.RoleWrite, "reader": fakegithub.RoleRead})
		Expect(gh.Inject(fakegithub.Fault{Path: t.repository.Name() + "/compare/", Times: 1000, Status: http.StatusInternalServerError})).To(Succeed())
		DeferCleanup(gh.ForgetFaults)
		far := t.commitTo("far", map[string]string{"b": "1"})
		theirs := t.commitTo("theirs", map[string]string{"b": "2"})
		t.open(fakegithub.PullRequest{Title: "Theirs", Author: "reader", Head: "theirs"})
		t.open(fakegithub.PullRequest{Title: "Far", Author: "ann", Head: "far"})
		t.look()
		Expect(t.commits()).To(ConsistOf("pr " + far))
		Expect(t.asked(http.MethodGet, "..."+theirs)).To(BeEmpty(), "of who is not trusted the files do not matter")
	})

	It("deploys a fork's commit that was merged", func() {
		t := triggered(v1alpha1.TriggersSpec{Push: &v1alpha1.PushTrigger{}})
		fork, err := gh.Fork(t.repository.Name(), "friend-"+t.namespace+"/app")
		Expect(err).NotTo(HaveOccurred())
		theirs, err := fork.Commit(fakegithub.Commit{Branch: "mine", From: "main", Message: "Good", Files: fakegithub.Texts(map[string]string{"good": "1"})})
		Expect(err).NotTo(HaveOccurred())
		t.open(fakegithub.PullRequest{Title: "Good", Author: "friend", Head: "mine", HeadRepository: fork.Name()})
		t.look()
		Expect(t.commits()).To(BeEmpty())
		Expect(t.repository.FastForward("main", theirs, "ann")).To(Succeed())
		t.look()
		name := domain.RunName(linkName, domain.Key(v1alpha1.TriggerPush, theirs))
		Eventually(func() []v1alpha1.RunPhaseStatus { return get(&v1alpha1.CIRun{}, t.namespace, name).Status.Phases }).Should(ContainElement(HaveField("Name", "DEPLOY")))
		Expect(get(&v1alpha1.CIRun{}, t.namespace, name).Status.Fork).To(BeFalse())
	})

	It("tells in its condition what it cannot do", func() {
		t := triggered(v1alpha1.TriggersSpec{PullRequest: &v1alpha1.PullRequestTrigger{}})
		change(&corev1.Secret{}, t.namespace, "robot", func(s *corev1.Secret) { s.Data[v1alpha1.SecretKeyToken] = []byte(token) })
		t.commitTo("topic", map[string]string{"a": "1"})
		t.open(fakegithub.PullRequest{Title: "Topic", Author: "ann", Head: "topic"})
		t.look()
		Expect(t.commits()).To(BeEmpty())
		Expect(t.seen().Conditions).To(ContainElement(And(HaveField("Type", v1alpha1.ConditionReady),
			HaveField("Message", ContainSubstring("pull requests do not run by themselves: ")))))
	})
})

// The trust matrix on a real API server: by the number of builder Pods. Each event happens to the pull requests of all people at
// once, so that one look shows what runs of them.
var _ = Describe("Of pull requests", Ordered, func() {
	var t *tenant
	people := map[string]fakegithub.Role{
		"owner": fakegithub.RoleAdmin, "writer": fakegithub.RoleWrite, "reader": fakegithub.RoleRead, "stranger": fakegithub.RoleNone, "helper[bot]": fakegithub.RoleWrite,
	}
	numbers := map[string]int{}                       // of pull requests, by "WHO" and "WHO's fork"
	heads := map[string]func(content string) string{} // push to it

	// pods are whose newest commits are built.
	pods := func() []string {
		GinkgoHelper()
		var list corev1.PodList
		Expect(k8s.List(ctx, &list, client.InNamespace(t.namespace))).To(Succeed())
		var names []string
		for _, pod := range list.Items {
			run := get(&v1alpha1.CIRun{}, t.namespace, pod.Labels[v1alpha1.LabelRun])
			for who, number := range numbers {
				if int(run.Spec.Commit.PullRequest) == number {
					names = append(names, who)
				}
			}
		}
		return names
	}
	// clear removes all runs, and their Pods with them, so that the next event is counted alone.
	clearRuns := func() {
		GinkgoHelper()
		Expect(k8s.DeleteAllOf(ctx, &v1alpha1.CIRun{}, client.InNamespace(t.namespace))).To(Succeed())
		Expect(k8s.DeleteAllOf(ctx, &v1alpha1.Phase{}, client.InNamespace(t.namespace))).To(Succeed())
		Expect(k8s.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(t.namespace), client.GracePeriodSeconds(0))).To(Succeed())
		Eventually(pods).Should(BeEmpty())
	}
	expectPods := func(expected ...string) {
		GinkgoHelper()
		t.look()
		Eventually(pods).Should(ConsistOf(expected))
		Consistently(pods, "300ms").Should(ConsistOf(expected))
		clearRuns()
	}

	BeforeAll(func() {
		t = triggered(v1alpha1.TriggersSpec{PullRequest: &v1alpha1.PullRequestTrigger{
			On: []v1alpha1.PullRequestEvent{"Opened", "Updated", "Labelled"}, Labels: []string{"ci"}, Phases: []string{"BUILD"},
		}})
		t.roles(people)
	})

	It("those that are opened run if a writer opened them from a branch of the repository", func() {
		for who := range people {
			login := strings.TrimSuffix(who, "[bot]")
			branch := "of-" + login
			fork, err := gh.Fork(t.repository.Name(), login+"-"+t.namespace+"/app")
			Expect(err).NotTo(HaveOccurred())
			for key, from := range map[string]*fakegithub.Repository{who: t.repository, who + "'s fork": fork} {
				heads[key] = func(content string) string {
					GinkgoHelper()
					sha, err := from.Commit(fakegithub.Commit{Branch: branch, Message: content, Author: "owner", Files: fakegithub.Texts(map[string]string{key: content})})
					Expect(err).NotTo(HaveOccurred())
					return sha
				}
				heads[key]("1")
				request := fakegithub.PullRequest{Title: key, Author: who, Head: branch}
				if from == fork {
					request.HeadRepository = fork.Name()
				}
				numbers[key] = t.open(request)
			}
		}
		expectPods("owner", "writer")
	})

	It("those that are pushed to run in the same way", func() {
		for _, push := range heads {
			push("2")
		}
		expectPods("owner", "writer")
	})

	It("a label changes nothing of that", func() {
		for _, number := range numbers {
			Expect(t.repository.LabelPullRequest(number, "ci")).To(Succeed())
		}
		expectPods()
	})

	It("closed ones do not run, nor do they when they are opened again", func() {
		for _, number := range numbers {
			Expect(t.repository.ClosePullRequest(number)).To(Succeed())
		}
		expectPods()
		for _, number := range numbers {
			Expect(t.repository.ReopenPullRequest(number)).To(Succeed())
		}
		expectPods()
		for _, push := range heads {
			push("3")
		}
		expectPods("owner", "writer")
	})
})

var _ = Describe("A fork's commit", func() {
	It("is run with the home branch's workflow, and not deployed", func() {
		t := newTenant()
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(execution("BUILD", 0), deployment("DEPLOY", 1)), services(appName))
		fork, err := gh.Fork(t.repository.Name(), "stranger-"+t.namespace+"/app")
		Expect(err).NotTo(HaveOccurred())
		own, err := fork.Commit(fakegithub.Commit{Branch: "mine", Message: "Mine", Files: fakegithub.Texts(workflow(execution("STEAL", 0), deployment("DEPLOY", 1)))})
		Expect(err).NotTo(HaveOccurred())
		number := t.open(fakegithub.PullRequest{Title: "Mine", Author: "stranger", Head: "mine", HeadRepository: fork.Name()})
		t.link()
		Eventually(t.pulls).Should(HaveLen(1))
		for name, commit := range map[string]v1alpha1.CommitSelector{
			"by-number": {PullRequest: int32(number)}, "by-both": {PullRequest: int32(number), SHA: own}, "by-sha": {SHA: own},
		} {
			t.run(func(r *v1alpha1.CIRun) { r.Name, r.Spec.Commit = name, commit })
			succeed(t.podOf(name, "BUILD"))
			Eventually(t.stateOf).WithArguments(name).Should(Equal(v1alpha1.RunSucceeded))
			run := get(&v1alpha1.CIRun{}, t.namespace, name)
			Expect(run.Status).To(And(HaveField("SHA", own), HaveField("Fork", true), HaveField("Phases", HaveExactElements(HaveField("Name", "BUILD"))),
				HaveField("Warnings", ContainElement(ContainSubstring("phase DEPLOY is left out")))))
		}

		By("repeating it, when the link knows the fork's commit no more")
		Expect(t.repository.ClosePullRequest(number)).To(Succeed())
		t.nudge()
		Eventually(t.pulls).Should(BeEmpty())
		t.run(func(r *v1alpha1.CIRun) {
			r.Name, r.Spec.Commit, r.Spec.RerunOf, r.Spec.FromPhase = "again", v1alpha1.CommitSelector{}, "by-sha", "BUILD"
		})
		Eventually(func() bool { return get(&v1alpha1.CIRun{}, t.namespace, "again").Status.Fork }).Should(BeTrue())
	})
})
