package logs

import (
	"net/http"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"katkit.dev/katkit/internal/contract"
)

// TestTheToken goes to the store, and no further.
func TestTheToken(t *testing.T) {
	other := newFakeStore(t, "x", true)
	elsewhere := serve(t, other)
	store := newFakeStore(t, "", true)
	plain := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		store.next(r)
		http.Redirect(w, r, elsewhere+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	for name, c := range map[string]struct {
		config  rest.Config
		address string
		failed  string
		sent    string
	}{
		"a redirection":                  {rest.Config{BearerToken: "t0ken"}, plain, "is at another address, to which your token does not go", "Bearer t0ken"},
		"a password is none":             {rest.Config{Username: "ann", Password: "secret"}, plain, "another address", ""},
		"through the API server":         {rest.Config{Host: plain, BearerToken: "t0ken"}, "", "another address", "Bearer t0ken"},
		"somebody else's rights":         {rest.Config{Host: plain, BearerToken: "t0ken", Impersonate: rest.ImpersonationConfig{UserName: "bob"}}, "", "with --as", "-"},
		"somebody else's, at an address": {rest.Config{BearerToken: "t0ken", Impersonate: rest.ImpersonationConfig{UserName: "bob"}}, plain, "with --as", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			store.headers = nil
			r, _ := reading(t, c.address, &c.config)
			err := r.fromStore(t.Context(), r.overdue(t.Context(), nil), here, &counter{to: &strings.Builder{}})
			if err == nil || !strings.Contains(err.Error(), c.failed) {
				t.Errorf("got %v, want %s", err, c.failed)
			}
			sent := "-"
			if len(store.headers) > 0 {
				sent = store.headers[0].Get(contract.HeaderLogAuthorization)
			}
			if sent != c.sent || len(other.headers) > 0 {
				t.Errorf("sent %q, and %d requests to another address", sent, len(other.headers))
			}
			if c.address != "" && len(store.headers) > 0 && store.headers[0].Get(authorization) != "" {
				t.Errorf("the store got what is for the API server: %v", store.headers[0])
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	for address, said := range map[string]string{
		"https://logs.example.com":      "",
		"https://logs.example.com/base": "",
		"http://127.0.0.1:8080":         "",
		"http://[::1]:8080":             "",
		"http://localhost":              "",
		"http://logs.example.com":       "is not encrypted, and your token would go there",
		"http://localhost.example.com":  "is not encrypted",
		"http://127.0.0.1.example.com":  "is not encrypted",
		"logs.example.com":              "is not the address of a log store",
		"ftp://logs.example.com":        "is not the address of a log store",
		"https://ann:x@example.com":     "is not the address of a log store",
	} {
		if _, err := checkAddress(address); (err == nil) != (said == "") || err != nil && !strings.Contains(err.Error(), said) {
			t.Errorf("%s: %v, want %q", address, err, said)
		}
	}
}
