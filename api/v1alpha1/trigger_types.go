package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TriggersSpec says what is run without being asked for by hand. A commit that was there when its trigger was set is not run;
// each later one is, once.
type TriggersSpec struct {
	// pullRequest runs commits of pull requests into the home branch: those of the repository's own branches whose author has
	// write permission. A commit of a fork, or of somebody else, is run when somebody with write permission says so, with the
	// comment "/katkit ok SHA".
	// +optional
	PullRequest *PullRequestTrigger `json:"pullRequest,omitempty"`

	// push runs what is pushed, or merged, to the home branch.
	// +optional
	Push *PushTrigger `json:"push,omitempty"`

	// comments obeys comments on pull requests that begin with /katkit, of people with write permission. Where "rerun" is among its
	// commands it obeys the button Re-run of GitHub's, too.
	// +optional
	Comments *CommentTrigger `json:"comments,omitempty"`
}

// PullRequestEvent is what happened to a pull request.
// +kubebuilder:validation:Enum=Opened;Updated;Labelled
type PullRequestEvent string

const (
	// PullRequestOpened is a pull request with the commit that it had when it was first seen.
	PullRequestOpened PullRequestEvent = "Opened"
	// PullRequestUpdated is a pull request with a later commit.
	PullRequestUpdated PullRequestEvent = "Updated"
	// PullRequestLabelled is a pull request that has one of the trigger's labels.
	PullRequestLabelled PullRequestEvent = "Labelled"
)

// PullRequestTrigger says which commits of pull requests are run, and how.
//
// +kubebuilder:validation:XValidation:rule="has(self.labels) == (has(self.on) && self.on.exists(e, e == 'Labelled'))",message="labels go with Labelled in on: name the labels that count, or leave Labelled out"
type PullRequestTrigger struct {
	// on are the events that count: Opened, Updated (a later commit), Labelled (it has one of labels). Opened and Updated when
	// absent.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	On []PullRequestEvent `json:"on,omitempty"`

	// labels that count for Labelled.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=50
	Labels []string `json:"labels,omitempty"`

	// paths are patterns of files, from the repository's root, as in "api/**" or "*.go": the commits of a pull request that
	// changes none of them are not run. Absent: any file counts.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	Paths []string `json:"paths,omitempty"`

	// phases of the workflow that are run, by name. All when absent.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Phases []string `json:"phases,omitempty"`
}

// PushTrigger says which pushes to the home branch are run, and how.
type PushTrigger struct {
	// paths are patterns of files, from the repository's root, as in "api/**" or "*.go": a push that changes none of them is
	// not run. Absent: any file counts.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	Paths []string `json:"paths,omitempty"`

	// phases of the workflow that are run, by name. All when absent.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Phases []string `json:"phases,omitempty"`
}

// CommentCommand is what a comment may ask for.
// +kubebuilder:validation:Enum=run;rerun;cancel;approve;ok
type CommentCommand string

const (
	// CommandRun runs the pull request's newest commit, or some phases of it.
	CommandRun CommentCommand = "run"
	// CommandRerun repeats the pull request's last run, from the first phase that did not succeed.
	CommandRerun CommentCommand = "rerun"
	// CommandCancel cancels the pull request's runs.
	CommandCancel CommentCommand = "cancel"
	// CommandApprove approves a phase of the pull request's run that waits for it.
	CommandApprove CommentCommand = "approve"
	// CommandOK allows one commit of a fork, or of somebody without write permission, to be run.
	CommandOK CommentCommand = "ok"
)

// CommentTrigger says which comments are obeyed.
type CommentTrigger struct {
	// commands that are obeyed. All when absent. "/katkit help" tells which.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	Commands []CommentCommand `json:"commands,omitempty"`
}

// TriggerName is a trigger's name in the record of what it did, and in the names of its runs.
// +kubebuilder:validation:Enum=pr;push;comments
type TriggerName string

const (
	// TriggerPullRequest is spec.triggers.pullRequest.
	TriggerPullRequest TriggerName = "pr"
	// TriggerPush is spec.triggers.push.
	TriggerPush TriggerName = "push"
	// TriggerComments is spec.triggers.comments.
	TriggerComments TriggerName = "comments"
)

// TriggersStatus is the record of what triggers did, which makes that nothing is done twice.
type TriggersStatus struct {
	// active are the triggers that are set, and have seen what was there before them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	Active []TriggerName `json:"active,omitempty"`

	// branch is the home branch that the record is about.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Branch string `json:"branch,omitempty"`

	// handled are commits that need no look any more, the newest last: the trigger, a dash, and the first 16 digits of the sha.
	// What was run has a run of the link's name and that.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=19
	// +kubebuilder:validation:items:MaxLength=21
	Handled []string `json:"handled,omitempty"`

	// lastComment is the number of the newest comment that was looked at.
	// +optional
	// +kubebuilder:validation:Minimum=1
	LastComment int64 `json:"lastComment,omitempty"`

	// lastCommentTime is when it was written. Older comments are not asked for.
	// +optional
	LastCommentTime *metav1.Time `json:"lastCommentTime,omitempty"`

	// pressed is the record of GitHub's button Re-run: the check runs of which runs were made last, and the presses in the link's
	// annotation katkit.dev/rerun-requested that need no look any more.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	Pressed []string `json:"pressed,omitempty"`
}
