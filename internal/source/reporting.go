package source

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/reporting"
	"katkit.dev/katkit/internal/github"
)

// What a token needs to report, in the words of GitHub's fine-grained tokens and Apps, and of its classic tokens.
const (
	toWriteStatuses    = "give it the permission 'Commit statuses: Read and write' (a classic token: the scope repo:status)"
	toWriteChecks      = "give the App the permission 'Checks: Read and write', and accept it where it is installed"
	toWriteDeployments = "give it the permission 'Deployments: Read and write' (a classic token: the scope repo_deployment)"
)

// ToReport makes sure that it is the linked repository which is told of runs, by the name that it has now, which it returns: what
// is written is not redirected. It is called before anything else of this file, and nothing else meanwhile. A name that is known
// from before is not asked for again; "": none is. checkRuns: the credential is an App's that may write check runs, by which statuses
// are shown then.
func (r *Repository) ToReport(ctx context.Context, known string) (name string, checkRuns bool, cause *problem.Problem) {
	var err error
	r.checkRuns, err = r.client.WritesChecks(ctx)
	if err == nil {
		err = r.client.Refused(r.name, r.checkRuns)
	}
	if err != nil {
		return "", r.checkRuns, r.unreported(err, r.statuses())
	}
	if known == "" {
		if known, cause = r.identity(ctx); cause != nil {
			return "", r.checkRuns, cause
		}
	}
	r.name = known
	return known, r.checkRuns, nil
}

// Statuses are the newest that a commit (40 hex digits) shows for the contexts, by reporting.Key, and the numbers of those that are check
// runs of the run of a UID.
func (r *Repository) Statuses(ctx context.Context, sha string, run types.UID, contexts []string) (map[string]reporting.Status, map[string]int64, *problem.Problem) {
	if r.checkRuns {
		return r.checks(ctx, sha, run, contexts)
	}
	statuses, err := r.client.Statuses(ctx, r.name, sha, contexts)
	if err != nil {
		return nil, nil, r.unreported(err, r.statuses())
	}
	found := make(map[string]reporting.Status, len(statuses))
	for _, status := range statuses {
		found[reporting.Key(status.Context)] = reporting.Status{
			Context: status.Context, State: reporting.State(status.State), Description: status.Description,
		}
	}
	return found, nil, nil
}

// TellStatus sets what a commit shows for a context. For a check run, number is the one that is changed, 0: it is made, and details are
// what more it shows; number is returned.
func (r *Repository) TellStatus(ctx context.Context, sha string, status reporting.Status, number int64, details reporting.Details) (int64, *problem.Problem) {
	if r.checkRuns {
		return r.tellCheck(ctx, sha, status, number, details)
	}
	err := r.client.CreateStatus(ctx, r.name, sha, github.Status{
		Context: status.Context, State: string(status.State.As(false)), Description: status.Description,
	})
	return 0, r.unreported(err, r.statuses())
}

// target is what is written to, and what a credential needs for it.
type target struct{ what, permission string }

func (r *Repository) statuses() target {
	if r.checkRuns {
		return target{"check runs", toWriteChecks}
	}
	return target{"commit statuses", toWriteStatuses}
}

func deployments() target { return target{"deployments", toWriteDeployments} }

// FindDeployment is the deployment of a run as GitHub shows it, without its status.
func (r *Repository) FindDeployment(ctx context.Context, sha string, wanted reporting.Deployment) (*reporting.Deployed, *problem.Problem) {
	id, err := r.client.FindDeployment(ctx, r.name, deployment(sha, wanted))
	if err != nil {
		return nil, r.unreported(err, deployments())
	}
	return &reporting.Deployed{ID: id}, nil
}

// DeploymentStatus is the newest status of a deployment, by GitHub's number of it.
func (r *Repository) DeploymentStatus(ctx context.Context, id int64) (*reporting.Status, *problem.Problem) {
	status, err := r.client.DeploymentStatus(ctx, r.name, id)
	if err != nil {
		return nil, r.gone(err, deployments())
	}
	return &reporting.Status{State: reporting.State(status.State), Description: status.Description}, nil
}

// Deploy tells that a run deploys a commit.
func (r *Repository) Deploy(ctx context.Context, sha string, wanted reporting.Deployment) (*reporting.Deployed, *problem.Problem) {
	id, err := r.client.CreateDeployment(ctx, r.name, deployment(sha, wanted))
	if err != nil {
		return nil, r.unreported(err, deployments())
	}
	return &reporting.Deployed{ID: id, Status: &reporting.Status{}}, nil
}

// TellDeployment tells how far a deployment is, by GitHub's number of it. seen: DeploymentStatus has just found it. Then GitHub hides
// from the token that there is something to write; else somebody may have deleted it.
func (r *Repository) TellDeployment(ctx context.Context, id int64, wanted reporting.Deployment, seen bool) *problem.Problem {
	err := r.client.CreateDeploymentStatus(ctx, r.name, id, github.DeploymentStatus{
		State: string(wanted.State), Description: wanted.Description, EnvironmentURL: wanted.URL,
	}, seen)
	if seen {
		return r.unreported(err, deployments())
	}
	return r.gone(err, deployments())
}

// gone is the problem of a deployment or a check run that was there. Where somebody has deleted it meanwhile, it is looked for again.
func (r *Repository) gone(err error, to target) *problem.Problem {
	if github.KindOf(err) == github.KindNotFound {
		return problem.Transient(v1alpha1.ReasonGitHubUnavailable, "%s", err)
	}
	return r.unreported(err, to)
}

func deployment(sha string, wanted reporting.Deployment) github.Deployment {
	return github.Deployment{
		SHA: sha, Task: wanted.Task, Environment: wanted.Environment, Description: "run " + wanted.Run,
		Payload: github.DeploymentPayload{Run: wanted.Run, RunUID: wanted.RunUID},
	}
}

// unreported makes a problem of GitHub's error about what it was to be told; nil of none.
func (r *Repository) unreported(err error, to target) *problem.Problem {
	if err == nil {
		return nil
	}
	switch github.KindOf(err) {
	case github.KindForbidden, github.KindNotFound:
		return problem.Config(v1alpha1.ReasonReportRefused, "%s of %s cannot be written%s: %s%s", to.what, r.name, credentialOf(r.link, err), to.permission, said(err))
	case github.KindUnprocessable, github.KindTooLarge:
		return problem.Config(v1alpha1.ReasonReportRefused, "GitHub does not take what it was told of the run: %s", err)
	default:
		return describe(r.link, err, v1alpha1.ReasonReportRefused)
	}
}

// said is GitHub's own explanation.
func said(err error) string {
	var detail *github.Error
	if !errors.As(err, &detail) || detail.Message == "" {
		return ""
	}
	return fmt.Sprintf(" (GitHub says: %s)", detail.Message)
}
