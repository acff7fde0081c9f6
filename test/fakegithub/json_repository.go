package fakegithub

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// jsonObject is a JSON object of the API.
type jsonObject = map[string]any

// nodeID is the ID of an object in GraphQL, which nobody here takes apart.
func nodeID(kind string, id int64) string {
	return kind + "_" + base64.RawURLEncoding.EncodeToString(fmt.Append(nil, id))
}

// api is the address of the call's repository in the API, page the one for people.
func (c *call) api() string  { return c.base + "/api/v3/repos/" + c.state.Name }
func (c *call) page() string { return c.base + "/" + c.state.Name }

// repositoryLinks are the fields *_url of a repository, and what they add to its address in the API.
var repositoryLinks = map[string]string{
	"archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}",
	"branches_url": "/branches{/branch}", "collaborators_url": "/collaborators{/collaborator}", "comments_url": "/comments{/number}",
	"commits_url": "/commits{/sha}", "compare_url": "/compare/{base}...{head}", "contents_url": "/contents/{+path}",
	"contributors_url": "/contributors", "deployments_url": "/deployments", "downloads_url": "/downloads", "events_url": "/events",
	"forks_url": "/forks", "git_commits_url": "/git/commits{/sha}", "git_refs_url": "/git/refs{/sha}", "git_tags_url": "/git/tags{/sha}",
	"hooks_url": "/hooks", "issue_comment_url": "/issues/comments{/number}", "issue_events_url": "/issues/events{/number}",
	"issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}", "labels_url": "/labels{/name}", "languages_url": "/languages",
	"merges_url": "/merges", "milestones_url": "/milestones{/number}", "notifications_url": "/notifications{?since,all,participating}",
	"pulls_url": "/pulls{/number}", "releases_url": "/releases{/id}", "stargazers_url": "/stargazers", "statuses_url": "/statuses/{sha}",
	"subscribers_url": "/subscribers", "subscription_url": "/subscription", "tags_url": "/tags", "teams_url": "/teams",
	"trees_url": "/git/trees{/sha}",
}

// repositoryJSON describes a repository as other objects do.
func (c *call) repositoryJSON(state storedRepository) jsonObject {
	owner, name, _ := strings.Cut(state.Name, "/")
	visibility := "public"
	if state.Private {
		visibility = "private"
	}
	page, api, created := c.base+"/"+state.Name, c.base+"/api/v3/repos/"+state.Name, state.Created.Format(time.RFC3339)
	host := c.base[strings.Index(c.base, "://")+len("://"):]
	body := jsonObject{
		"id": state.ID, "node_id": nodeID("R", state.ID), "name": name, "full_name": state.Name, "owner": c.userJSON(owner),
		"private": state.Private, "visibility": visibility, "html_url": page, "description": nil, "fork": state.ParentID != 0, "url": api,
		"clone_url": page + ".git", "git_url": "git://" + host + "/" + state.Name + ".git", "ssh_url": "git@" + host + ":" + state.Name + ".git",
		"svn_url": page, "mirror_url": nil, "homepage": nil, "language": nil, "license": nil, "default_branch": state.DefaultBranch,
		"created_at": created, "updated_at": created, "pushed_at": created, "size": 0,
		"archived": false, "disabled": false, "is_template": false, "topics": []string{}, "allow_forking": true, "web_commit_signoff_required": false,
		"has_issues": true, "has_projects": true, "has_wiki": true, "has_pages": false, "has_downloads": true, "has_discussions": false,
	}
	for _, count := range []string{"forks", "forks_count", "open_issues", "open_issues_count", "stargazers_count", "watchers", "watchers_count"} {
		body[count] = 0
	}
	for field, path := range repositoryLinks {
		body[field] = api + path
	}
	if c.account != nil {
		body["permissions"] = jsonObject{"admin": false, "maintain": false, "triage": false,
			"push": c.account.may(Write, state), "pull": true}
	}
	return body
}
