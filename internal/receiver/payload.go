package receiver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"katkit.dev/katkit/internal/domain/click"
)

// The events of GitHub that something comes of.
const (
	eventPing         = "ping"
	eventPush         = "push"
	eventPullRequest  = "pull_request"
	eventIssueComment = "issue_comment"
	eventRepository   = "repository"
	eventCheckRun     = "check_run"
	eventCheckSuite   = "check_suite"
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
	CheckRun   numbered `json:"check_run"`
	CheckSuite numbered `json:"check_suite"`
}

// numbered is what GitHub knows by a number.
type numbered struct{ ID int64 }

// News is what a delivery is about.
type News struct {
	// Repositories that it is a hint about, as owner/name: the one that it names, and the name that it had before it was renamed or
	// transferred. There are none when links need not know.
	Repositories []string
	// Button that was pressed; nil: none.
	Button *click.Button
}

// hints tells whether an event of GitHub's can be about something that a link shows.
func hints(event string) bool {
	switch event {
	case eventPush, eventPullRequest, eventIssueComment, eventRepository, eventCheckRun, eventCheckSuite:
		return true
	}
	return false
}

// Read returns what a delivery of one of the events that hints knows is about. The error is of a payload that is not GitHub's, and
// repeats nothing of it.
func Read(event string, body []byte) (News, error) {
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return News{}, fmt.Errorf("the payload of a %s event is not what GitHub sends: %T", event, err)
	}
	if !strings.Contains(p.Repository.FullName, "/") {
		return News{}, errors.New("the payload names no repository")
	}
	switch event {
	case eventRepository:
		return News{Repositories: p.names()}, nil
	case eventCheckRun, eventCheckSuite:
		return p.pressed(event)
	default:
		return News{Repositories: []string{p.Repository.FullName}}, nil
	}
}

// names are those of a repository that is called otherwise now.
func (p payload) names() []string {
	owner, name, _ := strings.Cut(p.Repository.FullName, "/")
	repositories := []string{p.Repository.FullName}
	switch from := p.Changes; p.Action {
	case "renamed":
		repositories = append(repositories, owner+"/"+from.Repository.Name.From)
	case "transferred":
		repositories = append(repositories, from.Owner.From.User.Login+"/"+name, from.Owner.From.Organization.Login+"/"+name)
	default:
		return nil
	}
	return slices.DeleteFunc(repositories, func(r string) bool { return strings.HasPrefix(r, "/") || strings.HasSuffix(r, "/") })
}

// pressed is the button that somebody pressed. What else happens to checks links need not know: most of it they did themselves.
func (p payload) pressed(event string) (News, error) {
	if p.Action != "rerequested" {
		return News{}, nil
	}
	button := &click.Button{Kind: click.CheckRun, ID: p.CheckRun.ID}
	if event == eventCheckSuite {
		button = &click.Button{Kind: click.CheckSuite, ID: p.CheckSuite.ID}
	}
	if button.ID < 1 {
		return News{}, errors.New("the payload does not number what is to be run again")
	}
	return News{Repositories: []string{p.Repository.FullName}, Button: button}, nil
}

// hostOf is the GitHub that a delivery is from, as spec.host of a link names it.
func hostOf(header http.Header) string {
	if host := strings.TrimSpace(header.Get(hostHeader)); host != "" {
		return strings.ToLower(host)
	}
	return dotCom
}
