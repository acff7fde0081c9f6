package fakegithub

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// accessTokenInput is the body of a request for an installation's token; all of it may be left out.
type accessTokenInput struct {
	Repositories  []string          `json:"repositories"` // names without owner
	RepositoryIDs []int64           `json:"repository_ids"`
	Permissions   map[string]string `json:"permissions"`
}

// githubMessage is an error in GitHub's words.
type githubMessage string

// Error implements [error].
func (m githubMessage) Error() string { return string(m) }

// installationOf is the installation that a path names, of the App that signed the request; else what to answer.
func (s *Server) installationOf(r *http.Request, doc string) (app App, id int64, granted Installation, refused *reply) {
	token, _ := credentials(r)
	app, err := s.authenticateApp(token)
	if err != nil {
		return App{}, 0, Installation{}, new(failed(http.StatusUnauthorized, err.Error(), docs))
	}
	id, err = strconv.ParseInt(r.PathValue("id"), 10, 64)
	granted, known := app.Installations[id]
	if err != nil || !known {
		return App{}, 0, Installation{}, new(notFound("Not Found", doc))
	}
	return app, id, granted, nil
}

// serveInstallation tells what an account granted to an App.
func (s *Server) serveInstallation(w http.ResponseWriter, r *http.Request) {
	app, id, granted, refused := s.installationOf(r, docs+"/apps/apps#get-an-installation-for-the-authenticated-app")
	if refused != nil {
		writeReply(w, *refused)
		return
	}
	c := &call{Request: r, server: s, base: s.baseURL(r)}
	created := time.Unix(0, 0).UTC().Format(time.RFC3339)
	permissions := map[string]string{"metadata": "read"}
	maps.Copy(permissions, granted.Permissions)
	body := jsonObject{"id": id, "account": c.userJSON(granted.Account), "repository_selection": "all", "app_id": app.ID, "app_slug": app.Slug,
		"target_id": id, "target_type": "Organization", "permissions": permissions, "events": []string{}, "single_file_name": nil,
		"access_tokens_url": fmt.Sprintf("%s/api/v3/app/installations/%d/access_tokens", c.base, id), "repositories_url": c.base + "/api/v3/installation/repositories",
		"html_url":   fmt.Sprintf("%s/organizations/%s/settings/installations/%d", c.base, granted.Account, id),
		"created_at": created, "updated_at": created, "suspended_by": nil, "suspended_at": nil}
	if len(granted.Repositories) > 0 {
		body["repository_selection"] = "selected"
	}
	if granted.Suspended {
		body["suspended_by"], body["suspended_at"] = c.userJSON(granted.Account), created
	}
	writeReply(w, ok(body))
}

// serveAccessTokens makes a token for an App's installation, restricted to what is asked for.
func (s *Server) serveAccessTokens(w http.ResponseWriter, r *http.Request) {
	const doc = docs + "/apps/apps#create-an-installation-access-token-for-an-app"
	app, _, granted, refused := s.installationOf(r, doc)
	if refused != nil {
		writeReply(w, *refused)
		return
	}
	if granted.Suspended {
		writeReply(w, failed(http.StatusForbidden, "This installation has been suspended", doc))
		return
	}
	var in accessTokenInput
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody)).Decode(&in); err != nil && !errors.Is(err, io.EOF) {
		writeReply(w, failed(http.StatusBadRequest, "Problems parsing JSON", doc))
		return
	}
	permissions, err := in.permissionsOf(granted)
	if err != nil {
		writeReply(w, failed(http.StatusUnprocessableEntity, err.Error(), doc))
		return
	}
	repositories, err := s.repositoriesOf(granted, in)
	if err != nil {
		writeReply(w, failed(http.StatusUnprocessableEntity, err.Error(), doc))
		return
	}
	made := &installation{app: app, repositories: map[int64]bool{}, permissions: permissions, expires: s.now().Add(appTokenLifetime)}
	for _, repository := range repositories {
		made.repositories[repository.ID] = true
	}
	secret := newAppToken()
	account := Account{Login: app.Slug + "[bot]", installation: made}
	s.AddToken(secret, account)
	body := jsonObject{"token": secret, "expires_at": made.expires.UTC().Format(time.RFC3339), "permissions": permissions, "repository_selection": "all"}
	if len(granted.Repositories) > 0 || in.restricted() {
		c := &call{Request: r, server: s, account: &account, base: s.baseURL(r)}
		list := []jsonObject{}
		for _, repository := range repositories {
			list = append(list, c.repositoryJSON(repository))
		}
		body["repository_selection"], body["repositories"] = "selected", list
	}
	writeReply(w, reply{status: http.StatusCreated, body: body})
}

func (in accessTokenInput) restricted() bool { return len(in.Repositories)+len(in.RepositoryIDs) > 0 }

// permissionsOf are those that are asked for, or all of the installation's.
func (in accessTokenInput) permissionsOf(granted Installation) (map[string]string, error) {
	permissions := maps.Clone(granted.Permissions)
	if in.Permissions != nil {
		permissions = map[string]string{}
		for name, level := range in.Permissions {
			if has := granted.Permissions[name]; name != "metadata" && has != level && (has != "write" || level != "read") {
				return nil, githubMessage("The permissions requested are not granted to this installation.")
			}
			permissions[name] = level
		}
	}
	if permissions == nil {
		permissions = map[string]string{}
	}
	permissions["metadata"] = "read"
	return permissions, nil
}

// repositoriesOf are those that are asked for, or all of the installation's.
func (s *Server) repositoriesOf(granted Installation, in accessTokenInput) ([]storedRepository, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var accessible []storedRepository
	for _, repository := range s.byID {
		owner, _, _ := strings.Cut(repository.state.Name, "/")
		named := slices.ContainsFunc(granted.Repositories, func(name string) bool { return strings.EqualFold(name, repository.state.Name) })
		if named || (len(granted.Repositories) == 0 && strings.EqualFold(owner, granted.Account)) {
			accessible = append(accessible, repository.state)
		}
	}
	slices.SortFunc(accessible, func(a, b storedRepository) int { return int(a.ID - b.ID) })
	if !in.restricted() {
		return accessible, nil
	}
	var wanted []storedRepository
	for _, repository := range accessible {
		_, name, _ := strings.Cut(repository.Name, "/")
		if slices.ContainsFunc(in.Repositories, func(asked string) bool { return strings.EqualFold(asked, name) }) || slices.Contains(in.RepositoryIDs, repository.ID) {
			wanted = append(wanted, repository)
		}
	}
	if len(wanted) < len(in.Repositories)+len(in.RepositoryIDs) {
		return nil, githubMessage("There is at least one repository that does not exist or is not accessible to the parent installation.")
	}
	return wanted, nil
}

// appJSON describes an App.
func (c *call) appJSON(app App) jsonObject {
	created := time.Unix(0, 0).UTC().Format(time.RFC3339)
	permissions := map[string]string{}
	for _, installation := range app.Installations {
		maps.Copy(permissions, installation.Permissions)
	}
	return jsonObject{"id": app.ID, "slug": app.Slug, "node_id": nodeID("A", app.ID), "owner": c.userJSON(app.Slug), "name": app.Slug, "description": nil,
		"external_url": c.base, "html_url": c.base + "/apps/" + app.Slug, "created_at": created, "updated_at": created,
		"permissions": permissions, "events": []string{}}
}
