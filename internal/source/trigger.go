package source

import (
	"context"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/github"
)

// maxPushes is how many pushes between two looks are told apart.
const maxPushes = 100

// Pushes are those to the home branch, the newest first; none where GitHub does not tell, as an older Enterprise Server.
func (r *Repository) Pushes(ctx context.Context) ([]link.Push, *problem.Problem) {
	pushes, err := r.client.Pushes(ctx, r.name, r.link.Spec.HomeBranch, maxPushes)
	if kind := github.KindOf(err); kind == github.KindNotFound || kind == github.KindForbidden {
		return nil, nil // the repository was there a moment ago, and its newest commit is known
	}
	if err != nil {
		return nil, describe(r.link, err, v1alpha1.ReasonGitHubUnavailable)
	}
	list := make([]link.Push, 0, len(pushes))
	for _, push := range pushes {
		list = append(list, link.Push{Before: push.Before, After: push.After})
	}
	return list, nil
}

// Evidence is what GitHub says about a commit that a trigger may run.
func (r *Repository) Evidence(ctx context.Context, candidate link.Candidate) link.Evidence {
	var known link.Evidence
	if pull := candidate.PullRequest; pull != nil {
		permission, cause := r.Permission(ctx, pull.Author)
		if cause != nil {
			return link.Evidence{Problem: cause}
		}
		known.Permission = permission
	}
	if len(candidate.Paths) == 0 || candidate.Before == "" || !candidate.Trusted(known.Permission) {
		return known // its files do not matter, or cannot be told
	}
	files, complete, err := r.client.ChangedFiles(ctx, r.name, candidate.Before, candidate.SHA)
	switch {
	case err == nil:
		known.Files, known.AllFiles = files, complete
	case github.KindOf(err) == github.KindRateLimited:
		return link.Evidence{Problem: describe(r.link, err, v1alpha1.ReasonGitHubUnavailable)}
	}
	return known // of a commit before that was forced away, or too large a difference for GitHub, any file may have changed
}

// Permission is what GitHub says that the account of a login may do to the repository.
func (r *Repository) Permission(ctx context.Context, login string) (link.Permission, *problem.Problem) {
	permission, err := r.client.Permission(ctx, r.name, login)
	if github.KindOf(err) == github.KindUnprocessable {
		return link.Permission{}, nil // what is no login may do nothing
	}
	if err != nil {
		return link.Permission{}, describe(r.link, err, v1alpha1.ReasonTokenRejected)
	}
	return link.Permission{UserID: permission.UserID, Bot: permission.Bot, Level: permission.Level}, nil
}
