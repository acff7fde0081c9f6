// Package v1alpha1 is Katkit's API: the kinds TenantRepoLink, CIRun, Phase and BuilderClass of the
// group katkit.dev, their conditions and reasons, and the labels and annotations that Katkit reads
// and writes. Everything that can be told from one object alone is validated by its CRD (CEL), so no
// admission webhook is needed.
//
// Every part of Katkit imports this package; it imports nothing of Katkit.
//
// +kubebuilder:object:generate=true
// +groupName=katkit.dev
package v1alpha1
