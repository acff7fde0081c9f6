package receiver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// The events of GitHub that something comes of.
const (
	eventPing         = "ping"
	eventPush         = "push"
	eventPullRequest  = "pull_request"
	eventIssueComment = "issue_comment"
	eventRepository   = "repository"
)

const (
	dotCom = "github.com"
	// hostHeader is what a GitHub Enterprise Server says its own name in.
	hostHeader = "X-GitHub-Enterprise-Host"
)

// payload is what is read of a delivery.
type payload struct {
	Action     string
	Repository struct {
		FullName string `json:"full_name"`
	}
	Changes struct {
		Repository struct {
			Name struct{ From string }
		}
		Owner struct {
			From struct{ User, Organization struct{ Login string } }
		}
	}
}

// hints tells whether an event of GitHub's can be about something that a link shows.
func hints(event string) bool {
	switch event {
	case eventPush, eventPullRequest, eventIssueComment, eventRepository:
		return true
	}
	return false
}

// Repositories returns the repositories that a delivery of one of the events push, pull_request, issue_comment and
// repository is a hint about, as owner/name: the one that it names, and the name that it had before it was renamed or
// transferred. There are none when links need not know. The error is of a payload that is not GitHub's, and repeats
// nothing of it.
func Repositories(event string, body []byte) ([]string, error) {
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, fmt.Errorf("the payload of a %s event is not what GitHub sends: %T", event, err)
	}
	owner, name, found := strings.Cut(p.Repository.FullName, "/")
	if !found {
		return nil, errors.New("the payload names no repository")
	}
	repositories := []string{p.Repository.FullName}
	if event != eventRepository {
		return repositories, nil
	}
	switch from := p.Changes; p.Action {
	case "renamed":
		repositories = append(repositories, owner+"/"+from.Repository.Name.From)
	case "transferred":
		repositories = append(repositories, from.Owner.From.User.Login+"/"+name, from.Owner.From.Organization.Login+"/"+name)
	default:
		return nil, nil
	}
	return slices.DeleteFunc(repositories, func(r string) bool { return strings.HasPrefix(r, "/") || strings.HasSuffix(r, "/") }), nil
}

// hostOf is the GitHub that a delivery is from, as spec.host of a link names it.
func hostOf(header http.Header) string {
	if host := strings.TrimSpace(header.Get(hostHeader)); host != "" {
		return strings.ToLower(host)
	}
	return dotCom
}
