package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BuilderSpec says how builder Pods are made.
type BuilderSpec struct {
	// className names the BuilderClass. Absent: the default class.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClassName string `json:"className,omitempty"`

	// image is the builder image of this link's phases that name none. It must be one that the BuilderClass allows. Absent: the
	// BuilderClass's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// agentInImage tells that the builder images of this link's phases have Katkit's agent at /katkit-agent, of a version that fits:
	// COPY --from=AGENT-IMAGE /katkit-agent /katkit-agent. Then it need not be brought to them.
	// +optional
	AgentInImage bool `json:"agentInImage,omitempty"`

	// fleet is Builder for the hosts that the BuilderClass selects, Tenant for the tenant's own hosts: those of the class's tenantFleet,
	// else those of the service. Builder when absent. LocalFleet in katkitconfig.js asks for Tenant.
	// +optional
	// +default="Builder"
	Fleet Fleet `json:"fleet,omitempty"`

	// serviceAccountName is the ServiceAccount of this namespace whose token ci.sh gets, and with it whatever the cluster's and the
	// cloud's roles grant it. It must carry the annotation katkit.dev/builder: "true". The ci.sh of a fork's commit never gets it.
	// Absent: ci.sh gets no token.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!(self in ['default', 'katkit-deployer'])",message="serviceAccountName is neither default, which every Pod bears, nor the deployer: make a ServiceAccount for builders"
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// env are variables for ci.sh in every phase of this link. Of equal names the last one counts. Those that come from Secrets
	// and ConfigMaps are not set for a fork's commit.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Env []BuilderEnvVar `json:"env,omitempty"`

	// envFrom are Secrets and ConfigMaps all of whose keys are variables for ci.sh, but not for a fork's commit. Of equal names that of
	// the last one counts, and env wins over it. What begins with KATKIT_, LD_ or GIT_, and PATH, is left out.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	EnvFrom []EnvFromSource `json:"envFrom,omitempty"`

	// cache is a volume for dependencies, which ci.sh finds at $KATKIT_CACHE. A fork's commit has none.
	// +optional
	Cache *CacheSpec `json:"cache,omitempty"`

	// resources of the builder Pods' build container. Of each that is not named, by request or limit, those of the BuilderClass count.
	// +optional
	// +kubebuilder:validation:XValidation:rule="['cpu', 'memory', 'ephemeral-storage'].all(r, !has(self.requests) || !has(self.limits) || !(r in self.requests) || !(r in self.limits) || quantity(string(self.requests[r])).compareTo(quantity(string(self.limits[r]))) <= 0)",message="resources requests no more than it limits"
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// timeout of an execution phase, from its start to its end, image pulls included. 1h when absent.
	// +optional
	// +default="1h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="timeout is 1s at least"
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// unscheduledTimeout is how long a builder Pod may wait for a node. 15m when absent.
	// +optional
	// +default="15m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="unscheduledTimeout is 1s at least"
	UnscheduledTimeout *metav1.Duration `json:"unscheduledTimeout,omitempty"`

	// queueTimeout is how long a phase may wait for its turn in the tenant, or for a builder. 24h when absent.
	// +optional
	// +default="24h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="queueTimeout is 1s at least"
	QueueTimeout *metav1.Duration `json:"queueTimeout,omitempty"`

	// retry says what is tried again by itself. Absent: what the BuilderClass says.
	// +optional
	Retry *RetrySpec `json:"retry,omitempty"`
}

// Fleet is the group of hosts that builder Pods run on.
// +kubebuilder:validation:Enum=Builder;Tenant
type Fleet string

const (
	// FleetBuilder is the hosts that the BuilderClass selects.
	FleetBuilder Fleet = "Builder"
	// FleetTenant is the tenant's own hosts: those of the BuilderClass's tenantFleet, else those of the tenant's service.
	FleetTenant Fleet = "Tenant"
)

// RetrySpec says what is tried again by itself.
type RetrySpec struct {
	// onInfra lets an execution phase be tried again, up to 3 attempts in all, when the cluster failed it (class Infra: node
	// lost, Pod evicted or deleted) after its ci.sh had started. ci.sh has to bear being run twice. Without it only an
	// attempt whose ci.sh had not started is tried again.
	// +optional
	OnInfra bool `json:"onInfra,omitempty"`
}

// CacheSpec is a volume that builder Pods have in common, for what need not be fetched anew each time.
type CacheSpec struct {
	// claimName names the PersistentVolumeClaim of this namespace. Builder Pods that run side by side need one that is
	// ReadWriteMany, or one node.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClaimName string `json:"claimName,omitempty"`

	// path where it is in the build container. /cache when absent.
	// +optional
	// +default="/cache"
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^(/[^/:[:cntrl:]]+)+$`
	// +kubebuilder:validation:XValidation:rule="!self.split('/').exists(part, part == '..' || part == '.')",message="path has no '.' or '..' in it"
	// +kubebuilder:validation:XValidation:rule="!['/workspace', '/katkit', '/katkit-agent', '/var/run/katkit', '/dev', '/proc', '/sys'].exists(taken, self == taken || self.startsWith(taken + '/'))",message="path is none of Katkit's own folders (/workspace, /katkit, /var/run/katkit), nor of Linux' (/dev, /proc, /sys)"
	Path string `json:"path,omitempty"`
}
