package github_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
	"katkit.dev/katkit/test/fakegithub/openapi"
)

// Two keys; making one takes a while.
var (
	appKey   = sync.OnceValue(newKey)
	otherKey = sync.OnceValue(newKey)
)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

// minted is a token that was asked for, and what for.
type minted struct {
	secret        string
	Repositories  []string          `json:"repositories"`
	RepositoryIDs []int64           `json:"repository_ids"`
	Permissions   map[string]string `json:"permissions"`
}

// appWorld is a stand-in for GitHub where App 42 is installed for acme as 7, and what the App asked for there.
type appWorld struct {
	*testing.T
	*fakegithub.Server
	url     string
	factory *github.Factory
	app     *github.App
	sha     string // of a commit in acme/app
	ahead   atomic.Int64

	// hold is called before a token is made.
	hold func()
	// echo answers with the credential that was sent.
	echo bool

	mu      sync.Mutex
	minted  []minted
	secrets []string // whatever must not be told
}

// installed is what acme grants: less of some than is wanted, none of others, and more than is wanted.
func installed() fakegithub.Installation {
	return fakegithub.Installation{Account: "acme", Repositories: []string{"acme/app", "acme/other"},
		Permissions: map[string]string{"contents": "write", "pull_requests": "read", "checks": "write", "administration": "write"}}
}

func serveApp(t *testing.T) *appWorld {
	t.Helper()
	server, err := fakegithub.New(fakegithub.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w := &appWorld{T: t, Server: server, app: &github.App{ID: 42, InstallationID: 7, PrivateKey: appKey()}, hold: func() {}}
	listener := httptest.NewServer(w.tap(openapi.Check(t, server)))
	t.Cleanup(func() { listener.Close(); server.Close() })
	w.url = listener.URL
	w.factory = factoryFor(t, w.url, github.Options{Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }})
	w.install(installed(), appKey())
	for _, name := range []string{"acme/other", "acme/app"} {
		repository, err := w.CreateRepository(name, fakegithub.RepositoryOptions{Private: true})
		if err != nil {
			t.Fatal(err)
		}
		if w.sha, err = repository.Commit(fakegithub.Commit{Message: "first", Files: fakegithub.Texts(map[string]string{"f": "x"})}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// install makes App 42 known, with the public half of a key.
func (w *appWorld) install(granted fakegithub.Installation, key *rsa.PrivateKey) {
	w.Helper()
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		w.Fatal(err)
	}
	err = w.AddApp(fakegithub.App{ID: 42, Slug: "katkit", PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		Installations: map[int64]fakegithub.Installation{7: granted}})
	if err != nil {
		w.Fatal(err)
	}
}

// tap notes what is asked for and what is given to whom.
func (w *appWorld) tap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		_, sent, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		w.note(sent)
		if w.echo {
			out.WriteHeader(http.StatusInternalServerError)
			out.Write([]byte(`{"message": "crashed at ` + sent + `"}`))
			return
		}
		if r.Method != http.MethodPost {
			next.ServeHTTP(out, r)
			return
		}
		w.hold()
		var asked minted
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &asked); err != nil {
			w.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		var made struct{ Token string }
		if json.Unmarshal(answer.Body.Bytes(), &made) == nil && made.Token != "" {
			w.note(made.Token)
			w.mu.Lock()
			asked.secret = made.Token
			w.minted = append(w.minted, asked)
			w.mu.Unlock()
		}
		maps.Copy(out.Header(), answer.Header())
		out.WriteHeader(answer.Code)
		out.Write(answer.Body.Bytes())
	})
}

func (w *appWorld) note(secret string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if secret != "" {
		w.secrets = append(w.secrets, secret)
	}
}

// tokens are those that were made so far.
func (w *appWorld) tokens() []minted {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]minted(nil), w.minted...)
}

// later lets time go by, for both sides.
func (w *appWorld) later(d time.Duration) {
	w.ahead.Add(int64(d))
	w.AdvanceClock(d)
}

func (w *appWorld) client(scope github.Scope) *github.Client {
	w.Helper()
	client, err := w.factory.Client("github.example.com", github.Credential{App: w.app}, scope)
	if err != nil {
		w.Fatal(err)
	}
	return client
}

// ofApp is the client for acme/app.
func (w *appWorld) ofApp() *github.Client {
	w.Helper()
	return w.client(github.Scope{Repository: "acme/app"})
}

// read reads the repository, which is not there twice in the cache of a client.
func (w *appWorld) read(client *github.Client) {
	w.Helper()
	if _, err := client.Repository(w.Context(), "acme/app"); err != nil {
		w.Fatal(err)
	}
}

// refused reads acme/app, which fails for a reason that tells what it has to and nothing that is secret.
func (w *appWorld) refused(client *github.Client, kind github.Kind, words ...string) {
	w.Helper()
	_, err := client.Repository(w.Context(), "acme/app")
	if e := asError(w.T, err); e.Kind != kind {
		w.Errorf("%v is of kind %s, want %s", err, e.Kind, kind)
	}
	for _, word := range append(words, "GitHub App ") {
		if !strings.Contains(err.Error(), word) {
			w.Errorf("%v does not say %q", err, word)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, secret := range w.secrets {
		if strings.Contains(err.Error(), secret) {
			w.Errorf("the error tells a secret: %v", err)
		}
	}
}
