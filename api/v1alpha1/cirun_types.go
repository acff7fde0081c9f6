package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CIRun takes one commit of a link's repository through an ordered list of phases.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=ciruns,shortName=run,categories=katkit
// +kubebuilder:printcolumn:name="Link",type=string,JSONPath=`.spec.link.name`
// +kubebuilder:printcolumn:name="SHA",type=string,JSONPath=`.status.sha`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Succeeded")].message`
// +kubebuilder:printcolumn:name="Started",type=date,JSONPath=`.status.startTime`
// +kubebuilder:printcolumn:name="Completed",type=date,JSONPath=`.status.completionTime`
// +kubebuilder:printcolumn:name="Age",type=date,priority=1,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name of a CIRun has 63 characters at most, since it becomes a label"
type CIRun struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec is what was asked for. Immutable: a different commit is a different run.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the spec of a CIRun is immutable: make a new run"
	Spec CIRunSpec `json:"spec,omitzero"`
	// status is how far it is.
	// +optional
	// +default={"state": "Pending"}
	Status CIRunStatus `json:"status,omitempty,omitzero"`
}

// CIRunList is a list of CIRuns.
//
// +kubebuilder:object:root=true
type CIRunList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []CIRun `json:"items"`
}

// CIRunSpec says which commit of which link is run.
type CIRunSpec struct {
	// link names the TenantRepoLink of this namespace.
	// +required
	Link ObjectName `json:"link,omitzero"`

	// commit says which commit is run.
	// +required
	Commit CommitSelector `json:"commit,omitzero"`

	// phases overrides the workflow of the repository and the link for this run.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.filter(p, p.type == 'Deployment').size() <= 1",message="a workflow has at most one phase of type Deployment"
	Phases []PhaseTemplate `json:"phases,omitempty"`

	// env are variables for ci.sh in every phase of this run. They win over the link's and the phase's.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Env []EnvVar `json:"env,omitempty"`

	// allowOlder lets the run deploy a commit that is older than the live one: one that the live commit comes from.
	// Without it such a deployment is refused.
	// +optional
	AllowOlder bool `json:"allowOlder,omitempty"`
}

// CommitSelector names a commit in exactly one way. A branch or pull request is resolved once and the
// commit pinned in the run's status.
//
// +kubebuilder:validation:XValidation:rule="[has(self.sha), has(self.branch), has(self.pullRequest)].filter(given, given).size() == 1",message="commit takes exactly one of sha, branch and pullRequest"
type CommitSelector struct {
	// sha of the commit: 40 hex digits, lower case.
	// +optional
	// +kubebuilder:validation:MinLength=40
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{40}$`
	SHA string `json:"sha,omitempty"`

	// branch whose newest commit is run.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('-') && !self.contains('..') && !self.matches('[[:cntrl:] ~^:?*\\\\[\\\\\\\\]')",message="branch is not a valid branch name"
	Branch string `json:"branch,omitempty"`

	// pullRequest whose head commit is run.
	// +optional
	// +kubebuilder:validation:Minimum=1
	PullRequest int32 `json:"pullRequest,omitempty"`
}

// RunState is the lifecycle of a run.
// +kubebuilder:validation:Enum=Pending;Running;WaitingForApproval;Succeeded;Failed
type RunState string

const (
	// RunPending has not begun: its link or commit is still looked for.
	RunPending RunState = "Pending"
	// RunRunning has phases under way.
	RunRunning RunState = "Running"
	// RunWaitingForApproval has nothing under way but phases that wait for spec.approved.
	RunWaitingForApproval RunState = "WaitingForApproval"
	// RunSucceeded: every phase did. Final.
	RunSucceeded RunState = "Succeeded"
	// RunFailed: a phase failed, or the run could not begin. Final.
	RunFailed RunState = "Failed"
)

// Terminal tells whether the state is final.
func (s RunState) Terminal() bool { return s == RunSucceeded || s == RunFailed }

// CIRunStatus is how far a run is.
type CIRunStatus struct {
	// conditions of the run: Succeeded.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// state of the run.
	// +optional
	State RunState `json:"state,omitempty"`

	// sha of the commit that is run: 40 hex digits. Pinned when the run begins.
	// +optional
	// +kubebuilder:validation:MinLength=40
	// +kubebuilder:validation:MaxLength=40
	SHA string `json:"sha,omitempty"`

	// ref is the branch that the commit was asked for by: the selected branch or the pull request's.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=255
	Ref string `json:"ref,omitempty"`

	// pullRequest that the commit was asked for by.
	// +optional
	// +kubebuilder:validation:Minimum=1
	PullRequest int32 `json:"pullRequest,omitempty"`

	// message is the first line of the commit's message.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`

	// author is the GitHub login of the commit's author, else the name that git recorded.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=256
	Author string `json:"author,omitempty"`

	// configSource tells where the workflow came from: a file of the repository, the run or the link.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=512
	ConfigSource string `json:"configSource,omitempty"`

	// warnings are the problems of the repository's files that do not stop the run.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=512
	Warnings []string `json:"warnings,omitempty"`

	// phases of the run, in their order.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Phases []RunPhaseStatus `json:"phases,omitempty"`

	// startTime is when the run began: its commit was known and its phases planned.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// completionTime is when the run ended.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
}

// RunPhaseStatus is a phase of a run at a glance; the Phase object tells the rest.
type RunPhaseStatus struct {
	// name of the phase in its workflow.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// phaseName is the name of the Phase object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	PhaseName string `json:"phaseName,omitempty"`

	// type of the phase.
	// +required
	Type PhaseType `json:"type,omitempty"`

	// order of the phase.
	// +required
	// +kubebuilder:validation:Minimum=0
	Order int32 `json:"order"`

	// state of the phase.
	// +optional
	State PhaseState `json:"state,omitempty"`

	// message tells why the phase is in its state, where that is not plain.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// startTime is when the phase began.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// completionTime is when the phase ended.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
}
