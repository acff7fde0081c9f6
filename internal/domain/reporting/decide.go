package reporting

import "katkit.dev/katkit/internal/domain/text"

// Known is what GitHub shows of a run, as far as is known.
type Known struct {
	// Statuses are the newest of each context that the run may have, by Key; nil: GitHub has to be asked. Of another run's check run
	// the description is left out.
	Statuses map[string]Status
	// CheckRuns: the statuses are shown by check runs, not by commit statuses.
	CheckRuns bool
	// Numbers are GitHub's of the run's own check runs, by Key.
	Numbers map[string]int64
	// Deployment is the run's own; nil: GitHub has to be asked.
	Deployment *Deployed
}

// Deployed is a deployment as GitHub shows it.
type Deployed struct {
	// ID is GitHub's number of it; 0: there is none.
	ID int64
	// Status is the newest one; nil: GitHub has to be asked. Its state is empty when there is none yet.
	Status *Status
}

// Plan is what is to be done next. What has to be asked first stands alone: when GitHub has answered, Decide tells the rest.
type Plan struct {
	// List the statuses.
	List bool
	// Statuses are to be sent in this order.
	Statuses []Status
	// Find the deployment, then Look how far it is.
	Find, Look bool
	// Deploy: the deployment is to be made.
	Deploy bool
	// Progress: the state of the deployment is to be sent.
	Progress bool
}

// Nothing tells whether GitHub shows all that it shall.
func (p Plan) Nothing() bool {
	return !p.List && len(p.Statuses) == 0 && !p.Find && !p.Look && !p.Deploy && !p.Progress
}

// Decide tells what is to be done next so that GitHub shows what it shall.
func Decide(desired Desired, known Known) Plan {
	var plan Plan
	plan.List = known.Statuses == nil && len(desired.Statuses) > 0
	for _, status := range desired.Statuses {
		if there, found := known.Statuses[Key(status.Context)]; !plan.List && (!found || !same(there, status, known.CheckRuns)) {
			plan.Statuses = append(plan.Statuses, status)
		}
	}
	for _, status := range desired.Settled {
		if there, found := known.Statuses[Key(status.Context)]; found && there.State.As(known.CheckRuns) != status.State.As(known.CheckRuns) {
			plan.Statuses = append(plan.Statuses, status)
		}
	}
	wanted := desired.Deployment
	switch there := known.Deployment; {
	case wanted == nil:
	case there == nil:
		plan.Find = true
	case there.ID == 0:
		plan.Deploy = !wanted.OnlyIfThere
	case there.Status == nil:
		plan.Look = true
	default:
		plan.Progress = !same(*there.Status, wanted.Status(), false)
	}
	return plan
}

// Status is how far the deployment is.
func (d Deployment) Status() Status { return Status{State: d.State, Description: d.Description} }

// same compares what GitHub shows with what it shall show; it may have stored the description without white space around it.
func same(there, wanted Status, checkRun bool) bool {
	return there.State.As(checkRun) == wanted.State.As(checkRun) && text.Line(there.Description) == text.Line(wanted.Description)
}
