package fakegithub

import (
	"fmt"
	"strconv"
	"strings"
)

// GitHub's page sizes.
const (
	defaultPage = 30
	largestPage = 100
)

// listed answers with the page of a list that the caller asks for.
func listed[T any](c *call, items []T, describe func(T) jsonObject) reply {
	page, header := paged(c, items)
	body := []jsonObject{}
	for _, item := range page {
		body = append(body, describe(item))
	}
	return reply{status: 200, body: body, header: header}
}

// paged returns the page that the caller asks for, and the header that leads to the others.
func paged[T any](c *call, items []T) (page []T, header map[string]string) {
	query := c.URL.Query()
	size, number := min(positive(query.Get("per_page"), defaultPage), largestPage), positive(query.Get("page"), 1)
	pages := max(1, (len(items)+size-1)/size)
	from := min((number-1)*size, len(items))
	page = items[from:min(from+size, len(items))]

	var links []string
	add := func(to int, relation string) {
		query.Set("page", strconv.Itoa(to))
		path := strings.TrimPrefix(c.URL.EscapedPath(), "/api/v3/repos/"+c.PathValue("owner")+"/"+c.PathValue("name"))
		links = append(links, fmt.Sprintf("<%s/api/v3/repositories/%d%s?%s>; rel=%q", c.base, c.state.ID, path, query.Encode(), relation))
	}
	if number > 1 {
		add(number-1, "prev")
	}
	if number < pages {
		add(number+1, "next")
		add(pages, "last")
	}
	if number > 1 {
		add(1, "first")
	}
	if len(links) > 0 {
		header = map[string]string{"Link": strings.Join(links, ", ")}
	}
	return page, header
}

func positive(text string, fallback int) int {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return n
	}
	return fallback
}
