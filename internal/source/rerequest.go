package source

import (
	"context"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rerequest"
	"katkit.dev/katkit/internal/github"
)

// HasButtons tells whether check runs of the link's credential have a button Re-run: those of a GitHub App do.
func (r *Repository) HasButtons() bool { return r.client.AppID() != 0 }

// Button reads a check run of the link's App by its number. It is not found where it is another App's.
func (r *Repository) Button(ctx context.Context, id int64) ([]rerequest.Check, *problem.Problem) {
	run, err := r.client.ButtonRun(ctx, r.name, id)
	if err != nil {
		return nil, r.unread(err)
	}
	return r.own(run), nil
}

// SuiteButtons reads the newest check runs of each name in a suite of the link's App.
func (r *Repository) SuiteButtons(ctx context.Context, suite int64) ([]rerequest.Check, *problem.Problem) {
	runs, err := r.client.SuiteRuns(ctx, r.name, suite)
	if err != nil {
		return nil, r.unread(err)
	}
	return r.own(runs...), nil
}

// Pressed tells whether GitHub says that something in a suite is to be run again: somebody with write permission pressed a button, and
// the App has neither made nor changed a check run in the suite since.
func (r *Repository) Pressed(ctx context.Context, suite int64) (bool, *problem.Problem) {
	if suite < 1 {
		return false, nil
	}
	status, err := r.client.SuiteStatus(ctx, r.name, suite)
	if err != nil {
		return false, r.unread(err)
	}
	return status == github.SuiteQueued, nil
}

// own are those of the link's App.
func (r *Repository) own(runs ...github.ButtonRun) []rerequest.Check {
	var checks []rerequest.Check
	for _, run := range runs {
		if run.AppID == r.client.AppID() {
			checks = append(checks, rerequest.Check{ID: run.ID, Suite: run.SuiteID, Name: run.Name, ExternalID: run.ExternalID})
		}
	}
	return checks
}

// unread is the problem of what GitHub does not tell; nil of what is not there.
func (r *Repository) unread(err error) *problem.Problem {
	if github.KindOf(err) == github.KindNotFound {
		return nil
	}
	return describe(r.link, err, v1alpha1.ReasonRerunNotObeyed)
}
