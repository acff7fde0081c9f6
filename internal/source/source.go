// Package source reads what a TenantRepoLink points to: its GitHub repository, with the token or the GitHub App of its
// Secret, and tells it of runs. The controllers use it. What it cannot do it tells as a problem.Problem, which
// says whether to try again and what a person can do.
package source

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/link"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rollout"
	"katkit.dev/katkit/internal/domain/run"
	"katkit.dev/katkit/internal/github"
)

const (
	// maxFile is the largest file that is read of a repository, in bytes: many times what people write, and little to hold for all runs at once.
	maxFile = 256 << 10
	// Bounds of a link's status.
	maxCommits      = 10
	maxPullRequests = 100
	// followPatience is when a run looks again whether its link has found out how its repository is called now.
	followPatience = 5 * time.Second
)

// Opener opens the repositories of links.
type Opener struct {
	// Secrets reads Secrets from the API server, one at a time: Katkit keeps none in memory.
	Secrets client.Reader
	GitHub  *github.Factory
}

// CABundle are the certificates, in PEM, that GitHub hosts are trusted by beside the system's; "" when there are none.
func (o *Opener) CABundle() string { return o.GitHub.CABundle() }

// Repository is a link's repository, open for reading and for reports.
type Repository struct {
	link   *v1alpha1.TenantRepoLink
	name   string // owner/name as far as is known
	kind   v1alpha1.CredentialKind
	client *github.Client
	// checkRuns: statuses are shown by check runs. ToReport finds out.
	checkRuns bool
}

// Open reads the link's credential. No request is sent to GitHub yet.
func (o *Opener) Open(ctx context.Context, target *v1alpha1.TenantRepoLink) (*Repository, *problem.Problem) {
	credential, cause := o.credential(ctx, target)
	if cause != nil {
		return nil, cause
	}
	c, err := o.GitHub.Client(target.Spec.Host, credential, scopeOf(target))
	if err != nil {
		return nil, describe(target, err, v1alpha1.ReasonHostNotAllowed)
	}
	opened := &Repository{link: target, name: link.Repository(target), client: c}
	switch {
	case credential.App != nil:
		opened.kind = v1alpha1.CredentialApp
	case target.Spec.SecretRef != nil:
		opened.kind = v1alpha1.CredentialToken
	}
	return opened, nil
}

// CredentialKind is what the link's Secret holds; "" without one.
func (r *Repository) CredentialKind() v1alpha1.CredentialKind { return r.kind }

// CloneURL is where git fetches the repository, without credentials.
func (r *Repository) CloneURL() string { return r.client.CloneURL(r.name) }

// RateLimit is what is left of the token's calls.
func (r *Repository) RateLimit() link.RateLimit {
	limit := r.client.RateLimit()
	bounded := func(n int) int32 { return int32(min(max(n, 0), math.MaxInt32)) }
	return link.RateLimit{Limit: bounded(limit.Limit), Remaining: bounded(limit.Remaining)}
}

// Look reads what a link's status tells of its repository. What has not changed since costs no rate limit.
func (r *Repository) Look(ctx context.Context) (*link.Findings, *problem.Problem) {
	repository, _, cause := r.find(ctx)
	if cause != nil {
		return nil, cause
	}
	r.name = repository.FullName
	head, err := r.client.Branch(ctx, r.name, r.link.Spec.HomeBranch)
	if err != nil {
		return nil, describe(r.link, err, v1alpha1.ReasonHomeBranchNotFound)
	}
	commits, err := r.client.History(ctx, r.name, head.SHA, maxCommits)
	if err != nil {
		return nil, describe(r.link, err, v1alpha1.ReasonCommitNotFound)
	}
	pulls, more, err := r.client.OpenPullRequests(ctx, r.name, r.link.Spec.HomeBranch, maxPullRequests)
	if err != nil {
		return nil, describe(r.link, err, v1alpha1.ReasonRepositoryNotFound)
	}
	findings := &link.Findings{
		Repository: v1alpha1.RepositoryStatus{ID: repository.ID, FullName: repository.FullName},
		Commits:    []v1alpha1.CommitStatus{commitStatus(head)}, MorePullRequests: more,
	}
	for _, commit := range commits {
		if commit.SHA != head.SHA && len(findings.Commits) < maxCommits {
			findings.Commits = append(findings.Commits, commitStatus(commit))
		}
	}
	for _, pull := range pulls {
		findings.PullRequests = append(findings.PullRequests, pullRequest(pull))
	}
	return findings, nil
}

func pullRequest(pull github.PullRequest) link.PullRequest {
	return link.PullRequest{
		PullRequestStatus: v1alpha1.PullRequestStatus{
			Number: int32(pull.Number), //nolint:gosec // the client refuses greater ones
			Title:  pull.Title, Author: pull.Author, HeadRef: pull.HeadRef, HeadSHA: pull.HeadSHA, Fork: pull.Fork, Draft: pull.Draft, URL: pull.URL,
		},
		Opener: link.Actor{ID: pull.AuthorID, Bot: pull.AuthorBot}, Labels: pull.Labels,
	}
}

// find is the link's repository. Where another one has taken the name that it was known by, it is found by its number, if it is there.
func (r *Repository) find(ctx context.Context) (repository github.Repository, taken bool, cause *problem.Problem) {
	repository, err := r.client.Repository(ctx, r.name)
	if err != nil {
		return repository, false, describe(r.link, err, v1alpha1.ReasonRepositoryNotFound)
	}
	replaced := link.Replaced(r.link, v1alpha1.RepositoryStatus{ID: repository.ID, FullName: repository.FullName})
	if replaced == nil {
		return repository, false, nil
	}
	moved, err := r.client.RepositoryByID(ctx, r.link.Status.Repository.ID)
	switch github.KindOf(err) {
	case "":
		return moved, true, nil
	case github.KindNotFound, github.KindForbidden:
		return repository, true, replaced
	default:
		return repository, true, describe(r.link, err, v1alpha1.ReasonRepositoryNotFound)
	}
}

func commitStatus(commit github.Commit) v1alpha1.CommitStatus {
	status := v1alpha1.CommitStatus{SHA: commit.SHA, Message: commit.Message, Author: commit.Author}
	if !commit.Time.IsZero() {
		status.Time = new(metav1.NewTime(commit.Time))
	}
	return status
}

// Identify is the problem of a repository that is another one than the link's first look found. Until then it is any of the name.
func (r *Repository) Identify(ctx context.Context) *problem.Problem {
	if r.link.Status.Repository == nil {
		return nil
	}
	repository, taken, cause := r.find(ctx)
	if taken && cause == nil {
		waits := problem.Transient(v1alpha1.ReasonRepositoryReplaced,
			"the linked repository is called %s now, and another one has the name %s: waiting for TenantRepoLink %s to be looked at", repository.FullName, r.name, r.link.Name)
		waits.RetryAfter = followPatience
		return waits
	}
	return cause
}

// identity is the name that the repository has now, as far as that is known.
func (r *Repository) identity(ctx context.Context) (string, *problem.Problem) {
	if r.link.Status.Repository == nil {
		return r.name, nil
	}
	repository, _, cause := r.find(ctx)
	return repository.FullName, cause
}

// Older is the problem of a commit (40 hex digits) that is older than one that it would replace; nil when it is none of
// theirs. Commits that the repository does not know have no order.
func (r *Repository) Older(ctx context.Context, receipts []v1alpha1.Receipt, sha string) *problem.Problem {
	for _, receipt := range receipts {
		older, err := r.client.IsAncestor(ctx, r.name, sha, receipt.PreviousSHA)
		switch {
		case older:
			return rollout.OlderCommit(receipt, sha)
		case err == nil:
			continue
		case github.KindOf(err) != github.KindNotFound:
			return describe(r.link, err, v1alpha1.ReasonCommitNotFound)
		}
		// A repository that is hidden from the token looks the same, and says nothing about the commits.
		if _, err := r.client.Repository(ctx, r.name); err != nil {
			return describe(r.link, err, v1alpha1.ReasonRepositoryNotFound)
		}
	}
	return nil
}

// File reads a file at a commit (40 hex digits). One that is not there is not a problem. One over 256 KiB is
// a problem with the given reason.
func (r *Repository) File(ctx context.Context, path, sha, tooLarge string) (run.File, *problem.Problem) {
	content, err := r.client.File(ctx, r.name, path, sha, maxFile)
	switch github.KindOf(err) {
	case "":
		if err != nil {
			return run.File{}, describe(r.link, err, v1alpha1.ReasonGitHubUnavailable)
		}
		return run.File{Path: path, Found: true, Content: content}, nil
	case github.KindNotFound:
		return run.File{Path: path}, nil
	case github.KindTooLarge:
		return run.File{}, problem.Config(tooLarge, "%s:1:1: error: the file is over %d KiB, which is the most that Katkit reads: make it smaller",
			path, maxFile>>10)
	default:
		return run.File{}, describe(r.link, err, v1alpha1.ReasonGitHubUnavailable)
	}
}

// missing describes an error about a part of the repository. What is not found may be the repository
// itself, or hidden from this token, which GitHub answers in the same way.
func (r *Repository) missing(ctx context.Context, err error, reason string) *problem.Problem {
	if github.KindOf(err) == github.KindNotFound {
		if _, repositoryErr := r.client.Repository(ctx, r.name); repositoryErr != nil {
			return describe(r.link, repositoryErr, v1alpha1.ReasonRepositoryNotFound)
		}
	}
	return describe(r.link, err, reason)
}

// describe makes a problem of GitHub's error; reason is the one for what is not found or makes no sense.
func describe(link *v1alpha1.TenantRepoLink, err error, reason string) *problem.Problem {
	return explain(err, credentialOf(link, err), reason)
}

// credentialOf tells a person which credential it was.
func credentialOf(link *v1alpha1.TenantRepoLink, err error) string {
	if link.Spec.SecretRef == nil {
		return fmt.Sprintf(" (TenantRepoLink %s/%s names no Secret, so no token was used)", link.Namespace, link.Name)
	}
	return of(types.NamespacedName{Namespace: link.Namespace, Name: link.Spec.SecretRef.Name}, err)
}

// explain makes a problem of GitHub's error and a word about the credential.
func explain(err error, credential, reason string) *problem.Problem {
	message := err.Error() + credential
	switch github.KindOf(err) {
	case github.KindUnauthorized, github.KindForbidden:
		return problem.Config(v1alpha1.ReasonTokenRejected, "%s", message)
	case github.KindHostNotAllowed:
		return problem.Config(v1alpha1.ReasonHostNotAllowed, "%s", err)
	case github.KindNotFound, github.KindUnprocessable, github.KindTooLarge:
		return problem.Config(reason, "%s", message)
	case github.KindRateLimited:
		limited := problem.Transient(v1alpha1.ReasonRateLimited, "%s", message)
		var detail *github.Error
		if errors.As(err, &detail) && !detail.ResetTime.IsZero() {
			limited.RetryAfter = max(time.Until(detail.ResetTime), time.Second)
		}
		return limited
	default:
		return problem.Transient(v1alpha1.ReasonGitHubUnavailable, "%s", err)
	}
}
