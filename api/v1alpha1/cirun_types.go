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
// +kubebuilder:printcolumn:name="Waiting for",type=string,priority=1,JSONPath=`.status.waitingFor`
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

	// spec is what was asked for. Immutable but for cancelled: a different commit is a different run.
	// +required
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
//
// +kubebuilder:validation:XValidation:rule="has(self.commit) != has(self.rerunOf)",message="a run has either commit, which says what is run, or rerunOf, which repeats a run"
// +kubebuilder:validation:XValidation:rule="!has(self.fromPhase) || has(self.rerunOf)",message="fromPhase goes with rerunOf: it names the phase of the repeated run to begin with"
// +kubebuilder:validation:XValidation:rule="!has(self.rerunOf) || (!has(self.phases) && !has(self.phaseNames))",message="a re-run has the phases of the run that it repeats: leave phases and phaseNames out, or start a run of the commit"
// +kubebuilder:validation:XValidation:rule="has(self.commit) == has(oldSelf.commit) && has(self.rerunOf) == has(oldSelf.rerunOf) && has(self.fromPhase) == has(oldSelf.fromPhase) && has(self.phases) == has(oldSelf.phases) && has(self.phaseNames) == has(oldSelf.phaseNames) && has(self.env) == has(oldSelf.env) && has(self.timeout) == has(oldSelf.timeout) && has(self.allowOlder) == has(oldSelf.allowOlder)",message="the spec of a CIRun is immutable but for cancelled: make a new run"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.cancelled) || !oldSelf.cancelled || (has(self.cancelled) && self.cancelled)",message="a cancelled run stays so: start a new run, or repeat this one with rerunOf"
type CIRunSpec struct {
	// link names the TenantRepoLink of this namespace.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the spec of a CIRun is immutable but for cancelled: make a new run"
	Link ObjectName `json:"link,omitzero"`

	// commit says which commit is run. Absent in a re-run, which runs that of the run that it repeats.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the spec of a CIRun is immutable but for cancelled: make a new run"
	Commit CommitSelector `json:"commit,omitempty,omitzero"`

	// rerunOf names a run of the same link that has ended, and is repeated: the same commit, phases and variables. Phases
	// before fromPhase that succeeded there are carried over, with their outputs. Approvals are not.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the spec of a CIRun is immutable but for cancelled: make a new run"
	RerunOf string `json:"rerunOf,omitempty"`

	// fromPhase names the phase that a re-run begins with; phases of lower order must have succeeded. Absent: with the first
	// phases that did not succeed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the spec of a CIRun is immutable but for cancelled: make a new run"
	FromPhase string `json:"fromPhase,omitempty"`

	// phases overrides the workflow of the repository and the link for this run.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.filter(p, p.type == 'Deployment').size() <= 1",message="a workflow has at most one phase of type Deployment"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the spec of a CIRun is immutable but for cancelled: make a new run"
	Phases []PhaseTemplate `json:"phases,omitempty"`

	// phaseNames are the phases of the workflow that are run, by name; the others are left out. All when absent.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the spec of a CIRun is immutable but for cancelled: make a new run"
	PhaseNames []string `json:"phaseNames,omitempty"`

	// env are variables for ci.sh in every phase of this run. They win over the link's and the phase's.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the spec of a CIRun is immutable but for cancelled: make a new run"
	Env []EnvVar `json:"env,omitempty"`

	// allowOlder lets the run deploy a commit that is older than the live one: one that the live commit comes from.
	// Without it such a deployment is refused.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the spec of a CIRun is immutable but for cancelled: make a new run"
	AllowOlder bool `json:"allowOlder,omitempty"`

	// timeout of the run, from its start to its end; the time in which it waits for approval does not count. 3h when absent.
	// The BuilderClass may cap it.
	// +optional
	// +default="3h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="timeout is 1s at least"
	// +kubebuilder:validation:XValidation:rule="duration(self) == duration(oldSelf)",message="the spec of a CIRun is immutable but for cancelled: make a new run"
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// cancelled stops the run: what has not begun does not begin, ci.sh is told to end, and a deployment under way is rolled
	// back. Once true it stays so.
	// +optional
	Cancelled bool `json:"cancelled,omitempty"`
}

// CommitSelector names a commit in one way; or by its sha, and the branch or pull request that it is of. A branch or pull
// request alone is resolved once and the commit pinned in the run's status. A commit that the branch beside it does not have, or
// the pull request from a branch of the repository, is not run.
//
// +kubebuilder:validation:XValidation:rule="has(self.sha) || has(self.branch) || has(self.pullRequest)",message="commit takes one of sha, branch and pullRequest"
// +kubebuilder:validation:XValidation:rule="!has(self.branch) || !has(self.pullRequest)",message="commit takes branch or pullRequest, not both: a pull request has its branch"
type CommitSelector struct {
	// sha of the commit: 40 hex digits, lower case.
	// +optional
	// +kubebuilder:validation:MinLength=40
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{40}$`
	SHA string `json:"sha,omitempty"`

	// branch whose newest commit is run, or that the commit of sha is of.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('-') && !self.contains('..') && !self.matches('[[:cntrl:] ~^:?*\\\\[\\\\\\\\]')",message="branch is not a valid branch name"
	Branch string `json:"branch,omitempty"`

	// pullRequest whose head commit is run, or that the commit of sha is of.
	// +optional
	// +kubebuilder:validation:Minimum=1
	PullRequest int32 `json:"pullRequest,omitempty"`
}

// RunState is the lifecycle of a run.
// +kubebuilder:validation:Enum=Pending;Queued;Running;WaitingForApproval;Succeeded;Failed;Cancelled
type RunState string

const (
	// RunPending has not begun: its link or commit is still looked for.
	RunPending RunState = "Pending"
	// RunQueued has nothing under way: its next phase waits for its turn in the tenant or for a builder.
	RunQueued RunState = "Queued"
	// RunRunning has phases under way.
	RunRunning RunState = "Running"
	// RunWaitingForApproval has nothing under way but phases that wait for spec.approved.
	RunWaitingForApproval RunState = "WaitingForApproval"
	// RunSucceeded: every phase did. Final.
	RunSucceeded RunState = "Succeeded"
	// RunFailed: a phase failed, or the run could not begin. Final.
	RunFailed RunState = "Failed"
	// RunCancelled: it was stopped by somebody, or a newer run took its place. Final.
	RunCancelled RunState = "Cancelled"
)

// Terminal tells whether the state is final.
func (s RunState) Terminal() bool { return s == RunSucceeded || s == RunFailed || s == RunCancelled }

// CIRunStatus is how far a run is.
type CIRunStatus struct {
	// conditions of the run: Succeeded, and Reported when it has ended and GitHub shows that, or refuses to.
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

	// fork is set when the commit is of a fork's pull request, or was named by its sha alone and nothing shows that a branch of the
	// repository has it: it is not deployed, gets no secrets, no ServiceAccount and no cache, and the home branch's
	// katkitconfig.js says what is run.
	// +optional
	Fork bool `json:"fork,omitempty"`

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

	// timeout of the run that counts: spec.timeout, as far as the BuilderClass allows.
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// waitingFor tells what a queued phase of the run waits for: which run is in the way, and at what position it waits.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=1024
	WaitingFor string `json:"waitingFor,omitempty"`

	// stop tells why the run is being stopped, or was.
	// +optional
	Stop *StopStatus `json:"stop,omitempty"`

	// outputs are what the phases that succeeded left in $KATKIT_OUTPUT, those of later phases winning.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	Outputs []Output `json:"outputs,omitempty"`

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

	// trimTime is when the Phases and logs of a run were removed that its link's retention would delete, but that was not
	// made by Katkit: whoever applies it from Git would apply it again.
	// +optional
	TrimTime *metav1.Time `json:"trimTime,omitempty"`
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

	// carriedFrom names the run in which the phase succeeded, when this run repeats it and did not run the phase again.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	CarriedFrom string `json:"carriedFrom,omitempty"`

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
