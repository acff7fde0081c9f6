package fakegithub

import (
	"errors"
	"net/http"
	"strings"
)

// listCommits lists the history of a branch or sha, newest first.
func listCommits(c *call) reply {
	ref := orText(c.URL.Query().Get("sha"), c.state.DefaultBranch)
	tip, err := c.repository.commit(ref)
	switch {
	case errors.Is(err, errMissing) && c.repository.empty():
		return failed(http.StatusConflict, "Git Repository is empty.", c.doc)
	case err != nil:
		return c.broken(err)
	}
	args := []string{"rev-list", tip.sha}
	if at := c.URL.Query().Get("path"); at != "" {
		args = append(args, "--", at)
	}
	out, err := c.server.git(c.repository.dir, nil, args...)
	if err != nil {
		return c.broken(err)
	}
	page, header := paged(c, strings.Fields(out))
	list := []jsonObject{}
	for _, sha := range page {
		commit, err := c.repository.objects.read(sha)
		if err != nil {
			return c.broken(err)
		}
		list = append(list, c.commitJSON(parseCommit(commit)))
	}
	return reply{status: http.StatusOK, body: list, header: header}
}
