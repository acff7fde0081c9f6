package github

import (
	"io"
	"net/http"
)

// retrying asks a second time, at once, when GitHub or something before it has failed. A link is looked at with a dozen requests, and
// one of them that fails would have all of them asked again.
type retrying struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (t *retrying) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	if request.Method != http.MethodGet || request.Context().Err() != nil || !passing(response, err) {
		return response, err
	}
	if response != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxDrained)) // so that the connection can be used again
		response.Body.Close()
	}
	return t.next.RoundTrip(request)
}

// maxDrained is how much of an answer that is not used is read, in bytes.
const maxDrained = 64 << 10

// passing tells whether a failure may be over in a moment, and GitHub does not ask to wait.
func passing(response *http.Response, err error) bool {
	if err != nil {
		return true
	}
	return response.StatusCode >= http.StatusInternalServerError && response.Header.Get("Retry-After") == ""
}
