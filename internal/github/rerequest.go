package github

import (
	"context"
	"strconv"

	gogithub "github.com/google/go-github/v57/github"
)

const (
	// SuiteQueued is the status of a check suite that is to be run again, until its App makes or changes a check run in it.
	SuiteQueued = "queued"
	// maxSuitePages bounds how many check runs of a suite are read, a hundred each.
	maxSuitePages = 5
	// maxExternalID bounds what is kept of what an App wrote about its check run, in bytes.
	maxExternalID = 256
)

// ButtonRun is a check run, as far as its button Re-run goes.
type ButtonRun struct {
	ID int64
	// SuiteID is its check suite; 0: GitHub does not tell.
	SuiteID int64
	// AppID is the GitHub App that made it; 0: it is gone.
	AppID int64
	// Name and ExternalID are what the App called it.
	Name, ExternalID string
}

// AppID is the GitHub App that the client is of; 0 with a token, or nothing.
func (c *Client) AppID() int64 {
	if c.app == nil {
		return 0
	}
	return c.app.ID
}

// ButtonRun reads a check run by its number.
func (c *Client) ButtonRun(ctx context.Context, repository string, id int64) (ButtonRun, error) {
	what := "check run " + strconv.FormatInt(id, 10)
	var answer gogithub.CheckRun
	if err := c.get(ctx, repository, what, "/check-runs/"+strconv.FormatInt(id, 10), &answer); err != nil {
		return ButtonRun{}, needsChecks(err)
	}
	if answer.GetID() != id {
		return ButtonRun{}, c.incomplete(repository, what)
	}
	return buttonRun(&answer), nil
}

// SuiteStatus reads the status of a check suite by its number: SuiteQueued, "in_progress", "completed", or another of GitHub's words.
func (c *Client) SuiteStatus(ctx context.Context, repository string, id int64) (string, error) {
	what := "check suite " + strconv.FormatInt(id, 10)
	var answer gogithub.CheckSuite
	if err := c.get(ctx, repository, what, "/check-suites/"+strconv.FormatInt(id, 10), &answer); err != nil {
		return "", needsChecks(err)
	}
	if answer.GetID() != id {
		return "", c.incomplete(repository, what)
	}
	return answer.GetStatus(), nil
}

// SuiteRuns reads the check runs of a suite, of each name the newest; of very many not all.
func (c *Client) SuiteRuns(ctx context.Context, repository string, suite int64) ([]ButtonRun, error) {
	number := strconv.FormatInt(suite, 10)
	var runs []ButtonRun
	for page := 1; page <= maxSuitePages; page++ {
		var answer gogithub.ListCheckRunsResults
		path := "/check-suites/" + number + "/check-runs?filter=latest&per_page=100&page=" + strconv.Itoa(page)
		if err := c.get(ctx, repository, "the check runs of suite "+number, path, &answer); err != nil {
			return nil, needsChecks(err)
		}
		for _, run := range answer.CheckRuns {
			runs = append(runs, buttonRun(run))
		}
		if len(answer.CheckRuns) == 0 || len(runs) >= answer.GetTotal() {
			break
		}
	}
	return runs, nil
}

func buttonRun(answer *gogithub.CheckRun) ButtonRun {
	externalID := answer.GetExternalID()
	return ButtonRun{
		ID: answer.GetID(), SuiteID: answer.GetCheckSuite().GetID(), AppID: answer.GetApp().GetID(),
		Name: oneLine(answer.GetName(), maxExternalID), ExternalID: externalID[:min(len(externalID), maxExternalID)],
	}
}

// needsChecks tells who is refused what the App lacks.
func needsChecks(err error) error {
	if KindOf(err) != KindForbidden {
		return err
	}
	e := own(err)
	e.need = "give the GitHub App the permission 'Checks: Read and write', and accept it where the App is installed"
	return e
}
