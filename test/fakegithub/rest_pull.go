package fakegithub

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func getPull(c *call) reply {
	number, err := strconv.Atoi(c.PathValue("number"))
	if err != nil || number < 1 || number > len(c.state.Pulls) {
		return notFound("Not Found", c.doc)
	}
	body := c.pullJSON(c.state.Pulls[number-1])
	body["merged"], body["merged_by"], body["mergeable"], body["mergeable_state"] = false, nil, nil, "unknown"
	body["maintainer_can_modify"] = false
	for _, count := range []string{"comments", "review_comments", "commits", "additions", "deletions", "changed_files"} {
		body[count] = 0
	}
	return ok(body)
}

func listPulls(c *call) reply {
	return listed(c, c.matching(c.URL.Query()), c.pullJSON)
}

// matching are the pull requests that the query asks for, in its order: the newest first by default.
func (c *call) matching(query url.Values) []pull {
	state := query.Get("state")
	if state == "" {
		state = "open"
	}
	var matching []pull
	for _, p := range c.state.Pulls {
		if state != "all" && p.state() != state {
			continue
		}
		if base := query.Get("base"); base != "" && base != p.Base {
			continue
		}
		if head := query.Get("head"); head != "" && head != c.headLabel(p) {
			continue
		}
		matching = append(matching, p)
	}
	if query.Get("sort") == "updated" {
		slices.SortStableFunc(matching, func(a, b pull) int { return a.Updated.Compare(b.Updated) })
	}
	descending := query.Get("direction") == "desc" || (query.Get("direction") == "" && query.Get("sort") != "long-running")
	if descending {
		slices.Reverse(matching)
	}
	return matching
}

func (c *call) headLabel(p pull) string {
	head, ok := c.headState(p)
	if !ok {
		return "unknown repository"
	}
	owner, _, _ := strings.Cut(head.Name, "/")
	return owner + ":" + p.Head
}

// headState is the repository that the head is in; not ok when it is gone.
func (c *call) headState(p pull) (storedRepository, bool) {
	if p.HeadID == c.state.ID {
		return c.state, true
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	repository, ok := c.server.byID[p.HeadID]
	if !ok {
		return storedRepository{}, false
	}
	return repository.state, true
}
