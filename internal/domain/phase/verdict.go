package phase

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rollout"
)

// pullPatience is how long an image may fail to be pulled, for a reason that may pass, before the phase fails with it: long
// enough for the kubelet's second try (its first backoff is 10 s), short enough that nobody waits for nothing.
const pullPatience = 20 * time.Second

// verdict is what a builder Pod has come to.
type verdict struct {
	ended bool

	// While it has not ended: what it waits for, and when to look again if nothing happens (0: need not).
	waitingFor string
	recheck    time.Duration
	// unscheduled is how long it has waited for a node; 0 once it has one.
	unscheduled time.Duration

	// Once it has ended.
	problem                   *problem.Problem // nil: it succeeded
	started                   bool             // ci.sh had started, or that cannot be told
	exitCode                  *int32
	reason                    string
	startTime, completionTime *metav1.Time
	log                       *v1alpha1.LogStatus
	keepLog                   bool // the log is longer than its tail in log
	tailLines                 int64
	outputs                   []contract.Output // of a success, within the limits of package contract
}

// judge reads a builder Pod; nil is one that is gone. It goes by the containers' states, not by the Pod's
// phase, which follows a second later.
func judge(pod *corev1.Pod, now time.Time) verdict {
	if pod == nil {
		v := ended(v1alpha1.FailureInfra, v1alpha1.ReasonPodGone, "the builder Pod was deleted before it had ended; run the commit again")
		v.started = true
		return v
	}
	build, checkout := buildpod.StateOf(pod, contract.BuildContainer), failedCheckout(pod)
	agent := buildpod.StateOf(pod, contract.AgentContainer).Terminated
	switch {
	case agent != nil && agent.ExitCode != 0:
		return judgeAgentImage(contract.AgentContainer, agent)
	case build.Terminated == nil && build.Running == nil && toldWhy(checkout):
		return judgeAgentImage(contract.CheckoutContainer, checkout)
	case build.Terminated != nil:
		return judgeBuild(pod, build.Terminated, checkout)
	case pod.Status.Phase == corev1.PodFailed:
		v := ended(v1alpha1.FailureInfra, v1alpha1.ReasonPodFailed, podFailure(pod))
		v.started = buildRuns(pod) || lost(pod)
		blameDisk(pod, v.problem)
		return v
	case checkout != nil && (build.Running == nil || !toldWhy(checkout)): // no word of it will reach the build container
		return judgeAgentImage(contract.CheckoutContainer, checkout)
	}
	for _, name := range []string{contract.BuildContainer, contract.CheckoutContainer, contract.AgentContainer} {
		if waiting := buildpod.StateOf(pod, name).Waiting; waiting != nil {
			if v, decided := judgeWaiting(pod, name, waiting, now); decided {
				return v
			}
		}
	}
	if v, missing := judgeCache(pod, now); missing {
		return v
	}
	return verdict{waitingFor: waitingFor(pod, build), unscheduled: unscheduled(pod, now)}
}

// unscheduled is how long a Pod has waited for a node; 0 once it has one.
func unscheduled(pod *corev1.Pod, now time.Time) time.Duration {
	if pod.Spec.NodeName != "" || !pod.DeletionTimestamp.IsZero() || pod.CreationTimestamp.IsZero() {
		return 0
	}
	return max(now.Sub(pod.CreationTimestamp.Time), 1)
}

// judgeBuild reads the end of the build container: the agent's report, as far as the container's own state
// agrees with it, since ci.sh can write a termination message too.
func judgeBuild(pod *corev1.Pod, build, checkout *corev1.ContainerStateTerminated) verdict {
	report, err := contract.ParseReport([]byte(build.Message))
	if err != nil || int32(report.ExitCode) != build.ExitCode { //nolint:gosec // ParseReport bounds it to 0…255
		v := judgeWithoutReport(pod, build)
		v.keepLog = true
		return v
	}
	if report.Reason == contract.ReasonCheckoutFailed && checkout != nil { // it left no word, or an agent of before passes no reason on
		if why, err := contract.ParseReport([]byte(checkout.Message)); err == nil && !why.Succeeded() {
			report.Class, report.Reason, report.Message = why.Class, why.Reason, why.Message
		}
	}
	v := verdict{
		ended: true, exitCode: new(build.ExitCode), reason: string(report.Reason),
		startTime: stamp(report.StartTime, build.StartedAt, build), completionTime: stamp(report.FinishTime, build.FinishedAt, build),
		log:     &v1alpha1.LogStatus{Bytes: report.Log.Bytes, Tail: report.Tail},
		keepLog: !report.LogComplete(), tailLines: report.Log.TailLines, outputs: report.Outputs,
		started: !report.StartTime.IsZero(),
	}
	if report.Reason == contract.ReasonAgentMismatch {
		report.Message += ". " + fittingAgent(pod)
	}
	if !report.Succeeded() {
		v.problem = &problem.Problem{Class: v1alpha1.FailureClass(report.Class), Reason: string(report.Reason), Message: report.Message}
	}
	if report.Reason == contract.ReasonTerminated {
		blamePod(pod, v.problem)
	}
	return v
}

// blamePod adds to what stopped the build container from outside what is known of the Pod's own end.
func blamePod(pod *corev1.Pod, cause *problem.Problem) {
	switch {
	case pod.Status.Reason != "": // Evicted, say
		cause.Message += "; " + podFailure(pod)
	case pod.DeletionTimestamp != nil:
		cause.Message += "; the builder Pod was being deleted"
	}
	blameDisk(pod, cause)
}

// blameDisk makes the eviction of a Pod that wrote more than it may the build's own failure. That the node's disk is full is none.
func blameDisk(pod *corev1.Pod, cause *problem.Problem) {
	if pod.Status.Reason == "Evicted" && strings.Contains(pod.Status.Message, "exceed") {
		cause.Class, cause.Reason = v1alpha1.FailureUser, v1alpha1.ReasonDiskLimitExceeded
		cause.Message = strings.TrimRight(cause.Message, ". ") + ". Write less, or ask a cluster admin for a higher ephemeralStorageLimit of the BuilderClass"
	}
}

func judgeWithoutReport(pod *corev1.Pod, build *corev1.ContainerStateTerminated) verdict {
	message := fmt.Sprintf("the build container ended with code %d and without the agent's report", build.ExitCode)
	class, reason := v1alpha1.FailureInfra, v1alpha1.ReasonPodFailed
	switch build.Reason {
	case v1alpha1.ReasonOutOfMemory:
		class, reason = v1alpha1.FailureUser, build.Reason
		message = "the build container ran out of memory: raise builder.resources.limits.memory of the link, or use less"
		if !limitsMemory(pod) { // so it was the node that had no more
			class = v1alpha1.FailureInfra
			message = "the node ran out of memory and killed the build container: set builder.resources.requests.memory of the link to what it needs"
		}
	case "StartError", "ContainerCannotRun":
		class, reason = v1alpha1.FailureConfig, v1alpha1.ReasonContainerConfig
		message = "the build container cannot be started: " + build.Message
		if bringsAgent(pod) {
			message += ". " + fittingAgent(pod) + ", or leave builder.agentInImage of the link out"
		}
	}
	v := ended(class, reason, message)
	if reason == v1alpha1.ReasonPodFailed { // who is evicted for the disk has a second before KILL, too short for a report
		blamePod(pod, v.problem)
	}
	v.started = reason != v1alpha1.ReasonContainerConfig
	v.exitCode = new(build.ExitCode)
	v.startTime, v.completionTime = stamp(time.Time{}, build.StartedAt, build), stamp(time.Time{}, build.FinishedAt, build)
	return v
}

// judgeAgentImage reads the end of a container of the agent image that failed where the build container cannot tell of it.
func judgeAgentImage(name string, lived *corev1.ContainerStateTerminated) verdict {
	if report, err := contract.ParseReport([]byte(lived.Message)); err == nil && !report.Succeeded() {
		return ended(v1alpha1.FailureClass(report.Class), string(report.Reason), report.Message)
	}
	return ended(v1alpha1.FailureInfra, string(contract.ReasonCheckoutFailed),
		fmt.Sprintf("the %s container ended with code %d (%s) and without a report", name, lived.ExitCode, lived.Reason))
}

// failedCheckout is the end of a checkout that failed; nil where none did. A container that ended badly after its checkout, when it brought
// the log to the store, has left the report of a checkout that succeeded, or what it says of the log.
func failedCheckout(pod *corev1.Pod) *corev1.ContainerStateTerminated {
	ended := buildpod.StateOf(pod, contract.CheckoutContainer).Terminated
	if ended == nil || ended.ExitCode == 0 {
		return nil
	}
	if _, err := contract.ParseLogReport([]byte(ended.Message)); err == nil {
		return nil
	}
	if report, err := contract.ParseReport([]byte(ended.Message)); err == nil && report.Succeeded() {
		return nil
	}
	return ended
}

// toldWhy: a checkout that failed says why, and was not killed.
func toldWhy(checkout *corev1.ContainerStateTerminated) bool {
	if checkout == nil {
		return false
	}
	_, err := contract.ParseReport([]byte(checkout.Message))
	return err == nil
}

// judgeWaiting tells of a container that will not start by itself.
func judgeWaiting(pod *corev1.Pod, container string, waiting *corev1.ContainerStateWaiting, now time.Time) (verdict, bool) {
	left := pullPatience - now.Sub(scheduled(pod))
	switch waiting.Reason {
	case "InvalidImageName", "ErrImageNeverPull":
		return ended(v1alpha1.FailureConfig, v1alpha1.ReasonImagePullFailed, imageMessage(waiting)), true
	case "ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable":
		switch {
		case rollout.PullIsHopeless(image(pod, container), waiting.Message):
			return ended(v1alpha1.FailureConfig, v1alpha1.ReasonImagePullFailed, imageMessage(waiting)), true
		case left <= 0: // the registry, or the way to it
			return ended(v1alpha1.FailureInfra, v1alpha1.ReasonImagePullFailed, imageMessage(waiting)), true
		}
		return verdict{waitingFor: imageMessage(waiting), recheck: left}, true
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		if missing := missingSource(pod.Namespace, waiting.Message); missing != "" && container == contract.BuildContainer {
			return ended(v1alpha1.FailureConfig, v1alpha1.ReasonEnvSourceMissing, missing), true
		}
		if strings.Contains(waiting.Message, "non-root") || strings.Contains(waiting.Message, "runAsNonRoot") { // the kubelet's words for the same
			return ended(v1alpha1.FailureConfig, v1alpha1.ReasonContainerConfig, fmt.Sprintf(
				"a container of the builder Pod may not run as root, by the BuilderClass's podSecurity, and image %s does: %s. "+
					"Give the image a USER other than root, by number, or use a BuilderClass whose podSecurity is Baseline",
				image(pod, container), waiting.Message)), true
		}
		if left <= 0 {
			class := v1alpha1.FailureConfig
			if strings.Contains(waiting.Message, "timed out waiting for the condition") { // the API server gives no Secret or ConfigMap out
				class = v1alpha1.FailureInfra
			}
			return ended(class, v1alpha1.ReasonContainerConfig, "a container of the builder Pod cannot be made: "+waiting.Message), true
		}
		return verdict{waitingFor: waiting.Message, recheck: left}, true
	}
	return verdict{}, false
}

// lost tells of a Pod that failed with its node, so that what ran in it cannot be told.
func lost(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue && c.Reason != corev1.PodReasonTerminationByKubelet && pod.Spec.NodeName != ""
	})
}

func limitsMemory(pod *corev1.Pod) bool {
	limits := container(pod, contract.BuildContainer).Resources.Limits
	return !limits.Memory().IsZero()
}

func image(pod *corev1.Pod, name string) string { return container(pod, name).Image }

// container is the one of a name; an empty one where there is none.
func container(pod *corev1.Pod, name string) corev1.Container {
	for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		if c.Name == name {
			return c
		}
	}
	return corev1.Container{}
}

func imageMessage(waiting *corev1.ContainerStateWaiting) string {
	return fmt.Sprintf("an image of the builder Pod cannot be pulled (%s): %s. Correct the image's name or push it, then start a new run",
		waiting.Reason, waiting.Message)
}

// waitingFor says in words what a Pod that has not ended is about.
func waitingFor(pod *corev1.Pod, build corev1.ContainerState) string {
	if why := unschedulable(pod); why != "" {
		return "the builder Pod is not scheduled: " + why
	}
	if build.Running == nil {
		return "the builder Pod is starting"
	}
	return "ci.sh is running"
}

func buildRuns(pod *corev1.Pod) bool {
	return buildpod.StateOf(pod, contract.BuildContainer).Running != nil
}

func podFailure(pod *corev1.Pod) string {
	parts := []string{"the builder Pod failed"}
	for _, part := range []string{pod.Status.Reason, pod.Status.Message} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

func scheduled(pod *corev1.Pod) time.Time {
	if pod.Status.StartTime != nil {
		return pod.Status.StartTime.Time
	}
	return pod.CreationTimestamp.Time
}

func ended(class v1alpha1.FailureClass, reason, message string) verdict {
	return verdict{ended: true, reason: reason, problem: &problem.Problem{Class: class, Reason: reason, Message: message}}
}

// stamp takes the agent's time where the container lived then, else the kubelet's: ci.sh can write a report
// of its own, with years that the API server does not accept.
func stamp(agent time.Time, kubelet metav1.Time, lived *corev1.ContainerStateTerminated) *metav1.Time {
	if at := agent.Truncate(time.Second); !at.Before(lived.StartedAt.Truncate(time.Second)) && !at.After(lived.FinishedAt.Time) {
		return timestamp(at)
	}
	if kubelet.IsZero() {
		return nil
	}
	return timestamp(kubelet.Time)
}
