package fakegithub_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"katkit.dev/katkit/test/fakegithub"
)

const appTokens = "/api/v3/app/installations/7/access_tokens"

// signer makes the JWTs of an App.
type signer struct {
	*testing.T
	key *rsa.PrivateKey
}

func (s signer) jwt(algorithm string, claims map[string]any) string {
	s.Helper()
	part := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			s.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	signed := part(map[string]string{"alg": algorithm, "typ": "JWT"}) + "." + part(claims)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, digest[:])
	if err != nil {
		s.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// valid signs for app 42 from a minute ago for nine minutes from a time on.
func (s signer) valid(from time.Time) string {
	s.Helper()
	return s.jwt("RS256", map[string]any{"iss": 42, "iat": from.Add(-time.Minute).Unix(), "exp": from.Add(9 * time.Minute).Unix()})
}

// install makes App 42 with installation 7 on acme/app.
func install(t *testing.T, w *world) signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	err = w.AddApp(fakegithub.App{ID: 42, Slug: "katkit", PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		Installations: map[int64]fakegithub.Installation{7: {Account: "acme", Repositories: []string{"acme/app", "acme/other"},
			Permissions: map[string]string{"contents": "read", "checks": "write", "statuses": "write", "pull_requests": "write"}}}})
	if err != nil {
		t.Fatal(err)
	}
	return signer{t, key}
}

func TestAnAppGetsATokenForWhatItAsks(t *testing.T) {
	w := serve(t)
	_, sha := w.pullRequest()
	w.repository("acme/other", true)
	app42 := install(t, w)
	got := w.post(app42.valid(time.Now()), appTokens, map[string]any{"repositories": []string{"app"}, "permissions": map[string]any{"contents": "read", "checks": "write"}})
	body := got.object(t)
	if got.status != 201 || fmt.Sprint(body["permissions"]) != "map[checks:write contents:read metadata:read]" || len(body["repositories"].([]any)) != 1 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	token := body["token"].(string)
	if expires, err := time.Parse(time.RFC3339, body["expires_at"].(string)); err != nil || time.Until(expires) < 59*time.Minute || time.Until(expires) > time.Hour {
		t.Errorf("expires %v, %v", body["expires_at"], err)
	}
	for path, want := range map[string]int{"": 200, "/branches/main": 200, "/pulls": 403, "/deployments": 403} {
		if got := w.get(token, app+path); got.status != want {
			t.Errorf("%s: %d %s, want %d", path, got.status, got.body, want)
		}
	}
	if got := w.get(token, "/api/v3/repos/acme/other"); got.status != 404 {
		t.Errorf("another repository: %d", got.status)
	}
	if got := w.post(token, app+"/statuses/"+sha, map[string]any{"state": "success"}); got.status != 403 {
		t.Errorf("a permission that was not asked for: %d", got.status)
	}
	w.mustGit(t.TempDir(), "clone", "-q", w.remote(token, "acme/app"), "clone")
	w.AdvanceClock(time.Hour)
	if got := w.get(token, app); got.status != 401 {
		t.Errorf("an hour later: %d", got.status)
	}
	if got := w.post(app42.valid(time.Now()), appTokens, nil); got.status != 401 {
		t.Errorf("an old signature: %d", got.status)
	}
	if got := w.post(app42.valid(time.Now().Add(time.Hour)), appTokens, nil); got.status != 201 || got.object(t)["repository_selection"] != "selected" {
		t.Errorf("without a body: %d %s", got.status, got.body)
	}
}

func TestSignaturesThatAreRefused(t *testing.T) {
	w := serve(t)
	w.pullRequest()
	app42, now := install(t, w), time.Now()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, c := range map[string]struct{ token, message string }{
		"none":               {"", "could not be decoded"},
		"a token":            {writer, "could not be decoded"},
		"another key":        {signer{t, other}.valid(now), "could not be decoded"},
		"another algorithm":  {app42.jwt("HS256", map[string]any{"iss": 42, "iat": at(0), "exp": at(time.Minute)}), "could not be decoded"},
		"another App":        {app42.jwt("RS256", map[string]any{"iss": 43, "iat": at(0), "exp": at(time.Minute)}), "Integration not found"},
		"from the future":    {app42.jwt("RS256", map[string]any{"iss": "42", "iat": at(5 * time.Minute), "exp": at(6 * time.Minute)}), "('iat')"},
		"without beginning":  {app42.jwt("RS256", map[string]any{"iss": "42", "exp": at(time.Minute)}), "('iat')"},
		"at its end":         {app42.jwt("RS256", map[string]any{"iss": "42", "iat": at(-time.Hour), "exp": at(-time.Second)}), "('exp')"},
		"for eleven minutes": {app42.jwt("RS256", map[string]any{"iss": "42", "iat": at(0), "exp": at(11 * time.Minute)}), "too far in the future"},
	} {
		if got := w.post(c.token, appTokens, nil); got.status != 401 || !strings.Contains(string(got.body), c.message) {
			t.Errorf("%s: %d %s, want 401 %s", name, got.status, got.body, c.message)
		}
	}
	for name, c := range map[string]struct {
		path   string
		body   any
		status int
	}{
		"another installation":  {"/api/v3/app/installations/8/access_tokens", nil, 404},
		"a repository too many": {appTokens, map[string]any{"repositories": []string{"app", "none"}}, 422},
		"a permission too many": {appTokens, map[string]any{"permissions": map[string]any{"deployments": "write"}}, 422},
		"to write, not to read": {appTokens, map[string]any{"permissions": map[string]any{"contents": "write"}}, 422},
	} {
		if got := w.post(app42.valid(now), c.path, c.body); got.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, c.status)
		}
	}
}

func TestCheckRunsAreAnApps(t *testing.T) {
	w := serve(t)
	r, sha := w.pullRequest()
	app42 := install(t, w)
	token := w.post(app42.valid(time.Now()), appTokens, nil).object(t)["token"].(string)
	if got := w.post(writer, app+"/check-runs", map[string]any{"name": "BUILD", "head_sha": sha}); got.status != 403 {
		t.Errorf("by a person's token: %d", got.status)
	}
	annotation := map[string]any{"path": "ci.sh", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "m"}
	var self string
	for range 2 {
		got := w.post(token, app+"/check-runs", map[string]any{"name": "BUILD", "head_sha": sha, "status": "in_progress", "external_id": "x",
			"started_at": time.Now().UTC().Format(time.RFC3339)})
		if got.status != 201 || got.object(t)["conclusion"] != nil || got.object(t)["app"].(map[string]any)["slug"] != "katkit" {
			t.Fatalf("%d %s", got.status, got.body)
		}
		self = app + "/check-runs/" + fmt.Sprint(int64(got.object(t)["id"].(float64)))
	}
	got := w.patch(token, self, map[string]any{"status": "completed", "conclusion": "failure", "output": map[string]any{"title": "t", "summary": "s",
		"text": "log", "annotations": []any{annotation}}, "actions": []any{map[string]any{"label": "Re-run", "description": "d", "identifier": "rerun"}}})
	if body := got.object(t); got.status != 200 || body["conclusion"] != "failure" || body["completed_at"] == nil || body["output"].(map[string]any)["annotations_count"] != 1.0 {
		t.Errorf("%d %s", got.status, got.body)
	}
	for query, want := range map[string]float64{"": 1, "filter=all": 2, "status=completed": 1, "check_name=TEST": 0, "app_id=42": 1} {
		if got := w.get(token, app+"/commits/"+sha+"/check-runs?"+query).object(t)["total_count"]; got != want {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
	if sent := r.Sent().CheckRuns; len(sent) != 2 || sent[1].Conclusion != "failure" || len(sent[1].Annotations) != 1 || sent[1].By != "katkit[bot]" {
		t.Errorf("sent: %+v", sent)
	}
	tooMany := map[string]any{"output": map[string]any{"summary": "s", "annotations": slices.Repeat([]any{annotation}, 51)}}
	if got := w.unchecked(w.request(http.MethodPatch, token, self, tooMany)); got.status != 422 {
		t.Errorf("51 annotations: %d", got.status)
	}
	if got := w.patch(token, app+"/check-runs/9999", map[string]any{"name": "x"}); got.status != 404 {
		t.Errorf("an unknown check run: %d", got.status)
	}
}
