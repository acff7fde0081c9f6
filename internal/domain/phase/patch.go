package phase

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/rollout"
)

// PatchImage asks for one container's image to be changed.
type PatchImage struct {
	Receipt v1alpha1.Receipt
	// Image that the container shall run: the receipt's new or its previous one.
	Image string
	// Annotations are those of the workload that tell whose change it is. One that is absent here and was set by the
	// change before is removed.
	Annotations map[string]string
	// ResourceVersion of the workload that was looked at; the change is refused when it is another by then.
	ResourceVersion string
}

// RemovePod asks for a Pod of a service to be deleted, so that its controller makes a new one.
type RemovePod struct {
	// Role of the service.
	Role string
	Pod  rollout.Blocker
}

func upgrade(p *v1alpha1.Phase, receipt v1alpha1.Receipt, service rollout.Service) PatchImage {
	return PatchImage{
		Receipt: receipt, Image: receipt.Image, ResourceVersion: service.ResourceVersion,
		Annotations: annotations(p, p.Spec.SHA, fmt.Sprintf("Katkit run %s: commit %s", p.Spec.Run.Name, p.Spec.SHA)),
	}
}

func downgrade(p *v1alpha1.Phase, receipt v1alpha1.Receipt, service rollout.Service) PatchImage {
	return PatchImage{
		Receipt: receipt, Image: receipt.PreviousImage, ResourceVersion: service.ResourceVersion,
		Annotations: annotations(p, receipt.PreviousSHA,
			fmt.Sprintf("Katkit run %s: rolled back from commit %s to %s", p.Spec.Run.Name, p.Spec.SHA, receipt.PreviousImage)),
	}
}

func annotations(p *v1alpha1.Phase, sha, cause string) map[string]string {
	result := map[string]string{v1alpha1.AnnotationRun: p.Spec.Run.Name, v1alpha1.AnnotationChangeCause: cause}
	if owner := metav1.GetControllerOf(p); owner != nil {
		result[v1alpha1.AnnotationRunUID] = string(owner.UID)
	}
	if sha != "" {
		result[v1alpha1.AnnotationSHA] = sha
	}
	return result
}
