package github_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"katkit.dev/katkit/internal/github"
)

// TestNobodyAsksBeforeTheLimitIsOver: of all that share a token, whichever way GitHub says no.
func TestNobodyAsksBeforeTheLimitIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		header  map[string]string
		body    string
		atLeast time.Duration
		atMost  time.Duration
	}{
		"429 with a time": {429, map[string]string{"Retry-After": "30"}, `{}`, 29 * time.Second, 30 * time.Second},
		"403 without one": {403, nil, `{"message": "You have exceeded a secondary rate limit."}`, 59 * time.Second, time.Minute},
		"403 beside a primary limit that is not used up": {403,
			map[string]string{"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4000", "X-RateLimit-Reset": strconv.FormatInt(time.Now().Add(50*time.Minute).Unix(), 10)},
			`{"message": "You have exceeded a secondary rate limit.", "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`,
			59 * time.Second, time.Minute},
		"longer than anything": {429, map[string]string{"Retry-After": "99999999"}, `{}`, 119 * time.Minute, 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked++
				for key, value := range c.header {
					w.Header().Set(key, value)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			t.Cleanup(server.Close)
			factory := factoryFor(t, server.URL, github.Options{})
			for range 3 {
				_, err := clientOf(t, factory, token).Branch(t.Context(), "acme/app", "main")
				if github.KindOf(err) != github.KindRateLimited {
					t.Fatal(err)
				}
			}
			_, err := clientOf(t, factory, token).Repository(t.Context(), "acme/app")
			until := time.Until(asError(t, err).ResetTime)
			if asked != 1 || until < c.atLeast || until > c.atMost {
				t.Errorf("asked %d times, the next time in %s: %v", asked, until, err)
			}
			if _, err := clientOf(t, factory, "other").Repository(t.Context(), "acme/app"); err == nil || asked != 2 {
				t.Errorf("another token is not asked for: %v", err)
			}
		})
	}
}

func TestTheRateLimitIsKnown(t *testing.T) {
	w := serve(t, github.Options{})
	w.repository("acme/app")
	if got := w.client().RateLimit(); got != (github.RateLimit{}) {
		t.Errorf("%+v before GitHub said so", got)
	}
	w.SetRateLimit(token, 5000, 4000, time.Now().Add(time.Hour))
	if _, err := w.client().Repository(t.Context(), "acme/app"); err != nil {
		t.Fatal(err)
	}
	if got, want := w.client().RateLimit(), (github.RateLimit{Limit: 5000, Remaining: 3999}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
