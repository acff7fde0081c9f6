package buildpod

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
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

// ShipLog adds to a builder Pod of an execution what brings the log of its build container to a store: a folder that both share, and the
// container `log`, which alone has the Pod's token for the store.
func ShipLog(pod *corev1.Pod, execution *v1alpha1.ExecutionSpec, store LogStore) {
	spool := corev1.VolumeMount{Name: volumeSpool, MountPath: contract.SpoolDir}
	container := corev1.Container{
		Name:    contract.LogContainer,
		Image:   execution.AgentImage,
		Command: []string{contract.AgentBinary, contract.ShipCommand},
		Env: []corev1.EnvVar{
			literal(contract.VarLogStoreURL, store.URL),
			literal(contract.VarPodNamespace, pod.Namespace),
			literal(contract.VarPodName, pod.Name),
			literal(contract.VarLogPatience, strconv.Itoa(contract.DefaultLogPatienceSeconds)),
		},
		VolumeMounts:    []corev1.VolumeMount{spool, {Name: volumeLogToken, MountPath: contract.LogTokenDir, ReadOnly: true}},
		SecurityContext: hardened(),
		Resources:       logResources(execution),
	}
	if store.CABundle != "" {
		container.Env = append(container.Env, literal(contract.VarLogStoreCA, store.CABundle))
	}
	for i := range pod.Spec.Containers {
		if other := &pod.Spec.Containers[i]; other.Name == contract.BuildContainer {
			other.VolumeMounts = append(other.VolumeMounts, spool)
			other.Env = append(other.Env, literal(contract.VarSpoolBytes, strconv.Itoa(spoolBytes)))
		}
	}
	// Whose the token is, which is said here though Kubernetes usually fills it in: it gives none to a Pod without.
	pod.Spec.ServiceAccountName = cmp.Or(pod.Spec.ServiceAccountName, "default")
	pod.Spec.Containers = append(pod.Spec.Containers, container)
	pod.Spec.Volumes = append(pod.Spec.Volumes,
		corev1.Volume{Name: volumeSpool, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
			SizeLimit: new(spoolLimit()),
		}}},
		corev1.Volume{Name: volumeLogToken, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
				Audience: contract.LogAudience, ExpirationSeconds: new(int64(logTokenSeconds)), Path: contract.LogTokenKey,
			}}},
		}}})
}

func spoolLimit() resource.Quantity {
	return resource.MustParse(fmt.Sprintf("%dMi", (spoolBytes+spoolSlack)>>20))
}
