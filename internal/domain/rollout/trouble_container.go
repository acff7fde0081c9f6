package rollout

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// pullPatience is how old a Pod is at least before a pull that may still succeed is given up: long enough for the
// kubelet's second try (its first backoff is 10 s).
const pullPatience = 20 * time.Second

// hopeless is what registries and containerd say of an image that will not come by trying again.
var hopeless = regexp.MustCompile(`not ?found|manifest unknown|name unknown|no match for platform|unauthorized|denied|forbidden|authorization failed|invalid reference|invalidimagename|errimageneverpull`)

// backOff is what the kubelet puts before a pull's error while it waits; without it both states read the same.
var backOff = regexp.MustCompile(`^Back-off pulling image "[^"]*"(: (ErrImagePull|ImagePullBackOff))?(: )?`)

// unpulled tells of an image that cannot be pulled.
func unpulled(c container, waiting *corev1.ContainerStateWaiting, now time.Time) finding {
	why := backOff.ReplaceAllString(waiting.Message, "")
	final := waiting.Reason == "ImagePullBackOff" && !now.Before(begin(c.pod).Add(pullPatience))
	if !final {
		final = PullIsHopeless(c.spec.Image, waiting.Reason+" "+why)
	}
	image := c.spec.Image
	if image == "" {
		image = c.status.Image
	}
	if why == "" {
		why = waiting.Reason
	}
	return c.may(v1alpha1.ReasonImagePullFailed, final, "image %q cannot be pulled: %s. Push it, correct its name, or let the Pod's imagePullSecrets read it", image, why)
}

// PullIsHopeless tells whether trying again cannot bring an image, by the kubelet's error: it is not there, or not for us. The
// image's name is left out, since it may hold any word.
func PullIsHopeless(image, why string) bool {
	path, _, _ := strings.Cut(image, "@")
	if colon := strings.LastIndex(path, ":"); colon > strings.LastIndex(path, "/") {
		path = path[:colon]
	}
	if host, rest, found := strings.Cut(path, "/"); found && strings.ContainsAny(host, ".:") {
		path = rest
	}
	why = strings.ToLower(strings.NewReplacer(image, "", "/v2/"+path, "", "/v2/library/"+path, "").Replace(why))
	return hopeless.MatchString(why) && !strings.Contains(why, "toomanyrequests")
}

// signals are the names of those that end programs.
var signals = map[int32]string{1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 11: "SEGV", 13: "PIPE", 15: "TERM"}

// ended tells of a container that ended though it shall run, or failed though it shall end well. restarted: that was the
// instance before the present one.
func ended(c container, last *corev1.ContainerStateTerminated, restarted bool) finding {
	switch last.Reason {
	case "StartError", "ContainerCannotRun":
		return c.may(v1alpha1.ReasonContainerConfig, true, "cannot be started: %s", sentence(last.Reason, last.Message))
	case "ContainerStatusUnknown":
		return c.may(v1alpha1.ReasonNodeTrouble, false, "its node lost it: %s", last.Message)
	}
	clue := &Clue{Pod: c.pod.Name, UID: c.pod.UID, Container: c.status.Name}
	if probe, name := stoppedBy(c.spec, last); probe != nil {
		found := c.may(v1alpha1.ReasonProbeFailing, false, "stopped with exit code %d after %s, %s, as by its %s probe (%s)",
			last.ExitCode, last.FinishedAt.Sub(last.StartedAt.Time), restarts(c.status.RestartCount), name, describe(probe))
		found.clue = clue
		return found
	}
	how := fmt.Sprintf("exited with code %d", last.ExitCode)
	signal := last.Signal
	if signal == 0 && last.ExitCode > 128 {
		signal = last.ExitCode - 128
	}
	switch name := signals[signal]; {
	case last.Reason == v1alpha1.ReasonOutOfMemory:
		how += fmt.Sprintf(" (OOMKilled: it ran out of memory, with a limit of %s)", memoryLimit(c.spec))
	case name != "":
		how += fmt.Sprintf(" (signal %d, SIG%s)", signal, name)
	case last.Reason != "" && last.Reason != "Error" && last.Reason != "Completed":
		how += " (" + last.Reason + ")"
	}
	// While it runs again it may yet be well.
	final := c.status.RestartCount >= 2 && c.status.State.Running == nil
	found := c.may(v1alpha1.ReasonCrashLoop, final, "%s, %s", how, restarts(c.status.RestartCount))
	if last.Message != "" { // the program's own last word, or the end of its log
		found.what += ": " + last.Message
		return found
	}
	clue.Log, clue.Previous = true, restarted
	found.clue = clue
	return found
}

func restarts(n int32) string {
	switch n {
	case 0:
		return "not restarted yet"
	case 1:
		return "restarted once"
	}
	return fmt.Sprintf("restarted %d times", n)
}

func memoryLimit(spec corev1.Container) string {
	if limit, found := spec.Resources.Limits[corev1.ResourceMemory]; found {
		return limit.String()
	}
	return "its Pod or its node"
}

// stoppedBy is the probe that, as it seems, made the kubelet stop a container: the status does not say it, but the way
// and the time of the end do. nil: it ended by itself.
func stoppedBy(spec corev1.Container, last *corev1.ContainerStateTerminated) (probe *corev1.Probe, name string) {
	if last.Reason == v1alpha1.ReasonOutOfMemory || (last.ExitCode != 0 && last.ExitCode != 137 && last.ExitCode != 143) {
		return nil, ""
	}
	probe, name = spec.LivenessProbe, "liveness"
	if probe == nil {
		probe, name = spec.StartupProbe, "startup"
	}
	if probe == nil {
		return nil, ""
	}
	least := seconds(probe.InitialDelaySeconds) + seconds(probe.PeriodSeconds)*time.Duration(max(probe.FailureThreshold-1, 0))
	if last.FinishedAt.Sub(last.StartedAt.Time) < least {
		return nil, ""
	}
	return probe, name
}

// unproven tells of a container that runs and whose startup or readiness probe does not pass.
func unproven(c container, running *corev1.ContainerStateRunning) []finding {
	probe, name := c.spec.ReadinessProbe, "readiness"
	if c.spec.StartupProbe != nil && (c.status.Started == nil || !*c.status.Started) {
		probe, name = c.spec.StartupProbe, "startup"
	}
	if probe == nil {
		return nil
	}
	since := running.StartedAt.Time
	if ready := condition(c.pod, corev1.ContainersReady); ready != nil && ready.LastTransitionTime.After(since) {
		since = ready.LastTransitionTime.Time
	}
	found := c.may(v1alpha1.ReasonProbeFailing, false, "its %s probe (%s) has not passed since %s", name, describe(probe), stamp(since))
	found.due = since.Add(probePatience(probe))
	found.clue = &Clue{Pod: c.pod.Name, UID: c.pod.UID, Container: c.status.Name}
	return []finding{found}
}

// probePatience is how long a probe may not pass before it is told: until it has failed as often as it may, or for 10 s
// beyond its initial delay.
func probePatience(probe *corev1.Probe) time.Duration {
	const most = 10 * time.Second
	return seconds(probe.InitialDelaySeconds) + min(most, seconds(probe.PeriodSeconds)*time.Duration(max(probe.FailureThreshold, 1)))
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// describe tells in words what a probe asks, and how often.
func describe(probe *corev1.Probe) string {
	var what string
	switch {
	case probe.HTTPGet != nil:
		what = fmt.Sprintf("http-get %s:%s%s", probe.HTTPGet.Host, probe.HTTPGet.Port.String(), probe.HTTPGet.Path)
		if probe.HTTPGet.Scheme == corev1.URISchemeHTTPS {
			what = "https-get" + strings.TrimPrefix(what, "http-get")
		}
	case probe.TCPSocket != nil:
		what = fmt.Sprintf("tcp-socket %s:%s", probe.TCPSocket.Host, probe.TCPSocket.Port.String())
	case probe.GRPC != nil:
		what = fmt.Sprintf("grpc :%d", probe.GRPC.Port)
		if probe.GRPC.Service != nil && *probe.GRPC.Service != "" {
			what += "/" + *probe.GRPC.Service
		}
	case probe.Exec != nil:
		what = fmt.Sprintf("exec %.100q", probe.Exec.Command)
	}
	return fmt.Sprintf("%s every %ds", what, probe.PeriodSeconds)
}
