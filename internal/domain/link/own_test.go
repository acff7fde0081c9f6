package link_test

import (
	"testing"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/link"
)

func TestOwns(t *testing.T) {
	known := &v1alpha1.TenantRepoLink{Status: v1alpha1.TenantRepoLinkStatus{
		Commits: []v1alpha1.CommitStatus{{SHA: "newest"}, {SHA: "older"}, {SHA: "merged"}},
		PullRequests: []v1alpha1.PullRequestStatus{
			{Number: 1, HeadSHA: "topic"}, {Number: 2, HeadSHA: "theirs", Fork: true}, {Number: 3, HeadSHA: "merged", Fork: true},
			{Number: 4, HeadSHA: "both", Fork: true}, {Number: 5, HeadSHA: "both"},
		},
	}}
	for name, c := range map[string]struct {
		sha    string
		number int32
		want   bool // of the repository
		head   bool // the newest of the pull request
	}{
		"the newest of the home branch":            {sha: "newest", number: 1, want: true},
		"an older one":                             {sha: "older", number: 1, want: true},
		"the newest of a pull request":             {sha: "topic", number: 1, want: true, head: true},
		"it is not that of another":                {sha: "topic", number: 5, want: true},
		"the newest of a fork's":                   {sha: "theirs", number: 2},
		"a fork's that is on the home branch":      {sha: "merged", number: 3, want: true},
		"one that a fork's and an own one have":    {sha: "both", number: 5, want: true, head: true},
		"the same one, of the fork's pull request": {sha: "both", number: 4, want: true},
		"any other": {sha: "other", number: 1},
		"none":      {},
	} {
		t.Run(name, func(t *testing.T) {
			if got := link.Owns(known, c.sha); got != c.want {
				t.Errorf("Owns: %t", got)
			}
			if got := link.OwnHead(known, c.number, c.sha); got != c.head {
				t.Errorf("OwnHead: %t", got)
			}
		})
	}
}

func TestOwnByPullRequests(t *testing.T) {
	own, fork, gone := link.Head{Repository: "acme/app"}, link.Head{Repository: "mallory/app", Fork: true}, link.Head{Fork: true}
	for name, c := range map[string]struct {
		heads []link.Head
		want  bool
	}{
		"none":                        {},
		"an own one":                  {heads: []link.Head{own}, want: true},
		"one in other letters":        {heads: []link.Head{{Repository: "Acme/App"}}, want: true},
		"a fork's":                    {heads: []link.Head{fork}},
		"one of a deleted repository": {heads: []link.Head{gone}},
		"an own one beside those":     {heads: []link.Head{fork, gone, own}, want: true},
		"one inside of a fork":        {heads: []link.Head{{Repository: "mallory/app"}}},
		"an own one into another":     {heads: []link.Head{{Repository: "acme/app", Fork: true}}},
		"one without a name":          {heads: []link.Head{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := link.OwnByPullRequests("acme/app", c.heads); got != c.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
