package receiver

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// FuzzHandler sends anything, with any headers. signed adds the right signature to it.
func FuzzHandler(f *testing.F) {
	f.Add(true, http.MethodPost, Path, "", "application/json", "push", "guid", "", pushed, int64(len(pushed)))
	f.Add(false, http.MethodPost, Path, "sha256="+sign(sha256.New, secret, pushed), "application/json", "push", "guid", "", pushed, int64(-1))
	f.Add(false, http.MethodPost, Path, "sha256="+strings.Repeat("0", 64), "application/json", "push", "guid", "ghe.example.com", pushed, int64(7))
	f.Add(true, http.MethodPost, Path, "", "application/x-www-form-urlencoded", "ping", "", "", []byte("payload=%7B%7D"), int64(14))
	f.Add(true, http.MethodPost, Path, "", "application/json", "repository", "", "", []byte(`{"action":"renamed"}`), int64(1<<40))
	f.Add(false, http.MethodGet, "/", "sha1=00", "", "", "", "", []byte(nil), int64(0))
	statuses := []int{200, 202, 400, 401, 404, 405, 413, 415}
	f.Fuzz(func(t *testing.T, signed bool, method, path, signature, contentType, event, guid, host string, body []byte, length int64) {
		r := newRig(t)
		request := delivery(event, body)
		request.Method, request.URL.Path, request.ContentLength = method, path, length
		right := "sha256=" + sign(sha256.New, secret, body)
		if signed {
			signature = right
		}
		for name, value := range map[string]string{
			signatureHeader: signature, "Content-Type": contentType, "X-GitHub-Delivery": guid, hostHeader: host,
		} {
			request.Header.Set(name, value)
		}
		status := r.deliver(request).StatusCode
		asked := r.takeAsked()
		if !slices.Contains(statuses, status) {
			t.Errorf("answered %d", status)
		}
		// Hex digits may be in either case, the rest may not.
		name, digits, _ := strings.Cut(signature, "=")
		isRight := name == "sha256" && strings.EqualFold(digits, right[len("sha256="):]) && isASCII(digits)
		if !isRight && (len(asked) > 0 || r.found > 0 || status == 200 || status == 202 || status == 415) {
			t.Errorf("a wrong signature is answered with %d, and asks for %v", status, asked)
		}
		if isRight && status == http.StatusUnauthorized {
			t.Error("a right signature is taken for a forgery")
		}
		if len(asked) > 0 && (status != http.StatusAccepted || !hints(event)) {
			t.Errorf("an event %q, answered with %d, asks for %v", event, status, asked)
		}
		if !r.bodies.inFlight.TryAcquire(MaxBytesInFlight) {
			t.Error("bytes are still in flight")
		}
	})
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > 127 })
}
