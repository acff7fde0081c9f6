package fakegithub

import (
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// DeploymentStatus is one state of a deployment.
type DeploymentStatus struct {
	Item
	State          string `json:"state"`
	Description    string `json:"description"`
	LogURL         string `json:"logURL"`
	Environment    string `json:"environment"`
	EnvironmentURL string `json:"environmentURL"`
}

func createDeploymentStatus(c *call) reply {
	in, refused, taken := decode[struct {
		State          string `json:"state"`
		TargetURL      string `json:"target_url"`
		LogURL         string `json:"log_url"`
		Description    string `json:"description"`
		Environment    string `json:"environment"`
		EnvironmentURL string `json:"environment_url"`
		AutoInactive   *bool  `json:"auto_inactive"`
	}](c)
	if !taken {
		return refused
	}
	at, found := c.deployment()
	if !found {
		return notFound("Not Found", c.doc)
	}
	states := []string{"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}
	if !slices.Contains(states, in.State) {
		return c.invalid("DeploymentStatus", "state", "custom", "state is not included in the list")
	}
	if utf8.RuneCountInString(in.Description) > maxStatusDescription {
		return c.invalid("DeploymentStatus", "description", "custom", "description is too long (maximum is 140 characters)")
	}
	deployment := c.state.Deployments[at]
	status := DeploymentStatus{State: in.State, Description: in.Description, LogURL: orText(in.LogURL, in.TargetURL),
		Environment: orText(in.Environment, deployment.Environment), EnvironmentURL: in.EnvironmentURL}
	err := c.write(func(state *storedRepository) {
		status.Item = c.server.item(c.account.Login)
		changing := &state.Deployments[at]
		changing.Statuses = append(slices.Clip(changing.Statuses), status)
		changing.Environment, changing.Updated = status.Environment, status.Created
		if in.State == "success" && (in.AutoInactive == nil || *in.AutoInactive) {
			c.deactivate(state.Deployments, at)
		}
	})
	if err != nil {
		return c.broken(err)
	}
	return made(c.deploymentStatusJSON(deployment.ID, status))
}

// deactivate ends the earlier deployments to the environment of the one at an index, as auto_inactive asks for; the
// server's mutex is held.
func (c *call) deactivate(deployments []Deployment, at int) {
	for i := range deployments[:at] {
		earlier := &deployments[i]
		last := len(earlier.Statuses) - 1
		if earlier.Environment != deployments[at].Environment || earlier.Transient || earlier.Production || last < 0 || earlier.Statuses[last].State != "success" {
			continue
		}
		inactive := DeploymentStatus{Item: c.server.item(c.account.Login), State: "inactive", Environment: earlier.Environment}
		earlier.Statuses = append(slices.Clip(earlier.Statuses), inactive)
	}
}

func listDeploymentStatuses(c *call) reply {
	at, found := c.deployment()
	if !found {
		return notFound("Not Found", c.doc)
	}
	deployment := c.state.Deployments[at]
	return listed(c, newestFirst(deployment.Statuses), func(s DeploymentStatus) jsonObject { return c.deploymentStatusJSON(deployment.ID, s) })
}

func (c *call) deploymentStatusJSON(deployment int64, s DeploymentStatus) jsonObject {
	of := c.api() + "/deployments/" + strconv.FormatInt(deployment, 10)
	return jsonObject{
		"id": s.ID, "node_id": nodeID("DES", s.ID), "url": of + "/statuses/" + strconv.FormatInt(s.ID, 10), "deployment_url": of, "repository_url": c.api(),
		"state": s.State, "description": s.Description, "creator": c.userJSON(s.By), "environment": s.Environment,
		"target_url": s.LogURL, "log_url": s.LogURL, "environment_url": s.EnvironmentURL,
		"created_at": s.Created.Format(time.RFC3339), "updated_at": s.Updated.Format(time.RFC3339),
	}
}
