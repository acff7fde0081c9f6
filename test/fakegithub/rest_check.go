package fakegithub

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// maxAnnotations is GitHub's limit for one request; later ones add to them.
const maxAnnotations = 50

// CheckRun is a check run.
type CheckRun struct {
	Item
	// AppID is the App that made it; only that may change it.
	AppID int64 `json:"appID"`
	// SuiteID is its check suite, which has all that the App made for the commit.
	SuiteID     int64        `json:"suiteID"`
	SHA         string       `json:"sha"`
	Name        string       `json:"name"`
	Status      string       `json:"status"`
	Conclusion  string       `json:"conclusion"`
	DetailsURL  string       `json:"detailsURL"`
	ExternalID  string       `json:"externalID"`
	StartedAt   *time.Time   `json:"startedAt"`
	CompletedAt *time.Time   `json:"completedAt"`
	Title       string       `json:"title"`
	Summary     string       `json:"summary"`
	Text        string       `json:"text"`
	Annotations []jsonObject `json:"annotations"`
	Actions     []jsonObject `json:"actions"`
}

// checkRunInput is the body of both requests; what is absent stays what it was.
type checkRunInput struct {
	Name        *string    `json:"name"`
	SHA         string     `json:"head_sha"`
	Status      *string    `json:"status"`
	Conclusion  *string    `json:"conclusion"`
	DetailsURL  *string    `json:"details_url"`
	ExternalID  *string    `json:"external_id"`
	StartedAt   *time.Time `json:"started_at"`
	CompletedAt *time.Time `json:"completed_at"`
	Output      *struct {
		Title       *string      `json:"title"`
		Summary     *string      `json:"summary"`
		Text        *string      `json:"text"`
		Annotations []jsonObject `json:"annotations"`
	} `json:"output"`
	Actions []jsonObject `json:"actions"`
}

func createCheckRun(c *call) reply {
	in, refused, taken := decode[checkRunInput](c)
	if !taken {
		return refused
	}
	if o, err := c.repository.commit(in.SHA); err != nil || o.sha != in.SHA {
		return failed(http.StatusUnprocessableEntity, "No commit found for SHA: "+in.SHA, c.doc)
	}
	if in.Name == nil {
		return c.invalid("CheckRun", "name", "missing_field", "")
	}
	run := CheckRun{AppID: c.account.installation.app.ID, SHA: in.SHA, Status: "queued"}
	if problem, refused := c.refuseCheckRun(in); refused {
		return problem
	}
	err := c.write(func(state *storedRepository) {
		run.SuiteID = c.server.suiteOf(state, run.AppID, run.SHA)
		run.Item = c.server.item(c.account.Login)
		in.applyTo(&run)
		state.CheckRuns = append(state.CheckRuns, run)
	})
	if err != nil {
		return c.broken(err)
	}
	return made(c.checkRunJSON(run))
}

func updateCheckRun(c *call) reply {
	in, refused, taken := decode[checkRunInput](c)
	if !taken {
		return refused
	}
	at, found := c.checkRun()
	if !found {
		return notFound("Not Found", c.doc)
	}
	if c.state.CheckRuns[at].AppID != c.account.installation.app.ID {
		return failed(http.StatusForbidden, "Invalid app_id `"+strconv.FormatInt(c.account.installation.app.ID, 10)+"` - check run can only be modified by the GitHub App that created it.", c.doc)
	}
	if problem, refused := c.refuseCheckRun(in); refused {
		return problem
	}
	var run CheckRun
	err := c.write(func(state *storedRepository) {
		changing := &state.CheckRuns[at]
		changing.Updated = c.server.now().UTC()
		in.applyTo(changing)
		run = *changing
		c.server.suiteOf(state, run.AppID, run.SHA)
	})
	if err != nil {
		return c.broken(err)
	}
	return ok(c.checkRunJSON(run))
}

func (c *call) refuseCheckRun(in checkRunInput) (reply, bool) {
	switch {
	case value(in.Status) == "completed" && in.Conclusion == nil:
		return c.invalid("CheckRun", "conclusion", "missing_field", ""), true
	case in.Output != nil && in.Output.Summary == nil:
		return c.invalid("CheckRun", "output.summary", "missing_field", ""), true
	case in.Output != nil && len(in.Output.Annotations) > maxAnnotations:
		return c.invalid("CheckRun", "output.annotations", "custom", "too many annotations"), true
	case len(in.Actions) > 3:
		return c.invalid("CheckRun", "actions", "custom", "too many actions"), true
	}
	return reply{}, false
}

func (in checkRunInput) applyTo(run *CheckRun) {
	set := func(field *string, to *string) {
		if to != nil {
			*field = *to
		}
	}
	set(&run.Name, in.Name)
	set(&run.Status, in.Status)
	set(&run.DetailsURL, in.DetailsURL)
	set(&run.ExternalID, in.ExternalID)
	if in.StartedAt != nil {
		run.StartedAt = in.StartedAt
	}
	if in.CompletedAt != nil {
		run.CompletedAt = in.CompletedAt
	}
	if in.Conclusion != nil {
		run.Conclusion, run.Status = *in.Conclusion, "completed"
		if run.CompletedAt == nil {
			run.CompletedAt = &run.Updated
		}
	} else if run.Status != "completed" {
		run.Conclusion, run.CompletedAt = "", nil
	}
	if in.Output != nil {
		set(&run.Title, in.Output.Title)
		set(&run.Summary, in.Output.Summary)
		set(&run.Text, in.Output.Text)
		run.Annotations = slices.Concat(run.Annotations, in.Output.Annotations)
	}
	if in.Actions != nil {
		run.Actions = in.Actions
	}
}

func getCheckRun(c *call) reply {
	at, found := c.checkRun()
	if !found {
		return notFound("Not Found", c.doc)
	}
	return ok(c.checkRunJSON(c.state.CheckRuns[at]))
}

func (c *call) checkRun() (at int, found bool) {
	id, err := strconv.ParseInt(c.PathValue("id"), 10, 64)
	at = indexOf(c.state.CheckRuns, id)
	return at, err == nil && at >= 0
}

// listCheckRuns answers with the newest of each name, unless all are asked for.
func listCheckRuns(c *call) reply {
	commit, err := c.repository.commit(c.PathValue("ref"))
	if errors.Is(err, errMissing) {
		return failed(http.StatusUnprocessableEntity, "No commit found for SHA: "+c.PathValue("ref"), c.doc)
	}
	if err != nil {
		return c.broken(err)
	}
	return c.checkRunsThat(func(run CheckRun) bool {
		app := c.URL.Query().Get("app_id")
		return run.SHA == commit.sha && (app == "" || app == strconv.FormatInt(run.AppID, 10))
	})
}

// checkRunsThat lists those that are wanted, as far as the query asks for them.
func (c *call) checkRunsThat(wanted func(CheckRun) bool) reply {
	query, seen := c.URL.Query(), map[string]bool{}
	runs := selected(newestFirst(c.state.CheckRuns), func(run CheckRun) bool {
		if !wanted(run) || (query.Get("check_name") != "" && query.Get("check_name") != run.Name) {
			return false
		}
		key := strconv.FormatInt(run.AppID, 10) + "/" + run.Name
		if query.Get("filter") != "all" && seen[key] {
			return false
		}
		seen[key] = true
		return query.Get("status") == "" || query.Get("status") == run.Status
	})
	page, header := paged(c, runs)
	list := []jsonObject{}
	for _, run := range page {
		list = append(list, c.checkRunJSON(run))
	}
	return reply{status: http.StatusOK, header: header, body: jsonObject{"total_count": len(runs), "check_runs": list}}
}

func (c *call) checkRunJSON(run CheckRun) jsonObject {
	self := c.api() + "/check-runs/" + strconv.FormatInt(run.ID, 10)
	return jsonObject{
		"id": run.ID, "node_id": nodeID("CR", run.ID), "head_sha": run.SHA, "name": run.Name, "external_id": run.ExternalID,
		"url": self, "html_url": c.page() + "/runs/" + strconv.FormatInt(run.ID, 10), "details_url": orNull(run.DetailsURL),
		"status": run.Status, "conclusion": orNull(run.Conclusion), "started_at": orNullTime(run.StartedAt), "completed_at": orNullTime(run.CompletedAt),
		"output": jsonObject{"title": orNull(run.Title), "summary": orNull(run.Summary), "text": orNull(run.Text),
			"annotations_count": len(run.Annotations), "annotations_url": self + "/annotations"},
		"check_suite": jsonObject{"id": run.SuiteID}, "app": c.knownApp(run.AppID), "pull_requests": []any{},
	}
}

// orNullTime is a time in JSON, null when there is none.
func orNullTime(at *time.Time) any {
	if at == nil {
		return nil
	}
	return at.UTC().Format(time.RFC3339)
}
