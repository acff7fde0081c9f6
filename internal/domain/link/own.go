package link

import (
	"slices"
	"strings"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// Head is where a pull request that has a commit comes from.
type Head struct {
	// Repository is the owner/name of its branch; "" when that was deleted.
	Repository string
	// Fork: that is another repository than the pull request's.
	Fork bool
}

// Owns tells whether a commit (40 hex digits) is the repository's own by what the last look at it found: one of the newest of the home
// branch, or the newest of an open pull request from a branch of the repository. Others may be its own, too: GitHub shows the commits of
// all forks as if they were the repository's.
func Owns(link *v1alpha1.TenantRepoLink, sha string) bool {
	onHome := slices.ContainsFunc(link.Status.Commits, func(commit v1alpha1.CommitStatus) bool { return commit.SHA == sha })
	return onHome || slices.ContainsFunc(link.Status.PullRequests, func(pull v1alpha1.PullRequestStatus) bool {
		return !pull.Fork && pull.HeadSHA == sha
	})
}

// Listed is the open pull request of a number, if a commit (40 hex digits) was its newest one at the last look.
func Listed(link *v1alpha1.TenantRepoLink, number int32, sha string) (v1alpha1.PullRequestStatus, bool) {
	i := slices.IndexFunc(link.Status.PullRequests, func(pull v1alpha1.PullRequestStatus) bool {
		return pull.Number == number && pull.HeadSHA == sha
	})
	if i < 0 {
		return v1alpha1.PullRequestStatus{}, false
	}
	return link.Status.PullRequests[i], true
}

// OwnByPullRequests tells whether one of the pull requests that have a commit comes from a branch of the repository (owner/name): who may
// not write there cannot have put it there. Any of a fork may have it as well, and says nothing. GitHub does not say that all are into this
// repository; those into another one do not count, since the commit may be what came of them there.
func OwnByPullRequests(repository string, heads []Head) bool {
	return slices.ContainsFunc(heads, func(head Head) bool { return !head.Fork && strings.EqualFold(head.Repository, repository) })
}
