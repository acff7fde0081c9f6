package github

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

const (
	// maxAnswerBytes bounds every answer's body.
	maxAnswerBytes = 4 << 20
	maxRedirects   = 3
)

// redirectError is a redirect that was not followed.
type redirectError struct{ to *url.URL }

func (e *redirectError) Error() string {
	return fmt.Sprintf("it redirects to %s://%s, which is not followed", e.to.Scheme, e.to.Host)
}

// sameOriginOnly follows the redirects of renamed repositories, which stay on the API's host.
func sameOriginOnly(api origin) func(*http.Request, []*http.Request) error {
	return func(request *http.Request, before []*http.Request) error {
		if originOf(request.URL) != api || before[0].Method != http.MethodGet {
			return &redirectError{to: request.URL}
		}
		if len(before) > maxRedirects {
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		return nil
	}
}

// authorizing adds a token to requests to its own API and to no others. One that is not accepted it replaces once, where
// there are others.
type authorizing struct {
	api    origin
	tokens tokens
	next   http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *authorizing) RoundTrip(request *http.Request) (*http.Response, error) {
	if originOf(request.URL) != t.api {
		return nil, &redirectError{to: request.URL}
	}
	token, response, err := t.send(request)
	if err != nil || response.StatusCode != http.StatusUnauthorized || (request.Body != nil && request.GetBody == nil) || !t.tokens.reject(token) {
		return response, err
	}
	response.Body.Close()
	again := request
	if request.GetBody != nil {
		again = request.Clone(request.Context())
		if again.Body, err = request.GetBody(); err != nil {
			return nil, err
		}
	}
	_, response, err = t.send(again)
	return response, err
}

func (t *authorizing) send(request *http.Request) (string, *http.Response, error) {
	token, err := t.tokens.get(request.Context())
	if err != nil {
		if request.Body != nil {
			request.Body.Close()
		}
		return "", nil, err
	}
	if token != "" {
		request = request.Clone(request.Context())
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := t.next.RoundTrip(request)
	if err == nil && response.StatusCode == http.StatusForbidden && response.Header.Get("Retry-After") == "" && response.Header.Get(rateRemaining) != "0" {
		// A secondary limit that says no time. The reset is that of the primary limit, which is not used up; go-github would wait for it.
		response.Header.Del("X-RateLimit-Reset")
	}
	return token, response, err
}

// rateRemaining is GitHub's header about the primary rate limit.
const rateRemaining = "X-RateLimit-Remaining"

type immutableKey struct{}

// immutable marks requests whose result the client itself keeps, so that it isn't kept twice.
func immutable(ctx context.Context) context.Context {
	return context.WithValue(ctx, immutableKey{}, true)
}

func isImmutable(ctx context.Context) bool { return ctx.Value(immutableKey{}) != nil }

// conditional asks again for what it has seen with If-None-Match and turns a 304 into the answer seen
// before. GitHub's ETags depend on the token and the media type, so both are part of the key.
type conditional struct {
	account fingerprint
	cache   *answerCache
	next    http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *conditional) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method != http.MethodGet || isImmutable(request.Context()) {
		return t.next.RoundTrip(request)
	}
	key := keyOf(t.account, "answer", request.URL.String(), request.Header.Get("Accept"))
	known, seen := t.cache.answer(key)
	if seen {
		request = request.Clone(request.Context())
		request.Header.Set("If-None-Match", known.header.Get("ETag"))
	}
	response, err := t.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	switch {
	case seen && response.StatusCode == http.StatusNotModified:
		return known.revive(request, response), nil
	case response.StatusCode == http.StatusOK && response.Header.Get("ETag") != "":
		t.remember(key, response)
	}
	return response, nil
}

// remember reads the body, keeps it when it is complete and small enough, and puts it back.
func (t *conditional) remember(key cacheKey, response *http.Response) {
	body, err := io.ReadAll(io.LimitReader(response.Body, t.cache.maxEntry()+1))
	rest := response.Body
	complete := err == nil && int64(len(body)) <= t.cache.maxEntry()
	if complete {
		t.cache.putAnswer(key, answer{header: response.Header.Clone(), body: body})
	}
	var tail io.Reader = rest
	if err != nil {
		tail = failingReader{err}
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), tail), rest}
}

type failingReader struct{ err error }

// Read implements [io.Reader].
func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// errAnswerTooLarge ends the reading of a body that exceeds maxAnswerBytes.
var errAnswerTooLarge = errors.New("the answer is too large")

type boundKey struct{}

// bounded lets an answer be longer, or not as long, as others: limit bytes.
func bounded(ctx context.Context, limit int64) context.Context {
	return context.WithValue(ctx, boundKey{}, limit)
}

// bounding ends an answer's body with an error when it is longer than max bytes, or than its request says.
type bounding struct {
	max  int64
	next http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *bounding) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	left := t.max
	if own, set := request.Context().Value(boundKey{}).(int64); set {
		left = own
	}
	response.Body = &boundedBody{ReadCloser: response.Body, left: left}
	return response, nil
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

// Read implements [io.Reader].
func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		return int(b.left), errAnswerTooLarge
	}
	b.left -= int64(n)
	return n, err
}
