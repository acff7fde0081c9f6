package buildpod

import (
	"fmt"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// NeedsCredential tells whether the builder Pods of a phase clone with a Secret that is made for them by [BuildCredential].
func NeedsCredential(phase *v1alpha1.Phase) bool {
	execution := phase.Spec.Execution
	return execution != nil && execution.CredentialSecret != "" && execution.CredentialKind == v1alpha1.CredentialApp
}

// CredentialName returns the name of the Secret that the builder Pods of an attempt (from 1) of a phase clone with, made as
// [Name] is.
func CredentialName(phase *v1alpha1.Phase, attempt int32) string {
	return named(phase, fmt.Sprintf("%d-clone", attempt))
}

var credentialName = regexp.MustCompile(`-[0-9a-f]{8}-[0-9]+-clone$`)

// IsCredentialName tells whether a name is like those that [CredentialName] makes.
func IsCredentialName(name string) bool { return credentialName.MatchString(name) }

// BuildCredential returns the Secret of [CredentialName] with a token in it.
func BuildCredential(phase *v1alpha1.Phase, attempt int32, token string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:            CredentialName(phase, attempt),
			Namespace:       phase.Namespace,
			Labels:          labels(phase),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(phase, v1alpha1.GroupVersion.WithKind("Phase"))},
		},
		Type:      v1alpha1.SecretTypeCloneCredential,
		Immutable: new(true),
		Data:      map[string][]byte{v1alpha1.SecretKeyToken: []byte(token)},
	}
}

// credentialSecret is the Secret that the checkout container mounts.
func credentialSecret(phase *v1alpha1.Phase, attempt int32) string {
	if NeedsCredential(phase) {
		return CredentialName(phase, attempt)
	}
	return phase.Spec.Execution.CredentialSecret
}
