package rollout

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

const (
	// sandboxPatience is how long a Pod may take to get its volumes and its network before it is told.
	sandboxPatience = 10 * time.Second
	// initPatience is how long an init container may run before it is told.
	initPatience = 30 * time.Second
)

// findings are all that is wrong with a Pod, as its status says. A Pod that is on its way out has nothing.
func findings(pod *corev1.Pod, now time.Time) []finding {
	if pod.DeletionTimestamp != nil {
		return nil
	}
	if pod.Status.Phase == corev1.PodFailed {
		return []finding{{reason: v1alpha1.ReasonNodeTrouble, pod: pod.Name, what: "failed: " + sentence(pod.Status.Reason, pod.Status.Message)}}
	}
	if found := unscheduled(pod); found != nil {
		return []finding{*found}
	}
	var found []finding
	for i := range pod.Status.InitContainerStatuses {
		found = append(found, judge(view(pod, &pod.Status.InitContainerStatuses[i], pod.Spec.InitContainers, true), now)...)
	}
	for i := range pod.Status.ContainerStatuses {
		found = append(found, judge(view(pod, &pod.Status.ContainerStatuses[i], pod.Spec.Containers, false), now)...)
	}
	if len(found) == 0 {
		found = append(found, asWhole(pod)...)
	}
	return found
}

func unscheduled(pod *corev1.Pod) *finding {
	scheduled := condition(pod, corev1.PodScheduled)
	if scheduled == nil || scheduled.Status != corev1.ConditionFalse {
		return nil
	}
	return &finding{reason: v1alpha1.ReasonUnschedulable, pod: pod.Name, what: "no node takes it: " + sentence(scheduled.Reason, scheduled.Message)}
}

// asWhole tells what none of the containers has to do with.
func asWhole(pod *corev1.Pod) []finding {
	// The sandbox is made when the volumes are mounted; images are pulled after that.
	if sandbox := condition(pod, corev1.PodReadyToStartContainers); sandbox != nil && sandbox.Status == corev1.ConditionFalse {
		since := begin(pod)
		return []finding{{
			reason: v1alpha1.ReasonContainerConfig, pod: pod.Name, due: since.Add(sandboxPatience), clue: &Clue{Pod: pod.Name, UID: pod.UID},
			what: "its volumes or its network have not been ready since " + stamp(since),
		}}
	}
	ready, containers := condition(pod, corev1.PodReady), condition(pod, corev1.ContainersReady)
	if ready == nil || ready.Status == corev1.ConditionTrue || containers == nil || containers.Status != corev1.ConditionTrue {
		return nil
	}
	if ready.Reason == "ReadinessGatesNotReady" {
		return []finding{{reason: v1alpha1.ReasonNotReady, pod: pod.Name, what: "a readiness gate keeps it from being ready: " + ready.Message}}
	}
	return []finding{{reason: v1alpha1.ReasonNodeTrouble, pod: pod.Name, what: fmt.Sprintf(
		"it is not ready, though its containers are, since %s: its node %s may be lost", stamp(ready.LastTransitionTime.Time), pod.Spec.NodeName)}}
}

// container is one of a Pod, as it is and as it shall be.
type container struct {
	pod    *corev1.Pod
	status *corev1.ContainerStatus
	spec   corev1.Container
	// endsFirst: it is an init container that has to end before the Pod goes on.
	endsFirst bool
}

func view(pod *corev1.Pod, status *corev1.ContainerStatus, specs []corev1.Container, init bool) container {
	c := container{pod: pod, status: status}
	for _, spec := range specs {
		if spec.Name == status.Name {
			c.spec = spec
		}
	}
	sidecar := c.spec.RestartPolicy != nil && *c.spec.RestartPolicy == corev1.ContainerRestartPolicyAlways
	c.endsFirst = init && !sidecar
	return c
}

// may is a finding of the container.
func (c container) may(reason string, final bool, format string, args ...any) finding {
	return finding{reason: reason, final: final, pod: c.pod.Name, container: c.status.Name, what: fmt.Sprintf(format, args...)}
}

// judge tells what is wrong with a container.
func judge(c container, now time.Time) []finding {
	last := c.status.LastTerminationState.Terminated
	switch state := c.status.State; {
	case state.Waiting != nil:
		return judgeWaiting(c, state.Waiting, now)
	case state.Terminated != nil:
		if state.Terminated.ExitCode == 0 && (c.endsFirst || endsOnce(c.spec)) {
			return nil
		}
		return []finding{ended(c, state.Terminated, false)}
	case state.Running == nil:
		return nil
	case c.endsFirst:
		slow := c.may(v1alpha1.ReasonNotReady, false, "the init container has been running since %s", stamp(state.Running.StartedAt.Time))
		slow.due = state.Running.StartedAt.Add(initPatience)
		return []finding{slow}
	case c.status.Ready:
		return nil
	default:
		unready := unproven(c, state.Running)
		if last != nil && (len(unready) == 0 || unready[0].due.After(now)) {
			unready = append(unready, ended(c, last, true))
		}
		return unready
	}
}

// endsOnce: the container may end while the Pod goes on.
func endsOnce(spec corev1.Container) bool {
	return spec.RestartPolicy != nil && *spec.RestartPolicy != corev1.ContainerRestartPolicyAlways
}

// judgeWaiting tells of a container that does not run, by the reasons that the kubelet gives.
func judgeWaiting(c container, waiting *corev1.ContainerStateWaiting, now time.Time) []finding {
	last := c.status.LastTerminationState.Terminated
	switch waiting.Reason {
	case "InvalidImageName", "ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable",
		"SignatureValidationFailed":
		return []finding{unpulled(c, waiting, now)}
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		// The kubelet gives up reading a Secret or a ConfigMap for now when the API server is slow.
		passes := strings.Contains(waiting.Message, "timed out waiting for the condition")
		return []finding{c.may(v1alpha1.ReasonContainerConfig, !passes, "cannot be made or started: %s", sentence(waiting.Reason, waiting.Message))}
	case "", "ContainerCreating", "PodInitializing", "CrashLoopBackOff":
		if last != nil && (last.ExitCode != 0 || !c.endsFirst) {
			return []finding{ended(c, last, true)}
		}
		return nil
	default:
		return []finding{c.may(v1alpha1.ReasonContainerConfig, false, "does not start: %s", sentence(waiting.Reason, waiting.Message))}
	}
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// begin is when the kubelet took the Pod.
func begin(pod *corev1.Pod) time.Time {
	if pod.Status.StartTime != nil {
		return pod.Status.StartTime.Time
	}
	return pod.CreationTimestamp.Time
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// sentence joins a reason in one word and a message, each of which may be missing.
func sentence(reason, message string) string {
	switch {
	case message == "":
		return reason
	case reason == "" || strings.Contains(message, reason):
		return message
	}
	return reason + ": " + message
}
