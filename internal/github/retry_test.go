package github_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"katkit.dev/katkit/internal/github"
)

func TestAReadThatFailsIsTriedOnceMore(t *testing.T) {
	for name, c := range map[string]struct {
		answers []func(http.ResponseWriter)
		asked   int32
		kind    github.Kind
	}{
		"a bad gateway, and then the answer": {answers: []func(http.ResponseWriter){status(http.StatusBadGateway), repository}, asked: 2},
		"a broken connection":                {answers: []func(http.ResponseWriter){broken, repository}, asked: 2},
		"two in a row":                       {answers: []func(http.ResponseWriter){status(500), status(503), repository}, asked: 2, kind: github.KindUnavailable},
		"a request to wait": {answers: []func(http.ResponseWriter){func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, repository}, asked: 1, kind: github.KindUnavailable},
		"nothing there": {answers: []func(http.ResponseWriter){status(http.StatusNotFound), repository}, asked: 1, kind: github.KindNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.answers[asked.Add(1)-1](w) }))
			defer server.Close()
			client := clientOf(t, factoryFor(t, server.URL, github.Options{}), token)
			_, err := client.Repository(t.Context(), "acme/app")
			if github.KindOf(err) != c.kind || asked.Load() != c.asked {
				t.Errorf("asked %d times: %v", asked.Load(), err)
			}
		})
	}
}

func status(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

func broken(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func repository(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"id": 7, "full_name": "acme/app"}`)
}
