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
	// EnvironmentURL is where people reach what is deployed; "": not known. It is told, and not read.
	EnvironmentURL string
}

// FindDeployment returns the number that GitHub gave to a deployment, by its commit, task, environment and run; 0: there is none.
func (c *Client) FindDeployment(ctx context.Context, repository string, wanted Deployment) (int64, error) {
	what := "the deployments of " + oneLine(wanted.SHA, maxNameLength)
	if !validSHA(wanted.SHA) {
		return 0, c.malformed(repository, what, "a commit is named by its full sha of 40 hex digits in lower case")
	}
	query := url.Values{"sha": {wanted.SHA}, "task": {wanted.Task}, "environment": {wanted.Environment}, "per_page": {"100"}}
	var answer []*gogithub.Deployment
	if _, err := c.list(ctx, change{repository: repository, what: what, area: areaDeployments, path: "/deployments?" + query.Encode()}, &answer); err != nil {
		return 0, err
	}
	for _, deployment := range answer { // the newest first
		if payloadOf(deployment.Payload).RunUID == wanted.Payload.RunUID && deployment.GetID() > 0 {
			return deployment.GetID(), nil
		}
	}
	return 0, nil
}

// DeploymentStatus returns the newest status of a deployment, by its number; without state when it has none yet.
func (c *Client) DeploymentStatus(ctx context.Context, repository string, id int64) (DeploymentStatus, error) {
	number := strconv.FormatInt(id, 10)
	var answer []*gogithub.DeploymentStatus
	_, err := c.list(ctx, change{
		repository: repository, what: "deployment " + number, area: areaDeployments, path: "/deployments/" + number + "/statuses?per_page=1",
	}, &answer)
	if err != nil || len(answer) == 0 {
		return DeploymentStatus{}, err
	}
	return DeploymentStatus{State: answer[0].GetState(), Description: oneLine(answer[0].GetDescription(), MaxMessageLength)}, nil
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
// may be another tenant's. seen: GitHub has just shown the deployment, so that one which is not found may not be written.
func (c *Client) CreateDeploymentStatus(ctx context.Context, repository string, id int64, status DeploymentStatus, seen bool) error {
	refuses := []Kind{KindUnauthorized, KindForbidden}
	if seen {
		refuses = append(refuses, KindNotFound)
	}
	body := gogithub.DeploymentStatusRequest{State: &status.State, Description: &status.Description, AutoInactive: new(false)}
	if status.EnvironmentURL != "" {
		body.EnvironmentURL = &status.EnvironmentURL
	}
	return c.do(ctx, change{
		method: http.MethodPost, repository: repository, what: "deployment " + strconv.FormatInt(id, 10), area: areaDeployments,
		path:    "/deployments/" + strconv.FormatInt(id, 10) + "/statuses",
		body:    body,
		refuses: refuses,
	}, nil)
}
