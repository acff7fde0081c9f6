package controller_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/controller/link"
	domain "katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/internal/source"
	"katkit.dev/katkit/test/fakegithub"
)

// hour lets an hour of a clock go by, in which a link is looked at whenever its controller wants to, and nobody else does: no manager runs and no
// webhook comes. meanwhile is what happens in each minute of it.
func (t *tenant) hour(meanwhile func(minute int)) {
	GinkgoHelper()
	katkit.stop()
	defer func() { katkit = startManager() }()
	factory, err := github.NewFactory(github.Options{Hosts: []github.Host{host}})
	Expect(err).NotTo(HaveOccurred())
	begin := time.Now()
	clock := clocktesting.NewFakePassiveClock(begin)
	controller := &link.Controller{
		Client: k8s, Live: k8s, Source: &source.Opener{Secrets: k8s, GitHub: factory}, Recorder: events.NewFakeRecorder(1000), Clock: clock, Workers: 1,
	}
	for at, minute := begin, 0; at.Before(begin.Add(time.Hour)); {
		for ; !at.Before(begin.Add(time.Duration(minute) * time.Minute)); minute++ {
			meanwhile(minute)
		}
		clock.SetTime(at)
		result, err := controller.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKey{Namespace: t.namespace, Name: linkName}})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(BeNumerically(">", 0))
		at = at.Add(result.RequeueAfter)
	}
}

// costs are the requests about the repository that GitHub has counted since there were n, in words.
func (t *tenant) costs(n int) string {
	var costs []string
	for _, request := range t.asked("", "") {
		if request.Status != http.StatusNotModified {
			costs = append(costs, request.Method+" "+request.Path)
		}
	}
	return strings.Join(costs[n:], "\n")
}

// paid is how many requests about the repository GitHub has counted.
func (t *tenant) paid() int {
	count := 0
	for _, request := range t.asked("", "") {
		if request.Status != http.StatusNotModified {
			count++
		}
	}
	return count
}

var _ = Describe("An hour without a webhook", func() {
	It("has each push and each commit of a pull request run once, and costs few calls", func() {
		t := triggered(v1alpha1.TriggersSpec{Push: &v1alpha1.PushTrigger{}, PullRequest: &v1alpha1.PullRequestTrigger{}})
		t.roles(map[string]fakegithub.Role{"ann": fakegithub.RoleWrite})
		var want []string
		before := t.paid()
		t.hour(func(minute int) {
			if minute%10 != 5 {
				return
			}
			want = append(want, "push "+t.commit(map[string]string{"n": fmt.Sprint(minute)}), "push "+t.commit(map[string]string{"n": fmt.Sprint(minute, "again")}))
			want = append(want, "pr "+t.commitTo("topic", map[string]string{"n": fmt.Sprint(minute)}))
			if minute == 5 {
				t.open(fakegithub.PullRequest{Title: "Topic", Author: "ann", Head: "topic"})
			}
		})
		Expect(want).To(HaveLen(18))
		Expect(t.commits()).To(ConsistOf(want))
		paid := t.paid() - before
		AddReportEntry(fmt.Sprintf("%d calls that count, for %d commits", paid, len(want)))
		Expect(paid).To(BeNumerically("<=", 6+6*6), "the first look, and six calls each time that something was new")
	})

	It("costs nothing at all when nothing happens", func() {
		t := triggered(v1alpha1.TriggersSpec{Push: &v1alpha1.PushTrigger{}, PullRequest: &v1alpha1.PullRequestTrigger{}})
		before := t.paid()
		t.hour(func(int) {})
		Expect(t.paid()-before).To(BeNumerically("<=", 5), "the first look of a new process")
	})

	It("costs so little when it is busy that fifty links share a token", func() {
		t := triggered(v1alpha1.TriggersSpec{Push: &v1alpha1.PushTrigger{}, PullRequest: &v1alpha1.PullRequestTrigger{Phases: []string{"BUILD", "TEST"}}})
		t.roles(map[string]fakegithub.Role{"ann": fakegithub.RoleWrite})
		t.look()
		before := t.paid()
		name := domain.RunName(linkName, domain.Key(v1alpha1.TriggerPush, t.commit(map[string]string{"a": "1"})))
		t.nudge()
		succeed(t.podOf(name, "BUILD"))
		succeed(t.podOf(name, "TEST"))
		t.imageBecomes(appName, t.newImage(appName))
		t.rollOut(appName)
		t.reported(name)
		push := t.paid() - before
		fmt.Fprintln(GinkgoWriter, t.costs(before))

		before = t.paid()
		name = domain.RunName(linkName, domain.Key(v1alpha1.TriggerPullRequest, t.commitTo("topic", map[string]string{"b": "1"})))
		t.open(fakegithub.PullRequest{Title: "Topic", Author: "ann", Head: "topic"})
		t.nudge()
		succeed(t.podOf(name, "BUILD"))
		succeed(t.podOf(name, "TEST"))
		t.reported(name)
		pull := t.paid() - before
		fmt.Fprintln(GinkgoWriter, t.costs(before))
		AddReportEntry(fmt.Sprintf("%d calls for a push that is built, tested, deployed and reported, %d for a pull request that is built, tested and reported", push, pull))
		Expect(push).To(BeNumerically("<=", 14), "so that a push an hour to each of fifty links costs 700")
		// A run that begins before its manager's cache has the list of the link asks for the pull request once more.
		again := strings.Count(t.costs(before), "GET /api/v3/repos/"+t.repository.Name()+"/pulls/1")
		Expect(again).To(BeNumerically("<=", 1))
		Expect(pull-again).To(BeNumerically("<=", 8), "and a pull request that is updated 400")
	})
})

// reported waits until GitHub shows how a run of a name ended.
func (t *tenant) reported(name string) {
	GinkgoHelper()
	Eventually(func() []metav1.Condition { return get(&v1alpha1.CIRun{}, t.namespace, name).Status.Conditions }).Should(ContainElement(
		And(HaveField("Type", v1alpha1.ConditionReported), HaveField("Status", metav1.ConditionTrue))))
	Expect(t.stateOf(name)).To(Equal(v1alpha1.RunSucceeded))
}
