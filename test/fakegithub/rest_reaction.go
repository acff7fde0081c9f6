package fakegithub

import (
	"net/http"
	"slices"
	"time"
)

// Reaction is a reaction to a comment.
type Reaction struct {
	Item
	Content string `json:"content"`
}

var reactionContents = []string{"+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"}

// createReaction answers 200 when the same person has reacted so before.
func createReaction(c *call) reply {
	at, found := c.comment()
	if !found {
		return notFound("Not Found", c.doc)
	}
	in, refused, taken := decode[struct {
		Content string `json:"content"`
	}](c)
	if !taken {
		return refused
	}
	if !slices.Contains(reactionContents, in.Content) {
		return c.invalid("Reaction", "content", "invalid", "")
	}
	status, reaction := http.StatusOK, Reaction{Content: in.Content}
	err := c.write(func(state *storedRepository) {
		comment := &state.Comments[at]
		same := slices.IndexFunc(comment.Reactions, func(r Reaction) bool { return r.By == c.account.Login && r.Content == in.Content })
		if same >= 0 {
			reaction = comment.Reactions[same]
			return
		}
		status, reaction.Item = http.StatusCreated, c.server.item(c.account.Login)
		comment.Reactions = append(slices.Clip(comment.Reactions), reaction)
	})
	if err != nil {
		return c.broken(err)
	}
	return reply{status: status, body: c.reactionJSON(reaction)}
}

func listReactions(c *call) reply {
	at, found := c.comment()
	if !found {
		return notFound("Not Found", c.doc)
	}
	content := c.URL.Query().Get("content")
	reactions := selected(c.state.Comments[at].Reactions, func(r Reaction) bool { return content == "" || content == r.Content })
	return listed(c, reactions, c.reactionJSON)
}

func (c *call) reactionJSON(r Reaction) jsonObject {
	return jsonObject{"id": r.ID, "node_id": nodeID("REA", r.ID), "user": c.userJSON(r.By), "content": r.Content,
		"created_at": r.Created.Format(time.RFC3339)}
}

// reactionCounts is the summary in a comment.
func reactionCounts(comment string, reactions []Reaction) jsonObject {
	counts := jsonObject{"url": comment + "/reactions", "total_count": len(reactions)}
	for _, content := range reactionContents {
		counts[content] = len(selected(reactions, func(r Reaction) bool { return r.Content == content }))
	}
	return counts
}
