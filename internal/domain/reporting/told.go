package reporting

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/markdown"
)

// What GitHub shows, everybody can read of a public repository. So it gets the message of a failure where that is about the author's own
// files and ci.sh, and else what kind of failure it is, and the command that tells the rest to whoever may see it. The reason decides, not
// the words of a message, which may be anybody's: the kubelet's, the API server's, a registry's.

// authors are the reasons whose messages are told: they are about the commit, or name what GitHub shows anyway.
var authors = map[string]bool{
	v1alpha1.ReasonSucceeded:                 true,
	v1alpha1.ReasonCancelled:                 true,
	v1alpha1.ReasonSuperseded:                true,
	v1alpha1.ReasonLinkDeleted:               true,
	v1alpha1.ReasonNoWorkflow:                true,
	v1alpha1.ReasonForkNotDeployed:           true,
	v1alpha1.ReasonInvalidConfig:             true,
	v1alpha1.ReasonInvalidServiceDescription: true,
	v1alpha1.ReasonOutOfMemory:               true,
	string(contract.ReasonCIScriptFailed):    true,
	string(contract.ReasonCIScriptKilled):    true,
	string(contract.ReasonNoCIScript):        true,
	string(contract.ReasonCIScriptInvalid):   true,
	string(contract.ReasonInvalidOutput):     true,
	string(contract.ReasonInvalidSubmodule):  true,
}

// kinds say of other reasons what they are about. A reason that is in neither map is told by its name alone.
var kinds = map[string]string{
	v1alpha1.ReasonNotATenant:               "the namespace is no tenant",
	v1alpha1.ReasonLinkNotFound:             "its link is not there",
	v1alpha1.ReasonNoBuilderClass:           "there is no BuilderClass for it",
	v1alpha1.ReasonSeveralDefaultClasses:    "there is more than one default BuilderClass",
	v1alpha1.ReasonBuilderClassNotAllowed:   "its BuilderClass is not for the tenant",
	v1alpha1.ReasonImageNotAllowed:          "its builder image is not allowed",
	v1alpha1.ReasonTenantFleetGone:          "its hosts are not there any more",
	v1alpha1.ReasonAllocationTagNotAllowed:  "its AllocationTags are not allowed",
	v1alpha1.ReasonInvalidParallelism:       "its Parallelism is not allowed",
	v1alpha1.ReasonServiceAccountNotAllowed: "its ServiceAccount is not for builds",

	v1alpha1.ReasonHostNotAllowed:     "its GitHub is not allowed",
	v1alpha1.ReasonTokenMissing:       "there is no credential for GitHub",
	v1alpha1.ReasonCredentialInvalid:  "the credential for GitHub is not whole",
	v1alpha1.ReasonTokenRejected:      "GitHub does not take the credential",
	v1alpha1.ReasonRepositoryNotFound: "the repository is not to be seen",
	v1alpha1.ReasonRepositoryReplaced: "another repository has its name",
	v1alpha1.ReasonHomeBranchNotFound: "the home branch is not there",
	v1alpha1.ReasonCommitNotFound:     "the commit is not there",
	v1alpha1.ReasonRateLimited:        "GitHub's rate limit is used up",
	v1alpha1.ReasonGitHubUnavailable:  "GitHub does not answer",
	v1alpha1.ReasonRerunNotFound:      "the run to be repeated is not there",
	v1alpha1.ReasonRerunNotPossible:   "the run cannot be repeated so",

	v1alpha1.ReasonEnvSourceMissing:             "a Secret or ConfigMap of its variables is missing",
	v1alpha1.ReasonCredentialExposed:            "its variables name a credential for GitHub",
	v1alpha1.ReasonCacheNotFound:                "the volume of its cache is missing",
	v1alpha1.ReasonImagePullFailed:              "an image cannot be pulled",
	v1alpha1.ReasonContainerConfig:              "a container cannot be started",
	v1alpha1.ReasonNameConflict:                 "somebody else's object is in the way",
	v1alpha1.ReasonWaitingForQuota:              "the tenant's quota has no room",
	v1alpha1.ReasonPodRejected:                  "the cluster does not take its Pod",
	v1alpha1.ReasonPhaseRejected:                "the cluster does not take what its workflow asks for",
	v1alpha1.ReasonDiskLimitExceeded:            "it wrote more to the disk of its node than it may",
	v1alpha1.ReasonPodGone:                      "its Pod was deleted",
	v1alpha1.ReasonPodFailed:                    "its Pod failed",
	v1alpha1.ReasonPhaseGone:                    "a phase before it was deleted",
	v1alpha1.ReasonRunEnded:                     "its run ended without it",
	v1alpha1.ReasonTimedOut:                     "it took longer than its timeout",
	v1alpha1.ReasonRunTimedOut:                  "the run took longer than its timeout",
	v1alpha1.ReasonQueueTimedOut:                "its turn did not come in time",
	v1alpha1.ReasonUnscheduledTimedOut:          "no node took its Pod in time",
	v1alpha1.ReasonNotStopped:                   "its Pod did not end when told to",
	string(contract.ReasonAuthenticationFailed): "the git server does not take the credential",
	string(contract.ReasonInvalidRequest):       "the checkout cannot do what it is asked for",
	string(contract.ReasonCheckoutFailed):       "the commit could not be fetched",
	string(contract.ReasonTerminated):           "it was stopped from outside",
	string(contract.ReasonAgentMismatch):        "the image brings another agent than it takes",
	string(contract.ReasonAgentFailed):          "Katkit's agent failed",

	v1alpha1.ReasonServiceNotFound:   "a role fits no workload of the tenant",
	v1alpha1.ReasonDeployerForbidden: "the service may not be changed",
	v1alpha1.ReasonWorkloadChanged:   "somebody else changed the service",
	v1alpha1.ReasonPatchRejected:     "the cluster does not take the change",
	v1alpha1.ReasonOlderCommit:       "a newer commit is deployed",
	v1alpha1.ReasonRolloutFailed:     "the service did not become available",
	v1alpha1.ReasonCrashLoop:         "the service ends again and again",
	v1alpha1.ReasonQuotaExceeded:     "the quota has no room for the service",
	v1alpha1.ReasonFailedCreate:      "the cluster does not take the service's Pod",
	v1alpha1.ReasonBlocked:           "a Pod of another version is in the way",
	v1alpha1.ReasonUnschedulable:     "no node takes the service's Pod",
	v1alpha1.ReasonProbeFailing:      "a probe of the service does not pass",
	v1alpha1.ReasonNodeTrouble:       "a node of the service has failed",
	v1alpha1.ReasonNotReady:          "the service's Pod does not become ready",
}

// why is what GitHub is told of how a phase, or a run that could not begin, ended.
type why struct {
	// text is the message, or the kind of the failure; "": there is nothing to say.
	text string
	// all: there is no more to it in the cluster.
	all bool
	// reason is a condition reason; "": not known.
	reason string
}

// tell makes of a message what GitHub may be told of it.
func tell(reason, message string) why {
	if authors[reason] {
		return why{text: message, all: true, reason: reason}
	}
	return why{text: kinds[reason], reason: reason}
}

// whyEnded tells of a phase that has ended. What one that goes on waits for is the cluster's own.
func whyEnded(o Observation, entry v1alpha1.RunPhaseStatus) why {
	switch phase := o.Phases[entry.PhaseName]; {
	case entry.State == v1alpha1.PhaseSucceeded:
		return tell(v1alpha1.ReasonSucceeded, entry.Message)
	case entry.State == v1alpha1.PhaseSkipped:
		return why{text: entry.Message, all: true}
	case entry.State == v1alpha1.PhaseCancelled && o.Run.Status.Stop != nil: // what was taken back for it the receipts tell
		return tell(o.Run.Status.Stop.Reason, o.Run.Status.Stop.Message)
	case entry.State == v1alpha1.PhaseCancelled:
		return why{all: true}
	case entry.State == v1alpha1.PhaseFailed && phase != nil:
		if ended := meta.FindStatusCondition(phase.Status.Conditions, v1alpha1.ConditionSucceeded); ended != nil {
			return tell(ended.Reason, entry.Message)
		}
	}
	return why{}
}

// describe puts it behind what happened, in as many words as a status has room for: the command before the kind.
func (w why) describe(o Observation, happened string) string {
	if w.all {
		return describe("%s", joined(happened, w.text))
	}
	short := joined(happened, w.reason)
	if long := joined(short, w.text) + " (" + more(o) + ")"; len(long) <= maxDescription {
		return describe("%s", long)
	}
	return describe("%s", short+" ("+more(o)+")")
}

// block shows it in Markdown; "" where there is nothing to be said.
func (w why) block() string {
	said := w.text
	if !w.all {
		said = joined(w.reason, w.text)
	}
	if said == "" {
		return ""
	}
	return markdown.Block(said)
}

// joined are two texts with a colon between them, or the one that is not empty.
func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ": " + b
}

// more is the command that tells all of a run, to whoever may see it.
func more(o Observation) string {
	return fmt.Sprintf("kubectl katkit get %s -n %s", o.Run.Name, o.Run.Namespace)
}
