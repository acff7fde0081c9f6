package github_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
)

// canned serves one answer to everything.
func canned(t *testing.T, status int, header map[string]string, body string) *github.Client {
	t.Helper()
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(listener.Close)
	return clientOf(t, factoryFor(t, listener.URL, github.Options{}), token)
}

// asError fails unless err is an Error that says where it happened and doesn't hold the token.
func asError(t *testing.T, err error) *github.Error {
	t.Helper()
	var e *github.Error
	if !errors.As(err, &e) {
		t.Fatalf("%T %v is not an Error", err, err)
	}
	if e.Host != "github.example.com" || e.Repository != "acme/app" || !strings.Contains(err.Error(), "acme/app") {
		t.Errorf("%+v doesn't say where it happened", e)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, *e, *e), token) {
		t.Errorf("%v holds the token", err)
	}
	return e
}

func TestEveryAnswerOfGitHubHasItsKind(t *testing.T) {
	in := time.Now().Add(time.Hour).Truncate(time.Second)
	limit := map[string]string{"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(in.Unix())}
	for name, c := range map[string]struct {
		status int
		header map[string]string
		body   string
		kind   github.Kind
		reset  time.Duration // from now; 0: not said
	}{
		"a wrong token":                      {401, nil, `{"message":"Bad credentials","documentation_url":"https://docs.github.com/rest","status":"401"}`, github.KindUnauthorized, 0},
		"a token that is repeated":           {401, nil, `{"message":"Bad credentials: ` + token + `"}`, github.KindUnauthorized, 0},
		"no permission":                      {403, nil, `{"message":"Resource not accessible by personal access token","status":"403"}`, github.KindForbidden, 0},
		"single sign-on":                     {403, map[string]string{"X-GitHub-SSO": "required; url=https://github.com/orgs/acme/sso"}, `{"message":"Resource protected by organization SAML enforcement."}`, github.KindForbidden, 0},
		"blocked by law":                     {451, nil, `{"message":"Repository access blocked","block":{"reason":"dmca"}}`, github.KindForbidden, 0},
		"not there":                          {404, nil, `{"message":"Not Found","status":"404"}`, github.KindNotFound, 0},
		"the primary rate limit":             {403, limit, `{"message":"API rate limit exceeded for user ID 1."}`, github.KindRateLimited, time.Hour},
		"the primary rate limit as 429":      {429, limit, `{"message":"API rate limit exceeded for user ID 1."}`, github.KindRateLimited, time.Hour},
		"a secondary rate limit":             {403, map[string]string{"Retry-After": "60"}, `{"message":"You have exceeded a secondary rate limit.","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`, github.KindRateLimited, time.Minute},
		"a secondary rate limit, by its doc": {403, map[string]string{"Retry-After": "60"}, `{"message":"Slow down","documentation_url":"https://docs.github.com/en/rest/overview/resources-in-the-rest-api#secondary-rate-limits"}`, github.KindRateLimited, time.Minute},
		"a secondary rate limit as 429":      {429, map[string]string{"Retry-After": "60"}, `{}`, github.KindRateLimited, time.Minute},
		"a secondary rate limit, no time":    {403, nil, `{"message":"You have exceeded a secondary rate limit. Please wait a few minutes."}`, github.KindRateLimited, 0},
		"a value that makes no sense":        {422, nil, `{"message":"Validation Failed","errors":[{"resource":"Search","field":"q","code":"invalid"}]}`, github.KindUnprocessable, 0},
		"a server's error":                   {500, nil, `oops`, github.KindUnavailable, 0},
		"a proxy's error":                    {502, nil, `<html>Unicorn!</html>`, github.KindUnavailable, 0},
		"an answer that isn't JSON":          {200, nil, `<html>Log in</html>`, github.KindUnavailable, 0},
		"JSON of something else":             {200, nil, `{"hello":"world"}`, github.KindUnavailable, 0},
		"accepted, without an answer":        {202, nil, `{}`, github.KindUnavailable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := canned(t, c.status, c.header, c.body).Repository(t.Context(), "acme/app")
			e := asError(t, err)
			if e.Kind != c.kind || github.KindOf(fmt.Errorf("link: %w", err)) != c.kind {
				t.Errorf("kind %s, want %s: %v", e.Kind, c.kind, err)
			}
			until := time.Until(e.ResetTime)
			if (c.reset == 0) != e.ResetTime.IsZero() || (c.reset != 0 && (until > c.reset+time.Second || until < c.reset-10*time.Second)) {
				t.Errorf("reset at %s, want in %s", e.ResetTime, c.reset)
			}
			if !strings.Contains(err.Error(), "; ") && e.Kind != github.KindForbidden && e.Kind != github.KindNotFound {
				t.Errorf("%q has no next action", err)
			}
		})
	}
}

func TestACommitThatGitHubHasNotIsNotFound(t *testing.T) {
	w := serve(t, github.Options{})
	w.repository("acme/app")
	empty := w.repository("acme/empty")
	for _, repository := range []string{"acme/app", empty.Name()} {
		if repository == "acme/app" {
			r, _ := w.Repository(repository)
			w.commit(r, fakegithub.Commit{Message: "first"})
		}
		_, err := w.client().Commit(t.Context(), repository, unknownSHA)
		if github.KindOf(err) != github.KindNotFound || !strings.Contains(err.Error(), unknownSHA) {
			t.Errorf("%v; want NotFound that names the commit", err)
		}
	}
}

func TestWhatMakesNoSenseIsNotSent(t *testing.T) {
	w := serve(t, github.Options{})
	client, ctx := w.client(), t.Context()
	sha := unknownSHA
	for name, err := range map[string]error{
		"a repository without owner": second(client.Repository(ctx, "app")),
		"a repository with a path":   second(client.Repository(ctx, "acme/app/pulls")),
		"a repository that climbs":   second(client.Repository(ctx, "acme/..")),
		"a branch that climbs":       second(client.Branch(ctx, "acme/app", "..")),
		"no branch":                  second(client.Branch(ctx, "acme/app", "")),
		"a short sha":                second(client.Commit(ctx, "acme/app", sha[:7])),
		"a branch as sha":            second(client.Commit(ctx, "acme/app", "main")),
		"pull request 0":             second(client.PullRequest(ctx, "acme/app", 0)),
		"a path that climbs":         second(client.File(ctx, "acme/app", "../x", sha, 1)),
		"an absolute path":           second(client.File(ctx, "acme/app", "/etc/passwd", sha, 1)),
		"a file at a branch":         second(client.File(ctx, "acme/app", "f", "main", 1)),
	} {
		if github.KindOf(err) != github.KindUnprocessable {
			t.Errorf("%s: %v, want Unprocessable", name, err)
		}
	}
	if requests := w.Requests(); len(requests) != 0 {
		t.Errorf("sent %+v", requests)
	}
	_, err := w.factory.Client("evil.example.com", github.Credential{Token: token}, github.Scope{})
	if github.KindOf(err) != github.KindHostNotAllowed || !strings.Contains(err.Error(), "github.example.com") {
		t.Errorf("unknown host: %v, want HostNotAllowed that names the allowed ones", err)
	}
	_, err = w.factory.Client("github.example.com", github.Credential{Token: "two\nlines"}, github.Scope{})
	if github.KindOf(err) != github.KindUnauthorized || strings.Contains(err.Error(), "two") {
		t.Errorf("token with a line break: %v, want Unauthorized without it", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestAFileOverTheLimitIsNotRead(t *testing.T) {
	w := serve(t, github.Options{})
	r := w.repository("acme/app")
	sha := w.commit(r, fakegithub.Commit{Message: "first", Files: fakegithub.Texts(map[string]string{"dir/f": strings.Repeat("x", 1000)})})
	client := w.client()
	_, err := client.File(t.Context(), "acme/app", "dir/f", sha, 999)
	if e := asError(t, err); e.Kind != github.KindTooLarge || e.Size != 1000 || e.Limit != 999 {
		t.Errorf("%+v, want TooLarge with size 1000 and limit 999", e)
	}
	if _, err := client.File(t.Context(), "acme/app", "dir/f", sha, 1000); err != nil {
		t.Errorf("a file of exactly the limit: %v", err)
	}
	for _, path := range []string{"none", "dir"} {
		if _, err := client.File(t.Context(), "acme/app", path, sha, 999); asError(t, err).Kind != github.KindNotFound {
			t.Errorf("%s: %v, want NotFound", path, err)
		}
	}
	unsized := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.github.raw+json; charset=utf-8")
		w.(http.Flusher).Flush()
		w.Write(make([]byte, 1000))
	}))
	defer unsized.Close()
	_, err = clientOf(t, factoryFor(t, unsized.URL, github.Options{}), token).File(t.Context(), "acme/app", "f", sha, 999)
	if e := asError(t, err); e.Kind != github.KindTooLarge || e.Size != 0 || e.Limit != 999 {
		t.Errorf("%+v, want TooLarge of unknown size", e)
	}
	_, err = canned(t, 403, nil, `{"message":"This API returns blobs up to 100 MB in size.","errors":[{"resource":"Blob","field":"data","code":"too_large"}]}`).
		File(t.Context(), "acme/app", "f", sha, 999)
	if asError(t, err).Kind != github.KindTooLarge {
		t.Errorf("%v, want TooLarge", err)
	}
}

func TestAnAnswerWithoutEndIsNotReadToTheEnd(t *testing.T) {
	sent := 0
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chunk := []byte(strings.Repeat(" ", 64<<10))
		for ; sent < 64<<20; sent += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer listener.Close()
	_, err := clientOf(t, factoryFor(t, listener.URL, github.Options{}), token).Repository(t.Context(), "acme/app")
	if asError(t, err).Kind != github.KindTooLarge {
		t.Errorf("%v, want TooLarge", err)
	}
	listener.Close()
	if sent >= 64<<20 {
		t.Errorf("%d bytes were read", sent)
	}
}

func TestASlowOrBrokenAnswerIsUnavailable(t *testing.T) {
	w := serve(t, github.Options{Timeout: 100 * time.Millisecond})
	r := w.repository("acme/app")
	sha := w.commit(r, fakegithub.Commit{Message: "first", Files: fakegithub.Texts(map[string]string{"f": "content"})})
	for name, fault := range map[string]fakegithub.Fault{
		"late":    {Delay: time.Minute},
		"cut off": {TruncateAfter: 3},
	} {
		t.Run(name, func(t *testing.T) {
			for _, ask := range []func() error{
				func() error { return second(w.client().Branch(t.Context(), "acme/app", "trunk")) },
				func() error { return second(w.client().File(t.Context(), "acme/app", "f", sha, 100)) },
			} {
				if err := w.Inject(fault); err != nil {
					t.Fatal(err)
				}
				if e := asError(t, ask()); e.Kind != github.KindUnavailable {
					t.Errorf("%+v, want Unavailable", e)
				}
			}
		})
	}
	if content, err := w.client().File(t.Context(), "acme/app", "f", sha, 100); err != nil || string(content) != "content" {
		t.Errorf("afterwards: %q, %v; nothing broken may be kept", content, err)
	}
	if commit, err := w.client().Branch(t.Context(), "acme/app", "trunk"); err != nil || commit.SHA != sha {
		t.Errorf("afterwards: %+v, %v; nothing broken may be kept", commit, err)
	}
}

func TestABodyThatDripsEndsAtTheTimeout(t *testing.T) {
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("{"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer listener.Close()
	_, err := clientOf(t, factoryFor(t, listener.URL, github.Options{Timeout: 100 * time.Millisecond}), token).Repository(t.Context(), "acme/app")
	if asError(t, err).Kind != github.KindUnavailable {
		t.Errorf("%v, want Unavailable", err)
	}
}

func TestAHostThatIsDownIsUnavailable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	_, err = clientOf(t, factoryFor(t, "http://"+listener.Addr().String(), github.Options{}), token).Repository(t.Context(), "acme/app")
	if e := asError(t, err); e.Kind != github.KindUnavailable || !strings.Contains(e.Message, "refused") {
		t.Errorf("%+v, want Unavailable that says the connection was refused", e)
	}
}

func TestTheCallersEndIsRecognized(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer listener.Close()
	_, err := clientOf(t, factoryFor(t, listener.URL, github.Options{}), token).Repository(ctx, "acme/app")
	if asError(t, err).Kind != github.KindUnavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Unavailable that wraps context.Canceled", err)
	}
}

func TestAUsedUpRateLimitIsNotAskedAgain(t *testing.T) {
	w := serve(t, github.Options{})
	w.repository("acme/app")
	w.SetRateLimit(token, 10, 0, time.Now().Add(time.Hour))
	for range 3 {
		_, err := w.client().Repository(t.Context(), "acme/app")
		e := asError(t, err)
		if until := time.Until(e.ResetTime); e.Kind != github.KindRateLimited || until < 59*time.Minute || until > time.Hour {
			t.Errorf("%+v, want RateLimited for an hour", e)
		}
	}
	if requests := w.Requests(); len(requests) != 1 {
		t.Errorf("%d requests, want 1", len(requests))
	}
}
