package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// PhaseType is what a phase does.
// +kubebuilder:validation:Enum=Execution;Deployment
type PhaseType string

const (
	// PhaseExecution runs the repository's ci.sh in a builder Pod.
	PhaseExecution PhaseType = "Execution"
	// PhaseDeployment changes the images of the tenant's services.
	PhaseDeployment PhaseType = "Deployment"
)

// ApprovalMode tells whether a phase starts by itself.
// +kubebuilder:validation:Enum=Automatic;Manual
type ApprovalMode string

const (
	// ApprovalAutomatic starts the phase when those before it succeeded.
	ApprovalAutomatic ApprovalMode = "Automatic"
	// ApprovalManual waits for spec.approved of the Phase.
	ApprovalManual ApprovalMode = "Manual"
)

// EnvVar is one variable for ci.sh.
type EnvVar struct {
	// name of the variable. Katkit's own variables win over one of the same name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Name string `json:"name,omitempty"`

	// value of the variable, taken as it is. Empty when absent.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=32768
	Value string `json:"value,omitempty"`
}

// PhaseTemplate is a phase of a workflow, as a link or a run asks for it. It says the same as an entry
// of WorkFlow in katkitconfig.js.
type PhaseTemplate struct {
	// name of the phase, unique in its workflow, for example PRE_DEPLOY_BUILD.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-_. A-Za-z0-9]*[A-Za-z0-9])?$`
	Name string `json:"name,omitempty"`

	// type is Execution (run ci.sh) or Deployment (upgrade the services).
	// +required
	Type PhaseType `json:"type,omitempty"`

	// order of the phase: lower orders run first, equal orders side by side. 0 when absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9999
	Order int32 `json:"order,omitempty"`

	// params are variables for ci.sh in this phase, as BuildParams in katkitconfig.js. Of equal names the
	// last one counts.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Params []EnvVar `json:"params,omitempty"`

	// parallelism is the number of identical builder Pods, told apart by REPLICA_ID 0…n-1. 1 when absent.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	Parallelism int32 `json:"parallelism,omitempty"`

	// image is the builder image of this phase. Absent: the link's, else the BuilderClass's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// approval Manual makes the phase wait for spec.approved of its Phase. Automatic when absent.
	// +optional
	Approval ApprovalMode `json:"approval,omitempty"`

	// failFast stops the other builder Pods of the phase when one of them failed; the results of all are kept. True when
	// absent.
	// +optional
	FailFast *bool `json:"failFast,omitempty"`

	// allocationTag asks for a Node whose label katkit.dev/allocation-tag has this value.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	AllocationTag string `json:"allocationTag,omitempty"`
}

// ObjectName refers to an object of the same namespace.
type ObjectName struct {
	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// Output is a variable that ci.sh left for later phases in the file $KATKIT_OUTPUT.
type Output struct {
	// name of the variable.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name,omitempty"`

	// value of the variable. Empty when absent.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=2048
	Value string `json:"value,omitempty"`
}

// StopStatus tells why a run or a phase is being stopped before it has ended by itself, and since when. It is written
// before anything is stopped, and stays.
type StopStatus struct {
	// reason of the stop, in one word.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// failureClass of the phase that is stopped; absent when that is no failure (it was cancelled).
	// +optional
	FailureClass FailureClass `json:"failureClass,omitempty"`

	// message tells why.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`

	// startTime is when the stop began.
	// +required
	StartTime metav1.Time `json:"startTime,omitzero"`
}
