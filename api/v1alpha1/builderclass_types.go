package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BuilderClass is the cluster admin's description of builder Pods: their default image and hosts. As with
// a StorageClass, the annotation katkit.dev/is-default-class: "true" marks the default one.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,path=builderclasses,categories=katkit
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.spec.image`
// +kubebuilder:printcolumn:name="Agent",type=string,JSONPath=`.spec.agentImage`
// +kubebuilder:printcolumn:name="Default",type=string,JSONPath=`.metadata.annotations['katkit\.dev/is-default-class']`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type BuilderClass struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec of the builder Pods.
	// +required
	Spec BuilderClassSpec `json:"spec,omitzero"`
}

// BuilderClassList is a list of BuilderClasses.
//
// +kubebuilder:object:root=true
type BuilderClassList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []BuilderClass `json:"items"`
}

// BuilderClassSpec describes builder Pods. A change takes effect for the next run.
type BuilderClassSpec struct {
	// image is the builder image of phases that name none, and whose link names none.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// agentImage holds Katkit's agent and git.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	AgentImage string `json:"agentImage,omitempty"`

	// nodeSelector selects the builder fleet's hosts.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// tolerations of the builder fleet's taints.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// env are variables for ci.sh in every phase of this class. Everything else wins over them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Env []EnvVar `json:"env,omitempty"`

	// resources of the build container where the link asks for none.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// retry says what is tried again by itself where the link does not say.
	// +optional
	Retry RetrySpec `json:"retry,omitempty,omitzero"`

	// maxParallelism caps the parallelism of a phase: a workflow that asks for more is refused. Absent: no cap but the API's.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	MaxParallelism int32 `json:"maxParallelism,omitempty"`

	// maxTimeout caps the timeout of an execution phase; a longer one is cut to it. Absent: no cap.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="maxTimeout is 1s at least"
	MaxTimeout *metav1.Duration `json:"maxTimeout,omitempty"`

	// maxUnscheduledTimeout caps how long a builder Pod may wait for a node. Absent: no cap.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="maxUnscheduledTimeout is 1s at least"
	MaxUnscheduledTimeout *metav1.Duration `json:"maxUnscheduledTimeout,omitempty"`

	// maxQueueTimeout caps how long a phase may wait for its turn. Absent: no cap.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="maxQueueTimeout is 1s at least"
	MaxQueueTimeout *metav1.Duration `json:"maxQueueTimeout,omitempty"`

	// maxRunTimeout caps the timeout of a run. Absent: no cap.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="maxRunTimeout is 1s at least"
	MaxRunTimeout *metav1.Duration `json:"maxRunTimeout,omitempty"`
}
