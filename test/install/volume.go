package install

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// volumes makes the volumes for the claims among some objects, where the cluster would make none.
func (c *Cluster) volumes(ctx context.Context, objects []*unstructured.Unstructured) error {
	if !c.Registry.Local {
		return nil
	}
	for _, object := range objects {
		if object.GetKind() != "PersistentVolumeClaim" {
			continue
		}
		claim := &corev1.PersistentVolumeClaim{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, claim); err != nil {
			return fmt.Errorf("reading claim %s: %w", object.GetName(), err)
		}
		if err := c.localVolume(ctx, claim); err != nil {
			return err
		}
	}
	return nil
}

// localVolume makes a volume for a claim on the local cluster, which has no StorageClass that would: a folder of this machine, which both
// nodes are, in the state folder, whose kubeconfig $KUBECONFIG is. Nobody but root can write to it until the kubelet has given it to the
// fsGroup of a Pod: it does so for a local volume as for a real one, and not for a hostPath.
func (c *Cluster) localVolume(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	folder := filepath.Join(filepath.Dir(os.Getenv("KUBECONFIG")), "volumes", claim.Name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("making the folder of volume %s: %w", claim.Name, err)
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: claim.Name},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: claim.Spec.Resources.Requests, AccessModes: claim.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			ClaimRef:                      &corev1.ObjectReference{Namespace: claim.Namespace, Name: claim.Name},
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: folder}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpExists}},
			}}}},
		},
	}
	if err := c.Apply(ctx, volume.DeepCopy()); err != nil {
		return err
	}
	if err := c.Client.Get(ctx, client.ObjectKeyFromObject(volume), volume); err != nil {
		return fmt.Errorf("reading volume %s: %w", claim.Name, err)
	}
	if volume.Status.Phase != corev1.VolumeReleased {
		return nil
	}
	// Its claim was deleted: the new one has another UID.
	if err := c.Client.Patch(ctx, volume, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"claimRef":{"uid":null,"resourceVersion":null}}}`))); err != nil {
		return fmt.Errorf("giving volume %s to another claim: %w", claim.Name, err)
	}
	return nil
}
