package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Phase is one step of one run. Katkit makes it; people read it and approve it. Its spec is complete but for what the BuilderClass
// says when the phase begins: it can be understood and carried out without its link, its run's workflow or GitHub.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ph,categories=katkit
// +kubebuilder:printcolumn:name="Run",type=string,JSONPath=`.spec.run.name`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.spec.name`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Order",type=integer,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.message`
// +kubebuilder:printcolumn:name="Started",type=date,JSONPath=`.status.startTime`
// +kubebuilder:printcolumn:name="Completed",type=date,JSONPath=`.status.completionTime`
type Phase struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec is what is to be done. Immutable but for approved and approvedBy.
	// +required
	Spec PhaseSpec `json:"spec,omitzero"`
	// status is how far it is.
	// +optional
	// +default={"state": "Pending"}
	Status PhaseStatus `json:"status,omitempty,omitzero"`
}

// PhaseList is a list of Phases.
//
// +kubebuilder:object:root=true
type PhaseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Phase `json:"items"`
}

// PhaseSpec is what a phase does, with everything resolved.
//
// +kubebuilder:validation:XValidation:rule="(self.type == 'Execution') == has(self.execution)",message="a phase of type Execution, and no other, has execution"
// +kubebuilder:validation:XValidation:rule="(self.type == 'Deployment') == has(self.deployment)",message="a phase of type Deployment, and no other, has deployment"
// +kubebuilder:validation:XValidation:rule="self.name == oldSelf.name && self.type == oldSelf.type && self.sha == oldSelf.sha && self.order == oldSelf.order && self.run == oldSelf.run",message="the spec of a Phase is immutable but for approved"
// +kubebuilder:validation:XValidation:rule="has(self.after) == has(oldSelf.after) && (!has(self.after) || self.after == oldSelf.after)",message="after is immutable"
// +kubebuilder:validation:XValidation:rule="has(self.execution) == has(oldSelf.execution) && has(self.deployment) == has(oldSelf.deployment)",message="execution and deployment are immutable"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.approved) || !oldSelf.approved || (has(self.approved) && self.approved)",message="an approval cannot be taken back"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.approvedBy) || (has(self.approvedBy) && self.approvedBy == oldSelf.approvedBy)",message="approvedBy is immutable once it is there"
// +kubebuilder:validation:XValidation:rule="has(self.queueTimeout) == has(oldSelf.queueTimeout)",message="queueTimeout is immutable"
type PhaseSpec struct {
	// run names the CIRun of this namespace that the phase belongs to.
	// +required
	Run ObjectName `json:"run,omitzero"`

	// name of the phase in its workflow.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// type of the phase.
	// +required
	Type PhaseType `json:"type,omitempty"`

	// order of the phase in its workflow.
	// +required
	// +kubebuilder:validation:Minimum=0
	Order int32 `json:"order"`

	// after names the Phases that must have succeeded before this one begins: those of the next lower order.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	After []string `json:"after,omitempty"`

	// sha of the commit: 40 hex digits.
	// +required
	// +kubebuilder:validation:MinLength=40
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{40}$`
	SHA string `json:"sha,omitempty"`

	// timeout of the phase, from its start to its end.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="timeout is immutable"
	Timeout metav1.Duration `json:"timeout,omitzero"`

	// queueTimeout is how long the phase may wait for its turn in the tenant, or for a builder. Absent: as long as it takes.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="queueTimeout is immutable"
	QueueTimeout *metav1.Duration `json:"queueTimeout,omitempty"`

	// approval Manual makes the phase wait for approved.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="approval is immutable"
	Approval ApprovalMode `json:"approval,omitempty"`

	// approved lets a phase with approval Manual begin. Once true it stays so.
	// +optional
	Approved bool `json:"approved,omitempty"`

	// approvedBy is the user who set approved. An admission policy of config/policy fills it in, and refuses any other name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	ApprovedBy string `json:"approvedBy,omitempty"`

	// execution is what a phase of type Execution runs.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="execution is immutable"
	Execution *ExecutionSpec `json:"execution,omitempty"`

	// deployment is what a phase of type Deployment changes.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="deployment is immutable"
	Deployment *DeploymentSpec `json:"deployment,omitempty"`
}

// DeploymentSpec is what a deployment phase changes.
type DeploymentSpec struct {
	// serviceAccountName is the ServiceAccount of the tenant that Katkit acts as.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// services are the roles of servicedescription.js whose image holds <hubtag>, with the commit filled in.
	// +required
	// +listType=map
	// +listMapKey=role
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Services []ServiceImage `json:"services,omitempty"`

	// allowOlder lets a commit replace a newer one: one that the live commit comes from. Without it that is refused.
	// +optional
	AllowOlder bool `json:"allowOlder,omitempty"`
}

// ServiceImage is the image that a service shall run.
type ServiceImage struct {
	// role of the service description; the workload has the same name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Role string `json:"role,omitempty"`

	// image that the service shall run.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
}

// PhaseState is the lifecycle of a phase.
// +kubebuilder:validation:Enum=Pending;WaitingForApproval;Running;Succeeded;Failed;Cancelled;Skipped
type PhaseState string

const (
	// PhasePending waits for the phases before it, or for its turn in the tenant (reason Queued).
	PhasePending PhaseState = "Pending"
	// PhaseWaitingForApproval waits for spec.approved.
	PhaseWaitingForApproval PhaseState = "WaitingForApproval"
	// PhaseRunning is under way.
	PhaseRunning PhaseState = "Running"
	// PhaseSucceeded ended well. Final.
	PhaseSucceeded PhaseState = "Succeeded"
	// PhaseFailed ended badly. Final.
	PhaseFailed PhaseState = "Failed"
	// PhaseCancelled was stopped with its run. Final.
	PhaseCancelled PhaseState = "Cancelled"
	// PhaseSkipped never began because one before it did not succeed, or its run was stopped. Final.
	PhaseSkipped PhaseState = "Skipped"
)

// Terminal tells whether the state is final.
func (s PhaseState) Terminal() bool {
	return s == PhaseSucceeded || s == PhaseFailed || s == PhaseCancelled || s == PhaseSkipped
}

// FailureClass tells whose a failure is, and so what can be done about it.
// +kubebuilder:validation:Enum=User;Config;Infra
type FailureClass string

const (
	// FailureUser: ci.sh, or the new version of the service, failed. Mend the code.
	FailureUser FailureClass = "User"
	// FailureConfig: what was asked for cannot be done. Mend the files or the objects.
	FailureConfig FailureClass = "Config"
	// FailureInfra: network, node or cluster. Run it again.
	FailureInfra FailureClass = "Infra"
)
