package reporting

import (
	"context"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	domain "katkit.dev/katkit/internal/domain/reporting"
	"katkit.dev/katkit/internal/source"
)

// record is what is remembered of a run: what GitHub shows, and the name that the repository had then.
type record struct {
	domain.Known
	repository string
	// took is what GitHub took of the run; the empty one is the deployment itself. What it takes for the first time is progress: less is
	// left to be sent. What is read, or sent again, is none.
	took map[domain.Status]bool
}

// answered tells whether it is known what came of a call. Where it is not, GitHub is asked, by the name that the repository has then.
func (r *record) answered(cause *problem.Problem) bool {
	if cause != nil && cause.Reason == v1alpha1.ReasonGitHubUnavailable {
		r.repository = ""
		return false
	}
	return true
}

// expect notes of a run that nothing was told of yet: GitHub cannot show a deployment of its own, and is not asked for one.
func (c *Controller) expect(run *v1alpha1.CIRun) {
	if _, found := c.records.Get(run.UID); !found && !run.Status.State.Terminal() {
		c.records.Add(run.UID, newRecord(&domain.Deployed{}))
	}
}

func newRecord(deployment *domain.Deployed) *record {
	return &record{Known: domain.Known{Deployment: deployment}, took: map[domain.Status]bool{}}
}

// tell sends what GitHub does not show yet, and returns what stands in the way of it, and whether it came any further.
func (c *Controller) tell(ctx context.Context, o *domain.Observation, desired domain.Desired) (cause *problem.Problem, progress bool) {
	if desired.Empty() {
		return nil, false
	}
	remembered, _ := c.records.Get(o.Run.UID)
	known, found := remembered.(*record)
	if !found {
		known = newRecord(nil)
		c.records.Add(o.Run.UID, known)
	}
	if domain.Decide(desired, known.Known).Nothing() {
		return nil, false
	}
	repository, cause := c.Source.Open(ctx, o.Link)
	if cause != nil {
		return cause, false
	}
	name, checkRuns, cause := repository.ToReport(ctx, known.repository)
	if cause != nil {
		return cause, false
	}
	known.repository = name
	if known.CheckRuns != checkRuns {
		known.CheckRuns, known.Statuses = checkRuns, nil
	}
	before := len(known.took)
	cause = known.send(ctx, repository, o, desired)
	return cause, len(known.took) > before
}

// send carries out a plan in its order. It goes on after a refusal, since GitHub may take the rest, and returns the first one;
// what passes by itself ends it.
func (r *record) send(ctx context.Context, repository *source.Repository, o *domain.Observation, desired domain.Desired) (refusal *problem.Problem) {
	if domain.Decide(desired, r.Known).List {
		statuses, numbers, cause := repository.Statuses(ctx, desired.SHA, o.Run.UID, desired.Contexts)
		if r.answered(cause); cause != nil {
			return cause
		}
		r.Statuses, r.Numbers = statuses, numbers
	}
	for _, status := range domain.Decide(desired, r.Known).Statuses {
		var details domain.Details
		if r.CheckRuns {
			details = domain.Detail(*o, status.Context)
		}
		number, cause := repository.TellStatus(ctx, desired.SHA, status, r.Numbers[domain.Key(status.Context)], details)
		switch known := r.answered(cause); {
		case !known:
			r.Statuses = nil
			return cause
		case cause == nil:
			r.Statuses[domain.Key(status.Context)] = status
			r.took[status] = true
			if number != 0 {
				r.Numbers[domain.Key(status.Context)] = number
			}
		case cause.Transient:
			return cause
		case refusal == nil:
			refusal = cause
		}
	}
	cause := r.sendDeployment(ctx, repository, desired)
	if refusal == nil || (cause != nil && cause.Transient) {
		return cause
	}
	return refusal
}

// sendDeployment takes one step after the other until GitHub shows the deployment.
func (r *record) sendDeployment(ctx context.Context, repository *source.Repository, desired domain.Desired) *problem.Problem {
	for seen := false; ; {
		plan := domain.Decide(desired, r.Known)
		var cause *problem.Problem
		switch {
		case plan.Find:
			r.Deployment, cause = repository.FindDeployment(ctx, desired.SHA, *desired.Deployment)
			r.answered(cause)
		case plan.Look:
			r.Deployment.Status, cause = repository.DeploymentStatus(ctx, r.Deployment.ID)
			if seen = r.answered(cause); !seen {
				r.Deployment = nil
			}
		case plan.Deploy:
			r.Deployment, cause = repository.Deploy(ctx, desired.SHA, *desired.Deployment)
			if r.answered(cause); cause == nil {
				r.took[domain.Status{}] = true
			}
		case plan.Progress:
			cause = repository.TellDeployment(ctx, r.Deployment.ID, *desired.Deployment, seen)
			switch known := r.answered(cause); {
			case !known:
				r.Deployment.Status = nil
			case cause == nil:
				r.Deployment.Status = new(desired.Deployment.Status())
				r.took[*r.Deployment.Status] = true
			}
		default:
			return nil
		}
		if cause != nil {
			return cause
		}
	}
}
