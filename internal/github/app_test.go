package github_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
)

func TestAnAppReadsOneRepositoryWithWhatItIsGranted(t *testing.T) {
	w := serveApp(t)
	client := w.ofApp()
	w.read(client)
	if content, err := client.File(t.Context(), "acme/app", "f", w.sha, 10); err != nil || string(content) != "x" {
		t.Errorf("file: %q, %v", content, err)
	}
	if _, _, err := client.OpenPullRequests(t.Context(), "acme/app", "main", 10); err != nil {
		t.Errorf("pull requests: %v", err)
	}
	if _, err := client.Repository(t.Context(), "acme/other"); github.KindOf(err) != github.KindNotFound || !strings.Contains(err.Error(), "the installation has access") {
		t.Errorf("another repository of the installation: %v", err)
	}
	made := w.tokens()
	if len(made) != 1 {
		t.Fatalf("%d tokens were made, want 1", len(made))
	}
	want := map[string]string{"metadata": "read", "contents": "read", "pull_requests": "read", "checks": "write"}
	if diff := cmp.Diff(want, made[0].Permissions); diff != "" || !slices.Equal(made[0].Repositories, []string{"app"}) || made[0].RepositoryIDs != nil {
		t.Errorf("asked for %+v: %s", made[0], diff)
	}
	if limit := client.RateLimit(); limit.Limit != 5000 || limit.Remaining >= 5000 {
		t.Errorf("rate limit %+v", limit)
	}
}

func TestARenamedRepositoryIsFoundByItsNumber(t *testing.T) {
	w := serveApp(t)
	repository, err := w.ofApp().Repository(t.Context(), "acme/app")
	if err != nil {
		t.Fatal(err)
	}
	installation := installed()
	installation.Repositories = nil // all of acme's
	w.install(installation, appKey())
	if err := w.Rename("acme/app", "acme/renamed"); err != nil {
		t.Fatal(err)
	}
	client := w.client(github.Scope{Repository: "acme/app", ID: repository.ID})
	if found, err := client.Repository(t.Context(), "acme/app"); err != nil || found.FullName != "acme/renamed" {
		t.Errorf("%+v, %v", found, err)
	}
	if last := w.tokens()[1]; !slices.Equal(last.RepositoryIDs, []int64{repository.ID}) || last.Repositories != nil {
		t.Errorf("asked for %+v", last)
	}
}

func TestATokenIsRenewedBeforeItsEnd(t *testing.T) {
	w := serveApp(t)
	client := w.ofApp()
	w.read(client)
	w.later(54 * time.Minute)
	w.read(client)
	if n := len(w.tokens()); n != 1 {
		t.Errorf("%d tokens after 54 minutes, want 1", n)
	}
	w.later(2 * time.Minute)
	w.read(client)
	if n := len(w.tokens()); n != 2 {
		t.Errorf("%d tokens 4 minutes before the end of the first, want 2", n)
	}
	w.later(3 * time.Hour)
	w.read(client)
	if n := len(w.tokens()); n != 3 {
		t.Errorf("%d tokens 3 hours later, want 3", n)
	}
}

func TestATokenServesToItsEndWhenNoOtherCanBeHad(t *testing.T) {
	w := serveApp(t)
	client := w.ofApp()
	w.read(client)
	w.later(57 * time.Minute)
	if err := w.Inject(fakegithub.Fault{Path: "access_tokens", Times: 2, Status: http.StatusBadGateway}); err != nil {
		t.Fatal(err)
	}
	w.read(client)
	w.later(4 * time.Minute)
	w.refused(client, github.KindUnavailable, "502")
	w.read(client)
}

func TestManyAtOnceRenewOnceAndNoneFailsForAnother(t *testing.T) {
	w := serveApp(t)
	client := w.ofApp()
	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.hold = func() { once.Do(func() { close(held) }); <-release }

	impatient, giveUp := context.WithCancel(t.Context())
	var first, others sync.WaitGroup
	first.Go(func() {
		if _, err := client.Repository(impatient, "acme/app"); !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up got %v", err)
		}
	})
	<-held // the one that is about to give up has begun the renewal
	for range 20 {
		others.Go(func() {
			if _, err := client.Repository(t.Context(), "acme/app"); err != nil {
				t.Error(err)
			}
		})
	}
	giveUp()
	first.Wait()
	close(release)
	others.Wait()
	if n := len(w.tokens()); n != 1 {
		t.Errorf("%d tokens were made, want 1", n)
	}
}

func TestManyAtOnceEachHaveTheirOwnError(t *testing.T) {
	w := serveApp(t)
	w.install(fakegithub.Installation{Account: "acme"}, appKey())
	client := w.ofApp()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { w.refused(client, github.KindForbidden, "may not read contents") })
	}
	all.Wait()
}

func TestARevokedTokenIsReplacedOnce(t *testing.T) {
	w := serveApp(t)
	client := w.ofApp()
	w.read(client)
	w.RevokeToken(w.tokens()[0].secret)
	w.read(client)
	if n := len(w.tokens()); n != 2 {
		t.Errorf("%d tokens, want 2", n)
	}
	if err := w.Inject(fakegithub.Fault{Path: "/repos/", Times: 2, Status: http.StatusUnauthorized, Message: "Bad credentials " + w.tokens()[1].secret}); err != nil {
		t.Fatal(err)
	}
	w.refused(client, github.KindUnauthorized, "nor was a new one")
	if n := len(w.tokens()); n != 3 {
		t.Errorf("%d tokens, want 3", n)
	}
	w.read(client)
}

func TestARotatedKeyIsNotServedTheAnswersOfTheFormerOne(t *testing.T) {
	w := serveApp(t)
	old := w.ofApp()
	if _, err := old.Commit(t.Context(), "acme/app", w.sha); err != nil {
		t.Fatal(err)
	}
	w.install(installed(), otherKey())
	w.app = &github.App{ID: 42, InstallationID: 7, PrivateKey: otherKey()}
	rotated := w.ofApp()
	if rotated == old {
		t.Fatal("both keys share a client")
	}
	w.ForgetRequests()
	if _, err := rotated.Commit(t.Context(), "acme/app", w.sha); err != nil {
		t.Fatal(err)
	}
	if requests := w.Requests(); len(requests) != 3 { // installation, token, commit
		t.Errorf("sent %+v", requests)
	}

	// A guessed key is no way to what the right one was answered.
	w.app = &github.App{ID: 42, InstallationID: 7, PrivateKey: appKey()}
	w.later(2 * time.Hour)
	w.refused(w.ofApp(), github.KindUnauthorized, "the key was not accepted")
}

func TestWhatIsWrongWithAnAppSaysWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*appWorld)
		kind   github.Kind
		words  []string
	}{
		"another App's key":   {func(w *appWorld) { w.app.PrivateKey = otherKey() }, github.KindUnauthorized, []string{"another App's", "clock", "make a new private key", "could not be decoded"}},
		"a slow clock":        {func(w *appWorld) { w.AdvanceClock(time.Hour) }, github.KindUnauthorized, []string{"the clock of this cluster is wrong", "('exp')"}},
		"no such App":         {func(w *appWorld) { w.app.ID = 43 }, github.KindUnauthorized, []string{"Integration not found"}},
		"not installed there": {func(w *appWorld) { w.app.InstallationID = 8 }, github.KindForbidden, []string{"not installed there", "installation ID"}},
		"suspended": {func(w *appWorld) {
			i := installed()
			i.Suspended = true
			w.install(i, appKey())
		}, github.KindForbidden, []string{"suspended"}},
		"not for this repository": {func(w *appWorld) {
			i := installed()
			i.Repositories = []string{"acme/other"}
			w.install(i, appKey())
		}, github.KindForbidden, []string{"give the installation access to this repository", "acme/app", "422"}},
		"another owner's": {func(w *appWorld) {
			i := installed()
			i.Account = "evil"
			w.install(i, appKey())
		}, github.KindForbidden, []string{"installed there for evil", "take the installation ID of acme"}},
		"may not read contents": {func(w *appWorld) {
			i := installed()
			delete(i.Permissions, "contents")
			w.install(i, appKey())
		}, github.KindForbidden, []string{"may not read contents", "Contents (read-only)"}},
		"a rate limit": {func(w *appWorld) {
			if err := w.Inject(fakegithub.SecondaryRateLimit(http.StatusForbidden, time.Hour)); err != nil {
				w.Error(err)
			}
		}, github.KindRateLimited, []string{"the rate limit is used up until"}},
		"an answer without a token": {func(w *appWorld) {
			if err := w.Inject(fakegithub.Fault{Path: "access_tokens", Status: http.StatusCreated}); err != nil {
				w.Error(err)
			}
		}, github.KindUnavailable, []string{"holds no token"}},
		"an answer that is no JSON": {func(w *appWorld) {
			if err := w.Inject(fakegithub.Fault{Path: "installations/7$", Status: http.StatusOK, HTML: "<html>"}); err != nil {
				w.Error(err)
			}
		}, github.KindUnavailable, []string{"not the expected JSON"}},
		"an answer that repeats the signature": {func(w *appWorld) { w.echo = true }, github.KindUnavailable, []string{"500", "[token]"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := serveApp(t)
			id := *w.app
			w.app = &id
			c.change(w)
			w.refused(w.ofApp(), c.kind, c.words...)
		})
	}
}

func TestAPauseIsForAllClientsOfAnInstallation(t *testing.T) {
	w := serveApp(t)
	if err := w.Inject(fakegithub.SecondaryRateLimit(http.StatusForbidden, time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.refused(w.ofApp(), github.KindRateLimited)
	w.ForgetRequests()
	if _, err := w.client(github.Scope{Repository: "acme/other"}).Repository(t.Context(), "acme/other"); github.KindOf(err) != github.KindRateLimited {
		t.Errorf("another repository of the installation: %v", err)
	}
	if requests := w.Requests(); len(requests) != 0 {
		t.Errorf("sent %+v", requests)
	}
}

func TestACloneTokenReadsContentsAndLastsForTheCheckout(t *testing.T) {
	w := serveApp(t)
	client := w.ofApp()
	first, err := client.CloneToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made := w.tokens()
	if diff := cmp.Diff(map[string]string{"metadata": "read", "contents": "read"}, made[0].Permissions); len(made) != 1 || diff != "" || made[0].secret != first {
		t.Fatalf("asked for %+v: %s", made, diff)
	}
	w.later(9 * time.Minute)
	if again, err := client.CloneToken(t.Context()); err != nil || again != first {
		t.Errorf("9 minutes later it is another one, %v", err)
	}
	w.later(2 * time.Minute)
	if again, err := client.CloneToken(t.Context()); err != nil || again == first {
		t.Errorf("with less than %s left it is the same one, %v", github.CloneTokenLifetime, err)
	}
	if err := w.Inject(fakegithub.Fault{Path: "access_tokens", Status: http.StatusBadGateway}); err != nil {
		t.Fatal(err)
	}
	w.later(11 * time.Minute)
	if _, err := client.CloneToken(t.Context()); github.KindOf(err) != github.KindUnavailable {
		t.Errorf("one that may end too early was given out, or %v", err)
	}
	if _, err := clientOf(t, w.factory, token).CloneToken(t.Context()); github.KindOf(err) != github.KindUnauthorized {
		t.Errorf("a token's client made one: %v", err)
	}
}

func TestAnAppsRequestsAreNeverRedirected(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the other host got %s with %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	for _, path := range []string{"/api/v3/app/installations/7", "/api/v3/app/installations/7/access_tokens"} {
		here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path {
				http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
				return
			}
			w.Write([]byte(`{"account": {"login": "acme"}, "permissions": {"contents": "read"}, "suspended_at": null}`))
		}))
		defer here.Close()
		app := &github.App{ID: 42, InstallationID: 7, PrivateKey: appKey()}
		client, err := factoryFor(t, here.URL, github.Options{}).Client("github.example.com", github.Credential{App: app}, github.Scope{Repository: "acme/app"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Repository(t.Context(), "acme/app")
		if e := asError(t, err); e.Kind != github.KindHostNotAllowed || !strings.Contains(e.Message, "redirects to") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestPrivateKeysThatAreNone(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(appKey())})
	public, err := x509.MarshalPKIXPublicKey(&appKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"nothing": nil, "a token": []byte(token), "one of a curve": pkcs8(curve), "cut off": pkcs1[:len(pkcs1)/2], "two": append(slices.Clone(pkcs1), pkcs1...),
		"the public half": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		"broken":          pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("MIIEpAIBAAKCAQEA")}),
	} {
		key, err := github.ParsePrivateKey(text)
		if key != nil || err == nil || !strings.Contains(err.Error(), "not an RSA private key in PEM") || strings.Contains(err.Error(), "MIIE") {
			t.Errorf("%s: %v, %v", name, key != nil, err)
		}
	}
	for name, text := range map[string][]byte{"PKCS#1": pkcs1, "PKCS#8": pkcs8(appKey()), "with space around": append(append([]byte("\n "), pkcs1...), "\n\n"...)} {
		if key, err := github.ParsePrivateKey(text); err != nil || !key.Equal(appKey()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
