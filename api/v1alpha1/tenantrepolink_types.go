package v1alpha1

import (
	"path"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TenantRepoLink joins a GitHub repository to the tenant whose namespace it is in. The same repository
// may be linked in many tenants, with the same or different folders; a tenant may hold many links.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=trl,categories=katkit
// +kubebuilder:printcolumn:name="Repository",type=string,JSONPath=`.spec.repository`
// +kubebuilder:printcolumn:name="Branch",type=string,JSONPath=`.spec.homeBranch`
// +kubebuilder:printcolumn:name="Folder",type=string,JSONPath=`.spec.folderPath`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Head",type=string,priority=1,JSONPath=`.status.homeBranch.sha`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name of a TenantRepoLink has 63 characters at most, since it becomes a label"
type TenantRepoLink struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec is what the people who own the tenant ask for.
	// +required
	Spec TenantRepoLinkSpec `json:"spec,omitzero"`
	// status is what Katkit found.
	// +optional
	Status TenantRepoLinkStatus `json:"status,omitempty,omitzero"`
}

// TenantRepoLinkList is a list of TenantRepoLinks.
//
// +kubebuilder:object:root=true
type TenantRepoLinkList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TenantRepoLink `json:"items"`
}

// TenantRepoLinkSpec says which repository, branch and folder, and how it is built and deployed here.
//
// +kubebuilder:validation:XValidation:rule="!has(self.secretRef) || !has(self.builder) || !has(self.builder.env) || self.builder.env.all(v, !has(v.valueFrom) || !has(v.valueFrom.secretKeyRef) || v.valueFrom.secretKeyRef.name != self.secretRef.name)",message="the Secret of secretRef is Katkit's credential for GitHub, and never a variable of ci.sh: take another Secret in builder.env"
// +kubebuilder:validation:XValidation:rule="!has(self.secretRef) || !has(self.builder) || !has(self.builder.envFrom) || self.builder.envFrom.all(v, !has(v.secretRef) || v.secretRef.name != self.secretRef.name)",message="the Secret of secretRef is Katkit's credential for GitHub, and never a variable of ci.sh: take another Secret in builder.envFrom"
type TenantRepoLinkSpec struct {
	// repository on GitHub, as owner/name. Immutable.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=140
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_]*[A-Za-z0-9_])?/[-._A-Za-z0-9]+$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="repository is immutable: delete the link and make a new one"
	Repository string `json:"repository,omitempty"`

	// host of GitHub. It must be on the manager's allow-list (flag --github-host). Immutable, since the
	// token goes there. github.com when absent.
	// +optional
	// +default="github.com"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?(:[0-9]+)?$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="host is immutable: delete the link and make a new one"
	Host string `json:"host,omitempty"`

	// homeBranch is the branch whose commits are deployed here.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('-') && !self.contains('..') && !self.matches('[[:cntrl:] ~^:?*\\\\[\\\\\\\\]')",message="homeBranch is not a valid branch name"
	HomeBranch string `json:"homeBranch,omitempty"`

	// folderPath is the folder of the repository that this link is about; the root when absent. It holds
	// ci.sh and servicedescription/servicedescription.js. "/api", "api/" and "api" are the same folder.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.split('/').exists(part, part == '..' || part == '.')",message="folderPath has no '.' or '..' in it: name the folder from the repository's root"
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]\\\\\\\\]')",message="folderPath has no control characters or backslashes"
	FolderPath string `json:"folderPath,omitempty"`

	// env overrides the name of the tenant's environment, which is the Namespace's annotation katkit.dev/env.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=63
	Env string `json:"env,omitempty"`

	// environmentURL is where people reach the service in this tenant. GitHub shows it with deployments of the link.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self == '' || (isURL(self) && url(self).getScheme() in ['https', 'http'] && url(self).getHost() != '')",message="environmentURL is an address such as https://app.example.com"
	EnvironmentURL string `json:"environmentURL,omitempty"`

	// secretRef names the Secret of this namespace whose key `token` is the GitHub token, or whose keys `githubAppID`,
	// `githubAppInstallationID` and `githubAppPrivateKey` are a GitHub App. Absent: the repository is read without a token,
	// which only a public one allows.
	// +optional
	SecretRef *ObjectName `json:"secretRef,omitempty"`

	// builder says how the builder Pods of this link are made.
	// +optional
	Builder BuilderSpec `json:"builder,omitempty,omitzero"`

	// deployer says who changes the tenant's workloads.
	// +optional
	Deployer DeployerSpec `json:"deployer,omitempty,omitzero"`

	// phases is the workflow that is used when the repository has no katkitconfig.js.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.filter(p, p.type == 'Deployment').size() <= 1",message="a workflow has at most one phase of type Deployment"
	Phases []PhaseTemplate `json:"phases,omitempty"`

	// triggers say what is run without being asked for by hand. Absent: nothing.
	// +optional
	Triggers TriggersSpec `json:"triggers,omitempty,omitzero"`

	// concurrency says what becomes of runs that are under way when a newer one is asked for.
	// +optional
	Concurrency ConcurrencySpec `json:"concurrency,omitempty,omitzero"`

	// retention says how many runs of this link that have ended are kept, and how long.
	// +optional
	Retention RetentionSpec `json:"retention,omitempty,omitzero"`

	// pollInterval is how often the repository and its home branch are checked. 1m when absent, 10s at least.
	// +optional
	// +default="1m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10s')",message="pollInterval is 10s at least"
	PollInterval *metav1.Duration `json:"pollInterval,omitempty"`
}

// Folder is folderPath without slashes around it: "" for the repository's root.
func (s *TenantRepoLinkSpec) Folder() string { return strings.Trim(path.Clean("/"+s.FolderPath), "/") }

// ConcurrencyPolicy says what becomes of older runs.
// +kubebuilder:validation:Enum=Queue;CancelOlder
type ConcurrencyPolicy string

const (
	// ConcurrencyQueue lets every run come to its own end, first come, first served.
	ConcurrencyQueue ConcurrencyPolicy = "Queue"
	// ConcurrencyCancelOlder cancels the runs of older commits of a branch or pull request when a newer one is run.
	ConcurrencyCancelOlder ConcurrencyPolicy = "CancelOlder"
)

// ConcurrencySpec says what becomes of runs that are under way when a newer one is asked for.
type ConcurrencySpec struct {
	// policy Queue runs them all, first come, first served. CancelOlder cancels those of older commits of the same branch or
	// pull request that have not begun to deploy. Queue when absent.
	// +optional
	// +default="Queue"
	Policy ConcurrencyPolicy `json:"policy,omitempty"`
}

// RetentionSpec says how many ended runs are kept, and how long. What is beyond is deleted with its Phases and logs; of a
// run that was not made by Katkit but applied (from Git, say), only the Phases and logs are.
type RetentionSpec struct {
	// succeeded is the number of succeeded runs that are kept. 10 when absent.
	// +optional
	// +default=10
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Succeeded *int32 `json:"succeeded,omitempty"`

	// failed is the number of failed and cancelled runs that are kept. 20 when absent.
	// +optional
	// +default=20
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Failed *int32 `json:"failed,omitempty"`

	// ttl is how long an ended run is kept. 168h (a week) when absent.
	// +optional
	// +default="168h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="ttl is 1m at least"
	TTL *metav1.Duration `json:"ttl,omitempty"`
}

// DeployerSpec says who changes the tenant's workloads.
type DeployerSpec struct {
	// serviceAccountName is the ServiceAccount of this namespace that Katkit acts as when it changes a
	// workload. katkit-deployer when absent.
	// +optional
	// +default="katkit-deployer"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
}

// TenantRepoLinkStatus is what Katkit found when it last checked the link.
type TenantRepoLinkStatus struct {
	// conditions of the link: Ready.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// repository is the one on GitHub that was found when the link was first checked. It stays that one when it is renamed or
	// moved; another one that has taken its name since is refused.
	// +optional
	Repository *RepositoryStatus `json:"repository,omitempty"`

	// rateLimit is what the link's token may ask of GitHub, roughly. The manager's metric
	// katkit_github_rate_limit_remaining has it exactly.
	// +optional
	RateLimit *RateLimitStatus `json:"rateLimit,omitempty"`

	// homeBranch is the newest commit of the home branch.
	// +optional
	HomeBranch *CommitStatus `json:"homeBranch,omitempty"`

	// commits are the newest ones of the home branch, that of homeBranch first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Commits []CommitStatus `json:"commits,omitempty"`

	// pullRequests are the open ones into the home branch, the newest first. Of more than 100 they are those that were updated
	// last; a run may be of any, by its number.
	// +optional
	// +listType=map
	// +listMapKey=number
	// +kubebuilder:validation:MaxItems=100
	PullRequests []PullRequestStatus `json:"pullRequests,omitempty"`

	// morePullRequests is set when there are more open ones than are listed.
	// +optional
	MorePullRequests bool `json:"morePullRequests,omitempty"`

	// triggers are the record of what spec.triggers made of the repository's commits.
	// +optional
	Triggers *TriggersStatus `json:"triggers,omitempty"`
}

// RateLimitStatus is a token's rate limit. All that use the token share it.
type RateLimitStatus struct {
	// limit is the number of calls in an hour.
	// +required
	// +kubebuilder:validation:Minimum=1
	Limit int32 `json:"limit,omitempty"`

	// remaining of them, rounded down to a tenth of the limit.
	// +required
	// +kubebuilder:validation:Minimum=0
	Remaining *int32 `json:"remaining,omitempty"`
}

// RepositoryStatus names a repository.
type RepositoryStatus struct {
	// id is GitHub's number of the repository, which never changes.
	// +required
	// +kubebuilder:validation:Minimum=1
	ID int64 `json:"id,omitempty"`

	// fullName is owner/name as GitHub spells it now.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=255
	FullName string `json:"fullName,omitempty"`
}

// PullRequestStatus describes an open pull request.
type PullRequestStatus struct {
	// number of the pull request.
	// +required
	// +kubebuilder:validation:Minimum=1
	Number int32 `json:"number,omitempty"`

	// title of the pull request.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=256
	Title string `json:"title,omitempty"`

	// author is the GitHub login of who opened it.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=256
	Author string `json:"author,omitempty"`

	// headRef is the branch that is to be merged.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=256
	HeadRef string `json:"headRef,omitempty"`

	// headSHA is the newest commit of that branch, 40 hex digits.
	// +required
	// +kubebuilder:validation:MinLength=40
	// +kubebuilder:validation:MaxLength=40
	HeadSHA string `json:"headSHA,omitempty"`

	// firstSHA is the newest commit that the branch had when Katkit first saw the pull request. Absent: that of headSHA.
	// +optional
	// +kubebuilder:validation:MinLength=40
	// +kubebuilder:validation:MaxLength=40
	FirstSHA string `json:"firstSHA,omitempty"`

	// fork is set when the branch is of another repository, or of one that was deleted.
	// +optional
	Fork bool `json:"fork,omitempty"`

	// draft is set when it is not to be merged yet.
	// +optional
	Draft bool `json:"draft,omitempty"`

	// url of the page for people.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=512
	URL string `json:"url,omitempty"`
}

// CommitStatus describes a commit.
type CommitStatus struct {
	// sha of the commit, 40 hex digits.
	// +required
	// +kubebuilder:validation:MinLength=40
	// +kubebuilder:validation:MaxLength=40
	SHA string `json:"sha,omitempty"`

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

	// time of the commit.
	// +optional
	Time *metav1.Time `json:"time,omitempty"`
}
