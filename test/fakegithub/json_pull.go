package fakegithub

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// pullJSON describes a pull request as the list of them does.
func (c *call) pullJSON(p pull) jsonObject {
	owner, _, _ := strings.Cut(c.state.Name, "/")
	head := jsonObject{"label": c.headLabel(p), "ref": p.Head, "sha": p.HeadSHA, "user": nil, "repo": nil}
	if state, ok := c.headState(p); ok {
		headOwner, _, _ := strings.Cut(state.Name, "/")
		head["user"], head["repo"] = c.userJSON(headOwner), c.repositoryJSON(state)
	}
	baseSHA := p.BaseSHA
	if tip, err := c.repository.branch(p.Base); err == nil {
		baseSHA = tip.sha
	}
	var closed any
	if p.ClosedAt != nil {
		closed = p.ClosedAt.Format(time.RFC3339)
	}
	id := c.state.ID*1000 + int64(p.Number)
	body := jsonObject{
		"id": id, "node_id": nodeID("PR", id), "number": p.Number, "state": p.state(), "locked": false,
		"title": p.Title, "body": nil, "user": c.userJSON(p.Author), "draft": p.Draft,
		"created_at": p.Created.Format(time.RFC3339), "updated_at": p.Updated.Format(time.RFC3339),
		"closed_at": closed, "merged_at": nil, "merge_commit_sha": nil, "author_association": association(c.state, p.Author), "auto_merge": nil,
		"assignee": nil, "assignees": []any{}, "requested_reviewers": []any{}, "requested_teams": []any{}, "labels": c.labelsJSON(p.Labels), "milestone": nil,
		"head": head,
		"base": jsonObject{"label": owner + ":" + p.Base, "ref": p.Base, "sha": baseSHA, "user": c.userJSON(owner), "repo": c.repositoryJSON(c.state)},
	}
	c.linkPull(body, p)
	return body
}

// labelsJSON describes labels by their names.
func (c *call) labelsJSON(labels []string) []jsonObject {
	list := []jsonObject{}
	for _, name := range labels {
		id := userID(name)
		list = append(list, jsonObject{"id": id, "node_id": nodeID("LA", id), "name": name, "description": "", "color": "ededed", "default": false,
			"url": c.api() + "/labels/" + url.PathEscape(name)})
	}
	return list
}

// linkPull adds the addresses of a pull request and of what belongs to it, in both of the forms that GitHub has them.
func (c *call) linkPull(body jsonObject, p pull) {
	number := strconv.Itoa(p.Number)
	pull, issue, page := c.api()+"/pulls/"+number, c.api()+"/issues/"+number, c.page()+"/pull/"+number
	links := jsonObject{}
	for name, address := range map[string]string{
		"": pull, "html": page, "issue": issue, "comments": issue + "/comments", "commits": pull + "/commits",
		"statuses": c.api() + "/statuses/" + p.HeadSHA, "review_comments": pull + "/comments", "review_comment": c.api() + "/pulls/comments{/number}",
	} {
		field, link := name+"_url", name
		if name == "" {
			field, link = "url", "self"
		}
		body[field], links[link] = address, jsonObject{"href": address}
	}
	body["_links"] = links
	body["diff_url"], body["patch_url"] = page+".diff", page+".patch"
}
