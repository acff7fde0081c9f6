package cli_test

import (
	"net/http/httptest"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

// beforeTheFirstByte follows builds that the log store knows nothing of yet.
func (l logging) beforeTheFirstByte() {
	server := httptest.NewServer(l.store)
	l.Cleanup(server.Close)
	follow := func(run, pod string, ships bool) *session {
		l.Helper()
		create(l.T, l.admin, &v1alpha1.CIRun{ObjectMeta: meta(run), Spec: v1alpha1.CIRunSpec{Link: v1alpha1.ObjectName{Name: "shop"}, Commit: v1alpha1.CommitSelector{SHA: sha}}})
		l.phases(run)
		l.glance(run, v1alpha1.RunRunning)
		containers := []corev1.Container{{Name: contract.BuildContainer, Image: "b"}}
		if ships {
			containers = append(containers, corev1.Container{Name: contract.CheckoutContainer, Image: "a", Command: []string{"agent", contract.ShipCommand}})
		}
		create(l.T, l.admin, &corev1.Pod{ObjectMeta: meta(pod), Spec: corev1.PodSpec{NodeName: "n1", Containers: containers}})
		l.attempt(run+"-build", pod)
		session := l.ann.begin(l.T, "logs", run, "BUILD", "-f", "--log-store", server.URL, "--token", "t0ken")
		l.store.awaitAsked(l.T, pod, 1)
		l.runs(pod)
		l.kubelet.add(pod, "what its node has left\n")
		return session
	}
	gone := func(pod string) {
		l.Helper()
		if err := l.admin.Delete(l.Context(), &corev1.Pod{ObjectMeta: meta(pod)}, client.GracePeriodSeconds(0)); err != nil {
			l.Fatal(err)
		}
	}

	// It is shown from its first byte on, and goes on when the Pod is removed.
	live := follow("shop-4", "third-0", true)
	l.store.awaitAsked(l.T, "third-0", 3)
	l.store.add("third-0", "first\n")
	live.out.Await(l.T, "first\n")
	gone("third-0")
	l.store.add("third-0", "last\n")
	live.out.Await(l.T, "last\n")
	l.store.end("third-0")
	l.setPhase("shop-4-build", v1alpha1.PhaseSucceeded, "")
	if code := live.code(l.T); code != 0 || live.out.String() != "first\nlast\n" {
		l.Errorf("exit code %d, output %q, said %s", code, live.out, live.said)
	}

	// A Pod that does not bring its log to the store shows it itself.
	live = follow("shop-5", "fourth-0", false)
	live.out.Await(l.T, "what its node has left\n")
	l.ended("shop-5-build", v1alpha1.PhaseSucceeded, "fourth-0")
	if code := live.code(l.T); code != 0 || live.out.String() != "what its node has left\n" {
		l.Errorf("nothing ships it: exit code %d, output %q, said %s", code, live.out, live.said)
	}

	// A build that ends before it has written anything is not waited for.
	live = follow("shop-6", "fifth-0", true)
	l.store.awaitAsked(l.T, "fifth-0", 2)
	gone("fifth-0")
	l.change("shop-6-build", func(phase *v1alpha1.Phase) {
		phase.Status.State = v1alpha1.PhaseFailed
		phase.Status.Attempts[0].Replicas[0].Reason, phase.Status.Attempts[0].Replicas[0].Message = "CheckoutFailed", "there is no such commit"
	})
	if code := live.code(l.T); code != 1 || live.out.String() != "" || !strings.HasSuffix(live.said.String(), "# BUILD has no log: there is no such commit\n") {
		l.Errorf("it never ran: exit code %d, output %q, said %s", code, live.out, live.said)
	}
}
