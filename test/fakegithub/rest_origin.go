package fakegithub

import (
	"errors"
	"net/http"
	"strings"
)

// commitOf is the commit that a request names by its sha; missing is the answer when it is not there.
func (c *call) commitOf() (sha string, missing *reply) {
	ref := c.PathValue("ref")
	found, err := c.repository.commit(ref)
	if err == nil {
		return found.sha, nil
	}
	answer := c.broken(err)
	if errors.Is(err, errMissing) {
		answer = failed(http.StatusUnprocessableEntity, "No commit found for SHA: "+ref, c.doc)
	}
	return "", &answer
}

// listBranchesWhereHead lists the branches of this repository whose newest commit it is, without those of its forks.
func listBranchesWhereHead(c *call) reply {
	sha, missing := c.commitOf()
	if missing != nil {
		return *missing
	}
	out, err := c.server.git(c.repository.dir, nil, "for-each-ref", "--points-at="+sha, "--format=%(refname:lstrip=2)", "refs/heads/")
	if err != nil {
		return c.broken(err)
	}
	list := []jsonObject{}
	for name := range strings.FieldsSeq(out) {
		list = append(list, jsonObject{"name": name, "commit": jsonObject{"sha": sha, "url": c.api() + "/commits/" + sha}, "protected": false})
	}
	return ok(list)
}

// listPullsOfCommit lists the open pull requests that have the commit among theirs, wherever their heads are, as GitHub does for one that
// is not on the default branch. For one that is it tells of the merged one that brought it, of which there are none here.
func listPullsOfCommit(c *call) reply {
	sha, missing := c.commitOf()
	if missing != nil {
		return *missing
	}
	var having []pull
	for _, p := range c.state.Pulls {
		if p.ClosedAt == nil && c.repository.reaches(p.HeadSHA, sha) && !c.repository.reaches("refs/heads/"+p.Base, sha) &&
			!c.repository.reaches("refs/heads/"+c.state.DefaultBranch, sha) {
			having = append(having, p)
		}
	}
	return listed(c, having, c.pullJSON)
}

// reaches tells whether a commit is a ref's, or one that the ref's comes from.
func (r *Repository) reaches(ref, sha string) bool {
	_, err := r.server.git(r.dir, nil, "merge-base", "--is-ancestor", sha, ref)
	return err == nil
}
