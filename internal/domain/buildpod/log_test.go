package buildpod_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/buildpod"
)

func withLog(store buildpod.LogStore) *corev1.Pod {
	phase := newPhase(func(e *v1alpha1.ExecutionSpec) { e.CredentialSecret = "github" })
	pod := buildpod.Build(phase, 1, 0, nil, "")
	buildpod.ShipLog(pod, phase.Spec.Execution, store)
	return pod
}

func TestShipLog(t *testing.T) {
	got, err := yaml.Marshal(withLog(buildpod.LogStore{URL: "https://logs.example/$(PATH)", CABundle: "-----BEGIN CERTIFICATE-----\n"}))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "log.yaml", got)
}

// What waits for the store on disk takes nothing from what the build may have there.
func TestTheSpoolIsBesideTheLimitOfTheBuild(t *testing.T) {
	for limit, want := range map[string]string{"": "0", "2Gi": "1280Mi"} {
		phase := newPhase(func(e *v1alpha1.ExecutionSpec) {
			if limit != "" {
				e.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse(limit)}}
			}
		})
		pod := buildpod.Build(phase, 1, 0, nil, "")
		buildpod.ShipLog(pod, phase.Spec.Execution, buildpod.LogStore{URL: "http://logs"})
		resources := pod.Spec.Containers[2].Resources
		if got := resources.Limits.StorageEphemeral(); got.Cmp(resource.MustParse(want)) != 0 || !resources.Requests.StorageEphemeral().IsZero() {
			t.Errorf("with %q for the build the log has %s", limit, got)
		}
	}
}

// Only the container log may write the log, and all that it is given is what it needs for that.
func TestTheTokenForTheStoreIsForTheLogContainerAlone(t *testing.T) {
	pod := withLog(buildpod.LogStore{URL: "http://logs"})
	tokens := map[string]bool{}
	for _, volume := range pod.Spec.Volumes {
		if volume.Projected != nil {
			tokens[volume.Name] = true
		}
	}
	if len(tokens) != 1 || len(pod.Spec.Containers) != 3 {
		t.Fatalf("%d volumes with a token, %d containers", len(tokens), len(pod.Spec.Containers))
	}
	for _, container := range pod.Spec.Containers {
		for _, mount := range container.VolumeMounts {
			if tokens[mount.Name] != (container.Name == contract.LogContainer && mount.MountPath == contract.LogTokenDir) {
				t.Errorf("container %s mounts %s at %s", container.Name, mount.Name, mount.MountPath)
			}
			if container.Name == contract.LogContainer && mount.MountPath != contract.LogTokenDir && mount.MountPath != contract.SpoolDir {
				t.Errorf("container %s mounts %s at %s", container.Name, mount.Name, mount.MountPath)
			}
		}
		for _, variable := range container.Env {
			if container.Name != contract.LogContainer && variable.Name == contract.VarLogStoreURL {
				t.Errorf("container %s has %s", container.Name, variable.Name)
			}
		}
	}
	if automount := pod.Spec.AutomountServiceAccountToken; automount == nil || *automount {
		t.Error("the Pod gets a token for the API server")
	}
}

func TestParseLogStore(t *testing.T) {
	const noCertificate = "-----BEGIN NOTHING-----\n"
	for name, c := range map[string]struct {
		address, ca string
		want        *buildpod.LogStore
		refused     bool
	}{
		"none":             {},
		"http":             {address: "http://logs:8080", want: &buildpod.LogStore{URL: "http://logs:8080"}},
		"https":            {address: "https://logs/below", want: &buildpod.LogStore{URL: "https://logs/below"}},
		"no scheme":        {address: "logs:8080", refused: true},
		"another":          {address: "file:///logs", refused: true},
		"no host":          {address: "https://", refused: true},
		"a password":       {address: "https://me:secret@logs", refused: true},
		"a query":          {address: "https://logs?a=b", refused: true},
		"no certificate":   {address: "https://logs", ca: noCertificate, refused: true},
		"a CA for nothing": {ca: noCertificate, refused: true},
		"a CA of 1 MiB":    {address: "https://logs", ca: strings.Repeat(" ", 1<<20), refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := buildpod.ParseLogStore(c.address, []byte(c.ca))
			if diff := cmp.Diff(c.want, got); diff != "" || (err != nil) != c.refused {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
}
