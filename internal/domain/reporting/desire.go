package reporting

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/run"
	"katkit.dev/katkit/internal/domain/text"
)

// maxDescription is the length of a status' description that GitHub takes. It counts characters; this counts bytes.
const maxDescription = 140

// State of a status or a deployment, in GitHub's words.
type State string

// The states that are used. InProgress is a deployment's alone, Pending a status' alone.
const (
	Pending    State = "pending"
	InProgress State = "in_progress"
	Success    State = "success"
	// Failure is for the author: ci.sh, the new version or the files.
	Failure State = "failure"
	// Error says nothing about the commit: the cluster failed.
	Error State = "error"
	// Stopped says nothing about it either: the phase was cancelled, or never begun.
	Stopped State = "stopped"
)

// As is how GitHub shows a state: a check run does not tell whose a failure is, all else does not tell what was stopped from what
// failed.
func (s State) As(checkRun bool) State {
	switch {
	case checkRun && s == Error:
		return Failure
	case !checkRun && s == Stopped:
		return Error
	}
	return s
}

// Status is a commit status, or what a check run shows at a glance.
type Status struct {
	Context     string
	State       State
	Description string
}

// Deployment is what GitHub shall show of the phase that deploys.
type Deployment struct {
	// Task tells the deployments of links apart, Environment is the tenant's env.
	Task, Environment string
	// Run and RunUID are those that it belongs to.
	Run, RunUID string
	// State and Description are how far it is.
	State       State
	Description string
	// URL is where people reach the service; "": not known.
	URL string
	// OnlyIfThere: it is not worth making any more; it says how one ended that was made.
	OnlyIfThere bool
}

// Observation is all that Desire looks at.
type Observation struct {
	Run *v1alpha1.CIRun
	// Phases are the run's own that have ended, by the names of the objects. One that is gone is not among them.
	Phases map[string]*v1alpha1.Phase
	Tenant run.Tenant
	Link   *v1alpha1.TenantRepoLink
	// Others are the other runs of the commit whose statuses have the same contexts, but for the phases' names.
	Others []*v1alpha1.CIRun
}

// Desired is what GitHub shall show of a run.
type Desired struct {
	// SHA of the commit: 40 hex digits.
	SHA string
	// Statuses in the order of the phases.
	Statuses []Status
	// Settled are sent only where GitHub shows another state of the context: of an earlier run that could not begin.
	Settled []Status
	// Deployment is nil when there is none to be shown.
	Deployment *Deployment
	// Contexts are all that the run may have a status of before it has ended: what GitHub is to be asked for.
	Contexts []string
}

// Empty tells whether GitHub needs to show nothing.
func (d Desired) Empty() bool { return len(d.Statuses) == 0 && d.Deployment == nil }

// Commit is what is reported to: 40 hex digits; "" while it is not known.
func Commit(run *v1alpha1.CIRun) string { return cmp.Or(run.Status.SHA, run.Spec.Commit.SHA) }

// NeedsPhase tells whether Desire looks at the Phase of an entry of the run's status.
func NeedsPhase(entry v1alpha1.RunPhaseStatus) bool {
	return entry.CarriedFrom == "" && (entry.State == v1alpha1.PhaseFailed || (entry.State.Terminal() && entry.Type == v1alpha1.PhaseDeployment))
}

// Superseded tells whether a run has ended that had phases, so that all is told of it even if newer runs have all its contexts.
func Superseded(run *v1alpha1.CIRun) bool {
	return run.Status.State.Terminal() && len(run.Status.Phases) > 0
}

// Desire tells what GitHub shall show of a run now.
func Desire(o Observation) Desired {
	taken := takenByNewer(o)
	free := func(status Status) bool { return !taken[Key(status.Context)] }
	if len(o.Run.Status.Phases) == 0 {
		return beforeItBegan(o, free)
	}
	d := Desired{SHA: o.Run.Status.SHA}
	for i, context := range contexts(o.Tenant.Name, o.Link.Spec.Folder(), o.Run.Status.Phases) {
		entry := o.Run.Status.Phases[i]
		if entry.CarriedFrom != "" {
			continue
		}
		d.Contexts = append(d.Contexts, context)
		state, description := shown(o, entry)
		if state == "" {
			continue
		}
		status := Status{Context: context, State: state, Description: description}
		if free(status) {
			d.Statuses = append(d.Statuses, status)
		}
		if entry.Type == v1alpha1.PhaseDeployment {
			d.Deployment = deployment(o, entry, status)
		}
	}
	settled := Status{Context: configContext(o), State: Success, Description: describe("run %s could begin", o.Run.Name)}
	if free(settled) {
		d.Settled = []Status{settled}
	}
	d.Contexts = append(d.Contexts, settled.Context)
	return d
}

// unreachable are the reasons of runs that could not begin which say nothing about the commit, or that GitHub cannot be told.
var unreachable = []string{
	v1alpha1.ReasonNotATenant, v1alpha1.ReasonLinkNotFound, v1alpha1.ReasonHostNotAllowed, v1alpha1.ReasonTokenMissing, v1alpha1.ReasonTokenRejected,
	v1alpha1.ReasonCredentialInvalid, v1alpha1.ReasonRepositoryNotFound, v1alpha1.ReasonRepositoryReplaced, v1alpha1.ReasonCommitNotFound,
	v1alpha1.ReasonNoBuilderClass, v1alpha1.ReasonSeveralDefaultClasses, v1alpha1.ReasonBuilderClassNotAllowed, v1alpha1.ReasonServiceAccountNotAllowed,
	v1alpha1.ReasonCredentialExposed,
}

// beforeItBegan is for a run that failed before it had phases.
func beforeItBegan(o Observation, free func(Status) bool) Desired {
	d := Desired{SHA: Commit(o.Run)}
	condition := meta.FindStatusCondition(o.Run.Status.Conditions, v1alpha1.ConditionSucceeded)
	if d.SHA == "" || o.Run.Status.State != v1alpha1.RunFailed || condition == nil || slices.Contains(unreachable, condition.Reason) {
		return Desired{}
	}
	happened, said := fmt.Sprintf("run %s could not begin", o.Run.Name), tell(condition.Reason, condition.Message)
	if said.all {
		happened = joined(happened, condition.Reason)
	}
	status := Status{Context: configContext(o), State: Failure, Description: said.describe(o, happened)}
	if condition.Reason == v1alpha1.ReasonRunTimedOut {
		status.State = Error
	}
	if free(status) {
		d.Statuses, d.Contexts = []Status{status}, []string{status.Context}
	}
	return d
}

func configContext(o Observation) string {
	return contextOf(o.Tenant.Name, o.Link.Spec.Folder(), configPart)
}

// takenByNewer are the contexts of newer runs: what those say counts.
func takenByNewer(o Observation) map[string]bool {
	taken := map[string]bool{}
	for _, other := range o.Others {
		if other.UID == o.Run.UID || cmp.Or(other.CreationTimestamp.Compare(o.Run.CreationTimestamp.Time), cmp.Compare(other.Name, o.Run.Name)) < 0 {
			continue
		}
		for i, context := range contexts(o.Tenant.Name, o.Link.Spec.Folder(), other.Status.Phases) {
			if other.Status.Phases[i].CarriedFrom == "" {
				taken[Key(context)] = true
			}
		}
		if len(other.Status.Phases) > 0 || other.Status.State == v1alpha1.RunFailed {
			taken[Key(configContext(o))] = true
		}
	}
	return taken
}

// shown is what GitHub shows of a phase; nothing before it begins.
func shown(o Observation, entry v1alpha1.RunPhaseStatus) (State, string) {
	name := o.Run.Name
	switch entry.State {
	case v1alpha1.PhaseRunning:
		return Pending, describe("running in run %s", name)
	case v1alpha1.PhaseWaitingForApproval:
		return Pending, describe("run %s waits for approval: kubectl katkit approve %s %s -n %s", name, name, entry.Name, o.Run.Namespace)
	case v1alpha1.PhaseSucceeded:
		return Success, describe("succeeded in run %s", name)
	case v1alpha1.PhaseFailed:
		return failure(o.Phases[entry.PhaseName]), whyEnded(o, entry).describe(o, "failed in run "+name)
	case v1alpha1.PhaseCancelled:
		return Stopped, whyEnded(o, entry).describe(o, "cancelled in run "+name)
	case v1alpha1.PhaseSkipped:
		return Stopped, describe("skipped in run %s%s", name, since(o.Run, entry))
	default:
		return "", ""
	}
}

// failure tells whose a failure is. Of a Phase that is gone nobody knows.
func failure(phase *v1alpha1.Phase) State {
	if phase != nil && (phase.Status.FailureClass == v1alpha1.FailureUser || phase.Status.FailureClass == v1alpha1.FailureConfig) {
		return Failure
	}
	return Error
}

// since tells why a phase was skipped.
func since(run *v1alpha1.CIRun, skipped v1alpha1.RunPhaseStatus) string {
	for _, entry := range run.Status.Phases {
		if entry.Order < skipped.Order && entry.State == v1alpha1.PhaseFailed {
			return " since " + entry.Name + " failed"
		}
	}
	if skipped.Message == "" {
		return ""
	}
	return ": " + skipped.Message
}

// deployment is that of the phase whose status is given; nil before it begins to deploy.
func deployment(o Observation, entry v1alpha1.RunPhaseStatus, status Status) *Deployment {
	if entry.State == v1alpha1.PhaseWaitingForApproval {
		return nil
	}
	phase := o.Phases[entry.PhaseName]
	began := entry.State == v1alpha1.PhaseRunning || entry.State == v1alpha1.PhaseSucceeded || (phase != nil && phase.Status.StartTime != nil)
	d := &Deployment{
		Task:        taskOf(o.Tenant.Name, o.Link.Name),
		Environment: cmp.Or(o.Tenant.EnvOf(o.Link), o.Tenant.Name),
		Run:         o.Run.Name, RunUID: string(o.Run.UID),
		State: status.State.As(false), Description: status.Description, URL: o.Link.Spec.EnvironmentURL, OnlyIfThere: !began,
	}
	if d.State == Pending {
		d.State = InProgress
	}
	return d
}

// taskOf names the deployments of a link, within what GitHub takes.
func taskOf(tenant, link string) string {
	const maxTask = 120
	return text.Cut("katkit/"+tenant+"/"+link, maxTask)
}

func describe(format string, args ...any) string {
	return text.Cut(text.Line(fmt.Sprintf(format, args...)), maxDescription)
}
