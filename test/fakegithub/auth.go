package fakegithub

import (
	"net/http"
	"strings"
)

// credentials returns the token that a request presents, in any of the ways that GitHub accepts:
// "Bearer T", "token T", or basic authentication with the token as password, or as user without one.
func credentials(r *http.Request) (token string, presented bool) {
	if user, password, ok := r.BasicAuth(); ok {
		if password == "" || password == "x-oauth-basic" {
			return user, true
		}
		return password, true
	}
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if ok && (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "token")) {
		return strings.TrimSpace(token), true
	}
	return "", r.Header.Get("Authorization") != ""
}

// authenticate returns the account of the request's token; nil is the anonymous one. ok is false for a
// token that isn't accepted.
func (s *Server) authenticate(r *http.Request) (account *Account, ok bool) {
	token, presented := credentials(r)
	if !presented {
		return nil, true
	}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.tokens[token]
	if known.installation != nil && !now.Before(known.installation.expires) {
		return nil, false
	}
	return &known, ok
}

// may tells whether the account (nil: anonymous) has the permission for a repository.
func (a *Account) may(permission Permission, repository storedRepository) bool {
	if permission == Read && !repository.Private {
		return true
	}
	if a == nil {
		return false
	}
	if a.installation != nil {
		return a.installation.repositories[repository.ID] && (permission == Read || a.installation.permissions["contents"] == string(Write))
	}
	for pattern, granted := range a.Repositories {
		if (pattern == "*" || strings.EqualFold(pattern, repository.Name)) && (granted == Write || granted == permission) {
			return true
		}
	}
	return false
}

// refusal says why a caller who sees the repository may not use an endpoint that needs an App's permission ("" for
// none) to read or to write; empty: they may.
func (a *Account) refusal(permission string, level Permission, repository storedRepository) string {
	switch {
	case a == nil && level == Write:
		return "Requires authentication"
	case a == nil:
		return ""
	case a.installation != nil:
		if !a.installation.grants(permission, level, repository) {
			return "Resource not accessible by integration"
		}
	case permission == "checks" && level == Write:
		return "You must authenticate via a GitHub App."
	case level == Write && !a.may(Write, repository):
		return "Resource not accessible by personal access token"
	}
	return ""
}
