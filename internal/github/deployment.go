package github

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	gogithub "github.com/google/go-github/v57/github"
)

// Deployment is a deployment of a commit into an environment.
type Deployment struct {
	// SHA is 40 hex digits.
	SHA string
	// Task tells deployments of the same commit into the same environment apart.
	Task, Environment string
	Description       string
	// Payload says whose it is.
	Payload DeploymentPayload
}

// DeploymentPayload is what a deployment carries beside what GitHub understands.
type DeploymentPayload struct {
	// Run and RunUID are the name and UID of the run that deploys.
	Run    string `json:"run"`
	RunUID string `json:"runUID"`
}

// DeploymentStatus is how far a deployment is.
type DeploymentStatus struct {
	// State is "in_progress", "success", "failure" or "error", or another one that somebody else set.
	State string
	// Description is one line of 140 characters at most.
	Description string
}

// FindDeployment returns the number that GitHub gave to a deployment, by its commit, task, environment and run, and its newest
// status. Number 0: there is none. A status without state: it has none yet.
func (c *Client) FindDeployment(ctx context.Context, repository string, wanted Deployment) (int64, DeploymentStatus, error) {
	what := "the deployments of " + oneLine(wanted.SHA, maxNameLength)
	if !validSHA(wanted.SHA) {
		return 0, DeploymentStatus{}, c.malformed(repository, what, "a commit is named by its full sha of 40 hex digits in lower case")
	}
	query := url.Values{"sha": {wanted.SHA}, "task": {wanted.Task}, "environment": {wanted.Environment}, "per_page": {"100"}}
	var answer []*gogithub.Deployment
	if _, err := c.list(ctx, change{repository: repository, what: what, area: areaDeployments, path: "/deployments?" + query.Encode()}, &answer); err != nil {
		return 0, DeploymentStatus{}, err
	}
	for _, deployment := range answer { // the newest first
		if payloadOf(deployment.Payload).RunUID != wanted.Payload.RunUID || deployment.GetID() < 1 {
			continue
		}
		id := deployment.GetID()
		var statuses []*gogithub.DeploymentStatus
		path := "/deployments/" + strconv.FormatInt(id, 10) + "/statuses?per_page=1"
		if _, err := c.list(ctx, change{repository: repository, what: what, area: areaDeployments, path: path}, &statuses); err != nil {
			return 0, DeploymentStatus{}, err
		}
		if len(statuses) == 0 {
			return id, DeploymentStatus{}, nil
		}
		return id, DeploymentStatus{State: statuses[0].GetState(), Description: oneLine(statuses[0].GetDescription(), MaxMessageLength)}, nil
	}
	return 0, DeploymentStatus{}, nil
}

// payloadOf reads a payload of ours, which GitHub may return as a text; another's is empty.
func payloadOf(raw json.RawMessage) (payload DeploymentPayload) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	if json.Unmarshal(raw, &payload) != nil {
		return DeploymentPayload{}
	}
	return payload
}

// CreateDeployment tells that a commit is being deployed, whatever its statuses say, and returns the number that GitHub gives to
// it. Nothing is merged.
func (c *Client) CreateDeployment(ctx context.Context, repository string, deployment Deployment) (int64, error) {
	what := "the deployment of " + oneLine(deployment.SHA, maxNameLength)
	if !validSHA(deployment.SHA) {
		return 0, c.malformed(repository, what, "a commit is named by its full sha of 40 hex digits in lower case")
	}
	var answer gogithub.Deployment
	err := c.do(ctx, change{
		method: http.MethodPost, repository: repository, what: what, area: areaDeployments, path: "/deployments",
		body: gogithub.DeploymentRequest{
			Ref: &deployment.SHA, Task: &deployment.Task, Environment: &deployment.Environment, Description: &deployment.Description,
			Payload: deployment.Payload, AutoMerge: new(false), RequiredContexts: &[]string{},
		},
		refuses: []Kind{KindUnauthorized, KindForbidden, KindNotFound},
	}, &answer)
	if err != nil {
		return 0, err
	}
	if answer.GetID() < 1 {
		return 0, c.incomplete(repository, what)
	}
	return answer.GetID(), nil
}

// CreateDeploymentStatus tells how far a deployment is, by its number. Earlier ones into the environment stay as they are: they
// may be another tenant's.
func (c *Client) CreateDeploymentStatus(ctx context.Context, repository string, id int64, status DeploymentStatus) error {
	return c.do(ctx, change{
		method: http.MethodPost, repository: repository, what: "deployment " + strconv.FormatInt(id, 10), area: areaDeployments,
		path:    "/deployments/" + strconv.FormatInt(id, 10) + "/statuses",
		body:    gogithub.DeploymentStatusRequest{State: &status.State, Description: &status.Description, AutoInactive: new(false)},
		refuses: []Kind{KindUnauthorized, KindForbidden},
	}, nil)
}
