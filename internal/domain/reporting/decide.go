package reporting

import "katkit.dev/katkit/internal/domain/text"

// Known is what GitHub shows of a run, as far as is known.
type Known struct {
	// Statuses are the newest of each context that was asked for, by Key.
	Statuses map[string]Status
	// Deployment is the run's own; nil when GitHub was not asked for it yet.
	Deployment *Deployed
}

// Deployed is a deployment as GitHub shows it.
type Deployed struct {
	// ID is GitHub's number of it; 0: it has none.
	ID int64
	// State and Description are the newest; empty when it has none yet.
	State       State
	Description string
}

// Plan is what is to be sent, in the order of the fields.
type Plan struct {
	Statuses []Status
	// Find: GitHub is to be asked for the deployment first, and then Decide again.
	Find bool
	// Deploy: the deployment is to be made.
	Deploy bool
	// Progress: the state of the deployment is to be sent.
	Progress bool
}

// Nothing tells whether GitHub shows all that it shall.
func (p Plan) Nothing() bool { return len(p.Statuses) == 0 && !p.Find && !p.Deploy && !p.Progress }

// Decide tells what is to be sent.
func Decide(desired Desired, known Known) Plan {
	var plan Plan
	for _, status := range desired.Statuses {
		if there, found := known.Statuses[Key(status.Context)]; !found || !same(there.State, status.State, there.Description, status.Description) {
			plan.Statuses = append(plan.Statuses, status)
		}
	}
	for _, status := range desired.Settled {
		if there, found := known.Statuses[Key(status.Context)]; found && there.State != status.State {
			plan.Statuses = append(plan.Statuses, status)
		}
	}
	wanted := desired.Deployment
	switch {
	case wanted == nil:
	case known.Deployment == nil:
		plan.Find = true
	case known.Deployment.ID == 0:
		plan.Deploy = !wanted.OnlyIfThere
		plan.Progress = plan.Deploy
	default:
		plan.Progress = !same(known.Deployment.State, wanted.State, known.Deployment.Description, wanted.Description)
	}
	return plan
}

// same compares what GitHub shows with what it shall show; it may have stored the description without white space around it.
func same(there, wanted State, description, wantedDescription string) bool {
	return there == wanted && text.Line(description) == text.Line(wantedDescription)
}
