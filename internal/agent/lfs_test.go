package agent

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"katkit.dev/katkit/internal/contract"
)

// lfsServer is one by the API of Git LFS: a batch tells where objects are, a GET brings them.
type lfsServer struct {
	url     string
	objects map[string]string // by their sha256
	mu      sync.Mutex
	asked   []string // paths, with the Authorization that came
}

// withLFS has the git server answer for LFS as well: for /private/ with the token alone.
func (s *gitServer) withLFS(t *testing.T, contents ...string) *lfsServer {
	t.Helper()
	if _, err := exec.LookPath("git-lfs"); err != nil {
		t.Skip("git-lfs is not installed")
	}
	l := &lfsServer{objects: map[string]string{}}
	for _, content := range contents {
		l.objects[oid(content)] = content
	}
	inner := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/info/lfs/") {
			inner.ServeHTTP(w, r)
			return
		}
		l.serve(w, r)
	})
	l.url = s.URL
	return l
}

func (l *lfsServer) serve(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.asked = append(l.asked, r.URL.Path+" "+r.Header.Get("Authorization"))
	l.mu.Unlock()
	if _, token, _ := r.BasicAuth(); strings.HasPrefix(r.URL.Path, "/private/") && token != goodToken {
		w.Header().Set("LFS-Authenticate", `Basic realm="GitHub"`)
		http.Error(w, `{"message": "Credentials needed"}`, http.StatusUnauthorized)
		return
	}
	base, file, _ := strings.Cut(r.URL.Path, "/info/lfs/")
	if object, isObject := strings.CutPrefix(file, "storage/"); isObject {
		fmt.Fprint(w, l.objects[object])
		return
	}
	var asked struct {
		Objects []struct {
			OID  string `json:"oid"`
			Size int64  `json:"size"`
		} `json:"objects"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || file != "objects/batch" {
		http.NotFound(w, r)
		return
	}
	answer := map[string]any{"transfer": "basic"}
	var objects []any
	for _, object := range asked.Objects {
		said := map[string]any{"oid": object.OID, "size": object.Size}
		if _, there := l.objects[object.OID]; there {
			said["actions"] = map[string]any{"download": map[string]any{"href": l.url + base + "/info/lfs/storage/" + object.OID}}
		} else {
			said["error"] = map[string]any{"code": 404, "message": "Object does not exist on the server"}
		}
		objects = append(objects, said)
	}
	answer["objects"] = objects
	w.Header().Set("Content-Type", "application/vnd.git-lfs+json")
	_ = json.NewEncoder(w).Encode(answer)
}

// requests are those that came, oldest first.
func (l *lfsServer) requests() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.asked)
}

func oid(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }

// pointer is what is in git in place of the content.
func pointer(content string) string {
	return fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", oid(content), len(content))
}

const attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n"

func TestCheckoutBringsLargeFilesWhenAskedTo(t *testing.T) {
	s := newGitServer(t)
	l := s.withLFS(t, "large content", "another")
	lib := s.addCommit(t, "private/lib.git", tree{files: map[string]string{".gitattributes": attributes, "b.bin": pointer("another")}})
	sha := s.addCommit(t, "private/app.git", tree{
		files: map[string]string{".gitattributes": attributes, "a.bin": pointer("large content"),
			".gitmodules": gitmodules(map[string]string{"lib": "../lib.git"})},
		commits: map[string]string{"lib": lib},
	})
	for name, c := range map[string]struct{ asked, content string }{
		"not asked": {"KATKIT_LFS=false", pointer("large content")},
		"asked":     {"KATKIT_LFS=true", "large content"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.checkout(t, "private/app.git", sha, goodToken, c.asked, "KATKIT_SUBMODULES=true", "TMPDIR=/nonexistent")
			wantNoToken(t, a, a.wantSuccess())
			if got, err := os.ReadFile(filepath.Join(pathsIn(a.base).Source, "a.bin")); string(got) != c.content {
				t.Errorf("a.bin is %q, %v", got, err)
			}
			if got, err := os.ReadFile(filepath.Join(pathsIn(a.base).Source, "lib/b.bin")); c.asked == "KATKIT_LFS=true" && string(got) != "another" {
				t.Errorf("the submodule's b.bin is %q, %v", got, err)
			}
		})
	}
	if asked := l.requests(); len(asked) == 0 || !strings.Contains(asked[0], basicAuth(goodToken)) {
		t.Errorf("asked: %q", asked)
	}
}

// A commit cannot choose where the token goes, nor what of the host is read with it.
func TestLargeFilesComeFromTheRepositoryAlone(t *testing.T) {
	s := newGitServer(t)
	l := s.withLFS(t, "large content")
	other := newGitServer(t)
	elsewhere := other.withLFS(t, "large content")
	for name, url := range map[string]string{"another host": other.URL + "/private/app.git/info/lfs", "another repository": s.URL + "/private/secret.git/info/lfs",
		"a folder": "file:///etc", "ssh": "ssh://git@127.0.0.1/x"} {
		t.Run(name, func(t *testing.T) {
			repository := "private/" + strings.ReplaceAll(name, " ", "-") + ".git"
			sha := s.addCommit(t, repository, tree{files: map[string]string{".gitattributes": attributes, "a.bin": pointer("large content"),
				".lfsconfig": "[lfs]\n\turl = " + url + "\n\tpushurl = " + url + "\n[remote \"origin\"]\n\tlfsurl = " + url + "\n[lfs \"customtransfer.x\"]\n\tpath = touch\n"}})
			a := s.checkout(t, repository, sha, goodToken, "KATKIT_LFS=true")
			a.wantSuccess()
			if got, err := os.ReadFile(filepath.Join(pathsIn(a.base).Source, "a.bin")); string(got) != "large content" {
				t.Errorf("a.bin is %q, %v", got, err)
			}
		})
	}
	if asked := elsewhere.requests(); len(asked) > 0 {
		t.Errorf("the other host was asked: %q", asked)
	}
	for _, asked := range l.requests() {
		if strings.Contains(asked, "secret.git") {
			t.Errorf("asked for %s", asked)
		}
	}
}

func TestTheTokenDoesNotFollowALargeFile(t *testing.T) {
	s := newGitServer(t)
	l := s.withLFS(t, "large content")
	leaked := make(chan string, 10)
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked <- r.Header.Get("Authorization")
		fmt.Fprint(w, "large content")
	}))
	defer storage.Close()
	l.url = storage.URL // as at GitHub, whose objects are in another host's store
	sha := s.addCommit(t, "private/app.git", tree{files: map[string]string{".gitattributes": attributes, "a.bin": pointer("large content")}})
	s.checkout(t, "private/app.git", sha, goodToken, "KATKIT_LFS=true").wantSuccess()
	if got := <-leaked; got != "" {
		t.Errorf("the store got %q", got)
	}
}

func TestCheckoutNamesWhatIsWrongWithLargeFiles(t *testing.T) {
	s := newGitServer(t)
	s.withLFS(t)
	sha := s.addCommit(t, "private/app.git", tree{files: map[string]string{".gitattributes": attributes, "a.bin": pointer("gone")}})
	s.checkout(t, "private/app.git", sha, goodToken, "KATKIT_LFS=true").
		wantFailure(contract.ClassConfig, contract.ReasonCheckoutFailed, "Git LFS")

	path := t.TempDir()
	gitBinary, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(gitBinary, filepath.Join(path, "git")); err != nil {
		t.Fatal(err)
	}
	s.checkout(t, "private/app.git", sha, goodToken, "KATKIT_LFS=true", "PATH="+path).
		wantFailure(contract.ClassConfig, contract.ReasonCheckoutFailed, "no git-lfs", "BuilderClass")
}
