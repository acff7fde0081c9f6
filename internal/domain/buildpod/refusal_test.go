package buildpod_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/buildpod"
)

// The words are those of Kubernetes 1.37; the stories of the controllers have them from a real API server.
func TestRefused(t *testing.T) {
	const (
		memory = "Requested and limited is memory: checkout 16Mi/2Gi, build -/4Gi, log 32Mi/128Mi. "
		fields = "A cluster admin sets those of checkout, log in agentResources of the BuilderClass; those of build are builder.resources of the link, else resources of the BuilderClass"
	)
	for name, c := range map[string]struct {
		said, reason string
		transient    bool
		want         string
	}{
		"a minimum": {said: `pods "x" is forbidden: minimum memory usage per Container is 64Mi, but request is 16Mi`, reason: v1alpha1.ReasonPodRejected,
			want: "a LimitRange of the namespace (kubectl describe limitrange -n d-taskrunner) does not allow the builder Pod: minimum memory usage per Container is 64Mi, but request is 16Mi. " + memory + fields},
		"several": {said: `pods "x" is forbidden: [maximum memory usage per Pod is 1Gi, but limit is 6Gi, minimum cpu usage per Container is 50m.  No request is specified]`, reason: v1alpha1.ReasonPodRejected,
			want: "a LimitRange of the namespace (kubectl describe limitrange -n d-taskrunner) does not allow the builder Pod: " +
				"[maximum memory usage per Pod is 1Gi, but limit is 6Gi, minimum cpu usage per Container is 50m.  No request is specified]. " +
				"Requested and limited is cpu: checkout -/-, build 1/-, log 10m/-; memory: checkout 16Mi/2Gi, build -/4Gi, log 32Mi/128Mi. " + fields},
		"a ratio": {said: `pods "x" is forbidden: [memory max limit to request ratio per Container is 4, but provided ratio is 128.000000, x]`, reason: v1alpha1.ReasonPodRejected,
			want: "a LimitRange of the namespace (kubectl describe limitrange -n d-taskrunner) does not allow the builder Pod: " +
				"[memory max limit to request ratio per Container is 4, but provided ratio is 128.000000, x]. " + memory + fields},
		"of what Katkit has no words for": {said: `pods "x" is forbidden: maximum example.com/gpu usage per Container is 1, but limit is 2`, reason: v1alpha1.ReasonPodRejected,
			want: "a LimitRange of the namespace (kubectl describe limitrange -n d-taskrunner) does not allow the builder Pod: maximum example.com/gpu usage per Container is 1, but limit is 2"},
		"a default": {said: `Pod "x" is invalid: spec.containers[1].resources.requests: Invalid value: "1": must be less than or equal to cpu limit of 500m`, reason: v1alpha1.ReasonPodRejected,
			want: "a container of the builder Pod requests more than its limit, which a LimitRange of the namespace may have given it (kubectl describe limitrange -n d-taskrunner): " +
				`Pod "x" is invalid: spec.containers[1].resources.requests: Invalid value: "1": must be less than or equal to cpu limit of 500m. ` +
				"Requested and limited is cpu: checkout -/-, build 1/-, log 10m/-. " + fields},
		"a value that reads like a quota": {said: `Pod "x" is invalid: spec: Invalid value: "exceeded quota: a": no`, reason: v1alpha1.ReasonPodRejected,
			want: `the API server refused the builder Pod: Pod "x" is invalid: spec: Invalid value: "exceeded quota: a": no`},
		"a quota that wants to be told": {said: `pods "x" is forbidden: failed quota: small: must specify limits.cpu for: build,checkout,log; requests.memory for: build`, reason: v1alpha1.ReasonPodRejected,
			want: "a ResourceQuota of the namespace wants the resources of each container of the builder Pod told: " +
				"failed quota: small: must specify limits.cpu for: build,checkout,log; requests.memory for: build. " +
				"Requested and limited is cpu: checkout -/-, build 1/-, log 10m/-; memory: checkout 16Mi/2Gi, build -/4Gi, log 32Mi/128Mi. " + fields + ". Or a LimitRange of the namespace gives defaults"},
		"a quota that is full": {said: `pods "x" is forbidden: exceeded quota: small, requested: limits.memory=6272Mi,pods=1, used: limits.memory=4Gi,pods=2, limited: limits.memory=8Gi,pods=2`,
			reason: v1alpha1.ReasonWaitingForQuota, transient: true,
			want: "the builder Pod waits for room in the namespace's quota: exceeded quota: small, requested: limits.memory=6272Mi,pods=1, used: limits.memory=4Gi,pods=2, limited: limits.memory=8Gi,pods=2"},
		"a quota that never has room": {said: `pods "x" is forbidden: exceeded quota: small, requested: limits.memory=6272Mi, used: limits.memory=0, limited: limits.memory=4Gi`,
			reason: v1alpha1.ReasonWaitingForQuota, transient: true,
			want: "the builder Pod waits for room in the namespace's quota: exceeded quota: small, requested: limits.memory=6272Mi, used: limits.memory=0, limited: limits.memory=4Gi. " +
				"That is more than the quota has in all, so it waits until somebody raises the quota. " + memory + fields},
		"a quota that has no Pods at all": {said: `pods "x" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0`, reason: v1alpha1.ReasonWaitingForQuota, transient: true,
			want: "the builder Pod waits for room in the namespace's quota: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0"},
		"its rights": {said: `pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false`, reason: v1alpha1.ReasonPodRejected,
			want: `the namespace is held to another level than the builder Pod: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false. ` +
				"Use a BuilderClass with podSecurity: Restricted, or ask a cluster admin for another level"},
		"anything else": {said: `admission webhook "no.example.com" denied the request: no`, reason: v1alpha1.ReasonPodRejected,
			want: `the API server refused the builder Pod: admission webhook "no.example.com" denied the request: no`},
	} {
		t.Run(name, func(t *testing.T) {
			phase := newPhase(func(e parts) {
				e.AgentDelivery = v1alpha1.AgentInBuilderImage // so that there is a container log
				e.Resources = &corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}, Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi")},
				}
			})
			pod := phase.shipping(buildpod.LogStore{URL: "http://logs"})
			got := buildpod.Refused(pod, c.said)
			if diff := cmp.Diff(c.want, got.Message); diff != "" || got.Reason != c.reason || got.Transient != c.transient {
				t.Errorf("%s, passes by itself: %t (-want +got)\n%s", got.Reason, got.Transient, diff)
			}
		})
	}
}

// FuzzRefused: whatever the API server says is in the message, and nothing of it is taken for an amount that is none.
func FuzzRefused(f *testing.F) {
	for _, seed := range []string{"", "exceeded quota: a, requested: x, used: , limited: =", "exceeded quota: a, requested: cpu=-1,cpu=9e99, used: u, limited: cpu=0",
		"failed quota: a: must specify  for: ", "minimum cpu usage per Pod is ", " max limit to request ratio per Pod is "} {
		f.Add(seed)
	}
	pod := newPhase(nil).build(0, nil, "")
	f.Fuzz(func(t *testing.T, said string) {
		cause := buildpod.Refused(pod, "pods \"x\" is forbidden: "+said)
		if !strings.Contains(cause.Message, said) {
			t.Errorf("%q is not told in %q", said, cause.Message)
		}
		if cause.Transient != strings.HasPrefix(said, "exceeded quota: ") {
			t.Errorf("%q passes by itself: %t", said, cause.Transient)
		}
	})
}
