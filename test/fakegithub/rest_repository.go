package fakegithub

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

func getRepository(c *call) reply {
	body := c.repositoryJSON(c.state)
	body["network_count"], body["subscribers_count"] = 0, 0
	return ok(body)
}

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
		"ref": "refs/" + ref, "node_id": nodeID("REF", c.state.ID), "url": c.api() + "/git/refs/" + ref,
		"object": jsonObject{"type": found.kind, "sha": found.sha, "url": c.api() + "/git/" + found.kind + "s/" + found.sha},
	})
}
