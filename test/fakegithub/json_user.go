package fakegithub

import (
	"hash/fnv"
	"net/url"
	"strings"
)

// userID is the numeric ID of a login or another name, the same in every server.
func userID(login string) int64 {
	id := fnv.New32a()
	id.Write([]byte(strings.ToLower(login)))
	return int64(id.Sum32())
}

// userJSON describes the account of a login; one that ends in [bot] is an App's.
func (c *call) userJSON(login string) jsonObject {
	kind := "User"
	if strings.HasSuffix(login, "[bot]") {
		kind = "Bot"
	}
	page, api := c.base+"/"+url.PathEscape(login), c.base+"/api/v3/users/"+url.PathEscape(login)
	return jsonObject{
		"login": login, "id": userID(login), "node_id": nodeID("U", userID(login)), "type": kind, "site_admin": false,
		"avatar_url": c.base + "/avatars/" + url.PathEscape(login), "gravatar_id": "", "html_url": page, "url": api,
		"followers_url": api + "/followers", "following_url": api + "/following{/other_user}", "gists_url": api + "/gists{/gist_id}",
		"starred_url": api + "/starred{/owner}{/repo}", "subscriptions_url": api + "/subscriptions",
		"organizations_url": api + "/orgs", "repos_url": api + "/repos", "events_url": api + "/events{/privacy}",
		"received_events_url": api + "/received_events", "user_view_type": "public",
	}
}
