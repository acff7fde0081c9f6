package phase_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/phase"
)

// follow decides on an execution phase whose only Pod is in a state; nil is a Pod that is gone.
func follow(t *testing.T, change func(*corev1.Pod) *corev1.Pod, at time.Time) (*v1alpha1.Phase, phase.Plan) {
	t.Helper()
	p, pods := begun(t, newExecution(1))
	name := podName(p, 0)
	if pod := change(pods[name]); pod != nil {
		pods[name] = pod
	} else {
		delete(pods, name)
	}
	return p, decide(t, phase.Observation{Phase: p, RunActive: true, Pods: pods}, at)
}

func TestDecideWhatBecameOfABuilderPod(t *testing.T) {
	exit := func(code int32) *int32 { return &code }
	checkoutFailed := reported(contract.Report{
		Reason: contract.ReasonCommitNotFound, Class: contract.ClassConfig, ExitCode: contract.ExitConfig, Message: "no such commit",
	})
	buildWithItsReason := reported(contract.Report{
		Reason: contract.ReasonCommitNotFound, Class: contract.ClassConfig, ExitCode: contract.ExitCheckoutFailed, Message: "no such commit",
	})
	buildWithoutCheckout := reported(report(contract.ExitCheckoutFailed, contract.ReasonCheckoutFailed, contract.ClassConfig))
	because := func(state corev1.ContainerState, why string) corev1.ContainerState {
		state = *state.DeepCopy()
		state.Terminated.Reason = why
		return state
	}
	atOnce := func(pod *corev1.Pod) *corev1.Pod {
		pod.Status.StartTime = &metav1.Time{Time: now}
		return pod
	}
	evicted := func(pod *corev1.Pod) *corev1.Pod {
		pod.Status.Phase, pod.Status.Reason, pod.Status.Message = corev1.PodFailed, "Evicted", "The node was low on resource: memory."
		return pod
	}
	deleted := func(pod *corev1.Pod) *corev1.Pod {
		pod.DeletionTimestamp = &start
		return pod
	}
	told := report(contract.ExitTerminated, contract.ReasonTerminated, contract.ClassInfra)
	told.Message = "told to stop"

	for name, c := range map[string]struct {
		pod     func(*corev1.Pod) *corev1.Pod
		state   v1alpha1.PhaseState // Running when absent
		class   v1alpha1.FailureClass
		reason  string
		message string // a part of it
		code    *int32
		stopped bool // the Pod is to be removed
		retried bool // not yet: it is tried again
	}{
		"made, and nobody looked at it yet": {pod: func(p *corev1.Pod) *corev1.Pod { return p }},
		"its containers are being made":     {pod: func(p *corev1.Pod) *corev1.Pod { return is(p, creating, creating) }},
		"both containers run":               {pod: func(p *corev1.Pod) *corev1.Pod { return is(p, running, running) }},
		"ci.sh runs":                        {pod: func(p *corev1.Pod) *corev1.Pod { return is(p, done, running) }},
		"it is being deleted and still runs": {
			pod: func(p *corev1.Pod) *corev1.Pod { return deleted(is(p, done, running)) }},
		"the checkout failed and ci.sh's container has yet to say so": {
			pod: func(p *corev1.Pod) *corev1.Pod { return is(p, checkoutFailed, running) }},

		"ci.sh succeeded": {pod: func(p *corev1.Pod) *corev1.Pod { return is(p, done, succeeded) },
			state: v1alpha1.PhaseSucceeded, code: exit(0)},
		"ci.sh succeeded before the checkout's end was told": {pod: func(p *corev1.Pod) *corev1.Pod { return is(p, running, succeeded) },
			state: v1alpha1.PhaseSucceeded, code: exit(0), stopped: true},
		"ci.sh failed": {pod: func(p *corev1.Pod) *corev1.Pod { return is(p, done, failed) },
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureUser, reason: "CIScriptFailed", message: "ci.sh exited with code 3", code: exit(3)},
		"the build container tells of a checkout that failed": {pod: func(p *corev1.Pod) *corev1.Pod { return is(p, checkoutFailed, buildWithoutCheckout) },
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: "CommitNotFound", message: "no such commit", code: exit(contract.ExitCheckoutFailed)},
		"the build container alone tells why the checkout failed": {pod: func(p *corev1.Pod) *corev1.Pod { return is(p, running, buildWithItsReason) },
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: "CommitNotFound", message: "no such commit", code: exit(contract.ExitCheckoutFailed), stopped: true},
		"the checkout failed before the build container could start": {pod: func(p *corev1.Pod) *corev1.Pod { return is(p, checkoutFailed, creating) },
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: "CommitNotFound", message: "no such commit", stopped: true},
		"the checkout was killed": {pod: func(p *corev1.Pod) *corev1.Pod { return is(p, because(terminated(137, ""), "OOMKilled"), running) },
			state: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRunning, message: "code 137 (OOMKilled)", stopped: true, retried: true},

		"deleted": {pod: func(*corev1.Pod) *corev1.Pod { return nil },
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureInfra, reason: v1alpha1.ReasonPodGone, message: "deleted before it had ended"},
		"deleted, and told to stop": {pod: func(p *corev1.Pod) *corev1.Pod { return deleted(is(p, done, reported(told))) },
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureInfra, reason: "Terminated", message: "told to stop; the builder Pod was being deleted", code: exit(143)},
		"evicted while ci.sh ran": {pod: func(p *corev1.Pod) *corev1.Pod { return evicted(is(p, done, reported(told))) },
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureInfra, reason: "Terminated", message: "Evicted: The node was low on resource: memory.", code: exit(143)},
		"evicted before it started": {pod: func(p *corev1.Pod) *corev1.Pod { return evicted(p.DeepCopy()) },
			state: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRunning, message: "Evicted: The node was low on resource: memory.", retried: true},
		"evicted since it wrote too much, and killed before the agent could tell": {pod: func(p *corev1.Pod) *corev1.Pod {
			p = evicted(is(p, because(terminated(137, ""), "Error"), because(terminated(137, ""), "Error")))
			p.Status.Message = `Container build exceeded its local ephemeral storage limit "64Mi". `
			return p
		},
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureUser, reason: v1alpha1.ReasonDiskLimitExceeded, message: `limit "64Mi". Write less, or ask a cluster admin`, code: exit(137)},
		"evicted since it wrote too much": {pod: func(p *corev1.Pod) *corev1.Pod {
			p = evicted(is(p, done, reported(told)))
			p.Status.Message = "Pod ephemeral local storage usage exceeds the total limit of containers 20Gi. "
			return p
		},
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureUser, reason: v1alpha1.ReasonDiskLimitExceeded, message: "the total limit of containers 20Gi. Write less, or ask a cluster admin", code: exit(143)},
		"evicted since it wrote too much, with no word of the agent": {pod: func(p *corev1.Pod) *corev1.Pod {
			p = evicted(is(p, done, running))
			p.Status.Message = `Container build exceeded its local ephemeral storage limit "20Gi". `
			return p
		},
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureUser, reason: v1alpha1.ReasonDiskLimitExceeded, message: "Write less, or ask a cluster admin"},
		"out of its own memory": {pod: func(p *corev1.Pod) *corev1.Pod {
			p = is(p, done, because(terminated(137, ""), "OOMKilled"))
			for i := range p.Spec.Containers {
				p.Spec.Containers[i].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
			}
			return p
		},
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureUser, reason: "OOMKilled", message: "the build container ran out of memory", code: exit(137)},
		"out of the node's memory": {pod: func(p *corev1.Pod) *corev1.Pod { return is(p, done, because(terminated(137, ""), "OOMKilled")) },
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureInfra, reason: "OOMKilled", message: "the node ran out of memory", code: exit(137)},
		"the agent was killed": {pod: func(p *corev1.Pod) *corev1.Pod { return is(p, done, terminated(137, "")) },
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureInfra, reason: v1alpha1.ReasonPodFailed, message: "code 137 and without", code: exit(137)},
		"the image has another architecture": {pod: func(p *corev1.Pod) *corev1.Pod {
			return is(p, done, because(terminated(128, "exec format error"), "StartError"))
		},
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonContainerConfig, message: "exec format error", code: exit(128)},
		"an image's name is malformed": {pod: func(p *corev1.Pod) *corev1.Pod {
			return is(p, creating, waiting("InvalidImageName", "invalid reference format"))
		},
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonImagePullFailed, message: "invalid reference format", stopped: true},
		"an image could not be pulled for long": {pod: func(p *corev1.Pod) *corev1.Pod { return is(p, running, waiting("ImagePullBackOff", "not found")) },
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonImagePullFailed, message: "(ImagePullBackOff): not found", stopped: true},
		"the agent's image could not be pulled for long": {pod: func(p *corev1.Pod) *corev1.Pod { return is(p, waiting("ErrImagePull", "denied"), creating) },
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonImagePullFailed, message: "(ErrImagePull): denied", stopped: true},
		"an image's registry gives no answer for long": {pod: func(p *corev1.Pod) *corev1.Pod {
			return is(p, running, waiting("ImagePullBackOff", "dial tcp: i/o timeout"))
		},
			state: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRunning, message: "i/o timeout", stopped: true, retried: true},
		"a Secret is missing": {pod: func(p *corev1.Pod) *corev1.Pod {
			return atOnce(is(p, done, waiting("CreateContainerConfigError", `secret "npm" not found`)))
		},
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonEnvSourceMissing, stopped: true,
			message: `Secret d-taskrunner/npm is not there, and builder.env or builder.envFrom of the link names it: make it (kubectl create secret generic npm -n d-taskrunner`},
		"a ConfigMap is missing": {pod: func(p *corev1.Pod) *corev1.Pod {
			return atOnce(is(p, done, waiting("CreateContainerConfigError", `configmap "region" not found`)))
		},
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonEnvSourceMissing, stopped: true,
			message: `ConfigMap d-taskrunner/region is not there, and builder.env or builder.envFrom of the link names it: make it (kubectl create configmap region -n d-taskrunner`},
		"a key of a Secret is missing": {pod: func(p *corev1.Pod) *corev1.Pod {
			return atOnce(is(p, done, waiting("CreateContainerConfigError", `couldn't find key to.ken in Secret d-taskrunner/npm`)))
		},
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonEnvSourceMissing, stopped: true,
			message: `Secret d-taskrunner/npm has no key to.ken, and builder.env of the link names it: add the key, correct the link, or set optional there`},
		"a key of a ConfigMap is missing": {pod: func(p *corev1.Pod) *corev1.Pod {
			return atOnce(is(p, done, waiting("CreateContainerConfigError", `couldn't find key a in ConfigMap d-taskrunner/region`)))
		},
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonEnvSourceMissing, stopped: true,
			message: `ConfigMap d-taskrunner/region has no key a`},
		"the API server does not give a Secret out for long": {pod: func(p *corev1.Pod) *corev1.Pod {
			return is(p, done, waiting("CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition"))
		},
			state: v1alpha1.PhaseRunning, reason: v1alpha1.ReasonRunning, message: "failed to sync secret cache", stopped: true, retried: true},
		"the image runs as root, which it may not": {pod: func(p *corev1.Pod) *corev1.Pod {
			return is(p, running, waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"))
		},
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonContainerConfig, message: "image will run as root. Give the image a USER other than root", stopped: true},
		"the image's user has a name, which may be root's": {pod: func(p *corev1.Pod) *corev1.Pod {
			return is(p, running, waiting("CreateContainerConfigError", "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root"))
		},
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonContainerConfig, message: "by number", stopped: true},
		"a container could not be made for long": {pod: func(p *corev1.Pod) *corev1.Pod {
			return is(p, done, waiting("CreateContainerConfigError", "secret not found"))
		},
			state: v1alpha1.PhaseFailed, class: v1alpha1.FailureConfig, reason: v1alpha1.ReasonContainerConfig, message: "secret not found", stopped: true},
	} {
		t.Run(name, func(t *testing.T) {
			p, plan := follow(t, c.pod, now)
			if c.state == "" {
				if diff := cmp.Diff(p.Status, plan.Status); diff != "" || len(plan.DeletePods)+len(plan.KeepLogs) > 0 {
					t.Fatalf("goes on, so nothing is written or done (-want +got)\n%s\n%+v", diff, plan)
				}
				if plan.RequeueAfter != time.Hour-time.Minute {
					t.Errorf("looks again after %s, not at the timeout", plan.RequeueAfter)
				}
				return
			}
			wantReason := c.reason
			if c.state == v1alpha1.PhaseSucceeded {
				wantReason = v1alpha1.ReasonSucceeded
			}
			status := plan.Status
			if status.State != c.state || status.FailureClass != c.class || reason(status) != wantReason || !strings.Contains(status.Message, c.message) {
				t.Errorf("got %s, %s, %s, %q", status.State, status.FailureClass, reason(status), status.Message)
			}
			if retried := status.Attempts[0].RetryTime != nil; retried != c.retried {
				t.Errorf("tried again: %t", retried)
			}
			if diff := cmp.Diff(c.code, status.Attempts[0].Replicas[0].ExitCode); diff != "" {
				t.Errorf("exit code (-want +got)\n%s", diff)
			}
			if stopped := len(plan.DeletePods) == 1; stopped != c.stopped {
				t.Errorf("to be removed: %v", plan.DeletePods)
			}
		})
	}
}

func TestPullIsGivenASecondTry(t *testing.T) {
	for _, why := range []string{"ErrImagePull", "ImagePullBackOff", "CreateContainerError"} {
		p, plan := follow(t, func(pod *corev1.Pod) *corev1.Pod { return is(pod, running, waiting(why, "no answer")) }, start.Add(5*time.Second))
		if diff := cmp.Diff(p.Status, plan.Status); diff != "" {
			t.Errorf("%s (-want +got)\n%s", why, diff)
		}
		if plan.RequeueAfter != 15*time.Second {
			t.Errorf("%s: looks again after %s, though nothing may happen until the patience is over", why, plan.RequeueAfter)
		}
	}
}

func TestPullThatCannotSucceedFailsAtOnce(t *testing.T) {
	_, plan := follow(t, func(pod *corev1.Pod) *corev1.Pod {
		return is(pod, running, waiting("ErrImagePull", "manifest unknown"))
	}, start.Add(time.Second))
	if plan.Status.State != v1alpha1.PhaseFailed || plan.Status.FailureClass != v1alpha1.FailureConfig || reason(plan.Status) != v1alpha1.ReasonImagePullFailed {
		t.Errorf("%+v", plan.Status)
	}
}

// ci.sh can write the build container's termination message. The container's own state is the authority.
func TestHostileReports(t *testing.T) {
	forged := func(code int32, json string) corev1.ContainerState { return terminated(code, json) }
	for name, c := range map[string]struct {
		build corev1.ContainerState
		state v1alpha1.PhaseState
	}{
		"success, though it failed": {forged(1, succeeded.Terminated.Message), v1alpha1.PhaseFailed},
		"failure, though it ended well": {
			forged(0, `{"version":1,"class":"Infra","reason":"AgentFailed","exitCode":121}`), v1alpha1.PhaseFailed},
		"nothing at all":  {forged(0, ""), v1alpha1.PhaseFailed},
		"prose":           {forged(0, "all is well"), v1alpha1.PhaseFailed},
		"a broken escape": {forged(1, `{"version":1,"reason":"\ud800"}`), v1alpha1.PhaseFailed},
		"a year that the API server refuses": {
			forged(0, `{"version":1,"reason":"Completed","startTime":"9999-12-31T23:59:59-23:59","finishTime":"9999-12-31T23:59:59-23:59"}`), v1alpha1.PhaseSucceeded},
		"a year before the first": {
			forged(0, `{"version":1,"reason":"Completed","startTime":"0000-01-01T00:00:00+23:59"}`), v1alpha1.PhaseSucceeded},
		"a log as large as none can be": {
			forged(0, `{"version":1,"reason":"Completed","log":{"bytes":9223372036854775807,"lines":4611686018427387904,"tailLines":65536}}`), v1alpha1.PhaseSucceeded},
	} {
		t.Run(name, func(t *testing.T) {
			_, plan := follow(t, func(pod *corev1.Pod) *corev1.Pod { return is(pod, done, c.build) }, now)
			if plan.Status.State != c.state {
				t.Errorf("got %s, %q", plan.Status.State, plan.Status.Message)
			}
			replica := plan.Status.Attempts[0].Replicas[0]
			for what, at := range map[string]*metav1.Time{"start": replica.StartTime, "completion": replica.CompletionTime} {
				if at == nil || at.Before(&c.build.Terminated.StartedAt) || c.build.Terminated.FinishedAt.Before(at) {
					t.Errorf("%s time %v is outside of the container's life", what, at)
				}
			}
			if len(plan.KeepLogs) != 1 {
				t.Errorf("the log is to be kept: %v", plan.KeepLogs)
			}
		})
	}
}

func TestAShortLogIsNotReadAgain(t *testing.T) {
	p, plan := follow(t, func(pod *corev1.Pod) *corev1.Pod { return is(pod, done, succeeded) }, now)
	if len(plan.KeepLogs) != 0 {
		t.Errorf("the whole log is in the report, and is read again: %v", plan.KeepLogs)
	}
	want := v1alpha1.ReplicaStatus{
		Pod: podName(p, 0), ExitCode: new(int32), Reason: "Completed", Started: true,
		StartTime: new(metav1.NewTime(now.Add(-10 * time.Second))), CompletionTime: new(metav1.NewTime(now.Add(-time.Second))),
		Log: &v1alpha1.LogStatus{Bytes: 6, Tail: "hello\n"},
	}
	if diff := cmp.Diff(want, plan.Status.Attempts[0].Replicas[0]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	long := report(0, contract.ReasonCompleted, "")
	long.Log = contract.Log{Bytes: 100_000, Lines: 2000, TailLines: 1300}
	p, plan = follow(t, func(pod *corev1.Pod) *corev1.Pod { return is(pod, done, reported(long)) }, now)
	if diff := cmp.Diff([]phase.KeepLog{{Attempt: 1, Pod: podName(p, 0), TailLines: 1300}}, plan.KeepLogs); diff != "" {
		t.Errorf("a long log (-want +got)\n%s", diff)
	}
}
