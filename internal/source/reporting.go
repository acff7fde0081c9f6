package source

import (
	"context"
	"errors"
	"fmt"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/reporting"
	"katkit.dev/katkit/internal/github"
)

// What a token needs to report, in the words of GitHub's fine-grained tokens and Apps, and of its classic tokens.
const (
	toWriteStatuses    = "give it the permission 'Commit statuses: Read and write' (a classic token: the scope repo:status)"
	toWriteDeployments = "give it the permission 'Deployments: Read and write' (a classic token: the scope repo_deployment)"
)

// ToReport makes sure that it is the linked repository which is told of runs, by the name that it has now, which it returns: what
// is written is not redirected. It is called before anything else of this file, and nothing else meanwhile. A name that is known
// from before is not asked for again; "": none is.
func (r *Repository) ToReport(ctx context.Context, known string) (string, *problem.Problem) {
	if err := r.client.Refused(r.name); err != nil {
		return "", r.unreported(err, "commit statuses", toWriteStatuses)
	}
	if known == "" {
		var cause *problem.Problem
		if known, cause = r.identity(ctx); cause != nil {
			return "", cause
		}
	}
	r.name = known
	return known, nil
}

// Statuses are the newest that a commit (40 hex digits) shows for the contexts, by reporting.Key.
func (r *Repository) Statuses(ctx context.Context, sha string, contexts []string) (map[string]reporting.Status, *problem.Problem) {
	statuses, err := r.client.Statuses(ctx, r.name, sha, contexts)
	if err != nil {
		return nil, r.unreported(err, "commit statuses", toWriteStatuses)
	}
	found := make(map[string]reporting.Status, len(statuses))
	for _, status := range statuses {
		found[reporting.Key(status.Context)] = reporting.Status{
			Context: status.Context, State: reporting.State(status.State), Description: status.Description,
		}
	}
	return found, nil
}

// TellStatus sets what a commit shows for a context.
func (r *Repository) TellStatus(ctx context.Context, sha string, status reporting.Status) *problem.Problem {
	err := r.client.CreateStatus(ctx, r.name, sha, github.Status{
		Context: status.Context, State: string(status.State), Description: status.Description,
	})
	return r.unreported(err, "commit statuses", toWriteStatuses)
}

// FindDeployment is the deployment of a run as GitHub shows it, without its status.
func (r *Repository) FindDeployment(ctx context.Context, sha string, wanted reporting.Deployment) (*reporting.Deployed, *problem.Problem) {
	id, err := r.client.FindDeployment(ctx, r.name, deployment(sha, wanted))
	if err != nil {
		return nil, r.unreported(err, "deployments", toWriteDeployments)
	}
	return &reporting.Deployed{ID: id}, nil
}

// DeploymentStatus is the newest status of a deployment, by GitHub's number of it.
func (r *Repository) DeploymentStatus(ctx context.Context, id int64) (*reporting.Status, *problem.Problem) {
	status, err := r.client.DeploymentStatus(ctx, r.name, id)
	if err != nil {
		return nil, r.gone(err)
	}
	return &reporting.Status{State: reporting.State(status.State), Description: status.Description}, nil
}

// Deploy tells that a run deploys a commit.
func (r *Repository) Deploy(ctx context.Context, sha string, wanted reporting.Deployment) (*reporting.Deployed, *problem.Problem) {
	id, err := r.client.CreateDeployment(ctx, r.name, deployment(sha, wanted))
	if err != nil {
		return nil, r.unreported(err, "deployments", toWriteDeployments)
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
		return r.unreported(err, "deployments", toWriteDeployments)
	}
	return r.gone(err)
}

// gone is the problem of a deployment that was there. Where somebody has deleted it meanwhile, it is looked for again.
func (r *Repository) gone(err error) *problem.Problem {
	if github.KindOf(err) == github.KindNotFound {
		return problem.Transient(v1alpha1.ReasonGitHubUnavailable, "%s", err)
	}
	return r.unreported(err, "deployments", toWriteDeployments)
}

func deployment(sha string, wanted reporting.Deployment) github.Deployment {
	return github.Deployment{
		SHA: sha, Task: wanted.Task, Environment: wanted.Environment, Description: "run " + wanted.Run,
		Payload: github.DeploymentPayload{Run: wanted.Run, RunUID: wanted.RunUID},
	}
}

// unreported makes a problem of GitHub's error about what it was to be told; nil of none. permission is what the token may lack.
func (r *Repository) unreported(err error, what, permission string) *problem.Problem {
	if err == nil {
		return nil
	}
	switch github.KindOf(err) {
	case github.KindForbidden, github.KindNotFound:
		return problem.Config(v1alpha1.ReasonReportRefused, "%s of %s cannot be written%s: %s%s", what, r.name, credentialOf(r.link, err), permission, said(err))
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
