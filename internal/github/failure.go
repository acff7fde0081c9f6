package github

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	gogithub "github.com/google/go-github/v57/github"
)

// failure turns whatever ended a request into an Error that says where.
func (c *Client) failure(repository, what string, err error) error {
	e := classify(err)
	e.Host, e.Repository, e.What = c.host.Name, oneLine(repository, maxNameLength), what
	e.Message = oneLine(redact(e.Message, c.tokens.secrets()), MaxMessageLength)
	if c.app != nil && e.About == "" {
		e.About = c.app.String()
		e.Advice = adviceForApp[e.Kind]
	}
	return e
}

// adviceForApp says what to do where Error's words are about a token.
var adviceForApp = map[Kind]string{
	KindUnauthorized: "the App's token was not accepted, nor was a new one; see whether the App is installed and not suspended",
	KindForbidden: "access is refused: give the App the repository permissions Contents (read-only) and Pull requests (read-only at least) in its settings," +
		" and accept them where it is installed",
	KindNotFound: "not found: check the name, and that the installation has access to the repository",
}

func classify(err error) *Error {
	var (
		ours     *Error
		primary  *gogithub.RateLimitError
		abuse    *gogithub.AbuseRateLimitError
		answered *gogithub.ErrorResponse
		redirect *redirectError
	)
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &primary):
		return &Error{Kind: KindRateLimited, Status: statusOf(primary.Response), Message: primary.Message, ResetTime: primary.Rate.Reset.Time}
	case errors.As(err, &abuse):
		e := &Error{Kind: KindRateLimited, Status: statusOf(abuse.Response), Message: abuse.Message}
		if abuse.RetryAfter != nil {
			e.ResetTime = time.Now().Add(*abuse.RetryAfter)
		}
		return e
	case errors.As(err, &answered):
		return classifyAnswer(answered)
	case errors.As(err, &redirect):
		return &Error{Kind: KindHostNotAllowed, Message: redirect.Error()}
	case errors.Is(err, errAnswerTooLarge):
		return &Error{Kind: KindTooLarge, Limit: maxAnswerBytes, Message: err.Error()}
	}
	return unavailable(err)
}

func unavailable(err error) *Error {
	e := &Error{Kind: KindUnavailable}
	for _, ended := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, ended) {
			e.cause = ended
		}
	}
	var request *url.Error
	switch {
	case errors.As(err, &request) && request.Timeout():
		e.Message = "no answer in time"
	case errors.As(err, &request):
		e.Message = request.Err.Error()
	default:
		e.Message = err.Error()
	}
	return e
}

// classifyAnswer judges an answer that is neither 2xx nor one of the rate limits that go-github knows.
func classifyAnswer(answered *gogithub.ErrorResponse) *Error {
	e := &Error{Status: statusOf(answered.Response), Message: answered.Message}
	switch status := e.Status; {
	case status == http.StatusUnauthorized:
		e.Kind = KindUnauthorized
	case status == http.StatusTooManyRequests, status == http.StatusForbidden && limited(answered):
		e.Kind, e.ResetTime = KindRateLimited, resetTime(answered.Response.Header, time.Now())
	case status == http.StatusForbidden && hasCode(answered, "too_large"):
		e.Kind = KindTooLarge
	case status == http.StatusForbidden, status == http.StatusUnavailableForLegalReasons:
		e.Kind = KindForbidden
	case status == http.StatusNotFound, status == http.StatusGone:
		e.Kind = KindNotFound
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		e.Kind = KindUnprocessable
	default:
		e.Kind = KindUnavailable
	}
	return e
}

// limited tells a secondary rate limit from a refusal; GitHub says it in one of these ways.
func limited(answered *gogithub.ErrorResponse) bool {
	return answered.Response.Header.Get("Retry-After") != "" ||
		strings.Contains(strings.ToLower(answered.Message), "rate limit")
}

// resetTime follows GitHub's rule: Retry-After first, then x-ratelimit-reset when nothing remains.
func resetTime(header http.Header, now time.Time) time.Time {
	if seconds, err := strconv.Atoi(header.Get("Retry-After")); err == nil && seconds >= 0 {
		return now.Add(time.Duration(seconds) * time.Second)
	}
	if header.Get(rateRemaining) != "0" {
		return time.Time{}
	}
	if at, err := strconv.ParseInt(header.Get("X-RateLimit-Reset"), 10, 64); err == nil {
		return time.Unix(at, 0)
	}
	return time.Time{}
}

func hasCode(answered *gogithub.ErrorResponse, code string) bool {
	for _, detail := range answered.Errors {
		if detail.Code == code {
			return true
		}
	}
	return false
}

func statusOf(response *http.Response) int {
	if response == nil {
		return 0
	}
	return response.StatusCode
}

// unknownCommit gives a missing commit one kind: GitHub's commits API answers 422 for a sha that it
// doesn't know and 409 for a repository without commits.
func unknownCommit(err error) error {
	var e *Error
	if errors.As(err, &e) && (e.Status == http.StatusUnprocessableEntity || e.Status == http.StatusConflict) {
		e.Kind = KindNotFound
	}
	return err
}
