package buildpod_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
)

var capabilities = []v1alpha1.Capability{"CHOWN", "DAC_OVERRIDE", "FOWNER", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETUID", "SYS_CHROOT"}

// Whatever a class grants: no container can do more than it was granted, nothing is the host's, and a token is the build's alone.
func TestNoPodHasMoreThanItsPhaseSays(t *testing.T) {
	random := rand.New(rand.NewPCG(17, 17))
	for range 500 {
		phase := newPhase(func(e parts) {
			e.PodSecurity = []v1alpha1.PodSecurity{"", v1alpha1.PodSecurityBaseline, v1alpha1.PodSecurityRestricted}[random.IntN(3)]
			for _, capability := range capabilities {
				if random.IntN(3) == 0 {
					e.Capabilities = append(e.Capabilities, capability)
				}
			}
			e.SeccompProfile = []*v1alpha1.SeccompProfile{nil, {Type: v1alpha1.SeccompRuntimeDefault}, {Type: v1alpha1.SeccompNodeDefault},
				{Type: v1alpha1.SeccompLocalhost, LocalhostProfile: "a.json"}}[random.IntN(4)]
			e.ServiceAccountName = []string{"", "tester"}[random.IntN(2)]
			e.CredentialSecret = []string{"", "github"}[random.IntN(2)]
		})
		execution, builder := phase.Spec.Execution, phase.builder
		pod := phase.build(0, nil, "")
		if pod.Spec.HostNetwork || pod.Spec.HostPID || pod.Spec.HostIPC || pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken {
			t.Fatalf("%+v", pod.Spec)
		}
		restricted := builder.PodSecurity == v1alpha1.PodSecurityRestricted
		if nonRoot := pod.Spec.SecurityContext != nil && *pod.Spec.SecurityContext.RunAsNonRoot; nonRoot != restricted {
			t.Fatalf("%q: runs as another than root: %t", builder.PodSecurity, nonRoot)
		}
		for _, container := range pod.Spec.Containers {
			rights := container.SecurityContext
			granted := 0
			if container.Name == contract.BuildContainer {
				granted = len(builder.Capabilities)
			}
			if rights.Privileged != nil || len(rights.Capabilities.Drop) != 1 || rights.Capabilities.Drop[0] != "ALL" || len(rights.Capabilities.Add) != granted {
				t.Fatalf("%s: %+v, granted %v", container.Name, rights, builder.Capabilities)
			}
			if *rights.AllowPrivilegeEscalation && (granted == 0 || restricted) {
				t.Fatalf("%s may get more rights than it starts with", container.Name)
			}
			if profile := rights.SeccompProfile; profile == nil && (container.Name != contract.BuildContainer || builder.SeccompProfile.Type != v1alpha1.SeccompNodeDefault) ||
				profile != nil && profile.Type == corev1.SeccompProfileTypeUnconfined {
				t.Fatalf("%s: seccomp %+v, granted %+v", container.Name, profile, builder.SeccompProfile)
			}
			hasToken := false
			for _, mount := range container.VolumeMounts {
				hasToken = hasToken || mount.Name == "identity"
			}
			if want := container.Name == contract.BuildContainer && execution.ServiceAccountName != ""; hasToken != want {
				t.Fatalf("%s has a token: %t", container.Name, hasToken)
			}
		}
	}
}

func TestCheckAccount(t *testing.T) {
	opted := map[string]string{v1alpha1.AnnotationBuilder: "true"}
	for name, c := range map[string]struct {
		found       bool
		annotations map[string]string
		text        string // "" where it is allowed
	}{
		"it is for builders":     {found: true, annotations: opted},
		"it is not there":        {text: "kubectl create serviceaccount tester -n d-shop; kubectl annotate serviceaccount tester -n d-shop katkit.dev/builder=true"},
		"it says nothing":        {found: true, text: "is not for builder Pods"},
		"it says something else": {found: true, annotations: map[string]string{v1alpha1.AnnotationBuilder: "yes"}, text: "kubectl annotate serviceaccount tester -n d-shop katkit.dev/builder=true"},
	} {
		cause := buildpod.CheckAccount("d-shop", "tester", c.found, c.annotations)
		if c.text == "" && cause != nil || c.text != "" && (cause == nil || cause.Reason != v1alpha1.ReasonServiceAccountNotAllowed || cause.Transient || !strings.Contains(cause.Message, c.text)) {
			t.Errorf("%s: %v", name, cause)
		}
	}
}
