package fakegithub

import (
	"errors"
	"hash/fnv"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// noReply is the domain of the addresses by which GitHub knows the login behind a commit.
const noReply = "@users.noreply.github.com"

// jsonObject is a JSON object of the API.
type jsonObject = map[string]any

func getRepository(c *call) reply { return ok(c.repositoryJSON(c.state)) }

func getBranch(c *call) reply {
	name := c.PathValue("branch")
	tip, err := c.repository.branch(name)
	if errors.Is(err, errMissing) {
		return notFound("Branch not found", c.doc)
	}
	if err != nil {
		return c.broken(err)
	}
	self := c.api() + "/branches/" + url.PathEscape(name)
	return ok(jsonObject{
		"name":      name,
		"commit":    c.commitJSON(parseCommit(tip)),
		"_links":    jsonObject{"self": self, "html": c.page() + "/tree/" + name},
		"protected": false,
		"protection": jsonObject{"enabled": false,
			"required_status_checks": jsonObject{"enforcement_level": "off", "contexts": []string{}, "checks": []string{}}},
		"protection_url": self + "/protection",
	})
}

func getCommit(c *call) reply {
	ref := c.PathValue("ref")
	found, err := c.repository.commit(ref)
	switch {
	case errors.Is(err, errMissing) && c.repository.empty():
		return failed(http.StatusConflict, "Git Repository is empty.", c.doc)
	case errors.Is(err, errMissing):
		return failed(http.StatusUnprocessableEntity, "No commit found for SHA: "+ref, c.doc)
	case err != nil:
		return c.broken(err)
	}
	return ok(c.commitJSON(parseCommit(found)))
}

func getReference(c *call) reply {
	ref := c.PathValue("ref")
	if !validRefName(ref) || !strings.Contains(ref, "/") {
		return notFound("Not Found", c.doc)
	}
	found, err := c.repository.objects.read("refs/" + ref)
	if err != nil {
		return c.broken(err)
	}
	return ok(jsonObject{
		"ref": "refs/" + ref, "node_id": "", "url": c.api() + "/git/refs/" + ref,
		"object": jsonObject{"type": found.kind, "sha": found.sha, "url": c.api() + "/git/" + found.kind + "s/" + found.sha},
	})
}

// api is the address of the call's repository in the API, page the one for people.
func (c *call) api() string  { return c.base + "/api/v3/repos/" + c.state.Name }
func (c *call) page() string { return c.base + "/" + c.state.Name }

func (c *call) repositoryJSON(state storedRepository) jsonObject {
	owner, name, _ := strings.Cut(state.Name, "/")
	visibility := "public"
	if state.Private {
		visibility = "private"
	}
	page := c.base + "/" + state.Name
	body := jsonObject{
		"id": state.ID, "node_id": "", "name": name, "full_name": state.Name, "owner": c.userJSON(owner),
		"private": state.Private, "visibility": visibility, "html_url": page, "description": nil, "fork": false,
		"url": c.base + "/api/v3/repos/" + state.Name, "clone_url": page + ".git", "default_branch": state.DefaultBranch,
		"archived": false, "disabled": false, "created_at": state.Created.Format(time.RFC3339),
	}
	if c.account != nil {
		body["permissions"] = jsonObject{"admin": false, "maintain": false, "triage": false,
			"push": c.account.may(Write, state.Name, state.Private), "pull": true}
	}
	return body
}

func (c *call) commitJSON(commit commitObject) jsonObject {
	parents := []jsonObject{}
	for _, sha := range commit.parents {
		parents = append(parents, jsonObject{"sha": sha, "url": c.api() + "/commits/" + sha, "html_url": c.page() + "/commit/" + sha})
	}
	return jsonObject{
		"sha": commit.sha, "node_id": "", "url": c.api() + "/commits/" + commit.sha, "html_url": c.page() + "/commit/" + commit.sha,
		"comments_url": c.api() + "/commits/" + commit.sha + "/comments",
		"commit": jsonObject{
			"author": signatureJSON(commit.author), "committer": signatureJSON(commit.committer), "message": commit.message,
			"tree": jsonObject{"sha": commit.tree, "url": c.api() + "/git/trees/" + commit.tree},
			"url":  c.api() + "/git/commits/" + commit.sha, "comment_count": 0,
			"verification": jsonObject{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil},
		},
		"author": c.knownUser(commit.author), "committer": c.knownUser(commit.committer), "parents": parents,
	}
}

func signatureJSON(s signature) jsonObject {
	return jsonObject{"name": s.name, "email": s.email, "date": s.time.Format(time.RFC3339)}
}

// numericPrefix is what GitHub may put before the login in its own addresses.
var numericPrefix = regexp.MustCompile(`^[0-9]+\+`)

// knownUser is the account of a commit's author; null when the address belongs to nobody.
func (c *call) knownUser(s signature) any {
	login, known := strings.CutSuffix(s.email, noReply)
	if !known {
		return nil
	}
	return c.userJSON(numericPrefix.ReplaceAllString(login, ""))
}

func (c *call) userJSON(login string) jsonObject {
	id := fnv.New32a()
	id.Write([]byte(strings.ToLower(login)))
	return jsonObject{"login": login, "id": id.Sum32(), "node_id": "", "type": "User", "site_admin": false,
		"url": c.base + "/api/v3/users/" + login, "html_url": c.base + "/" + login}
}
