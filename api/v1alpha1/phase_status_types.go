package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PhaseStatus is how far a phase is, and what came of it.
//
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.builder) || has(self.builder)",message="builder stays once the phase has begun"
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

	// builder is what the builder Pods of an execution phase are made by, all of them. Absent until it begins.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="builder is immutable once the phase has begun"
	Builder *BuilderStatus `json:"builder,omitempty"`

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
