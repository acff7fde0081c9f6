package rollout

import (
	"bytes"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/text"
)

// deliverers are the tools that bring a workload from elsewhere, a Git repository or a chart, and how they are known: by
// their field manager, or by what they put on what they manage.
var deliverers = []struct {
	name     string
	managers []string // beginnings of names
	marks    []string // labels and annotations
}{
	{"Argo CD", []string{"argocd"}, []string{"argocd.argoproj.io/instance", "argocd.argoproj.io/tracking-id"}},
	{"Flux (kustomize-controller)", []string{"kustomize-controller"}, []string{"kustomize.toolkit.fluxcd.io/name"}},
	{"Flux (helm-controller)", []string{"helm-controller"}, []string{"helm.toolkit.fluxcd.io/name"}},
	{"Helm", []string{"helm"}, []string{"meta.helm.sh/release-name"}},
}

// maxManager bounds a field manager's name in a message, in bytes; the API server allows 128.
const maxManager = 100

// people are the field managers of tools that a person uses by hand.
var people = []string{"kubectl", v1alpha1.ManagedBy}

// owners names the owner of each container's image; one without has no entry.
func owners(meta metav1.ObjectMeta, containers []corev1.Container) map[string]string {
	var result map[string]string
	for i := range containers {
		if name := owner(meta, containers[i].Name); name != "" {
			if result == nil {
				result = map[string]string{}
			}
			result[containers[i].Name] = name
		}
	}
	return result
}

// owner names the controller that brings the image of a workload's container from elsewhere and so may bring its own
// back; "" when none is known.
func owner(meta metav1.ObjectMeta, container string) string {
	for _, d := range deliverers {
		for _, mark := range d.marks {
			if meta.Labels[mark] != "" || meta.Annotations[mark] != "" {
				return d.name
			}
		}
	}
	for _, entry := range meta.ManagedFields {
		if !managesImage(entry, container) {
			continue
		}
		for _, d := range deliverers {
			if beginsWith(entry.Manager, d.managers) {
				return d.name
			}
		}
		// Who applies on the server's side says by it that the field is to stay as it was applied.
		if entry.Operation == metav1.ManagedFieldsOperationApply && !beginsWith(entry.Manager, people) {
			return "field manager " + text.Cut(entry.Manager, maxManager)
		}
	}
	return ""
}

func managesImage(entry metav1.ManagedFieldsEntry, container string) bool {
	if entry.FieldsV1 == nil {
		return false
	}
	var fields fieldpath.Set
	if err := fields.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes())); err != nil {
		return false // what cannot be read says nothing
	}
	return fields.Has(fieldpath.MakePathOrDie("spec", "template", "spec", "containers", fieldpath.KeyByFields("name", container), "image"))
}

func beginsWith(name string, beginnings []string) bool {
	for _, beginning := range beginnings {
		if strings.HasPrefix(strings.ToLower(name), beginning) {
			return true
		}
	}
	return false
}
