package fakegithub

import (
	"regexp"
	"strings"
	"time"
)

// noReply is the domain of the addresses by which GitHub knows the login behind a commit.
const noReply = "@users.noreply.github.com"

func (c *call) commitJSON(commit commitObject) jsonObject {
	parents := []jsonObject{}
	for _, sha := range commit.parents {
		parents = append(parents, jsonObject{"sha": sha, "url": c.api() + "/commits/" + sha, "html_url": c.page() + "/commit/" + sha})
	}
	return jsonObject{
		"sha": commit.sha, "node_id": "C_" + commit.sha, "url": c.api() + "/commits/" + commit.sha, "html_url": c.page() + "/commit/" + commit.sha,
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
