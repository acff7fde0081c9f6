package logs

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubefake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/contract"
)

// building is the builder Pod of the log, whose build runs, and which brings its log to the store.
func building(change func(*corev1.Pod)) *corev1.Pod {
	state := func(name string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: name, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: here.namespace, Name: here.pod},
		Spec: corev1.PodSpec{Containers: []corev1.Container{
			{Name: contract.CheckoutContainer, Command: []string{"agent", "checkout", contract.ShipCommand}}, {Name: contract.BuildContainer}}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{state(contract.CheckoutContainer), state(contract.BuildContainer)}}}
	change(pod)
	return pod
}

// TestALogThatIsNotThereYet is asked for until it is there, or not to be expected any more. The store refuses first, and then has the log.
func TestALogThatIsNotThereYet(t *testing.T) {
	asIs := func(*corev1.Pod) {}
	never := slices.Repeat([]int{404}, 50)
	failing := append([]int{404}, slices.Repeat([]int{503}, 50)...)
	stored := func(state v1alpha1.StoredLogState) *v1alpha1.LogStatus {
		return &v1alpha1.LogStatus{Bytes: 4, Stored: &v1alpha1.StoredLog{State: state}}
	}
	for name, c := range map[string]struct {
		refuses []int
		once    bool              // without --follow
		pod     func(*corev1.Pod) // nil: it is gone
		hidden  bool              // Pods are not to be seen
		ended   bool
		log     *v1alpha1.LogStatus
		failed  string // "": the log is shown
		asked   int    // 0: as often as it refuses, and once more
		said    []string
	}{
		"it comes":                        {refuses: []int{404, 404, 404}, pod: asIs, said: []string{"BUILD: the log store has nothing of its log yet"}},
		"it comes while one looks":        {refuses: []int{404}, pod: asIs},
		"Pods are not to be seen":         {refuses: []int{404, 404}, hidden: true, said: []string{"nothing of its log yet"}},
		"the store fails for a time":      {refuses: []int{404, 503, 503, 404}, pod: asIs, said: []string{"trying again: the log store answers 503", "nothing of its log yet"}},
		"the store fails for good":        {refuses: failing, pod: asIs, failed: "503", asked: 2 + maxTries, said: []string{"trying again"}},
		"it takes the token no more":      {refuses: []int{404, 401, 401}, pod: asIs, failed: "does not take your token", asked: 2},
		"the store fails at first":        {refuses: failing[1:], pod: asIs, failed: "503", asked: 1},
		"not followed":                    {refuses: never, once: true, pod: asIs, failed: "no such log", asked: 1},
		"nothing ships it":                {refuses: never, pod: func(p *corev1.Pod) { p.Spec.Containers = p.Spec.Containers[1:] }, failed: "no such log", asked: 2},
		"the Pod is gone":                 {refuses: never, failed: "no such log", asked: 2},
		"it came before the Pod was gone": {refuses: []int{404}},
		"the Pod has failed":              {refuses: never, pod: func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, failed: "no such log", asked: 2},
		"what ships it has ended": {refuses: never, failed: "no such log", asked: 2, pod: func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
		}},
		"the build has ended before it began":    {refuses: never, pod: asIs, ended: true, failed: "no such log", asked: 3},
		"the build has ended, it is on its way":  {refuses: []int{404, 404, 404, 404}, pod: asIs, ended: true, log: stored(v1alpha1.StoredLogDelivering), said: []string{"nothing of its log yet"}},
		"the build has ended, it came meanwhile": {refuses: []int{404, 404}, pod: asIs, ended: true, log: stored(v1alpha1.StoredLogComplete)},
		"the build has ended, it was not got":    {refuses: never, pod: asIs, ended: true, log: stored(v1alpha1.StoredLogIncomplete), failed: "no such log", asked: 3},
	} {
		t.Run(name, func(t *testing.T) {
			store := newFakeStore(t, "one\n", true)
			store.refuses = slices.Clone(c.refuses)
			r, notes := reading(t, serve(t, store), &rest.Config{BearerToken: "t0ken"})
			r.follow = !c.once
			var pods []runtime.Object
			if c.pod != nil {
				pods = append(pods, building(c.pod))
			}
			cluster := kubefake.NewClientset(pods...)
			if c.hidden {
				cluster.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
					return true, nil, apierrors.NewForbidden(corev1.Resource("pods"), "", nil)
				})
			}
			r.core = cluster.CoreV1()
			replica := v1alpha1.ReplicaStatus{Pod: here.pod}
			phase := &v1alpha1.Phase{ObjectMeta: metav1.ObjectMeta{Namespace: here.namespace, Name: here.phase}, Spec: v1alpha1.PhaseSpec{Name: "BUILD"},
				Status: v1alpha1.PhaseStatus{Attempts: []v1alpha1.AttemptStatus{{Number: 1, Replicas: []v1alpha1.ReplicaStatus{{Pod: here.pod, Log: c.log}}}}}}
			r.live = fake.NewClientBuilder().WithScheme(cli.Scheme()).WithObjects(phase).Build()
			ended := make(chan struct{})
			if c.ended {
				close(ended)
			}
			r.grace, r.quiet = grace, 0
			out := &strings.Builder{}
			err := r.awaitStore(t.Context(), target{phase, 1, replica}, here, ended, &counter{to: out})
			want := map[bool]string{true: "one\n"}[c.failed == ""]
			if out.String() != want || (err == nil) != (c.failed == "") || err != nil && !strings.Contains(err.Error(), c.failed) {
				t.Errorf("got %q, %v, want %q, %q", out.String(), err, want, c.failed)
			}
			if asked := cmp.Or(c.asked, len(c.refuses)+1); len(store.asked) != asked {
				t.Errorf("asked %d times, want %d", len(store.asked), asked)
			}
			if len(notes.said) != len(c.said) {
				t.Errorf("said %q, want %q", notes.said, c.said)
			}
			for i, said := range c.said[:min(len(c.said), len(notes.said))] {
				if !strings.Contains(notes.said[i], said) {
					t.Errorf("said %q, want %q", notes.said[i], said)
				}
			}
		})
	}
}
