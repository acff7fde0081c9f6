package buildpod_test

import (
	"slices"
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
	return newPhase(func(e parts) { e.CredentialSecret = "github" }).shipping(store)
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
		for delivery, name := range shippers {
			phase := newPhase(func(e parts) {
				e.AgentDelivery = delivery
				if limit != "" {
					e.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse(limit)}}
				}
			})
			pod := phase.shipping(buildpod.LogStore{URL: "http://logs"})
			for _, container := range pod.Spec.Containers {
				if got := container.Resources.Limits.StorageEphemeral(); container.Name == name && got.Cmp(resource.MustParse(want)) != 0 {
					t.Errorf("%s: with %q for the build, what ships has %s", delivery, limit, got)
				}
			}
		}
	}
}

// shippers are the names of the container that ships, by how the agent comes into the build container.
var shippers = map[v1alpha1.AgentDelivery]string{
	v1alpha1.AgentByImageVolume: contract.CheckoutContainer, v1alpha1.AgentByInitContainer: contract.CheckoutContainer,
	v1alpha1.AgentInBuilderImage: contract.LogContainer,
}

// One container may write the log, whose image is the agent's; never that of the build.
func TestTheTokenForTheStoreIsForWhatShipsAlone(t *testing.T) {
	for delivery, name := range shippers {
		t.Run(string(delivery), func(t *testing.T) {
			phase := newPhase(func(e parts) { e.AgentDelivery = delivery })
			pod := phase.shipping(buildpod.LogStore{URL: "http://logs"})
			tokens := map[string]bool{}
			for _, volume := range pod.Spec.Volumes {
				tokens[volume.Name] = volume.Projected != nil
			}
			ships := 0
			for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
				mounts := slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return tokens[m.Name] })
				tells := slices.ContainsFunc(container.Env, func(v corev1.EnvVar) bool { return v.Name == contract.VarLogStoreURL })
				runs := slices.Contains(container.Command, contract.ShipCommand)
				if is := container.Name == name; mounts != is || tells != is || runs != is {
					t.Errorf("container %s has the token: %t, the address: %t, runs ship: %t", container.Name, mounts, tells, runs)
				}
				if runs {
					ships++
				}
			}
			if ships != 1 {
				t.Errorf("%d containers ship", ships)
			}
			if automount := pod.Spec.AutomountServiceAccountToken; automount == nil || *automount {
				t.Error("the Pod gets a token for the API server")
			}
		})
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
