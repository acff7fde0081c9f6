package fakegithub

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// CheckSuite has all check runs that an App made for a commit.
type CheckSuite struct {
	Item
	AppID int64  `json:"appID"`
	SHA   string `json:"sha"`
	// Rerequested: it is to be run again, and the App has neither made nor changed a check run in it since.
	Rerequested bool `json:"rerequested"`
}

// suiteOf is the suite of an App and a commit, made when there is none, of which a check run is being made or changed. The server's
// mutex is held.
func (s *Server) suiteOf(state *storedRepository, app int64, sha string) int64 {
	at := slices.IndexFunc(state.CheckSuites, func(suite CheckSuite) bool { return suite.AppID == app && suite.SHA == sha })
	if at < 0 {
		state.CheckSuites = append(state.CheckSuites, CheckSuite{Item: s.item("github"), AppID: app, SHA: sha})
		at = len(state.CheckSuites) - 1
	}
	suite := &state.CheckSuites[at]
	suite.Rerequested, suite.Updated = false, s.now().UTC()
	return suite.ID
}

// rerequestCheckRun asks for a check run to be made again, which is its suite's matter: the check run stays what it is.
func rerequestCheckRun(c *call) reply {
	at, found := c.checkRun()
	if !found {
		return notFound("Not Found", c.doc)
	}
	run := c.state.CheckRuns[at]
	if run.AppID != c.account.installation.app.ID {
		return failed(http.StatusForbidden, "This check run is not rerequestable", c.doc)
	}
	return c.rerequest(run.SuiteID)
}

func rerequestCheckSuite(c *call) reply {
	suite, found := c.checkSuite()
	if !found {
		return notFound("Not Found", c.doc)
	}
	if suite.AppID != c.account.installation.app.ID {
		return failed(http.StatusForbidden, "This check suite is not rerequestable", c.doc)
	}
	return c.rerequest(suite.ID)
}

func (c *call) rerequest(suite int64) reply {
	if err := c.repository.rerequest(suite); err != nil {
		return c.broken(err)
	}
	return made(jsonObject{})
}

func (r *Repository) rerequest(suite int64) error {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	at := indexOf(r.state.CheckSuites, suite)
	if at < 0 {
		return fmt.Errorf("check suite %d: not found", suite)
	}
	pressed := &r.state.CheckSuites[at]
	pressed.Rerequested, pressed.Updated = true, r.server.now().UTC()
	return r.server.save()
}

// PressRerun presses the button Re-run of a check run as a person does, who needs write permission. The webhook's delivery is the
// caller's to send.
func (r *Repository) PressRerun(login string, checkRun int64) error {
	state := r.snapshot()
	at := indexOf(state.CheckRuns, checkRun)
	if at < 0 {
		return fmt.Errorf("check run %d: not found", checkRun)
	}
	return r.press(state, login, state.CheckRuns[at].SuiteID)
}

// PressRerunAll presses the button Re-run all checks of a check suite as a person does, who needs write permission.
func (r *Repository) PressRerunAll(login string, checkSuite int64) error {
	return r.press(r.snapshot(), login, checkSuite)
}

func (r *Repository) press(state storedRepository, login string, suite int64) error {
	if slices.Index(roles, roleOf(state, login)) < slices.Index(roles, RoleWrite) {
		return fmt.Errorf("%s sees no such button: it takes write permission", login)
	}
	return r.rerequest(suite)
}

func getCheckSuite(c *call) reply {
	suite, found := c.checkSuite()
	if !found {
		return notFound("Not Found", c.doc)
	}
	o, err := c.repository.commit(suite.SHA)
	if err != nil {
		return c.broken(err)
	}
	commit := parseCommit(o)
	status, conclusion := suite.state(c.state.CheckRuns)
	person := func(s signature) jsonObject { return jsonObject{"name": s.name, "email": s.email} }
	self := c.api() + "/check-suites/" + strconv.FormatInt(suite.ID, 10)
	return ok(jsonObject{
		"id": suite.ID, "node_id": nodeID("CS", suite.ID), "head_branch": nil, "head_sha": suite.SHA, "status": status, "conclusion": orNull(conclusion),
		"url": self, "before": nil, "after": suite.SHA, "pull_requests": []any{}, "app": c.knownApp(suite.AppID), "repository": c.repositoryJSON(c.state),
		"created_at": suite.Created.Format(time.RFC3339), "updated_at": suite.Updated.Format(time.RFC3339),
		"head_commit": jsonObject{"id": commit.sha, "tree_id": commit.tree, "message": commit.message, "timestamp": commit.committer.time.Format(time.RFC3339),
			"author": person(commit.author), "committer": person(commit.committer)},
		"latest_check_runs_count": len(selected(c.state.CheckRuns, suite.has)), "check_runs_url": self + "/check-runs", "rerequestable": true, "runs_rerequestable": true,
	})
}

func listSuite(c *call) reply {
	suite, found := c.checkSuite()
	if !found {
		return notFound("Not Found", c.doc)
	}
	return c.checkRunsThat(suite.has)
}

func (c *call) checkSuite() (CheckSuite, bool) {
	id, err := strconv.ParseInt(c.PathValue("id"), 10, 64)
	at := indexOf(c.state.CheckSuites, id)
	if err != nil || at < 0 {
		return CheckSuite{}, false
	}
	return c.state.CheckSuites[at], true
}

func (s CheckSuite) has(run CheckRun) bool { return run.SuiteID == s.ID }

// state is what GitHub makes of the check runs in a suite.
func (s CheckSuite) state(all []CheckRun) (status, conclusion string) {
	runs := selected(all, s.has)
	is := func(status string) func(CheckRun) bool {
		return func(run CheckRun) bool { return run.Status == status }
	}
	switch {
	case s.Rerequested, slices.ContainsFunc(runs, is("queued")) && !slices.ContainsFunc(runs, is("in_progress")):
		return "queued", ""
	case slices.ContainsFunc(runs, is("in_progress")):
		return "in_progress", ""
	}
	for _, run := range runs {
		if run.Conclusion != "success" && run.Conclusion != "neutral" && run.Conclusion != "skipped" {
			return "completed", "failure"
		}
	}
	return "completed", "success"
}

// knownApp describes an App; null when it is gone.
func (c *call) knownApp(id int64) any {
	c.server.mu.Lock()
	app, known := c.server.apps[id]
	c.server.mu.Unlock()
	if !known {
		return nil
	}
	return c.appJSON(app)
}
