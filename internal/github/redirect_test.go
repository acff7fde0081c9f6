package github_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"katkit.dev/katkit/internal/github"
)

func TestARedirectNeverLeavesTheHost(t *testing.T) {
	var reached atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		w.Write([]byte(`{"id": 1, "full_name": "acme/stolen"}`))
	}))
	defer elsewhere.Close()
	for name, target := range map[string]string{
		"to another port":   elsewhere.URL,
		"to another name":   strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1),
		"to another scheme": "https://SAME",
	} {
		t.Run(name, func(t *testing.T) {
			here := httptest.NewServer(nil)
			defer here.Close()
			here.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				to := strings.Replace(target, "SAME", strings.TrimPrefix(here.URL, "http://"), 1)
				http.Redirect(w, r, to+"/api/v3/repositories/1", http.StatusMovedPermanently)
			})
			client := clientOf(t, factoryFor(t, here.URL, github.Options{}), token)
			_, err := client.Repository(t.Context(), "acme/app")
			if e := asError(t, err); e.Kind != github.KindHostNotAllowed || !strings.Contains(e.Message, "redirects to") {
				t.Errorf("%+v, want HostNotAllowed that says where it leads", e)
			}
		})
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the other host was asked %d times", n)
	}
}

func TestARedirectWithoutEndEnds(t *testing.T) {
	var hops atomic.Int32
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hops.Add(1)
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	}))
	defer listener.Close()
	_, err := clientOf(t, factoryFor(t, listener.URL, github.Options{}), token).Repository(t.Context(), "acme/app")
	if asError(t, err).Kind != github.KindUnavailable || hops.Load() > 4 {
		t.Errorf("%v after %d hops, want Unavailable after a few", err, hops.Load())
	}
}
