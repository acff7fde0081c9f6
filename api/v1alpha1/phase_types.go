package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Phase is one step of one run. Katkit makes it; people read it and approve it. Its spec is complete: it
// can be understood and carried out without its link, its run's workflow or GitHub.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=katkit
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

// ExecutionSpec is what an execution phase runs, and where.
type ExecutionSpec struct {
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

	// envDefaults are variables that ci.sh sees unless envFrom or env has one of the same name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	EnvDefaults []EnvVar `json:"envDefaults,omitempty"`

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

	// env is every other variable that ci.sh sees, but for REPLICA_ID.
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

	// resources of the build container.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

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

	// serviceAccountName is the ServiceAccount whose token ci.sh gets. Absent: it gets none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

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

// PhaseStatus is how far a phase is, and what came of it.
type PhaseStatus struct {
	// conditions of the phase: Succeeded, and RolledBack when a deployment was taken back.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// state of the phase.
	// +optional
	State PhaseState `json:"state,omitempty"`

	// failureClass tells whose the failure is, when the phase failed.
	// +optional
	FailureClass FailureClass `json:"failureClass,omitempty"`

	// message tells why the phase is in its state, where that is not plain.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=4096
	Message string `json:"message,omitempty"`

	// attempts are the tries of an execution phase, in their order.
	// +optional
	// +listType=map
	// +listMapKey=number
	// +kubebuilder:validation:MaxItems=3
	Attempts []AttemptStatus `json:"attempts,omitempty"`

	// receipts record what a deployment phase does to each service. They are written before the first
	// service is changed.
	// +optional
	// +listType=map
	// +listMapKey=role
	// +kubebuilder:validation:MaxItems=64
	Receipts []Receipt `json:"receipts,omitempty"`

	// rollback tells why the services that a deployment phase had changed are brought back. It is written before the
	// first of them is; what came of it says the condition RolledBack.
	// +optional
	Rollback *RollbackStatus `json:"rollback,omitempty"`

	// stop tells why a phase that had begun is being stopped, or was.
	// +optional
	Stop *StopStatus `json:"stop,omitempty"`

	// outputs are what ci.sh left in $KATKIT_OUTPUT. Of several replicas that set the same name, the first one to end counts.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	Outputs []Output `json:"outputs,omitempty"`

	// approval tells who let a phase with approval Manual begin. Absent until it was asked for.
	// +optional
	Approval *ApprovalStatus `json:"approval,omitempty"`

	// queueTime is when the phase was ready to begin and had to wait for its turn. Absent when it had not.
	// +optional
	QueueTime *metav1.Time `json:"queueTime,omitempty"`

	// startTime is when the phase began.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// completionTime is when the phase ended.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
}

// ApprovalStatus is the approval of a phase: asked for, and given.
type ApprovalStatus struct {
	// requestTime is when the phase began to wait for it.
	// +required
	RequestTime metav1.Time `json:"requestTime,omitzero"`

	// by is the user who approved. Absent while it is not approved, and where the cluster has no admission policy that
	// tells.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=512
	By string `json:"by,omitempty"`

	// time when Katkit saw the approval.
	// +optional
	Time *metav1.Time `json:"time,omitempty"`
}

// RollbackStatus is why a deployment is taken back, and since when.
type RollbackStatus struct {
	// failureClass tells whose the failure is; absent when the deployment was cancelled.
	// +optional
	FailureClass FailureClass `json:"failureClass,omitempty"`

	// reason of the failure, in one word.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// message tells what failed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`

	// startTime is when the rollback began.
	// +required
	StartTime metav1.Time `json:"startTime,omitzero"`
}

// AttemptStatus is one try of an execution phase.
type AttemptStatus struct {
	// number of the attempt, from 1.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3
	Number int32 `json:"number,omitempty"`

	// replicas are the builder Pods of the attempt: in the first one all, later those that have to be tried again.
	// +optional
	// +listType=map
	// +listMapKey=index
	// +kubebuilder:validation:MaxItems=64
	Replicas []ReplicaStatus `json:"replicas,omitempty"`

	// message tells why the attempt failed and is followed by another. Absent for the last attempt.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// retryTime is when the next attempt begins. Absent for the last attempt.
	// +optional
	RetryTime *metav1.Time `json:"retryTime,omitempty"`
}

// ReplicaStatus is one builder Pod and what came of it.
type ReplicaStatus struct {
	// index of the replica, as ci.sh sees it in REPLICA_ID: 0…n-1.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=63
	Index int32 `json:"index"`

	// pod is the name of the builder Pod. It is gone when the run is over, and its log delivered.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Pod string `json:"pod,omitempty"`

	// exitCode of ci.sh, or of the agent when ci.sh did not run. Absent until the Pod has ended.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`

	// reason why the replica ended as it did, in one word.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// failureClass tells whom the replica's failure is for. Absent for a success.
	// +optional
	FailureClass FailureClass `json:"failureClass,omitempty"`

	// message tells a person why the replica failed.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// started is set once the replica has ended when ci.sh had started, or when that cannot be told.
	// +optional
	Started bool `json:"started,omitempty"`

	// startTime is when ci.sh began.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// completionTime is when ci.sh ended.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`

	// log of the replica's build container. Absent until the Pod has ended.
	// +optional
	Log *LogStatus `json:"log,omitempty"`
}

// LogStatus tells what was kept of a log, and where.
type LogStatus struct {
	// bytes that the build container wrote in all.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Bytes int64 `json:"bytes,omitempty"`

	// tail is the last lines of the log; the whole of it when it is short.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=4096
	Tail string `json:"tail,omitempty"`

	// configMap names the ConfigMap of this namespace whose key `log` holds the last 64 KiB of the log.
	// Absent when tail is the whole log.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=253
	ConfigMap string `json:"configMap,omitempty"`

	// stored tells what the log store has of the log. Absent where there is no log store.
	// +optional
	Stored *StoredLog `json:"stored,omitempty"`
}

// StoredLogState is how far a log is on its way to the log store.
// +kubebuilder:validation:Enum=Delivering;Complete;Incomplete
type StoredLogState string

const (
	// StoredLogDelivering: the build has ended, and its Pod stays until the rest of its log is stored, or given up.
	StoredLogDelivering StoredLogState = "Delivering"
	// StoredLogComplete: the store has all of it, from the first byte to the last. Final.
	StoredLogComplete StoredLogState = "Complete"
	// StoredLogIncomplete: the store has not got all of it, and will not. Final.
	StoredLogIncomplete StoredLogState = "Incomplete"
)

// StoredLog tells what the log store has of a log.
type StoredLog struct {
	// state of the log in the store.
	// +required
	State StoredLogState `json:"state,omitempty"`

	// bytes of the log that are stored, from its first. 0 while that is not known.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Bytes int64 `json:"bytes,omitempty"`

	// message tells why the log is incomplete.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// ReceiptResult is what became of a service.
// +kubebuilder:validation:Enum=Planned;Upgraded;Unchanged;Failed;RolledBack;RollbackFailed
type ReceiptResult string

const (
	// ReceiptPlanned: to be changed, or being rolled out.
	ReceiptPlanned ReceiptResult = "Planned"
	// ReceiptUpgraded: runs the new image, all replicas.
	ReceiptUpgraded ReceiptResult = "Upgraded"
	// ReceiptUnchanged: ran that image already, or was never changed.
	ReceiptUnchanged ReceiptResult = "Unchanged"
	// ReceiptFailed: somebody else changed or deleted it meanwhile; it was left as it is.
	ReceiptFailed ReceiptResult = "Failed"
	// ReceiptRolledBack: runs the previous image again, all replicas.
	ReceiptRolledBack ReceiptResult = "RolledBack"
	// ReceiptRollbackFailed: was changed, and could not be brought back.
	ReceiptRollbackFailed ReceiptResult = "RollbackFailed"
)

// Receipt records what a deployment phase does to a service.
type Receipt struct {
	// role of the service description.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Role string `json:"role,omitempty"`

	// kind of the workload: Deployment, StatefulSet or DaemonSet.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// name of the workload.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// container whose image is changed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Container string `json:"container,omitempty"`

	// previousImage is what the container ran before.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=1024
	PreviousImage string `json:"previousImage,omitempty"`

	// image is what the container shall run.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// previousSHA is the commit that Katkit had deployed before: 40 hex digits. Absent when it had not.
	// +optional
	// +kubebuilder:validation:MinLength=40
	// +kubebuilder:validation:MaxLength=40
	PreviousSHA string `json:"previousSHA,omitempty"`

	// owner is another controller that manages the workload, and may bring its own image back.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=128
	Owner string `json:"owner,omitempty"`

	// result is what became of it.
	// +required
	Result ReceiptResult `json:"result,omitempty"`

	// message tells why, where the result alone does not.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// env is the number of the container's environment variables, all of which were kept.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Env int32 `json:"env,omitempty"`

	// replicas that the workload asks for, which were kept.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas int32 `json:"replicas,omitempty"`
}
