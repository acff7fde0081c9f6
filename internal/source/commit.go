package source

import (
	"cmp"
	"context"
	"slices"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/run"
	"katkit.dev/katkit/internal/github"
)

// Resolve finds the commit that a run asks for, and whose it is. One that is named beside a branch, or beside a pull request from a
// branch of the repository, and is not on it is a problem. One that is named alone is the repository's own only if that can be shown.
func (r *Repository) Resolve(ctx context.Context, selector v1alpha1.CommitSelector) (run.Commit, *problem.Problem) {
	switch {
	case selector.PullRequest != 0:
		return r.ofPullRequest(ctx, selector)
	case selector.Branch != "":
		return r.ofBranch(ctx, selector)
	}
	commit, cause := r.Commit(ctx, selector.SHA)
	if cause != nil {
		return run.Commit{}, cause
	}
	own, cause := r.owns(ctx, selector.SHA)
	if cause != nil {
		return run.Commit{}, cause
	}
	commit.Fork = !own
	return commit, nil
}

// Commit reads a commit (40 hex digits). It does not tell whose it is: GitHub answers for those of all forks.
func (r *Repository) Commit(ctx context.Context, sha string) (run.Commit, *problem.Problem) {
	commit, err := r.client.Commit(ctx, r.name, sha)
	if err != nil {
		return run.Commit{}, r.missing(ctx, err, v1alpha1.ReasonCommitNotFound)
	}
	return run.Commit{SHA: commit.SHA, Message: commit.Message, Author: commit.Author}, nil
}

func (r *Repository) ofPullRequest(ctx context.Context, selector v1alpha1.CommitSelector) (run.Commit, *problem.Problem) {
	if listed, found := link.Listed(r.link, selector.PullRequest, selector.SHA); found { // as a trigger has it: no call to GitHub is needed
		commit, cause := r.Commit(ctx, listed.HeadSHA)
		if cause != nil {
			return run.Commit{}, cause
		}
		commit.Ref, commit.PullRequest, commit.Fork = listed.HeadRef, listed.Number, listed.Fork
		return commit, nil
	}
	pull, err := r.client.PullRequest(ctx, r.name, int(selector.PullRequest))
	if err != nil {
		return run.Commit{}, r.missing(ctx, err, v1alpha1.ReasonCommitNotFound)
	}
	sha := cmp.Or(selector.SHA, pull.HeadSHA)
	commit, cause := r.Commit(ctx, sha)
	if cause != nil {
		return run.Commit{}, cause
	}
	if !pull.Fork && sha != pull.HeadSHA {
		has, cause := r.isPartOf(ctx, sha, pull.HeadSHA)
		if cause != nil {
			return run.Commit{}, cause
		}
		if !has {
			return run.Commit{}, problem.Config(v1alpha1.ReasonCommitNotFound,
				"pull request #%d has no commit %s (any more): name one that it has, or the commit's branch instead", selector.PullRequest, sha)
		}
	}
	commit.Ref, commit.PullRequest, commit.Fork = pull.HeadRef, selector.PullRequest, pull.Fork
	return commit, nil
}

func (r *Repository) ofBranch(ctx context.Context, selector v1alpha1.CommitSelector) (run.Commit, *problem.Problem) {
	head, err := r.client.Branch(ctx, r.name, selector.Branch)
	if err != nil {
		return run.Commit{}, r.missing(ctx, err, v1alpha1.ReasonCommitNotFound)
	}
	commit, cause := r.Commit(ctx, cmp.Or(selector.SHA, head.SHA))
	if cause != nil {
		return run.Commit{}, cause
	}
	has, cause := r.reaches(ctx, selector.Branch, head.SHA, commit.SHA)
	if cause != nil {
		return run.Commit{}, cause
	}
	if !has {
		return run.Commit{}, problem.Config(v1alpha1.ReasonCommitNotFound,
			"branch %s has no commit %s (any more): name the branch that has it", selector.Branch, commit.SHA)
	}
	commit.Ref = selector.Branch
	return commit, nil
}

// owns tells whether the repository has a commit on a branch of its own. What shows that is asked for one after another, until it is
// shown; where nothing does, the commit may be any fork's.
func (r *Repository) owns(ctx context.Context, sha string) (bool, *problem.Problem) {
	if link.Owns(r.link, sha) {
		return true, nil
	}
	for _, shows := range []func(context.Context, string) (bool, error){r.onHome, r.isBranchHead, r.hasOwnPullRequest} {
		own, err := shows(ctx, sha)
		if own {
			return true, nil
		}
		if err != nil && github.KindOf(err) != github.KindNotFound {
			return false, describe(r.link, err, v1alpha1.ReasonCommitNotFound)
		}
	}
	return false, nil
}

func (r *Repository) onHome(ctx context.Context, sha string) (bool, error) {
	head, err := r.client.Branch(ctx, r.name, r.link.Spec.HomeBranch)
	if err != nil || head.SHA == sha {
		return err == nil, err
	}
	return r.client.IsAncestor(ctx, r.name, sha, head.SHA)
}

func (r *Repository) isBranchHead(ctx context.Context, sha string) (bool, error) {
	return r.client.IsBranchHead(ctx, r.name, sha)
}

func (r *Repository) hasOwnPullRequest(ctx context.Context, sha string) (bool, error) {
	pulls, err := r.client.PullRequestsOf(ctx, r.name, sha)
	heads := make([]link.Head, 0, len(pulls))
	for _, pull := range pulls {
		heads = append(heads, link.Head{Repository: pull.HeadRepo, Fork: pull.Fork})
	}
	return link.OwnByPullRequests(r.name, heads), err
}

// reaches tells whether a branch, whose newest commit is head, has a commit.
func (r *Repository) reaches(ctx context.Context, branch, head, sha string) (bool, *problem.Problem) {
	if sha == head {
		return true, nil
	}
	if branch == r.link.Spec.HomeBranch {
		// A look at the link has asked for these, or will, so that they cost nothing; most pushes are among them.
		newest, err := r.client.History(ctx, r.name, head, maxCommits)
		if err != nil {
			return false, describe(r.link, err, v1alpha1.ReasonCommitNotFound)
		}
		if slices.ContainsFunc(newest, func(commit github.Commit) bool { return commit.SHA == sha }) {
			return true, nil
		}
	}
	return r.isPartOf(ctx, sha, head)
}

// isPartOf tells whether a commit is one that another comes from.
func (r *Repository) isPartOf(ctx context.Context, sha, of string) (bool, *problem.Problem) {
	older, err := r.client.IsAncestor(ctx, r.name, sha, of)
	if err != nil && github.KindOf(err) != github.KindNotFound {
		return false, describe(r.link, err, v1alpha1.ReasonCommitNotFound)
	}
	return older, nil
}
