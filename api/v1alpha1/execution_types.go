package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ExecutionSpec is what an execution phase runs.
type ExecutionSpec struct {
	// builder is what is asked of the builder Pods; what they are made by says status.builder.
	// +optional
	Builder BuilderRequest `json:"builder,omitempty,omitzero"`

	// repositoryURL is where the commit is cloned from; it holds no credential.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	RepositoryURL string `json:"repositoryURL,omitempty"`

	// credentialSecret names the Secret that the checkout container clones with.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	CredentialSecret string `json:"credentialSecret,omitempty"`

	// credentialKind tells what credentialSecret holds: Token, which is mounted as it is, or App, of which the checkout
	// container gets a token of an hour in a Secret of its own. Absent: Token.
	// +optional
	CredentialKind CredentialKind `json:"credentialKind,omitempty"`

	// envFrom are Secrets and ConfigMaps all of whose keys are variables that ci.sh sees unless env has one of the same name.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	EnvFrom []EnvFromSource `json:"envFrom,omitempty"`

	// fork tells that a stranger may have written the commit: it is of a pull request from another repository, or nothing shows that it
	// is not. Then nothing but the repository itself is read with credentialSecret, and there is no cache.
	// +optional
	Fork bool `json:"fork,omitempty"`

	// cache is mounted into the build container.
	// +optional
	Cache *CacheSpec `json:"cache,omitempty"`

	// env is every other variable that ci.sh sees, but for those of the BuilderClass and REPLICA_ID.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=512
	Env []BuilderEnvVar `json:"env,omitempty"`

	// parallelism is the number of builder Pods.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	Parallelism int32 `json:"parallelism,omitempty"`

	// failFast stops the other builder Pods when one of them failed.
	// +optional
	FailFast bool `json:"failFast,omitempty"`

	// retryOnInfra lets the phase be tried again when the cluster failed it after its ci.sh had started.
	// +optional
	RetryOnInfra bool `json:"retryOnInfra,omitempty"`

	// unscheduledTimeout is how long a builder Pod may wait for a node. Absent: as long as the phase's timeout allows.
	// +optional
	UnscheduledTimeout *metav1.Duration `json:"unscheduledTimeout,omitempty"`

	// carriedOutputs are those of the phases that a re-run did not run again.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	CarriedOutputs []Output `json:"carriedOutputs,omitempty"`

	// serviceAccountName is the ServiceAccount whose token ci.sh gets. Absent: it gets none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
}

// BuilderRequest is what a link and a workflow ask of the builder Pods of a phase. What they do not ask for the BuilderClass says.
type BuilderRequest struct {
	// className names the BuilderClass. Absent: the one that is the default when the phase begins.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClassName string `json:"className,omitempty"`

	// defaultClassName is the class that was the default when the run began. It counts where className is absent and no class, or more than
	// one, is the default when the phase begins.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	DefaultClassName string `json:"defaultClassName,omitempty"`

	// image of the build container. Absent: the class's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// agentInImage tells that the image has the agent.
	// +optional
	AgentInImage bool `json:"agentInImage,omitempty"`

	// fleet is whose hosts the builder Pods run on. Absent: Builder.
	// +optional
	Fleet Fleet `json:"fleet,omitempty"`

	// serviceHosts are those of the tenant's service, with nothing in it where there is none: the hosts of fleet Tenant unless the class says
	// which those are. Absent: the class said so when the run began.
	// +optional
	ServiceHosts *Scheduling `json:"serviceHosts,omitempty"`

	// allocationTag is the label katkit.dev/allocation-tag of the hosts, among those of the fleet.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	AllocationTag string `json:"allocationTag,omitempty"`

	// resources of the build container. Of each that is not named, by request or limit, those of the class count.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
}

// BuilderStatus is what the builder Pods of a phase are made by: its BuilderClass as it was when the phase began, and what the
// phase asks of it.
type BuilderStatus struct {
	// className names the BuilderClass.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClassName string `json:"className,omitempty"`

	// image of the build container.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// agentImage holds the agent and git: it checks the commit out, and is mounted into the build container.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	AgentImage string `json:"agentImage,omitempty"`

	// agentDelivery is how the agent gets into the build container. Absent: ImageVolume.
	// +optional
	AgentDelivery AgentDelivery `json:"agentDelivery,omitempty"`

	// env are variables that ci.sh sees unless the phase has one of the same name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	Env []EnvVar `json:"env,omitempty"`

	// resources of the build container.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// agentResources of each container that is Katkit's own, in place of those that Katkit gives it.
	// +optional
	AgentResources *corev1.ResourceRequirements `json:"agentResources,omitempty"`

	// Scheduling of the builder Pods.
	Scheduling `json:",inline"`

	// runtimeClassName of the builder Pods.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	RuntimeClassName string `json:"runtimeClassName,omitempty"`

	// imagePullSecrets of the builder Pods.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []ObjectName `json:"imagePullSecrets,omitempty"`

	// podSecurity is the level of the Pod Security Standards that the builder Pods keep to. Absent: Baseline.
	// +optional
	PodSecurity PodSecurity `json:"podSecurity,omitempty"`

	// capabilities that the build container keeps.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=13
	Capabilities []Capability `json:"capabilities,omitempty"`

	// seccompProfile of the build container. Absent: RuntimeDefault.
	// +optional
	SeccompProfile *SeccompProfile `json:"seccompProfile,omitempty"`
}

// AgentDelivery is how the agent gets into the build container.
// +kubebuilder:validation:Enum=ImageVolume;InitContainer;BuilderImage
type AgentDelivery string

const (
	// AgentByImageVolume mounts the agent image. Kubernetes does so from 1.35 on, and before where its feature ImageVolume is on.
	AgentByImageVolume AgentDelivery = "ImageVolume"
	// AgentByInitContainer has an init container of the agent image copy it, which costs about a second.
	AgentByInitContainer AgentDelivery = "InitContainer"
	// AgentInBuilderImage takes the one that the builder image has.
	AgentInBuilderImage AgentDelivery = "BuilderImage"
)

// CredentialKind is what the Secret of a link holds.
// +kubebuilder:validation:Enum=Token;App
type CredentialKind string

const (
	// CredentialToken is a GitHub token.
	CredentialToken CredentialKind = "Token"
	// CredentialApp is a GitHub App.
	CredentialApp CredentialKind = "App"
)
