package fakegithub

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Role is what a person may do with a repository, in ascending order.
type Role string

// The roles of GitHub. Maintain counts as write where only a permission is told, triage as read.
const (
	RoleNone     Role = "none"
	RoleRead     Role = "read"
	RoleTriage   Role = "triage"
	RoleWrite    Role = "write"
	RoleMaintain Role = "maintain"
	RoleAdmin    Role = "admin"
)

var roles = []Role{RoleNone, RoleRead, RoleTriage, RoleWrite, RoleMaintain, RoleAdmin}

// permission is the coarser word.
func (r Role) permission() Role {
	switch r {
	case RoleMaintain:
		return RoleWrite
	case RoleTriage:
		return RoleRead
	default:
		return r
	}
}

// AddUser makes a person known. Those who own a repository, have a token or a role, or wrote something, are known already.
func (s *Server) AddUser(login string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[strings.ToLower(login)] = login
	return s.save()
}

// SetRole says what a person may do with the repository.
func (r *Repository) SetRole(login string, role Role) error {
	if !slices.Contains(roles, role) {
		return fmt.Errorf("role %q: expected one of %v", role, roles)
	}
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	changed := maps.Clone(r.state.Roles)
	if changed == nil {
		changed = map[string]Role{}
	}
	changed[strings.ToLower(login)] = role
	r.state.Roles = changed
	r.server.users[strings.ToLower(login)] = login
	return r.server.save()
}

// roleOf is the role of a login: the owner's is admin, and everybody may read what is public.
func roleOf(state storedRepository, login string) Role {
	owner, _, _ := strings.Cut(state.Name, "/")
	if strings.EqualFold(owner, login) {
		return RoleAdmin
	}
	role, ok := state.Roles[strings.ToLower(login)]
	if !ok || role == RoleNone {
		role = RoleNone
		if !state.Private {
			role = RoleRead
		}
	}
	return role
}

// association is what GitHub calls an author's relation to a repository.
func association(state storedRepository, login string) string {
	owner, _, _ := strings.Cut(state.Name, "/")
	switch {
	case strings.EqualFold(owner, login):
		return "OWNER"
	case state.Roles[strings.ToLower(login)] != "" && state.Roles[strings.ToLower(login)] != RoleNone:
		return "COLLABORATOR"
	}
	return "NONE"
}

// getPermission tells it to those who may write. An App reads it with what it may read of any repository.
func getPermission(c *call) reply {
	switch {
	case c.account == nil:
		return failed(http.StatusUnauthorized, "Requires authentication", c.doc)
	case c.account.installation == nil && !c.account.may(Write, c.state):
		return failed(http.StatusForbidden, "Must have push access to view collaborator permission.", c.doc)
	}
	login, known := c.server.user(c.PathValue("login"))
	if !known {
		return notFound("Not Found", c.doc)
	}
	role := roleOf(c.state, login)
	at := slices.Index(roles, role)
	user := c.userJSON(login)
	user["role_name"] = role
	user["permissions"] = jsonObject{"pull": at >= 1, "triage": at >= 2, "push": at >= 3, "maintain": at >= 4, "admin": at >= 5}
	return ok(jsonObject{"permission": role.permission(), "role_name": role, "user": user})
}

// user returns a login as it is written.
func (s *Server) user(login string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.users[strings.ToLower(login)]; ok {
		return known, true
	}
	for _, account := range s.tokens {
		if strings.EqualFold(account.Login, login) {
			return account.Login, true
		}
	}
	for _, repository := range s.byID {
		logins := []string{strings.SplitN(repository.state.Name, "/", 2)[0]}
		for _, p := range repository.state.Pulls {
			logins = append(logins, p.Author)
		}
		for _, comment := range repository.state.Comments {
			logins = append(logins, comment.By)
		}
		for _, known := range logins {
			if strings.EqualFold(known, login) {
				return known, true
			}
		}
	}
	return "", false
}
