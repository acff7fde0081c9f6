package link

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	domain "katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/report"
	"katkit.dev/katkit/internal/source"
)

// maxAsked is about how many pull requests more is asked in one look; the others' turn comes with the next.
const maxAsked = 20

// investigate asks GitHub for what the triggers need to know. A problem of a push that passes by itself ends the look, so that nothing is
// missed of what was seen in it.
func (c *Controller) investigate(ctx context.Context, repository *source.Repository, observation *domain.Observation) *problem.Problem {
	link, findings := observation.Link, observation.Findings
	if domain.HasPushed(link, *findings) {
		pushes, cause := repository.Pushes(ctx)
		if cause != nil {
			return cause
		}
		findings.Pushes = pushes
	}
	observation.Evidence = map[string]domain.Evidence{}
	var refusal *problem.Problem // of one, which GitHub would refuse for the others, too
	for _, candidate := range domain.Candidates(link, *findings) {
		if candidate.PullRequest != nil && len(observation.Evidence) >= maxAsked {
			break
		}
		evidence := domain.Evidence{Problem: refusal}
		if candidate.PullRequest == nil || refusal == nil {
			evidence = repository.Evidence(ctx, candidate)
		}
		switch cause := evidence.Problem; {
		case cause == nil:
		case cause.Transient && (candidate.PullRequest == nil || cause.Reason == v1alpha1.ReasonRateLimited):
			return cause
		case cause.Transient: // a pull request is still there at the next look
			continue
		default:
			refusal = cause
		}
		observation.Evidence[candidate.ID()] = evidence
	}
	return nil
}

// create makes the runs of a plan. A problem is the API server's refusal of one.
func (c *Controller) create(ctx context.Context, link *v1alpha1.TenantRepoLink, runs []*v1alpha1.CIRun) (*problem.Problem, error) {
	for _, run := range runs {
		err := c.Client.Create(ctx, run, client.FieldOwner(v1alpha1.ManagedBy))
		switch {
		case err == nil:
		case apierrors.IsAlreadyExists(err):
			if err := c.checkExisting(ctx, link, run); err != nil {
				return nil, err
			}
		case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
			return problem.Config(v1alpha1.ReasonRunRefused, "the API server refuses run %s of commit %s: %v", run.Name, run.Spec.Commit.SHA, err), nil
		default:
			return nil, fmt.Errorf("creating run %s: %w", run.Name, err)
		}
	}
	return nil, nil
}

// checkExisting tells when a run that is there already is not the one that was to be made.
func (c *Controller) checkExisting(ctx context.Context, link *v1alpha1.TenantRepoLink, run *v1alpha1.CIRun) error {
	var existing v1alpha1.CIRun
	if err := c.Client.Get(ctx, client.ObjectKeyFromObject(run), &existing); err != nil {
		return fmt.Errorf("reading run %s, which is there already: %w", run.Name, err)
	}
	if existing.Spec.Link != run.Spec.Link || existing.Spec.Commit.SHA != run.Spec.Commit.SHA {
		report.Events(c.Recorder, link, []report.Event{{Warning: true, Reason: v1alpha1.ReasonNameConflict, Action: "Run", Note: domain.AlreadyRun(run)}})
	}
	return nil
}
