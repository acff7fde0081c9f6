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
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.tokens[token]
	return &known, ok
}

// may tells whether the account (nil: anonymous) has the permission for a repository.
func (a *Account) may(permission Permission, name string, private bool) bool {
	if permission == Read && !private {
		return true
	}
	if a == nil {
		return false
	}
	for pattern, granted := range a.Repositories {
		if (pattern == "*" || strings.EqualFold(pattern, name)) && (granted == Write || granted == permission) {
			return true
		}
	}
	return false
}
