package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3filter"
)

// answerCopy keeps what is answered, while it goes through.
type answerCopy struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader implements [http.ResponseWriter].
func (a *answerCopy) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (a *answerCopy) Write(p []byte) (int, error) {
	a.body.Write(p)
	return a.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController flush.
func (a *answerCopy) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// answer checks an answer. input is nil when the request is not in the description; then any error will do.
func (c *checker) answer(r *http.Request, input *openapi3filter.RequestValidationInput, a *answerCopy) {
	what := fmt.Sprintf("answer %d", a.status)
	if problem, judged := undescribed(input, a); judged {
		if problem != "" {
			c.violated(r, what, problem)
		}
		return
	}
	if input == nil {
		c.violated(r, what, "to what is not in the description")
		return
	}
	err := openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: a.status, Header: a.Header(), Options: input.Options,
		Body: io.NopCloser(bytes.NewReader(a.body.Bytes())),
	})
	if err != nil {
		c.violated(r, what, reasons(err)...)
	}
}

// undescribed judges the answers that any endpoint may give, of which GitHub tells in prose.
func undescribed(input *openapi3filter.RequestValidationInput, a *answerCopy) (problem string, judged bool) {
	described := input != nil && input.Route.Operation.Responses.Status(a.status) != nil
	switch a.status {
	case http.StatusNotModified:
		if a.Header().Get("ETag") == "" || a.body.Len() > 0 {
			return "it needs an ETag, and no body", true
		}
		return "", true
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect:
		if a.Header().Get("Location") == "" {
			return "it needs a Location", true
		}
		return notAnError(a), true
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusTooManyRequests:
		return notAnError(a), !described
	case http.StatusOK:
		// A file in a raw media type.
		return "", strings.Contains(a.Header().Get("Content-Type"), ".raw")
	}
	return "", false
}

// notAnError says why an answer is not what the description calls a basic error.
func notAnError(a *answerCopy) string {
	var body struct {
		Message          *string `json:"message"`
		DocumentationURL *string `json:"documentation_url"`
		URL, Status      *string
	}
	if err := json.Unmarshal(a.body.Bytes(), &body); err != nil {
		return "the body is no basic-error: " + err.Error()
	}
	if body.Message == nil || body.DocumentationURL == nil {
		return "a basic-error has message and documentation_url"
	}
	return ""
}
