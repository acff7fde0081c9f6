package fakegithub

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// listActivities lists the changes of branches, the newest first by default. GitHub pages by cursors; here the one of the next
// page is all there is, the ID of the last activity of this page.
func listActivities(c *call) reply {
	query := c.URL.Query()
	ref, kind, actor := query.Get("ref"), query.Get("activity_type"), query.Get("actor")
	if ref != "" && !strings.HasPrefix(ref, "refs/") {
		ref = "refs/heads/" + ref
	}
	list := selected(c.state.Activities, func(a activity) bool {
		return (ref == "" || a.Ref == ref) && (kind == "" || a.Type == kind) && (actor == "" || strings.EqualFold(a.By, actor))
	})
	if query.Get("direction") != "asc" {
		slices.Reverse(list)
	}
	if after := query.Get("after"); after != "" {
		at := slices.IndexFunc(list, func(a activity) bool { return strconv.FormatInt(a.ID, 10) == after })
		if at < 0 {
			return failed(http.StatusUnprocessableEntity, "Validation Failed", c.doc)
		}
		list = list[at+1:]
	}
	size := min(positive(query.Get("per_page"), defaultPage), largestPage)
	answer := reply{status: http.StatusOK}
	if len(list) > size {
		list = list[:size]
		query.Set("after", strconv.FormatInt(list[size-1].ID, 10))
		answer.header = map[string]string{"Link": fmt.Sprintf("<%s/api/v3/repositories/%d/activity?%s>; rel=\"next\"", c.base, c.state.ID, query.Encode())}
	}
	body := []jsonObject{}
	for _, one := range list {
		body = append(body, jsonObject{
			"id": one.ID, "node_id": nodeID("PUSH", one.ID), "before": one.Before, "after": one.After, "ref": one.Ref,
			"timestamp": one.Time.Format(time.RFC3339), "activity_type": one.Type, "actor": c.userJSON(one.By),
		})
	}
	answer.body = body
	return answer
}
