package fakegithub

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// GitHub's limits of statuses.
const (
	maxStatusDescription = 140
	maxStatuses          = 1000 // of one sha and context
)

// Status is a commit status.
type Status struct {
	Item
	SHA         string `json:"sha"`
	State       string `json:"state"`
	Context     string `json:"context"`
	Description string `json:"description"`
	TargetURL   string `json:"targetURL"`
}

func createStatus(c *call) reply {
	in, refused, taken := decode[struct {
		State       string  `json:"state"`
		TargetURL   *string `json:"target_url"`
		Description *string `json:"description"`
		Context     string  `json:"context"`
	}](c)
	if !taken {
		return refused
	}
	sha := c.PathValue("sha")
	if o, err := c.repository.commit(sha); err != nil || o.sha != sha {
		return failed(http.StatusUnprocessableEntity, "No commit found for SHA: "+sha, c.doc)
	}
	status := Status{SHA: sha, State: in.State, Context: orText(in.Context, "default"), Description: value(in.Description), TargetURL: value(in.TargetURL)}
	switch {
	case !slices.Contains([]string{"error", "failure", "pending", "success"}, in.State):
		return c.invalid("Status", "state", "custom", "state is not included in the list")
	case utf8.RuneCountInString(status.Description) > maxStatusDescription:
		return c.invalid("Status", "description", "custom", fmt.Sprintf("description is too long (maximum is %d characters)", maxStatusDescription))
	case status.TargetURL != "" && !strings.HasPrefix(status.TargetURL, "http://") && !strings.HasPrefix(status.TargetURL, "https://"):
		return c.invalid("Status", "target_url", "custom", "target_url must use http(s) scheme")
	}
	same := selected(c.state.Statuses, func(s Status) bool { return s.SHA == sha && s.Context == status.Context })
	if len(same) >= maxStatuses {
		return c.invalid("Status", "base", "custom", "This SHA and context has reached the maximum number of statuses.")
	}
	err := c.write(func(state *storedRepository) {
		status.Item = c.server.item(c.account.Login)
		state.Statuses = append(state.Statuses, status)
	})
	if err != nil {
		return c.broken(err)
	}
	return made(c.statusJSON(status))
}

func listStatuses(c *call) reply {
	commit, err := c.repository.commit(c.PathValue("ref"))
	if errors.Is(err, errMissing) {
		return notFound("Not Found", c.doc)
	}
	if err != nil {
		return c.broken(err)
	}
	statuses := selected(c.state.Statuses, func(s Status) bool { return s.SHA == commit.sha })
	return listed(c, newestFirst(statuses), c.statusJSON)
}

func (c *call) statusJSON(s Status) jsonObject {
	creator := c.userJSON(s.By)
	return jsonObject{
		"id": s.ID, "node_id": nodeID("SC", s.ID), "url": c.api() + "/statuses/" + s.SHA, "avatar_url": creator["avatar_url"],
		"state": s.State, "context": s.Context, "description": orNull(s.Description), "target_url": orNull(s.TargetURL),
		"created_at": s.Created.Format(time.RFC3339), "updated_at": s.Updated.Format(time.RFC3339), "creator": creator,
	}
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func orText(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

// orNull is a text in JSON, null when it is empty.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
