package controller_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/click"
	checks "katkit.dev/katkit/internal/domain/reporting"
	"katkit.dev/katkit/test/fakegithub"
)

// asApp sends a request to GitHub with a credential, and reads the answer.
func asApp(credential, path string, body, into any) {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, host.APIURL+path, strings.NewReader(encode(body)))
	Expect(err).NotTo(HaveOccurred())
	for name, value := range map[string]string{"Authorization": "Bearer " + credential, "Accept": "application/vnd.github+json",
		"Content-Type": "application/json", "X-GitHub-Api-Version": "2022-11-28"} {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	Expect(response.StatusCode).To(Equal(http.StatusCreated))
	Expect(json.NewDecoder(response.Body).Decode(into)).To(Succeed())
}

// shows makes the check run of a run's phase that has ended, as Katkit's App does, and returns its number and its suite's.
func (t *tenant) shows(sha string, run types.UID, phase string) (id, suite int64) {
	GinkgoHelper()
	return t.showsBy("42", sha, run, phase)
}

// showsBy does as another App.
func (t *tenant) showsBy(app, sha string, run types.UID, phase string) (id, suite int64) {
	GinkgoHelper()
	now := time.Now()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer: app, IssuedAt: jwt.NewNumericDate(now.Add(-time.Minute)), ExpiresAt: jwt.NewNumericDate(now.Add(5 * time.Minute)),
	}).SignedString(appKey())
	Expect(err).NotTo(HaveOccurred())
	var access struct{ Token string }
	asApp(signed, "app/installations/7/access_tokens", map[string]any{"permissions": map[string]string{"checks": "write"}}, &access)
	var made struct {
		ID    int64
		Suite struct{ ID int64 } `json:"check_suite"`
	}
	asApp(access.Token, "repos/"+t.repository.Name()+"/check-runs", map[string]any{
		"name": "katkit/team-" + t.namespace + "/-/" + phase, "head_sha": sha, "external_id": checks.CheckID(run, phase), "status": "completed", "conclusion": "failure",
	}, &made)
	return made.ID, made.Suite.ID
}

// checked is a tenant whose link has a GitHub App, and a run that failed in its second phase, which GitHub shows: what the App
// writes to a commit's checks ends the waiting of a button of before.
func checked(mutate ...func(*v1alpha1.TenantRepoLink)) (*tenant, *v1alpha1.CIRun) {
	GinkgoHelper()
	t := withApp()
	Expect(t.repository.SetRole(asker, fakegithub.RoleWrite)).To(Succeed())
	t.commit(workflow(execution("BUILD", 0), execution("TEST", 1), execution("LINT", 2)))
	t.link(append([]func(*v1alpha1.TenantRepoLink){secretNamed("app"), func(l *v1alpha1.TenantRepoLink) {
		l.Spec.PollInterval, l.Spec.Triggers.Comments = &metav1.Duration{Duration: time.Hour}, &v1alpha1.CommentTrigger{}
	}}, mutate...)...)
	t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
	t.run()
	succeed(t.builder("BUILD"))
	exit(t.builder("TEST"), 1, "")
	run := t.runIs(v1alpha1.RunFailed)
	t.isReported(metav1.ConditionTrue, v1alpha1.ReasonReported)
	return t, run
}

// knows waits until a receiver knows the tenant's link.
func (e *endpoint) knows(t *tenant) {
	GinkgoHelper()
	Eventually(func() string {
		e.deliver("push", t.repository.Name(), webhookSecret)
		return t.requested()
	}).ShouldNot(BeEmpty())
}

// press presses a button on GitHub, which tells of it.
func (e *endpoint) press(t *tenant, kind click.Kind, id int64) {
	GinkgoHelper()
	press := t.repository.PressRerun
	if kind == click.CheckSuite {
		press = t.repository.PressRerunAll
	}
	Expect(press(asker, id)).To(Succeed())
	e.tells(t, kind, id)
}

// tells delivers that a button was pressed.
func (e *endpoint) tells(t *tenant, kind click.Kind, id int64) {
	GinkgoHelper()
	body := fmt.Appendf(nil, `{"action":"rerequested",%q:{"id":%d},"number":%d,"repository":{"full_name":%q}}`, kind, id, e.deliveries, t.repository.Name())
	Expect(e.send(string(kind), body, webhookSecret)).To(Equal(http.StatusAccepted))
}

// byHand writes a click of a check run into the link's annotation.
func (t *tenant) byHand(ids ...int64) {
	GinkgoHelper()
	var clicks []click.Click
	for _, id := range ids {
		clicks = append(clicks, click.Click{Button: click.Button{Kind: click.CheckRun, ID: id}, At: time.Now()})
	}
	change(&v1alpha1.TenantRepoLink{}, t.namespace, linkName, func(l *v1alpha1.TenantRepoLink) {
		l.Annotations = map[string]string{v1alpha1.AnnotationRerunRequested: click.Text(clicks)}
	})
}

// judged waits until all clicks of the link's annotation were looked at, and there are some.
func (t *tenant) judged() {
	GinkgoHelper()
	Eventually(func() string {
		link := get(&v1alpha1.TenantRepoLink{}, t.namespace, linkName)
		clicks := link.Annotations[v1alpha1.AnnotationRerunRequested]
		if clicks == "" || link.Status.Triggers == nil || !strings.HasSuffix(strings.Join(link.Status.Triggers.Pressed, " "), clicks) {
			return "waiting for: " + clicks
		}
		return ""
	}).Should(BeEmpty())
}

// repeats are the runs that buttons made.
func (t *tenant) repeats() []v1alpha1.CIRun {
	GinkgoHelper()
	var list, made v1alpha1.CIRunList
	Expect(k8s.List(ctx, &list, client.InNamespace(t.namespace))).To(Succeed())
	for _, run := range list.Items {
		if strings.HasPrefix(run.Name, linkName+"-rerun-") {
			made.Items = append(made.Items, run)
		}
	}
	return made.Items
}

// warned are the events of the link about the button.
func (t *tenant) warned() []string {
	GinkgoHelper()
	var told []string
	for _, event := range t.events("TenantRepoLink", linkName) {
		if strings.Contains(event, "Re-run") {
			told = append(told, event)
		}
	}
	return told
}

var _ = Describe("GitHub's button Re-run", Ordered, func() {
	var webhook *endpoint

	BeforeAll(func() {
		receiverPolicyIsInForce()
		webhook = startReceiver()
	})

	It("repeats a run once, from the phase that it is of", func() {
		t, run := checked()
		webhook.knows(t)
		id, _ := t.shows(run.Status.SHA, run.UID, "TEST")
		webhook.press(t, click.CheckRun, id)
		Eventually(t.repeats).Should(HaveLen(1))
		again := t.repeats()[0]
		Expect(again.Spec).To(And(HaveField("RerunOf", "run"), HaveField("FromPhase", "TEST"), HaveField("Link.Name", linkName)))
		Expect(again.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationAskedOnGitHub, fmt.Sprint("Re-run of check run ", id)))
		test := t.podOf(again.Name, "TEST")
		Expect(get(&v1alpha1.CIRun{}, t.namespace, again.Name).Status.Phases[0]).To(HaveField("CarriedFrom", "run"))
		t.judged()

		By("telling of it again")
		webhook.tells(t, click.CheckRun, id)
		t.judged()
		restart()
		t.byHand(id)
		t.judged()
		Expect(t.repeats()).To(HaveLen(1))
		Expect(t.warned()).To(BeEmpty())

		By("removing the run, as retention does, while GitHub still waits")
		succeed(test)
		succeed(t.podOf(again.Name, "LINT"))
		Eventually(t.stateOf).WithArguments(again.Name).Should(Equal(v1alpha1.RunSucceeded))
		Expect(k8s.Delete(ctx, &again)).To(Succeed())
		Eventually(t.repeats).Should(BeEmpty())
		before := time.Now()
		webhook.tells(t, click.CheckRun, id)
		newest := t.commit(map[string]string{"more": "x"})
		webhook.deliver("push", t.repository.Name(), webhookSecret)
		Eventually(t.seen).Should(HaveField("HomeBranch.SHA", newest))
		t.judged()
		Expect(t.repeats()).To(BeEmpty())
		Expect(t.asked(http.MethodGet, fmt.Sprint("/check-runs/", id))).NotTo(ContainElement(HaveField("Time", BeTemporally(">", before))), "what is known is not asked for")
	})

	It("is not believed of an annotation alone", func() {
		t, run := checked()
		id, _ := t.shows(run.Status.SHA, run.UID, "TEST")
		t.byHand(id, 987654321)
		t.judged()
		Expect(t.repeats()).To(BeEmpty())
		Expect(t.warned()).To(ConsistOf(ContainSubstring("GitHub does not say that Re-run was pressed for run run")))

		By("pressing it, and changing a check run of the commit before Katkit looks")
		Expect(t.repository.PressRerun(asker, id)).To(Succeed())
		other, _ := t.shows(run.Status.SHA, "another-uid", "TEST")
		t.byHand(id, other)
		t.judged()
		Expect(t.repeats()).To(BeEmpty())
	})

	It("is not believed of another App's check run, which may say what it likes", func() {
		t, run := checked()
		installAppAs(44, map[string]string{"checks": "write"})
		id, _ := t.showsBy("44", run.Status.SHA, run.UID, "TEST")
		Expect(t.repository.PressRerun(asker, id)).To(Succeed())
		t.byHand(id)
		t.judged()
		Expect(t.repeats()).To(BeEmpty())
		Expect(t.warned()).To(BeEmpty())
	})

	It("repeats what one link shows, and nothing of another tenant's", func() {
		t, run := checked()
		u := newTenant()
		create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: u.namespace, Name: "app"}, StringData: appSecret(appKey())})
		u.link(secretNamed("app"), func(l *v1alpha1.TenantRepoLink) {
			l.Spec.Repository, l.Spec.Triggers.Comments = t.repository.Name(), &v1alpha1.CommentTrigger{}
		})
		u.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		webhook.knows(t)
		webhook.knows(&tenant{namespace: u.namespace, repository: t.repository})
		id, _ := t.shows(run.Status.SHA, run.UID, "BUILD")
		webhook.press(t, click.CheckRun, id)
		t.judged()
		u.judged()
		Expect(t.repeats()).To(ConsistOf(HaveField("Spec.FromPhase", "BUILD")))
		Expect(u.repeats()).To(BeEmpty())
		Expect(u.warned()).To(BeEmpty())
	})

	DescribeTable("tells why it does nothing", func(prepare func(*tenant, *v1alpha1.CIRun) types.UID, text string, mutate ...func(*v1alpha1.TenantRepoLink)) {
		t, run := checked(mutate...)
		uid := prepare(t, run)
		id, _ := t.shows(run.Status.SHA, uid, "TEST")
		Expect(t.repository.PressRerun(asker, id)).To(Succeed())
		t.byHand(id)
		t.judged()
		Expect(t.repeats()).To(BeEmpty())
		Expect(t.warned()).To(ConsistOf(ContainSubstring(text)))
	},
		Entry("of a link that obeys no comments", func(_ *tenant, run *v1alpha1.CIRun) types.UID { return run.UID }, "set spec.triggers.comments",
			func(l *v1alpha1.TenantRepoLink) { l.Spec.Triggers.Comments = nil }),
		Entry("of a link that obeys others", func(_ *tenant, run *v1alpha1.CIRun) types.UID { return run.UID }, `have "rerun" among its commands`,
			func(l *v1alpha1.TenantRepoLink) {
				l.Spec.Triggers.Comments.Commands = []v1alpha1.CommentCommand{v1alpha1.CommandCancel}
			}),
		Entry("of a run that goes on", func(t *tenant, _ *v1alpha1.CIRun) types.UID {
			other := t.newRun(func(r *v1alpha1.CIRun) { r.Name = "other" })
			create(other)
			t.podOf("other", "BUILD")
			return other.UID
		}, "run other has not ended"),
		Entry("of a run that is gone", func(*tenant, *v1alpha1.CIRun) types.UID { return "a-uid-of-before" }, "is not there any more"),
	)

	It("repeats all of the newest run for Re-run all checks", func() {
		t, run := checked()
		webhook.knows(t)
		t.shows(run.Status.SHA, run.UID, "TEST")
		_, suite := t.shows(run.Status.SHA, run.UID, "BUILD")
		webhook.press(t, click.CheckSuite, suite)
		t.judged()
		Expect(t.repeats()).To(ConsistOf(And(HaveField("Spec.RerunOf", "run"), HaveField("Spec.FromPhase", "BUILD"))))
		webhook.tells(t, click.CheckSuite, suite)
		t.judged()
		Expect(t.repeats()).To(HaveLen(1))
	})

	It("repeats a fork's commit as a fork's", func() {
		t := withApp()
		Expect(t.repository.SetRole(asker, fakegithub.RoleWrite)).To(Succeed())
		t.newDeployment(appName, "registry.example/app:old")
		t.commit(workflow(execution("BUILD", 0), deployment("DEPLOY", 1), execution("TEST", 2)), services(appName))
		number, _ := t.forked()
		t.link(secretNamed("app"), func(l *v1alpha1.TenantRepoLink) { l.Spec.Triggers.Comments = &v1alpha1.CommentTrigger{} })
		t.linkIs(metav1.ConditionTrue, v1alpha1.ReasonReady)
		t.run(func(r *v1alpha1.CIRun) { r.Spec.Commit = v1alpha1.CommitSelector{PullRequest: int32(number)} })
		succeed(t.builder("BUILD"))
		exit(t.builder("TEST"), 1, "")
		run := t.runIs(v1alpha1.RunFailed)
		Expect(run.Status.Fork).To(BeTrue())
		Expect(t.repository.ClosePullRequest(number)).To(Succeed())

		id, _ := t.shows(run.Status.SHA, run.UID, "BUILD")
		Expect(t.repository.PressRerun(asker, id)).To(Succeed())
		t.byHand(id)
		Eventually(t.repeats).Should(HaveLen(1))
		name := t.repeats()[0].Name
		t.podOf(name, "BUILD")
		again := get(&v1alpha1.CIRun{}, t.namespace, name)
		Expect(again.Status.Fork).To(BeTrue())
		Expect(again.Status.Phases).To(HaveExactElements(HaveField("Name", "BUILD"), HaveField("Name", "TEST")))
	})

	It("asks again where GitHub fails, and makes one run", func() {
		t, run := checked()
		other := t.newRun(func(r *v1alpha1.CIRun) { r.Name, r.Spec.PhaseNames = "other", []string{"BUILD"} })
		create(other)
		exit(t.podOf("other", "BUILD"), 1, "")
		Eventually(t.stateOf).WithArguments("other").Should(Equal(v1alpha1.RunFailed))
		id, _ := t.shows(run.Status.SHA, run.UID, "TEST")
		second, _ := t.shows(run.Status.SHA, other.UID, "BUILD")
		a := t.attended()
		Expect(t.repository.PressRerun(asker, id)).To(Succeed())
		t.byHand(id, second)

		By("not answering about one of two buttons: the other's run would be the answer to both")
		broken := fmt.Sprintf("^/api/v3/repos/%s/check-runs/%d$", t.repository.Name(), second)
		Expect(gh.Inject(fakegithub.Fault{Path: broken, Times: 1 << 30, Status: http.StatusBadGateway})).To(Succeed())
		_, result, err := a.looks(0)
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(And(BeNumerically(">", 0), BeNumerically("<=", 15*time.Second)))
		Expect(t.repeats()).To(BeEmpty())
		Expect(t.seen().Triggers.Pressed).To(BeEmpty())
		Expect(a.told()).To(BeEmpty())

		By("limiting the rate")
		gh.ForgetFaults()
		limited := fakegithub.SecondaryRateLimit(http.StatusForbidden, time.Second)
		limited.Path = fmt.Sprintf("^/api/v3/repos/%s/check-suites/", t.repository.Name())
		Expect(gh.Inject(limited)).To(Succeed())
		_, _, err = a.looks(0)
		Expect(err).NotTo(HaveOccurred())
		Expect(t.repeats()).To(BeEmpty())

		By("failing three of ten requests")
		Expect(gh.Inject(fakegithub.Fault{Path: "^/api/v3/repos/" + t.repository.Name() + "/", Times: 1 << 30, Percent: 30, Status: http.StatusBadGateway})).To(Succeed())
		Eventually(func() []string {
			_, _, _ = a.looks(0)
			return t.seen().Triggers.Pressed
		}).Should(HaveLen(4), "two buttons of which runs were made, and the clicks")
		Expect(t.repeats()).To(ConsistOf(HaveField("Spec.RerunOf", "run"), HaveField("Spec.RerunOf", "other")))
		Expect(a.did).To(HaveLen(2))

		By("passing one over that GitHub has not told of for ten minutes")
		gh.ForgetFaults()
		third, _ := t.shows(run.Status.SHA, run.UID, "BUILD")
		t.byHand(third)
		broken = fmt.Sprintf("^/api/v3/repos/%s/check-runs/%d$", t.repository.Name(), third)
		Expect(gh.Inject(fakegithub.Fault{Path: broken, Times: 1 << 30, Status: http.StatusBadGateway})).To(Succeed())
		a.lookedAt(9 * time.Minute)
		Expect(t.seen().Triggers.Pressed).To(HaveLen(2))
		a.lookedAt(11 * time.Minute)
		Expect(t.seen().Triggers.Pressed).To(HaveLen(3))
		Expect(a.told()).To(ContainElement(ContainSubstring("cannot be looked at")))
		Expect(t.repeats()).To(HaveLen(2))
	})
})
