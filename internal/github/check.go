package github

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	gogithub "github.com/google/go-github/v57/github"
)

const (
	checkRunsPerPage = 100
	// maxCheckRunPages bounds how many check runs of an App on one commit are looked through.
	maxCheckRunPages = 10
	checkCompleted   = "completed"
)

// CheckRun is what a commit shows of one thing that an App checks.
type CheckRun struct {
	// ID is GitHub's number of it; 0: not known.
	ID int64
	// Name tells what is checked, ExternalID is the App's own word for it.
	Name, ExternalID string
	// Conclusion is "success", "failure", "cancelled", or another one that GitHub knows; "": it is in progress.
	Conclusion string
	// Started and Completed; zero: not known, or not completed.
	Started, Completed time.Time
	// Title is one line of text, Summary and Text are Markdown of 65,535 characters at most each. Of what is read, only Title is known.
	Title, Summary, Text string
	// Annotations are 50 at most. Those of earlier requests stay.
	Annotations []CheckAnnotation
}

// CheckAnnotation is a remark about lines of a file.
type CheckAnnotation struct {
	// Path is from the repository's root.
	Path string
	// StartLine and EndLine are counted from 1; so are the columns, 0: not known, which only one line has.
	StartLine, EndLine, StartColumn, EndColumn int
	// Level is "notice", "warning" or "failure".
	Level string
	// Title may be empty.
	Title, Message string
}

// WritesChecks tells whether the credential is an App's that may write check runs. It gets a token if there is none; the error is that
// of the token, which is not asked for again for some time.
func (c *Client) WritesChecks(ctx context.Context) (bool, error) {
	err := c.refusals.check(change{}, time.Now())
	app, isApp := c.tokens.(*installation)
	if err == nil && isApp {
		err = c.budget.check(time.Now())
	}
	if err != nil {
		return false, c.failure("", "", err)
	}
	if !isApp {
		return false, nil
	}
	current, err := app.token(ctx)
	if err != nil {
		c.credited(err)
		return false, c.failure(app.scope.Repository, "", tokenless(err))
	}
	return current.permissions["checks"] == "write", nil
}

// CheckRuns returns the App's newest check run of each of the names (without regard to letter case) that the commit of a full sha has.
func (c *Client) CheckRuns(ctx context.Context, repository, sha string, names []string) ([]CheckRun, error) {
	what := "the check runs of " + oneLine(sha, maxNameLength)
	if !validSHA(sha) || c.app == nil {
		return nil, c.malformed(repository, what, "a commit is named by its full sha of 40 hex digits in lower case, and an App asks for its own check runs")
	}
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[strings.ToLower(name)] = true
	}
	query := url.Values{"app_id": {strconv.FormatInt(c.app.ID, 10)}, "filter": {"latest"}, "per_page": {strconv.Itoa(checkRunsPerPage)}}
	var found []CheckRun
	for page := 1; page <= maxCheckRunPages && len(wanted) > 0; {
		var answer gogithub.ListCheckRunsResults
		query.Set("page", strconv.Itoa(page))
		next, err := c.list(ctx, change{
			repository: repository, what: what, area: areaChecks, path: "/commits/" + sha + "/check-runs?" + query.Encode(),
		}, &answer)
		if err != nil {
			return nil, err
		}
		for _, run := range answer.CheckRuns { // the newest first
			if key := strings.ToLower(run.GetName()); wanted[key] && run.GetID() > 0 {
				delete(wanted, key)
				found = append(found, checkRun(run))
			}
		}
		if page = next; next == 0 {
			break
		}
	}
	return found, nil
}

func checkRun(answer *gogithub.CheckRun) CheckRun {
	run := CheckRun{
		ID: answer.GetID(), Name: answer.GetName(), ExternalID: answer.GetExternalID(),
		Title: oneLine(answer.GetOutput().GetTitle(), MaxMessageLength),
	}
	if answer.GetStatus() == checkCompleted {
		run.Conclusion = answer.GetConclusion()
	}
	return run
}

// CreateCheckRun has the commit of a full sha show a new check run, and returns the number that GitHub gave to it.
func (c *Client) CreateCheckRun(ctx context.Context, repository, sha string, run CheckRun) (int64, error) {
	what := "check run " + oneLine(run.Name, maxNameLength) + " of " + oneLine(sha, maxNameLength)
	if !validSHA(sha) {
		return 0, c.malformed(repository, what, "a commit is named by its full sha of 40 hex digits in lower case")
	}
	body := gogithub.CreateCheckRunOptions{
		Name: run.Name, HeadSHA: sha, ExternalID: &run.ExternalID, Status: run.status(), Conclusion: orNil(run.Conclusion),
		StartedAt: timestamp(run.Started), CompletedAt: timestamp(run.Completed), Output: run.output(),
	}
	var answer gogithub.CheckRun
	err := c.do(ctx, change{
		method: http.MethodPost, repository: repository, what: what, area: areaChecks, path: "/check-runs", body: body,
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

// UpdateCheckRun changes what a check run of a number shows.
func (c *Client) UpdateCheckRun(ctx context.Context, repository string, run CheckRun) error {
	return c.do(ctx, change{
		method: http.MethodPatch, repository: repository, what: "check run " + oneLine(run.Name, maxNameLength), area: areaChecks,
		path: "/check-runs/" + strconv.FormatInt(run.ID, 10),
		body: gogithub.UpdateCheckRunOptions{
			Name: run.Name, ExternalID: &run.ExternalID, Status: run.status(), Conclusion: orNil(run.Conclusion),
			CompletedAt: timestamp(run.Completed), Output: run.output(),
		},
		refuses: []Kind{KindUnauthorized, KindForbidden},
	}, nil)
}

func (r CheckRun) status() *string {
	if r.Conclusion == "" {
		return new("in_progress")
	}
	return new(checkCompleted)
}

func (r CheckRun) output() *gogithub.CheckRunOutput {
	output := &gogithub.CheckRunOutput{Title: &r.Title, Summary: &r.Summary, Text: orNil(r.Text)}
	for _, remark := range r.Annotations {
		one := &gogithub.CheckRunAnnotation{
			Path: &remark.Path, StartLine: &remark.StartLine, EndLine: &remark.EndLine, AnnotationLevel: &remark.Level,
			Title: orNil(remark.Title), Message: &remark.Message,
		}
		if remark.StartColumn > 0 && remark.StartLine == remark.EndLine {
			one.StartColumn, one.EndColumn = &remark.StartColumn, new(max(remark.StartColumn, remark.EndColumn))
		}
		output.Annotations = append(output.Annotations, one)
	}
	return output
}

func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func timestamp(at time.Time) *gogithub.Timestamp {
	if at.IsZero() {
		return nil
	}
	return &gogithub.Timestamp{Time: at.UTC()}
}
