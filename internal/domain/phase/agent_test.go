package phase_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

func TestHowTheAgentFailsToGetIntoTheBuildContainer(t *testing.T) {
	because := func(state corev1.ContainerState, why string) corev1.ContainerState {
		state = *state.DeepCopy()
		state.Terminated.Reason = why
		return state
	}
	own := func(pod *corev1.Pod) *corev1.Pod { // the image brings it
		pod = pod.DeepCopy()
		pod.Spec.Containers[1].Command[0] = contract.AgentBinary
		return pod
	}
	byInit := func(pod *corev1.Pod, state corev1.ContainerState) *corev1.Pod {
		pod = is(pod, waiting("PodInitializing", ""), waiting("PodInitializing", ""))
		pod.Spec.InitContainers = []corev1.Container{{Name: contract.AgentContainer, Image: "katkit/agent:1"}}
		pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: contract.AgentContainer, State: state}}
		return pod
	}
	first := func(pod *corev1.Pod, checkout corev1.ContainerState) *corev1.Pod {
		pod = is(own(pod), done, waiting("PodInitializing", ""))
		pod.Spec.InitContainers, pod.Spec.Containers = pod.Spec.Containers[:1], pod.Spec.Containers[1:]
		pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: contract.CheckoutContainer, State: checkout}}
		pod.Status.ContainerStatuses = pod.Status.ContainerStatuses[:1]
		pod.Status.Phase = corev1.PodFailed
		return pod
	}
	noCommit := report(contract.ExitConfig, contract.ReasonCommitNotFound, contract.ClassConfig)
	noCommit.Message = "no such commit"
	mismatch := reported(contract.Report{Reason: contract.ReasonAgentMismatch, Class: contract.ClassConfig, ExitCode: contract.ExitConfig, Message: "version 1, 2 is needed"})
	const line = "`COPY --from=agent /katkit-agent /katkit-agent`"
	noFile := because(terminated(128, `exec: "/katkit-agent": stat /katkit-agent: no such file or directory`), "StartError")
	for name, c := range map[string]struct {
		pod    func(*corev1.Pod) *corev1.Pod
		state  v1alpha1.PhaseState
		class  v1alpha1.FailureClass
		reason string
		words  []string
	}{
		"the image has none": {func(p *corev1.Pod) *corev1.Pod { return is(own(p), done, noFile) },
			v1alpha1.PhaseFailed, v1alpha1.FailureConfig, v1alpha1.ReasonContainerConfig, []string{"no such file", line, "agentInImage"}},
		"the image has another version's": {func(p *corev1.Pod) *corev1.Pod { return is(own(p), done, mismatch) },
			v1alpha1.PhaseFailed, v1alpha1.FailureConfig, "AgentMismatch", []string{"version 1, 2 is needed", line, "Dockerfile of builder"}},
		"the BuilderClass has another version's": {func(p *corev1.Pod) *corev1.Pod { return is(p, done, mismatch) },
			v1alpha1.PhaseFailed, v1alpha1.FailureConfig, "AgentMismatch", []string{"version 1, 2 is needed", "agentImage of the manager's own version"}},
		"its image cannot be pulled": {func(p *corev1.Pod) *corev1.Pod { return byInit(p, waiting("ErrImagePull", "manifest unknown")) },
			v1alpha1.PhaseFailed, v1alpha1.FailureConfig, v1alpha1.ReasonImagePullFailed, []string{"manifest unknown"}},
		"the checkout before it finds no commit": {func(p *corev1.Pod) *corev1.Pod { return first(p, reported(noCommit)) },
			v1alpha1.PhaseFailed, v1alpha1.FailureConfig, "CommitNotFound", []string{"no such commit"}},
		"it cannot be copied": {func(p *corev1.Pod) *corev1.Pod {
			return byInit(p, reported(report(contract.ExitInfra, contract.ReasonAgentFailed, contract.ClassInfra)))
		}, v1alpha1.PhaseRunning, "", v1alpha1.ReasonRunning, nil},
		"it is being copied": {func(p *corev1.Pod) *corev1.Pod { return byInit(p, running) },
			v1alpha1.PhaseRunning, "", v1alpha1.ReasonRunning, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, plan := follow(t, c.pod, now)
			if got := plan.Status; got.State != c.state || got.FailureClass != c.class || reason(got) != c.reason {
				t.Errorf("got %s, %s, %s", got.State, got.FailureClass, reason(got))
			}
			for _, word := range c.words {
				if !strings.Contains(plan.Status.Message, word) {
					t.Errorf("%q does not say %q", plan.Status.Message, word)
				}
			}
			if retried := plan.Status.Attempts[0].RetryTime != nil; retried != (name == "it cannot be copied") {
				t.Errorf("tried again: %t", retried)
			}
		})
	}
}
