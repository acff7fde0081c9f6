package v1alpha1

// Condition types.
const (
	// ConditionReady on a TenantRepoLink is True when the namespace is a tenant, a BuilderClass is there for it, GitHub answers
	// for the repository and the home branch was found; False with a reason when one of them is not so; Unknown
	// when GitHub could not be asked.
	ConditionReady = "Ready"
	// ConditionSucceeded on a CIRun and a Phase is Unknown until it has ended, then True or False for
	// good. `kubectl wait --for=condition=Succeeded` waits for it.
	ConditionSucceeded = "Succeeded"
	// ConditionRolledBack on a Phase is there when a deployment failed after it had changed a service: Unknown while
	// the services are brought back, True when all run their previous image again, False when one does not.
	ConditionRolledBack = "RolledBack"
	// ConditionReported on a CIRun is there when it has ended and its link has a Secret: True when GitHub shows how each of its
	// phases ended, False when GitHub refuses to be told.
	ConditionReported = "Reported"
)

// Reasons of the conditions, grouped by what a person can do about them.
const (
	// ReasonReady: the link works.
	ReasonReady = "Ready"
	// ReasonPending: nothing was begun yet.
	ReasonPending = "Pending"
	// ReasonRunning: work is under way.
	ReasonRunning = "Running"
	// ReasonWaitingForApproval: a phase waits for spec.approved.
	ReasonWaitingForApproval = "WaitingForApproval"
	// ReasonQueued: a phase is ready to begin and waits for its turn in the tenant, or for a builder.
	ReasonQueued = "Queued"
	// ReasonSucceeded: ended well.
	ReasonSucceeded = "Succeeded"
	// ReasonReported: GitHub shows how the run ended.
	ReasonReported = "Reported"
	// ReasonReportRefused: GitHub does not take statuses or deployments, for want of a permission mostly.
	ReasonReportRefused = "ReportRefused"
	// ReasonSkipped: a phase never began because one before it failed.
	ReasonSkipped = "Skipped"

	// ReasonCancelled: somebody set spec.cancelled of the run.
	ReasonCancelled = "Cancelled"
	// ReasonSuperseded: a newer commit of the same branch or pull request is run, and the link's concurrency.policy is CancelOlder.
	ReasonSuperseded = "Superseded"
	// ReasonLinkDeleted: the run's link was deleted while it was under way.
	ReasonLinkDeleted = "LinkDeleted"

	// ReasonNotATenant: the Namespace has no label katkit.dev/tenant.
	ReasonNotATenant = "NotATenant"
	// ReasonLinkNotFound: the run's link is not there (yet).
	ReasonLinkNotFound = "LinkNotFound"
	// ReasonNoBuilderClass: the named BuilderClass, or a default one that the namespace may use, is not there.
	ReasonNoBuilderClass = "NoBuilderClass"
	// ReasonSeveralDefaultClasses: more than one BuilderClass that the namespace may use is marked as the default one.
	ReasonSeveralDefaultClasses = "SeveralDefaultClasses"
	// ReasonBuilderClassNotAllowed: the named BuilderClass is not for the link's namespace.
	ReasonBuilderClassNotAllowed = "BuilderClassNotAllowed"
	// ReasonImageNotAllowed: the BuilderClass does not allow a builder image that the link or the workflow brings.
	ReasonImageNotAllowed = "ImageNotAllowed"
	// ReasonTenantFleetGone: a BuilderClass named the tenant's own hosts when the run began, and that of a later phase does not.
	ReasonTenantFleetGone = "TenantFleetGone"
	// ReasonAllocationTagNotAllowed: the AllocationTags of a phase ask for other hosts than those that its builder Pods may run on.
	ReasonAllocationTagNotAllowed = "AllocationTagNotAllowed"
	// ReasonServiceAccountNotAllowed: the ServiceAccount that builder Pods shall have is not there, or not for them.
	ReasonServiceAccountNotAllowed = "ServiceAccountNotAllowed"

	// ReasonHostNotAllowed: the manager may not talk to the link's GitHub host.
	ReasonHostNotAllowed = "HostNotAllowed"
	// ReasonTokenMissing: the link's Secret, or a token or GitHub App in it, is not there.
	ReasonTokenMissing = "TokenMissing"
	// ReasonCredentialInvalid: the link's Secret holds a token and a GitHub App, or one that is incomplete or cannot be read.
	ReasonCredentialInvalid = "CredentialInvalid"
	// ReasonTokenRejected: GitHub does not accept the token or the App, or it may not read the repository.
	ReasonTokenRejected = "TokenRejected"
	// ReasonRepositoryNotFound: GitHub has no such repository, or hides it from this token.
	ReasonRepositoryNotFound = "RepositoryNotFound"
	// ReasonRepositoryReplaced: another repository has the linked one's name now.
	ReasonRepositoryReplaced = "RepositoryReplaced"
	// ReasonHomeBranchNotFound: the repository has no branch of the link's homeBranch.
	ReasonHomeBranchNotFound = "HomeBranchNotFound"
	// ReasonInvalidTrigger: a trigger of the link cannot be understood.
	ReasonInvalidTrigger = "InvalidTrigger"
	// ReasonRunRefused: the API server does not accept the run that a trigger of the link, or a comment, asks for.
	ReasonRunRefused = "RunRefused"
	// ReasonCommitNotFound: the repository has no such commit, branch or pull request.
	ReasonCommitNotFound = "CommitNotFound"
	// ReasonRateLimited: GitHub's rate limit is used up; asked again after its reset.
	ReasonRateLimited = "RateLimited"
	// ReasonGitHubUnavailable: GitHub did not answer; asked again soon.
	ReasonGitHubUnavailable = "GitHubUnavailable"

	// ReasonNoWorkflow: neither the run, the repository nor the link says which phases to run.
	ReasonNoWorkflow = "NoWorkflow"
	// ReasonForkNotDeployed: of a fork's commit, which is not deployed, no phase is left to run.
	ReasonForkNotDeployed = "ForkNotDeployed"
	// ReasonInvalidConfig: katkitconfig.js has errors.
	ReasonInvalidConfig = "InvalidConfig"
	// ReasonInvalidServiceDescription: servicedescription.js is missing or has errors.
	ReasonInvalidServiceDescription = "InvalidServiceDescription"
	// ReasonServiceNotFound: a role has no workload of its name, or no container can be chosen in it.
	ReasonServiceNotFound = "ServiceNotFound"
	// ReasonNameConflict: an object of the name that Katkit needs belongs to somebody else.
	ReasonNameConflict = "NameConflict"

	// ReasonPhaseFailed: a run failed because a phase of it did.
	ReasonPhaseFailed = "PhaseFailed"
	// ReasonRunEnded: a phase was stopped because its run ended without it.
	ReasonRunEnded = "RunEnded"
	// ReasonPhaseGone: a Phase of the run was deleted before it had ended.
	ReasonPhaseGone = "PhaseGone"

	// ReasonImagePullFailed: an image of the builder Pod, or of a service's new Pod, cannot be pulled.
	ReasonImagePullFailed = "ImagePullFailed"
	// ReasonContainerConfig: the kubelet cannot make or start a container of the builder Pod, or of a service's new Pod (a
	// Secret is missing, say).
	ReasonContainerConfig = "ContainerConfigError"
	// ReasonEnvSourceMissing: a Secret or a ConfigMap, or a key of it, that the link's builder.env or builder.envFrom names is not there.
	ReasonEnvSourceMissing = "EnvSourceMissing"
	// ReasonCredentialExposed: the link's builder.env or builder.envFrom names a Secret that Katkit reads or clones a repository with.
	ReasonCredentialExposed = "CredentialExposed"
	// ReasonCacheNotFound: the PersistentVolumeClaim of the link's cache is not there.
	ReasonCacheNotFound = "CacheNotFound"
	// ReasonWaitingForQuota: the namespace's ResourceQuota leaves no room for the builder Pod; tried again.
	ReasonWaitingForQuota = "WaitingForQuota"
	// ReasonPhaseRejected: the API server did not accept a Phase that the workflow asks for.
	ReasonPhaseRejected = "PhaseRejected"
	// ReasonPodRejected: the API server did not accept the builder Pod (admission, validation).
	ReasonPodRejected = "PodRejected"
	// ReasonPodGone: the builder Pod was deleted before it had ended.
	ReasonPodGone = "PodGone"
	// ReasonPodFailed: the builder Pod ended without the agent's word (evicted, node lost, agent killed).
	ReasonPodFailed = "PodFailed"
	// ReasonOutOfMemory: ci.sh, or the node below it, ran out of memory. It is the kubelet's word.
	ReasonOutOfMemory = "OOMKilled"
	// ReasonDiskLimitExceeded: the builder Pod wrote more to its node's disk than it may, and was evicted.
	ReasonDiskLimitExceeded = "DiskLimitExceeded"
	// ReasonLogIncomplete: the log store has not got all of a builder Pod's log. It is an event's reason alone.
	ReasonLogIncomplete = "LogIncomplete"
	// ReasonTimedOut: the phase took longer than its timeout.
	ReasonTimedOut = "TimedOut"
	// ReasonRunTimedOut: the run took longer than its timeout.
	ReasonRunTimedOut = "RunTimedOut"
	// ReasonQueueTimedOut: the phase waited longer for its turn than its queueTimeout.
	ReasonQueueTimedOut = "QueueTimedOut"
	// ReasonUnscheduledTimedOut: no node took a builder Pod within the unscheduledTimeout.
	ReasonUnscheduledTimedOut = "UnscheduledTimedOut"
	// ReasonNotStopped: a builder Pod did not end in time after it was told to; its node is lost, say.
	ReasonNotStopped = "NotStopped"

	// ReasonRerunNotFound: the run that is to be repeated is not there.
	ReasonRerunNotFound = "RerunNotFound"
	// ReasonRerunNotPossible: the run that is to be repeated has not ended, was trimmed, or has no such phase to begin with.
	ReasonRerunNotPossible = "RerunNotPossible"
	// ReasonInvalidParallelism: a phase asks for more builder Pods than the BuilderClass allows.
	ReasonInvalidParallelism = "InvalidParallelism"

	// ReasonDeployerForbidden: the deployer ServiceAccount is missing or may not patch the workload.
	ReasonDeployerForbidden = "DeployerForbidden"
	// ReasonWorkloadChanged: somebody else changed the image while Katkit was about to.
	ReasonWorkloadChanged = "WorkloadChanged"
	// ReasonPatchRejected: the API server refused the image change (admission, validation).
	ReasonPatchRejected = "PatchRejected"
	// ReasonRolloutFailed: the workload did not become available with the new image.
	ReasonRolloutFailed = "RolloutFailed"
	// ReasonCrashLoop: a container of the service ends again and again.
	ReasonCrashLoop = "CrashLoop"
	// ReasonQuotaExceeded: a ResourceQuota leaves no room for a Pod of the service.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonFailedCreate: the API server does not accept a Pod of the service for another reason.
	ReasonFailedCreate = "FailedCreate"
	// ReasonBlocked: a StatefulSet waits for a Pod of another revision that will not become ready.
	ReasonBlocked = "Blocked"
	// ReasonUnschedulable: no node takes a Pod of the service.
	ReasonUnschedulable = "Unschedulable"
	// ReasonProbeFailing: a container of the service runs, and its startup or readiness probe does not pass, or its liveness
	// probe stops it.
	ReasonProbeFailing = "ProbeFailing"
	// ReasonNodeTrouble: a Pod of the service was evicted, or its node is lost.
	ReasonNodeTrouble = "NodeTrouble"
	// ReasonNotReady: a Pod of the service is not ready for another reason (a readiness gate, an init container that does not end).
	ReasonNotReady = "NotReady"
	// ReasonOlderCommit: the live commit comes from the one that is to be deployed.
	ReasonOlderCommit = "OlderCommit"

	// ReasonRollingBack: the services are being brought back to their previous images.
	ReasonRollingBack = "RollingBack"
	// ReasonRolledBack: all services run their previous images again.
	ReasonRolledBack = "RolledBack"
	// ReasonRollbackFailed: a service does not run its previous image; its receipt says what to do.
	ReasonRollbackFailed = "RollbackFailed"
)
