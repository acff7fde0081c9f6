// Package buildpod makes the builder Pod of an execution phase. The phase's controller creates what it
// returns. It is pure: the same Phase, builder, attempt, replica and outputs always give the same Pod, name included.
//
// What always holds of a builder Pod: it is owned by its Phase and never restarted; it has nothing of its host, and keeps to the level
// Baseline of the Pod Security Standards, or Restricted; a ServiceAccount's token for the API server is in the build container
// alone, and there only if the link names one; the Pod's token for the log store is in the container alone to which
// [ShipLog] gives it; the clone credential is mounted into the checkout container alone, and is never a GitHub App's key.
package buildpod

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

// GracePeriod is what a builder Pod has between TERM and KILL; the agent's own grace for ci.sh
// (contract.DefaultGraceSeconds) ends before it.
const GracePeriod = (contract.DefaultGraceSeconds + 5) * time.Second

const (
	volumeWorkspace  = "workspace"
	volumeAgent      = "agent"
	volumeCredential = "credential"
)

// Name returns the name of the builder Pod of an attempt (from 1) and replica (from 0) of a phase: readable,
// a DNS label, and different for Phases of the same name that did not live at the same time.
func Name(phase *v1alpha1.Phase, attempt, replica int32) string {
	return named(phase, fmt.Sprintf("%d-%d", attempt, replica))
}

func named(phase *v1alpha1.Phase, what string) string {
	life := fnv.New32a()
	life.Write([]byte(phase.UID))
	return contract.PodName(phase.Name, life.Sum32(), what)
}

// Build returns the builder Pod of an attempt (from 1) and replica (from 0) of a phase of type Execution, made by builder. outputs are those
// of earlier phases, the later ones behind: the last of a name counts, and wins over a variable of the phase unless it is
// one of Katkit's own. What contract.CheckOutputName refuses is left out. caBundle are certificates in PEM that the checkout
// trusts beside those of its image; "" for none.
func Build(phase *v1alpha1.Phase, builder *v1alpha1.BuilderStatus, attempt, replica int32, outputs []v1alpha1.Output, caBundle string) *corev1.Pod {
	execution, builder := phase.Spec.Execution.DeepCopy(), builder.DeepCopy() // the Pod is another object and shares nothing with its Phase
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:            Name(phase, attempt, replica),
			Namespace:       phase.Namespace,
			Labels:          labels(phase),
			Annotations:     map[string]string{v1alpha1.AnnotationSafeToEvict: "false"},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(phase, v1alpha1.GroupVersion.WithKind("Phase"))},
		},
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: new(int64(GracePeriod / time.Second)),
			AutomountServiceAccountToken:  new(false),
			EnableServiceLinks:            new(false),
			SecurityContext:               podSecurity(builder),
			Volumes:                       volumes(phase, builder, attempt),
		},
	}
	place(&pod.Spec, builder)
	container := build(execution, builder, replica, outputs)
	identify(pod, execution, &container)
	order(&pod.Spec, builder, checkout(phase, builder, caBundle), container)
	return pod
}

func labels(phase *v1alpha1.Phase) map[string]string {
	runUID := ""
	if owner := metav1.GetControllerOf(phase); owner != nil {
		runUID = string(owner.UID)
	}
	return map[string]string{
		v1alpha1.LabelManagedBy: v1alpha1.ManagedBy,
		v1alpha1.LabelComponent: v1alpha1.ComponentBuilder,
		v1alpha1.LabelLink:      phase.Labels[v1alpha1.LabelLink],
		v1alpha1.LabelRun:       phase.Spec.Run.Name,
		v1alpha1.LabelRunUID:    runUID,
	}
}

func checkout(phase *v1alpha1.Phase, builder *v1alpha1.BuilderStatus, caBundle string) corev1.Container {
	container := corev1.Container{
		Name:            contract.CheckoutContainer,
		Image:           builder.AgentImage,
		Command:         []string{contract.AgentBinary, contract.CheckoutCommand},
		Env:             checkoutEnvironment(phase, builder),
		VolumeMounts:    []corev1.VolumeMount{{Name: volumeWorkspace, MountPath: contract.WorkspaceDir}},
		SecurityContext: hardened(),
		Resources:       agentResources(builder),
	}
	if caBundle != "" {
		container.Env = append(container.Env, literal(contract.VarCABundle, caBundle))
	}
	if phase.Spec.Execution.CredentialSecret != "" {
		container.VolumeMounts = append(container.VolumeMounts,
			corev1.VolumeMount{Name: volumeCredential, MountPath: contract.CredentialDir, ReadOnly: true})
	}
	return container
}

func build(execution *v1alpha1.ExecutionSpec, builder *v1alpha1.BuilderStatus, replica int32, outputs []v1alpha1.Output) corev1.Container {
	container := corev1.Container{
		Name:    contract.BuildContainer,
		Image:   builder.Image,
		Command: []string{agentPath(builder), contract.ExecCommand},
		Env:     append(environment(execution, builder.Env, replica, outputs), literal(contract.VarContract, strconv.Itoa(contract.Version))),
		EnvFrom: wholeSources(execution),
		VolumeMounts: append([]corev1.VolumeMount{{Name: volumeWorkspace, MountPath: contract.WorkspaceDir}},
			agentMounts(builder)...),
		SecurityContext: granted(builder),
	}
	container.VolumeMounts = append(container.VolumeMounts, cacheMounts(execution)...)
	if builder.Resources != nil {
		container.Resources = *builder.Resources
	}
	return container
}

func volumes(phase *v1alpha1.Phase, builder *v1alpha1.BuilderStatus, attempt int32) []corev1.Volume {
	execution := phase.Spec.Execution
	volumes := append([]corev1.Volume{{Name: volumeWorkspace, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
		agentVolumes(builder)...)
	volumes = append(volumes, cacheVolumes(execution)...)
	if execution.CredentialSecret != "" {
		volumes = append(volumes, corev1.Volume{Name: volumeCredential, VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{
				SecretName: credentialSecret(phase, attempt),
				Items:      []corev1.KeyToPath{{Key: v1alpha1.SecretKeyToken, Path: contract.CredentialKey}},
			},
		}})
	}
	return volumes
}
