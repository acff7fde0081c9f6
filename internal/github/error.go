package github

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Kind says what went wrong in the terms in which a caller acts on it.
type Kind string

// The kinds of [Error]. RateLimited and Unavailable pass by themselves; the others need a person.
const (
	// KindUnauthorized: the token, or the App's key, is wrong, expired or revoked (401).
	KindUnauthorized Kind = "Unauthorized"
	// KindForbidden: the token is known and may not do this (403, 451), or the App gets none.
	KindForbidden Kind = "Forbidden"
	// KindNotFound: it isn't there, or the token can't see it: for a private repository GitHub answers
	// 404 in both cases. A commit that GitHub has not (422 or 409 of the commits API) is not found, too.
	KindNotFound Kind = "NotFound"
	// KindRateLimited: the primary or a secondary rate limit is used up (403 or 429); see ResetTime.
	KindRateLimited Kind = "RateLimited"
	// KindUnprocessable: the request makes no sense to GitHub, or to this package before it was sent
	// (a malformed repository, sha or path).
	KindUnprocessable Kind = "Unprocessable"
	// KindUnavailable: the answer is a 5xx, broken, cut off, too late, or the network failed.
	KindUnavailable Kind = "Unavailable"
	// KindTooLarge: the content is over the caller's limit; see Size and Limit.
	KindTooLarge Kind = "TooLarge"
	// KindHostNotAllowed: the host, or the target of a redirect, is not on the allow-list.
	KindHostNotAllowed Kind = "HostNotAllowed"
)

// Error is the error of everything in this package that talks to GitHub. It never holds a token or a key.
type Error struct {
	Kind Kind
	// Host is the host's name on the allow-list.
	Host string
	// Repository is owner/name, empty when the error is about the host alone.
	Repository string
	// What was asked for: "branch main", "file katkitconfig.js at 0123…"; empty for the repository itself.
	What string
	// Status is the HTTP status; 0 when there was no answer.
	Status int
	// ResetTime is when a rate limit ends; zero when GitHub didn't say or for other kinds.
	ResetTime time.Time
	// Size of what was too large in bytes, 0 when unknown, and the Limit that it exceeds.
	Size, Limit int64
	// About is the GitHub App and its installation that asked; empty for a token.
	About string
	// Advice says what is wrong and what to do, where Kind alone does not tell.
	Advice string
	// Message is GitHub's own explanation, or the network's; one line, bounded.
	Message string

	// need is what a token needs that is refused, where that is not the usual.
	need string

	cause error
}

// Error says where it happened, what is wrong and what to do next. It can be shown to a tenant.
func (e *Error) Error() string {
	where := []string{"GitHub host " + e.Host}
	if e.Repository != "" {
		where = append(where, "repository "+e.Repository)
	}
	if e.What != "" {
		where = append(where, e.What)
	}
	if e.About != "" {
		where = append(where, e.About)
	}
	return strings.Join(where, ", ") + ": " + e.problem() + e.detail()
}

// Unwrap is the context's error when the caller's context ended the request, else nil.
func (e *Error) Unwrap() error { return e.cause }

func (e *Error) problem() string {
	if e.Advice != "" {
		return e.Advice
	}
	switch e.Kind {
	case KindUnauthorized:
		return "the token was not accepted: it is wrong, expired or revoked; replace it with a valid one"
	case KindForbidden:
		if e.need != "" {
			return "access is refused: " + e.need
		}
		return "access is refused: give the token read access to the repository's contents and pull requests, and authorize it for the organization where single sign-on asks for that"
	case KindNotFound:
		return "not found: check the name, and that the token can read the repository (GitHub hides private repositories from tokens without access)"
	case KindRateLimited:
		if e.ResetTime.IsZero() {
			return "the rate limit is used up; wait a minute, or use a token that shares its limit with fewer others"
		}
		return fmt.Sprintf("the rate limit is used up until %s; wait, or use a token that shares its limit with fewer others",
			e.ResetTime.UTC().Format(time.RFC3339))
	case KindUnprocessable:
		return "the request was not understood; correct the value"
	case KindTooLarge:
		if e.Size > 0 {
			return fmt.Sprintf("%d bytes are more than the limit of %d; make it smaller", e.Size, e.Limit)
		}
		return fmt.Sprintf("more than the limit of %d bytes; make it smaller", e.Limit)
	case KindHostNotAllowed:
		return "the host is not allowed; use an allowed one, or ask the administrator to add it with --github-host"
	default:
		return "no usable answer; it passes by itself or the host's status page tells more"
	}
}

func (e *Error) detail() string {
	var parts []string
	if e.Status != 0 {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("status %d %s", e.Status, http.StatusText(e.Status))))
	}
	if e.Message != "" {
		parts = append(parts, e.Message)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ": ") + ")"
}

// KindOf returns the kind of the first [Error] in err's chain; "" when there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}
