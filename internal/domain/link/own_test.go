package link_test

import (
	"testing"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/link"
)

func TestWhatTheLastLookFound(t *testing.T) {
	known := &v1alpha1.TenantRepoLink{Status: v1alpha1.TenantRepoLinkStatus{
		Commits: []v1alpha1.CommitStatus{{SHA: "newest"}, {SHA: "older"}, {SHA: "merged"}},
		PullRequests: []v1alpha1.PullRequestStatus{
			{Number: 1, HeadSHA: "topic", HeadRef: "t"}, {Number: 2, HeadSHA: "theirs", Fork: true}, {Number: 3, HeadSHA: "merged", Fork: true},
			{Number: 4, HeadSHA: "both", Fork: true}, {Number: 5, HeadSHA: "both"},
		},
	}}
	for name, c := range map[string]struct {
		sha  string
		want bool // of the repository
	}{
		"the newest of the home branch":         {sha: "newest", want: true},
		"an older one":                          {sha: "older", want: true},
		"the newest of a pull request":          {sha: "topic", want: true},
		"the newest of a fork's":                {sha: "theirs"},
		"a fork's that is on the home branch":   {sha: "merged", want: true},
		"one that a fork's and an own one have": {sha: "both", want: true},
		"any other":                             {sha: "other"},
		"none":                                  {},
	} {
		t.Run(name, func(t *testing.T) {
			if got := link.Owns(known, c.sha); got != c.want {
				t.Errorf("Owns: %t", got)
			}
		})
	}
	for _, c := range []struct {
		number int32
		sha    string
		want   v1alpha1.PullRequestStatus
	}{
		{1, "topic", known.Status.PullRequests[0]},
		{4, "both", known.Status.PullRequests[3]},
		{5, "both", known.Status.PullRequests[4]},
		{5, "topic", v1alpha1.PullRequestStatus{}},
		{1, "", v1alpha1.PullRequestStatus{}},
		{0, "newest", v1alpha1.PullRequestStatus{}},
	} {
		if got, found := link.Listed(known, c.number, c.sha); got != c.want || found != (c.want.Number != 0) {
			t.Errorf("pull request %d with commit %q: %+v, %t", c.number, c.sha, got, found)
		}
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
