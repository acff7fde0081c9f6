package buildpod

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

const (
	volumeSpool    = "log"
	volumeLogToken = "log-token"

	// spoolBytes is what a Pod may keep on disk of a log that is not stored; spoolSlack is room beside it, since a Pod is evicted
	// that has more than the volume's limit.
	spoolBytes = contract.DefaultSpoolBytes
	spoolSlack = 256 << 20
	// logTokenSeconds is how long a token for the store is valid; the kubelet renews it in time. It is the least that Kubernetes allows.
	logTokenSeconds = 600
)

// LogStore is where the logs of builder Pods go.
type LogStore struct {
	// URL of the store, http or https.
	URL string
	// CABundle are certificates in PEM that it is trusted by, beside those of the agent's image; "" for none.
	CABundle string
}

// ParseLogStore reads what the manager is told of the store: its address, "" where there is none, which is a nil store, and
// certificates in PEM of contract.MaxCABundle bytes at most. An error says what is wrong with them.
func ParseLogStore(address string, caBundle []byte) (*LogStore, error) {
	if address == "" && len(caBundle) == 0 {
		return nil, nil //nolint:nilnil // there need not be one
	}
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.RawQuery != "" || parsed.User != nil {
		return nil, fmt.Errorf("%.80q is not the address of a log store, such as http://katkit-logstore.katkit-system.svc", address)
	}
	if len(caBundle) > contract.MaxCABundle {
		return nil, fmt.Errorf("the certificates for the log store have %d bytes, at most %d are allowed", len(caBundle), contract.MaxCABundle)
	}
	if len(caBundle) > 0 && !x509.NewCertPool().AppendCertsFromPEM(caBundle) {
		return nil, errors.New("there are no certificates in PEM for the log store")
	}
	return &LogStore{URL: address, CABundle: string(caBundle)}, nil
}

// ShipLog adds to a builder Pod of an execution what brings the log of its build container to a store: a folder that both share, and the Pod's token for the
// store, which the container that ships alone has. That is the checkout's, which goes on when its work is done, since each container more
// costs the node as much as the whole work of a short build; where it is over before the build begins, it is one of its own.
func ShipLog(pod *corev1.Pod, builder *v1alpha1.BuilderStatus, store LogStore) {
	spool := corev1.VolumeMount{Name: volumeSpool, MountPath: contract.SpoolDir}
	build := containerOf(pod.Spec.Containers, contract.BuildContainer)
	build.VolumeMounts = append(build.VolumeMounts, spool)
	build.Env = append(build.Env, literal(contract.VarSpoolBytes, strconv.Itoa(spoolBytes)))

	ships := shipper(&pod.Spec, builder)
	ships.Command = append(ships.Command, contract.ShipCommand)
	ships.Env = append(ships.Env, shipEnvironment(pod, store)...)
	ships.VolumeMounts = append(ships.VolumeMounts, spool, corev1.VolumeMount{Name: volumeLogToken, MountPath: contract.LogTokenDir, ReadOnly: true})
	// Whose the token is, which is said here though Kubernetes usually fills it in: it gives none to a Pod without.
	pod.Spec.ServiceAccountName = cmp.Or(pod.Spec.ServiceAccountName, "default")
	pod.Spec.Volumes = append(pod.Spec.Volumes, spoolVolume(), tokenVolume())
}

// shipper is the container that ships the log, which is made where there is none that can.
func shipper(pod *corev1.PodSpec, builder *v1alpha1.BuilderStatus) *corev1.Container {
	if checkout := containerOf(pod.Containers, contract.CheckoutContainer); checkout != nil {
		checkout.Resources = shipResources(builder, gitResources())
		return checkout
	}
	pod.Containers = append(pod.Containers, corev1.Container{
		Name: contract.LogContainer, Image: builder.AgentImage, Command: []string{contract.AgentBinary},
		SecurityContext: hardened(), Resources: shipResources(builder, logResources()),
	})
	return &pod.Containers[len(pod.Containers)-1]
}

// ShipperOf names the container of a builder Pod that brings its log to the store; "": none does.
func ShipperOf(pod *corev1.Pod) string {
	for _, c := range pod.Spec.Containers {
		if slices.Contains(c.Command, contract.ShipCommand) {
			return c.Name
		}
	}
	return ""
}

func containerOf(containers []corev1.Container, name string) *corev1.Container {
	i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &containers[i]
}

func shipEnvironment(pod *corev1.Pod, store LogStore) []corev1.EnvVar {
	env := []corev1.EnvVar{
		literal(contract.VarLogStoreURL, store.URL),
		literal(contract.VarPodNamespace, pod.Namespace),
		literal(contract.VarPodName, pod.Name),
		literal(contract.VarLogPatience, strconv.Itoa(contract.DefaultLogPatienceSeconds)),
	}
	if store.CABundle != "" {
		env = append(env, literal(contract.VarLogStoreCA, store.CABundle))
	}
	return env
}

func spoolVolume() corev1.Volume {
	return corev1.Volume{Name: volumeSpool, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: new(spoolLimit())}}}
}

func tokenVolume() corev1.Volume {
	return corev1.Volume{Name: volumeLogToken, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
			Audience: contract.LogAudience, ExpirationSeconds: new(int64(logTokenSeconds)), Path: contract.LogTokenKey,
		}}},
	}}}
}

func spoolLimit() resource.Quantity {
	return resource.MustParse(fmt.Sprintf("%dMi", (spoolBytes+spoolSlack)>>20))
}
