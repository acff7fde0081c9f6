package controller_test

import (
	"fmt"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/controller/link"
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
		Expect(t.paid() - before).To(BeNumerically("<=", 5), "the first look of a new process")
	})
})
