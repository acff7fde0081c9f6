package fakegithub

import (
	"fmt"
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
	query := c.URL.Query()
	var list []jsonObject
	for _, p := range c.matching(query) {
		list = append(list, c.pullJSON(p))
	}
	size, page := positive(query.Get("per_page"), 30), positive(query.Get("page"), 1)
	size = min(size, 100)
	pages := max(1, (len(list)+size-1)/size)
	from := min((page-1)*size, len(list))
	body := list[from:min(from+size, len(list))]
	if body == nil {
		body = []jsonObject{}
	}
	answer := ok(body)
	if link := c.link(query, page, pages); link != "" {
		answer.header = map[string]string{"Link": link}
	}
	return answer
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

// link is the header that leads to the other pages.
func (c *call) link(query url.Values, page, pages int) string {
	var links []string
	add := func(to int, relation string) {
		query.Set("page", strconv.Itoa(to))
		address := fmt.Sprintf("%s/api/v3/repositories/%d/pulls?%s", c.base, c.state.ID, query.Encode())
		links = append(links, fmt.Sprintf("<%s>; rel=%q", address, relation))
	}
	if page > 1 {
		add(page-1, "prev")
	}
	if page < pages {
		add(page+1, "next")
		add(pages, "last")
	}
	if page > 1 {
		add(1, "first")
	}
	return strings.Join(links, ", ")
}

func positive(text string, fallback int) int {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return n
	}
	return fallback
}

func (c *call) headLabel(p pull) string {
	head, ok := c.headState(p)
	if !ok {
		return "unknown:" + p.Head
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
