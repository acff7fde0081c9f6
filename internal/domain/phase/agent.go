package phase

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"katkit.dev/katkit/internal/contract"
)

// bringsAgent tells whether the builder image of a Pod has to bring the agent.
func bringsAgent(pod *corev1.Pod) bool {
	return slices.Equal(container(pod, contract.BuildContainer).Command, []string{contract.AgentBinary, contract.ExecCommand})
}

// fittingAgent says how the build container of a Pod gets an agent that fits.
func fittingAgent(pod *corev1.Pod) string {
	agent := image(pod, contract.CheckoutContainer)
	if !bringsAgent(pod) {
		return fmt.Sprintf("A cluster admin gives the BuilderClass an agentImage of the manager's own version, in place of %s", agent)
	}
	return fmt.Sprintf("Put the line `COPY --from=%s %s %s` into the Dockerfile of %s and build it anew",
		agent, contract.AgentBinary, contract.AgentBinary, image(pod, contract.BuildContainer))
}
