package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BuilderClass is the cluster admin's description of builder Pods: their default image and hosts, and what they may. As with
// a StorageClass, the annotation katkit.dev/is-default-class: "true" marks the default one: that of links that name none. Of the
// classes that a namespace may use, one is to be the default.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,path=builderclasses,shortName=bclass,categories=katkit
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

// BuilderClassSpec describes builder Pods. A change takes effect at once, for every phase that begins after it; one that has begun
// keeps what it began with. The maxima and retry are those of when the run began.
//
// +kubebuilder:validation:XValidation:rule="!has(self.podSecurity) || self.podSecurity != 'Restricted' || !has(self.capabilities) || self.capabilities.all(c, c == 'NET_BIND_SERVICE')",message="podSecurity Restricted grants no capability but NET_BIND_SERVICE"
// +kubebuilder:validation:XValidation:rule="!has(self.podSecurity) || self.podSecurity != 'Restricted' || !has(self.seccompProfile) || self.seccompProfile.type != 'NodeDefault'",message="podSecurity Restricted takes the seccomp profile RuntimeDefault or Localhost"
type BuilderClassSpec struct {
	// namespaceSelector selects by their labels the tenants' namespaces that may use the class. Absent: all may.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

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

	// allowedImages are patterns of the builder images that links and katkitconfig.js may bring, beside image: a repository, as in
	// "registry.example.com/team/builder", where a * stands for any part of a path's element, and one at the end for all that is
	// below, as in "registry.example.com/team/*". With ":tag" or "@digest" behind it that one alone is allowed, else any.
	// What has no registry is docker.io's. "*" allows all. Absent or empty: all are allowed.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	// +kubebuilder:validation:items:Pattern=`^[-._:/@*A-Za-z0-9]+$`
	AllowedImages []string `json:"allowedImages,omitempty"`

	// imagePullSecrets name Secrets of the tenant's namespace that the images of builder Pods are pulled with. One that is not there
	// is passed over.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []ObjectName `json:"imagePullSecrets,omitempty"`

	// Scheduling selects the builder fleet's hosts, those of fleet Builder.
	Scheduling `json:",inline"`

	// tenantFleet selects the hosts of fleet Tenant, the tenant's own. Absent: those of the service, as its workload's Pods are
	// scheduled, that servicedescription.js names.
	// +optional
	TenantFleet *Scheduling `json:"tenantFleet,omitempty"`

	// runtimeClassName names the RuntimeClass of builder Pods, such as one of gVisor. Absent: the cluster's own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	RuntimeClassName string `json:"runtimeClassName,omitempty"`

	// podSecurity is the level of Kubernetes' Pod Security Standards that builder Pods keep to. Baseline lets the builder image run
	// as root; Restricted does not. Baseline when absent.
	// +optional
	// +default="Baseline"
	PodSecurity PodSecurity `json:"podSecurity,omitempty"`

	// capabilities that the build container keeps; all others are dropped. An image build without privileges takes some, see
	// the manual. With any, programs of the builder image that carry rights of their own (setuid, file capabilities) have them, within these
	// capabilities. Absent: none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=13
	Capabilities []Capability `json:"capabilities,omitempty"`

	// seccompProfile of the build container. Absent: RuntimeDefault, the container runtime's own, as the checkout has.
	// +optional
	SeccompProfile *SeccompProfile `json:"seccompProfile,omitempty"`

	// env are variables for ci.sh in every phase of this class. Everything else wins over them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Env []EnvVar `json:"env,omitempty"`

	// resources of the build container, each as far as the link says nothing of it. Where neither limits memory, the limit is 4Gi
	// (or what is requested, if that is more).
	// +optional
	// +kubebuilder:validation:XValidation:rule="['cpu', 'memory', 'ephemeral-storage'].all(r, !has(self.requests) || !has(self.limits) || !(r in self.requests) || !(r in self.limits) || quantity(string(self.requests[r])).compareTo(quantity(string(self.limits[r]))) <= 0)",message="resources requests no more than it limits"
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// agentResources of each container of builder Pods that is Katkit's own (checkout, log, and agent, which copies the agent), in place of
	// those that Katkit gives it: for a LimitRange or a ResourceQuota that asks for others. What is absent stays as it is: of memory checkout
	// and agent request 16Mi and have a limit of 2Gi, log has one of 128Mi; the one of them that brings the log to the log store requests 32Mi and
	// 10m of CPU, and may write 1280Mi to its node's disk.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="agentResources has requests and limits alone"
	// +kubebuilder:validation:XValidation:rule="['cpu', 'memory', 'ephemeral-storage'].all(r, !has(self.requests) || !has(self.limits) || !(r in self.requests) || !(r in self.limits) || quantity(string(self.requests[r])).compareTo(quantity(string(self.limits[r]))) <= 0)",message="agentResources requests no more than it limits"
	AgentResources *corev1.ResourceRequirements `json:"agentResources,omitempty"`

	// ephemeralStorageLimit caps what a builder Pod may write to its node's disk: the checkout, the containers' own files and
	// logs. A link that asks for more gets this. What waits for a log store comes on top, and the checkout may use that room, too. 20Gi when absent.
	// +optional
	EphemeralStorageLimit *resource.Quantity `json:"ephemeralStorageLimit,omitempty"`

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

// Scheduling selects hosts for builder Pods.
type Scheduling struct {
	// nodeSelector selects the hosts by their labels.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// tolerations of the hosts' taints.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// affinity selects the hosts by more than equal labels.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`
}

// PodSecurity is a level of Kubernetes' Pod Security Standards.
// +kubebuilder:validation:Enum=Baseline;Restricted
type PodSecurity string

const (
	// PodSecurityBaseline keeps known ways out of a container shut.
	PodSecurityBaseline PodSecurity = "Baseline"
	// PodSecurityRestricted keeps to the practice of hardened Pods: not as root, above all.
	PodSecurityRestricted PodSecurity = "Restricted"
)

// Capability is one that the level Baseline of the Pod Security Standards lets a container have.
// +kubebuilder:validation:Enum=AUDIT_WRITE;CHOWN;DAC_OVERRIDE;FOWNER;FSETID;KILL;MKNOD;NET_BIND_SERVICE;SETFCAP;SETGID;SETPCAP;SETUID;SYS_CHROOT
type Capability string

// SeccompProfile says which system calls a container may use.
//
// +kubebuilder:validation:XValidation:rule="(self.type == 'Localhost') == has(self.localhostProfile)",message="localhostProfile goes with type Localhost, and with no other"
type SeccompProfile struct {
	// type RuntimeDefault is the container runtime's own profile. Localhost is a file of the node. NodeDefault is what the node's
	// kubelet gives to a container that asks for none: RuntimeDefault where its seccompDefault is on, else no profile at all. The
	// profile of containerd does not let a container make namespaces, which buildah and other builders of images need.
	// +required
	Type SeccompProfileType `json:"type,omitempty"`

	// localhostProfile is the file of type Localhost, below the folder seccomp of the kubelet's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(part, part == '..')",message="localhostProfile is a path below the kubelet's folder seccomp"
	LocalhostProfile string `json:"localhostProfile,omitempty"`
}

// SeccompProfileType is where a seccomp profile comes from.
// +kubebuilder:validation:Enum=RuntimeDefault;Localhost;NodeDefault
type SeccompProfileType string

const (
	// SeccompRuntimeDefault is the container runtime's.
	SeccompRuntimeDefault SeccompProfileType = "RuntimeDefault"
	// SeccompLocalhost is a file of the node.
	SeccompLocalhost SeccompProfileType = "Localhost"
	// SeccompNodeDefault is what the kubelet gives to containers that ask for none.
	SeccompNodeDefault SeccompProfileType = "NodeDefault"
)
