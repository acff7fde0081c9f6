package fakegithub

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// getComparison compares two commits. Of the commits between them it lists none, as GitHub does beyond the last page; what they
// change is on the first page.
func getComparison(c *call) reply {
	base, head, found := strings.Cut(c.PathValue("basehead"), "...")
	if !found {
		return notFound("Not Found", c.doc)
	}
	var ends [2]object
	for i, ref := range []string{base, head} {
		commit, err := c.repository.commit(ref)
		if errors.Is(err, errMissing) {
			return notFound("Not Found", c.doc)
		}
		if err != nil {
			return c.broken(err)
		}
		ends[i] = commit
	}
	// git merge-base ends with 1 when there is none.
	common, err := c.server.git(c.repository.dir, nil, "merge-base", ends[0].sha, ends[1].sha)
	if err != nil {
		return notFound(fmt.Sprintf("No common ancestor between %s and %s.", base, head), c.doc)
	}
	counted, err := c.server.git(c.repository.dir, nil, "rev-list", "--left-right", "--count", ends[0].sha+"..."+ends[1].sha)
	if err != nil {
		return c.broken(err)
	}
	var behind, ahead int
	if _, err := fmt.Sscan(counted, &behind, &ahead); err != nil {
		return c.broken(err)
	}
	ancestor, err := c.repository.commit(common)
	if err != nil {
		return c.broken(err)
	}
	path := "/compare/" + url.PathEscape(base) + "..." + url.PathEscape(head)
	self, page := c.api()+path, c.page()+path
	body := jsonObject{
		"url": self, "html_url": page, "diff_url": page + ".diff", "patch_url": page + ".patch",
		"permalink_url": c.page() + "/compare/" + ends[0].sha + "..." + ends[1].sha,
		"status":        comparison(ahead, behind),
		"ahead_by":      ahead, "behind_by": behind, "total_commits": ahead, "commits": []jsonObject{},
		"base_commit": c.commitJSON(parseCommit(ends[0])), "merge_base_commit": c.commitJSON(parseCommit(ancestor)),
	}
	if positive(c.URL.Query().Get("page"), 1) == 1 {
		files, err := c.comparedFiles(common, ends[1].sha)
		if err != nil {
			return c.broken(err)
		}
		body["files"] = files
	}
	return ok(body)
}

func comparison(ahead, behind int) string {
	switch {
	case ahead > 0 && behind > 0:
		return "diverged"
	case ahead > 0:
		return "ahead"
	case behind > 0:
		return "behind"
	}
	return "identical"
}
