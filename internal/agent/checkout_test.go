package agent

import (
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"katkit.dev/katkit/internal/contract"
)

const goodToken = "ghs_secretOfTheLink"

// gitServer serves bare repositories through git's own smart HTTP program, with GitHub's rules: any reachable commit
// may be asked for, and a private repository wants Basic authentication as x-access-token.
type gitServer struct {
	*httptest.Server
	dir      string
	requests atomic.Int64
	failures atomic.Int64 // that many requests are answered 503 first
	tokens   sync.Map     // paths, up to the repository, that were asked for with a token
	sent     atomic.Int64 // bytes of all answers' bodies
}

func newGitServer(t *testing.T) *gitServer {
	t.Helper()
	s := &gitServer{dir: t.TempDir()}
	backend, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	git := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(backend)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + s.dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		w = &countingWriter{w, &s.sent}
		user, token, hasAuth := r.BasicAuth()
		if repository, _, found := strings.Cut(r.URL.Path, ".git"); found && r.Header.Get("Authorization") != "" {
			s.tokens.Store(repository, true)
		}
		status := func(code int) { http.Error(w, http.StatusText(code), code) }
		switch path := r.URL.Path; {
		case s.failures.Add(-1) >= 0:
			status(http.StatusServiceUnavailable)
		case strings.HasPrefix(path, "/moved/"):
			http.Redirect(w, r, "/public/app.git"+strings.TrimPrefix(path, "/moved/app.git")+"?"+r.URL.RawQuery, http.StatusMovedPermanently)
		case strings.HasPrefix(path, "/forbidden/"):
			status(http.StatusForbidden)
		case strings.HasPrefix(path, "/broken/"):
			status(http.StatusInternalServerError)
		case strings.HasPrefix(path, "/private/") && (!hasAuth || user != "x-access-token" || token != goodToken):
			w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
			status(http.StatusUnauthorized)
		default:
			git.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// countingWriter counts the bytes of a body.
type countingWriter struct {
	http.ResponseWriter
	sent *atomic.Int64
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.sent.Add(int64(len(p)))
	return w.ResponseWriter.Write(p)
}

// git runs git as its own author, in dir.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// addRepository makes a bare repository with three commits of ci.sh, and returns their shas, the oldest first.
func (s *gitServer) addRepository(t *testing.T, name string) (shas []string) {
	t.Helper()
	work := t.TempDir()
	git(t, work, "init", "-q")
	for i := range 3 {
		writeFile(t, filepath.Join(work, "ci.sh"), fmt.Sprintf("#!/bin/bash\necho commit %d\ngit log -1 --format=%%H\ngit status --short\n", i), 0o755)
		writeFile(t, filepath.Join(work, "data"), "x", 0o644)
		git(t, work, "add", ".")
		git(t, work, "commit", "-q", "-m", fmt.Sprintf("commit %d", i))
		shas = append(shas, git(t, work, "rev-parse", "HEAD"))
	}
	git(t, work, "tag", "-a", "-m", "release", "v1")
	bare := filepath.Join(s.dir, name)
	git(t, work, "clone", "-q", "--bare", work, bare)
	git(t, bare, "config", "uploadpack.allowAnySHA1InWant", "true")
	return shas
}

func (s *gitServer) checkout(t *testing.T, repository, sha, token string, env ...string) *agentProcess {
	t.Helper()
	base := t.TempDir()
	if token != "" {
		writeFile(t, pathsIn(base).Token, token, 0o600)
	}
	env = append([]string{"KATKIT_REPO_URL=" + s.URL + "/" + repository, "GIT_SHA=" + sha}, env...)
	return startAgent(t, contract.CheckoutCommand, base, env...)
}

func TestCheckoutFetchesExactlyTheCommit(t *testing.T) {
	s := newGitServer(t)
	shas := s.addRepository(t, "public/app.git")
	sha := shas[1] // no branch or tag points at it
	a := s.checkout(t, "public/app.git", sha, "")
	a.wantSuccess()
	src := pathsIn(a.base).Source
	if got := git(t, src, "rev-parse", "HEAD"); got != sha {
		t.Errorf("HEAD is %s, want %s", got, sha)
	}
	if got := git(t, src, "rev-list", "--all", "HEAD"); got != sha {
		t.Errorf("more than one commit: %s", got)
	}
	if got := git(t, src, "status", "--porcelain"); got != "" {
		t.Errorf("status: %s", got)
	}
	if got := git(t, src, "remote", "get-url", "origin"); got != s.URL+"/public/app.git" {
		t.Errorf("origin is %s", got)
	}
	git(t, src, "fsck", "--strict")
	if content, _ := os.ReadFile(filepath.Join(src, "ci.sh")); !strings.Contains(string(content), "commit 1") {
		t.Errorf("ci.sh: %s", content)
	}
}

func TestCheckoutIsWritableByAnyUser(t *testing.T) {
	s := newGitServer(t)
	shas := s.addRepository(t, "public/app.git")
	a := s.checkout(t, "public/app.git", shas[2], "")
	a.wantSuccess()
	want := map[string]fs.FileMode{"src": 0o777, "src/.git": 0o777, "src/.git/objects": 0o777, "src/data": 0o666,
		"src/ci.sh": 0o777, ".katkit": 0o777, ".katkit/alive": 0o666}
	for name, mode := range want {
		info, err := os.Lstat(filepath.Join(a.base, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, mode)
		}
	}
}

func TestCheckoutThenExec(t *testing.T) {
	s := newGitServer(t)
	shas := s.addRepository(t, "private/app.git")
	base := t.TempDir()
	writeFile(t, pathsIn(base).Token, goodToken+"\n", 0o600)
	build := startAgent(t, contract.ExecCommand, base)
	startAgent(t, contract.CheckoutCommand, base, "KATKIT_REPO_URL="+s.URL+"/private/app.git", "GIT_SHA="+shas[0]).wantSuccess()
	build.wantSuccess()
	if got, want := build.log.String(), "commit 0\n"+shas[0]+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCheckoutLeavesTheTokenNowhere(t *testing.T) {
	s := newGitServer(t)
	shas := s.addRepository(t, "private/app.git")
	a := s.checkout(t, "private/app.git", shas[2], goodToken)
	r := a.wantSuccess()
	wantNoToken(t, a, r)
}

// wantNoToken looks for the token in the log, the report and every file of the workspace.
func wantNoToken(t *testing.T, a *agentProcess, r contract.Report) {
	t.Helper()
	secrets := []string{goodToken, basicAuth(goodToken)}
	for _, secret := range secrets {
		if strings.Contains(a.log.String()+a.stderr.String()+r.Message, secret) {
			t.Error("the token is in the log")
		}
	}
	err := filepath.WalkDir(a.base, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == pathsIn(a.base).Token {
			return err
		}
		content, err := os.ReadFile(path)
		for _, secret := range secrets {
			if strings.Contains(string(content), secret) {
				t.Errorf("the token is in %s", path)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCheckoutNamesWhatIsWrong(t *testing.T) {
	s := newGitServer(t)
	shas := s.addRepository(t, "public/app.git")
	s.addRepository(t, "private/app.git")
	tag := git(t, filepath.Join(s.dir, "public/app.git"), "rev-parse", "v1")
	tree := git(t, filepath.Join(s.dir, "public/app.git"), "rev-parse", shas[0]+"^{tree}")
	nothing := strings.Repeat("0123456789", 4)
	for name, c := range map[string]struct {
		repository, sha, token string
		reason                 contract.Reason
		words                  string
	}{
		"no such commit":          {"public/app.git", nothing, "", contract.ReasonCommitNotFound, nothing},
		"a tag's own sha":         {"public/app.git", tag, "", contract.ReasonCommitNotFound, tag},
		"a tree's sha":            {"public/app.git", tree, "", contract.ReasonCommitNotFound, tree},
		"no such repository":      {"public/none.git", shas[0], "", contract.ReasonRepositoryNotFound, "/public/none.git"},
		"no token":                {"private/app.git", shas[0], "", contract.ReasonAuthenticationFailed, "token"},
		"a wrong token":           {"private/app.git", shas[0], "ghs_other", contract.ReasonAuthenticationFailed, "token"},
		"no access":               {"forbidden/app.git", shas[0], goodToken, contract.ReasonAuthenticationFailed, "403"},
		"a repository that moved": {"moved/app.git", shas[0], goodToken, contract.ReasonRepositoryNotFound, "has moved"},
		"an abbreviated sha":      {"public/app.git", "abc123", "", contract.ReasonInvalidRequest, "GIT_SHA"},
		"a sha that is an option": {"public/app.git", "--upload-pack=touch /tmp/x", "", contract.ReasonInvalidRequest, "GIT_SHA"},
		"a branch for a sha":      {"public/app.git", "main", "", contract.ReasonInvalidRequest, "GIT_SHA"},
		"a token of two lines":    {"private/app.git", shas[0], "a\r\nX-Evil: b", contract.ReasonInvalidRequest, "characters"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.checkout(t, c.repository, c.sha, c.token)
			r := a.wantFailure(contract.ClassConfig, c.reason, c.words)
			if r.ExitCode != contract.ExitConfig {
				t.Errorf("exit code %d", r.ExitCode)
			}
			if c.token != "" && strings.Contains(r.Message+a.log.String(), c.token) {
				t.Error("the token is in the log")
			}
			word, err := readWord(pathsIn(a.base).Control)
			if err != nil || word.Reason != c.reason || word.Class != contract.ClassConfig {
				t.Errorf("word: %+v, %v", word, err)
			}
		})
	}
}

func TestCheckoutRefusesOtherURLs(t *testing.T) {
	for _, url := range []string{"", "file:///etc", "ssh://git@example.org/x", "ext::sh -c true", "git@example.org:x/y", "/etc",
		"https://", "https://user:hunter2@example.org/x", "https://example.org/x?y", "--upload-pack=x", "http://a\nb/"} {
		a := startAgent(t, contract.CheckoutCommand, t.TempDir(), "KATKIT_REPO_URL="+url, "GIT_SHA="+strings.Repeat("a", 40))
		a.wantFailure(contract.ClassConfig, contract.ReasonInvalidRequest, "KATKIT_REPO_URL")
		if strings.Contains(a.log.String(), "hunter2") {
			t.Error("the password is in the log")
		}
	}
}

func TestCheckoutTriesAgainWhenTheServerFails(t *testing.T) {
	s := newGitServer(t)
	shas := s.addRepository(t, "public/app.git")
	s.failures.Store(1)
	a := s.checkout(t, "public/app.git", shas[0], "")
	a.wantSuccess()
	if !strings.Contains(a.log.String(), "trying again") {
		t.Errorf("log: %s", a.log.String())
	}
}

func TestCheckoutGivesUpOnADeadServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close() // nobody listens there now
	a := startAgent(t, contract.CheckoutCommand, t.TempDir(), "KATKIT_REPO_URL=http://"+listener.Addr().String()+"/x", "GIT_SHA="+strings.Repeat("a", 40))
	r := a.wantFailure(contract.ClassInfra, contract.ReasonCheckoutFailed, listener.Addr().String())
	if r.ExitCode != contract.ExitInfra || strings.Count(a.log.String(), "trying again") != len(retryWaits) {
		t.Errorf("exit code %d, log:\n%s", r.ExitCode, a.log.String())
	}
}

func TestCheckoutToldToStop(t *testing.T) {
	asked := make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer s.Close()
	a := startAgent(t, contract.CheckoutCommand, t.TempDir(), "KATKIT_REPO_URL="+s.URL+"/x", "GIT_SHA="+strings.Repeat("a", 40))
	<-asked
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	a.wantFailure(contract.ClassInfra, contract.ReasonTerminated)
	if word, err := readWord(pathsIn(a.base).Control); err != nil || word.Reason != contract.ReasonTerminated {
		t.Errorf("word: %+v, %v", word, err)
	}
}

func TestCheckoutIgnoresTheUsersGit(t *testing.T) {
	s := newGitServer(t)
	shas := s.addRepository(t, "public/app.git")
	home := t.TempDir()
	marker := filepath.Join(home, "ran")
	writeFile(t, filepath.Join(home, "hooks/post-checkout"), "#!/bin/sh\ntouch "+marker+"\n", 0o755)
	writeFile(t, filepath.Join(home, ".gitconfig"), "[core]\n\thooksPath = "+home+"/hooks\n[url \"http://127.0.0.1:1/\"]\n\tinsteadOf = "+s.URL+"/\n", 0o644)
	s.checkout(t, "public/app.git", shas[2], "", "HOME="+home, "GIT_DIR=/nonexistent", "GIT_SSH_COMMAND=touch "+marker, "GIT_TRACE=1").wantSuccess()
	if exists(marker) {
		t.Error("a hook of the image ran")
	}
}

func TestCheckoutDoesNotFollowARedirectWithTheToken(t *testing.T) {
	var leaked atomic.Value
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked.Store(r.Header.Get("Authorization"))
		http.NotFound(w, r)
	}))
	defer other.Close()
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.RequestURI(), http.StatusFound)
	}))
	defer first.Close()
	base := t.TempDir()
	writeFile(t, pathsIn(base).Token, goodToken, 0o600)
	startAgent(t, contract.CheckoutCommand, base, "KATKIT_REPO_URL="+first.URL+"/a/b", "GIT_SHA="+strings.Repeat("a", 40)).
		wantFailure(contract.ClassConfig, contract.ReasonRepositoryNotFound)
	if got := leaked.Load(); got != nil {
		t.Errorf("the other host was asked, with %q", got)
	}
}
