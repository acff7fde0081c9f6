package fakegithub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Deployment is a deployment with its statuses, oldest first.
type Deployment struct {
	Item
	SHA         string             `json:"sha"`
	Ref         string             `json:"ref"`
	Task        string             `json:"task"`
	Environment string             `json:"environment"`
	Description string             `json:"description"`
	Payload     json.RawMessage    `json:"payload,omitempty"`
	Transient   bool               `json:"transient"`
	Production  bool               `json:"production"`
	Statuses    []DeploymentStatus `json:"statuses"`
}

func createDeployment(c *call) reply {
	in, refused, taken := decode[struct {
		Ref              string          `json:"ref"`
		Task             string          `json:"task"`
		RequiredContexts *[]string       `json:"required_contexts"`
		Payload          json.RawMessage `json:"payload"`
		Environment      string          `json:"environment"`
		Description      *string         `json:"description"`
		Transient        bool            `json:"transient_environment"`
		Production       *bool           `json:"production_environment"`
	}](c)
	if !taken {
		return refused
	}
	commit, err := c.repository.commit(in.Ref)
	if err != nil {
		return failed(http.StatusUnprocessableEntity, "No ref found for: "+in.Ref, c.doc)
	}
	if context, failing := c.failingContext(commit.sha, in.RequiredContexts); failing {
		return failed(http.StatusConflict, fmt.Sprintf("Conflict: Commit status checks failed for %s: %s", in.Ref, context), c.doc)
	}
	deployment := Deployment{SHA: commit.sha, Ref: in.Ref, Task: orText(in.Task, "deploy"), Environment: orText(in.Environment, "production"),
		Description: value(in.Description), Payload: in.Payload, Transient: in.Transient}
	deployment.Production = deployment.Environment == "production"
	if in.Production != nil {
		deployment.Production = *in.Production
	}
	err = c.write(func(state *storedRepository) {
		deployment.Item = c.server.item(c.account.Login)
		state.Deployments = append(state.Deployments, deployment)
	})
	if err != nil {
		return c.broken(err)
	}
	return made(c.deploymentJSON(deployment))
}

// failingContext is a status that forbids a deployment: of all contexts when none are named, as on GitHub.
func (c *call) failingContext(sha string, required *[]string) (context string, failing bool) {
	latest := map[string]string{}
	for _, status := range c.state.Statuses {
		if status.SHA == sha {
			latest[status.Context] = status.State
		}
	}
	if required != nil {
		for _, context := range *required {
			if latest[context] != "success" {
				return context, true
			}
		}
		return "", false
	}
	for context, state := range latest {
		if state != "success" {
			return context, true
		}
	}
	return "", false
}

func getDeployment(c *call) reply {
	at, found := c.deployment()
	if !found {
		return notFound("Not Found", c.doc)
	}
	return ok(c.deploymentJSON(c.state.Deployments[at]))
}

func listDeployments(c *call) reply {
	query := c.URL.Query()
	wanted := func(field, value string) bool {
		return !query.Has(field) || query.Get(field) == value || query.Get(field) == "none"
	}
	deployments := selected(c.state.Deployments, func(d Deployment) bool {
		return wanted("sha", d.SHA) && wanted("ref", d.Ref) && wanted("task", d.Task) && wanted("environment", d.Environment)
	})
	return listed(c, newestFirst(deployments), c.deploymentJSON)
}

func (c *call) deployment() (at int, found bool) {
	id, err := strconv.ParseInt(c.PathValue("id"), 10, 64)
	at = indexOf(c.state.Deployments, id)
	return at, err == nil && at >= 0
}

func (c *call) deploymentJSON(d Deployment) jsonObject {
	self := c.api() + "/deployments/" + strconv.FormatInt(d.ID, 10)
	payload := any(jsonObject{})
	if !slices.Contains([]string{"", "null", `""`}, string(d.Payload)) {
		payload = d.Payload
	}
	return jsonObject{
		"id": d.ID, "node_id": nodeID("DE", d.ID), "url": self, "statuses_url": self + "/statuses", "repository_url": c.api(),
		"sha": d.SHA, "ref": d.Ref, "task": d.Task, "payload": payload, "original_environment": d.Environment, "environment": d.Environment,
		"description": orNull(d.Description), "creator": c.userJSON(d.By), "transient_environment": d.Transient, "production_environment": d.Production,
		"created_at": d.Created.Format(time.RFC3339), "updated_at": d.Updated.Format(time.RFC3339),
	}
}
