package agent

import (
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"katkit.dev/katkit/internal/contract"
)

// tree is what a commit of the tests has.
type tree struct {
	files    map[string]string
	links    map[string]string // symbolic links, to their targets
	commits  map[string]string // submodules, to their shas
	branches []string          // to make beside main
}

// addCommit makes a bare repository with one commit of the tree and one after it, and returns the first one's sha: no branch's.
func (s *gitServer) addCommit(t *testing.T, name string, of tree) string {
	t.Helper()
	work := t.TempDir()
	git(t, work, "init", "-q")
	for file, content := range of.files {
		writeFile(t, filepath.Join(work, file), content, 0o755)
	}
	for link, target := range of.links {
		if err := os.Symlink(target, filepath.Join(work, link)); err != nil {
			t.Fatal(err)
		}
	}
	git(t, work, "add", ".")
	for path, sha := range of.commits {
		git(t, work, "update-index", "--add", "--cacheinfo", "160000,"+sha+","+path)
	}
	git(t, work, "commit", "-q", "--allow-empty", "-m", "one")
	sha := git(t, work, "rev-parse", "HEAD")
	git(t, work, "commit", "-q", "--allow-empty", "-m", "two")
	for _, branch := range of.branches {
		git(t, work, "update-ref", "refs/heads/"+branch, "HEAD")
	}
	bare := filepath.Join(s.dir, name)
	git(t, work, "clone", "-q", "--bare", work, bare)
	git(t, bare, "config", "uploadpack.allowAnySHA1InWant", "true")
	return sha
}

// gitmodules is a file of that name with submodules of the same name and path.
func gitmodules(urls map[string]string) string {
	var b strings.Builder
	for path, url := range urls {
		b.WriteString("[submodule \"" + path + "\"]\n\tpath = " + path + "\n\turl = " + url + "\n")
	}
	return b.String()
}

// addNest makes a private repository with a submodule that has a submodule.
func (s *gitServer) addNest(t *testing.T) (sha string) {
	t.Helper()
	inner := s.addCommit(t, "private/inner.git", tree{files: map[string]string{"inner": "inner"}})
	lib := s.addCommit(t, "private/lib.git", tree{
		files:   map[string]string{"lib": "lib", ".gitmodules": gitmodules(map[string]string{"deep/inner": "../inner.git"})},
		commits: map[string]string{"deep/inner": inner},
	})
	return s.addCommit(t, "private/app.git", tree{
		files:   map[string]string{"ci.sh": "#!/bin/sh\n", ".gitmodules": gitmodules(map[string]string{"third party/lib": "../lib.git"})},
		commits: map[string]string{"third party/lib": lib},
	})
}

func TestCheckoutBringsSubmodulesWhenAskedTo(t *testing.T) {
	s := newGitServer(t)
	sha := s.addNest(t)
	for name, c := range map[string]struct {
		asked      []string
		lib, inner bool
	}{
		"not asked":           {nil, false, false},
		"refused":             {[]string{"KATKIT_SUBMODULES=false"}, false, false},
		"those of the commit": {[]string{"KATKIT_SUBMODULES=true"}, true, false},
		"all":                 {[]string{"KATKIT_SUBMODULES=recursive", "KATKIT_FETCH_DEPTH=0"}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.checkout(t, "private/app.git", sha, goodToken, c.asked...)
			wantNoToken(t, a, a.wantSuccess())
			src := pathsIn(a.base).Source
			lib, inner := filepath.Join(src, "third party/lib"), filepath.Join(src, "third party/lib/deep/inner")
			if exists(filepath.Join(lib, "lib")) != c.lib || exists(filepath.Join(inner, "inner")) != c.inner {
				t.Errorf("lib is there: %t, inner: %t", exists(filepath.Join(lib, "lib")), exists(filepath.Join(inner, "inner")))
			}
			if got := git(t, src, "status", "--porcelain"); got != "" {
				t.Errorf("status: %s", got)
			}
			if c.lib && git(t, lib, "rev-list", "--all", "HEAD") != git(t, lib, "rev-parse", "HEAD") {
				t.Error("the submodule has more than its commit")
			}
		})
	}
}

func TestSubmodulesOfOtherHostsGetNoToken(t *testing.T) {
	s, other := newGitServer(t), newGitServer(t)
	open, closed := other.addCommit(t, "public/lib.git", tree{}), other.addCommit(t, "private/lib.git", tree{})
	app := func(name, url, sha string) string {
		return s.addCommit(t, name, tree{
			files:   map[string]string{".gitmodules": gitmodules(map[string]string{"lib": url})},
			commits: map[string]string{"lib": sha},
		})
	}
	sha := app("private/app.git", other.URL+"/public/lib.git", open)
	s.checkout(t, "private/app.git", sha, goodToken, "KATKIT_SUBMODULES=true").wantSuccess()

	sha = app("private/other.git", other.URL+"/private/lib.git", closed)
	s.checkout(t, "private/other.git", sha, goodToken, "KATKIT_SUBMODULES=true").
		wantFailure(contract.ClassConfig, contract.ReasonAuthenticationFailed, "submodule lib", other.URL+"/private/lib.git", "for "+s.URL+"/ alone")

	if _, sent := s.tokens.Load("/private/app"); !sent {
		t.Error("the repository itself was asked for without the token")
	}
	other.tokens.Range(func(path, _ any) bool {
		t.Errorf("the other host got the token with %v", path)
		return true
	})
}

func TestSubmodulesOfAForkGetNoToken(t *testing.T) {
	s := newGitServer(t)
	sha := s.addNest(t)
	s.checkout(t, "private/app.git", sha, goodToken, "KATKIT_FORK=true").wantSuccess()
	s.checkout(t, "private/app.git", sha, goodToken, "KATKIT_FORK=true", "KATKIT_SUBMODULES=recursive").
		wantFailure(contract.ClassConfig, contract.ReasonAuthenticationFailed, "submodule third party/lib", "without the token")
	if _, sent := s.tokens.Load("/private/app"); !sent {
		t.Error("the repository itself was asked for without the token")
	}
	if _, sent := s.tokens.Load("/private/lib"); sent {
		t.Error("a repository of the stranger's choice was asked for with the token")
	}

	lib := s.addCommit(t, "public/lib.git", tree{files: map[string]string{"lib": ""}})
	sha = s.addCommit(t, "public/app.git", tree{
		files:   map[string]string{".gitmodules": gitmodules(map[string]string{"lib": "./../lib.git"})},
		commits: map[string]string{"lib": lib},
	})
	a := s.checkout(t, "public/app.git", sha, goodToken, "KATKIT_FORK=true", "KATKIT_SUBMODULES=true")
	a.wantSuccess()
	if _, sent := s.tokens.Load("/public/lib"); sent || !exists(filepath.Join(pathsIn(a.base).Source, "lib/lib")) {
		t.Errorf("a public submodule: token sent %t", sent)
	}
}

func TestCheckoutRefusesSubmodules(t *testing.T) {
	s := newGitServer(t)
	lib := s.addCommit(t, "public/lib.git", tree{})
	for name, c := range map[string]struct{ url, words string }{
		"a file":              {"file:///etc", "nothing but http and https"},
		"a path":              {"/var/run/katkit/credential", "nothing but http and https"},
		"ssh":                 {"ssh://git@example.org/x", "nothing but http and https"},
		"ssh, as scp says it": {"git@example.org:x/y", "nothing but http and https"},
		"a program":           {"ext::sh -c touch% marker", "nothing but http and https"},
		"an option":           {"-u./payload", "nothing but http and https"},
		"a relative option":   {"--upload-pack=./payload", "nothing but http and https"},
		"out of the host":     {"../../../lib.git", "leads out of the host"},
		"credentials":         {"https://user:hunter2@example.org/x", "holds credentials"},
		"nothing":             {"", "names no url"},
		"another commit":      {"../none.git", "there is no repository"},
	} {
		t.Run(name, func(t *testing.T) {
			file := gitmodules(map[string]string{"lib": c.url}) + "\tbranch = -u./payload\n\tupdate = !touch marker\n"
			repository := "public/" + strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), ",", "") + ".git"
			sha := s.addCommit(t, repository, tree{files: map[string]string{".gitmodules": file}, commits: map[string]string{"lib": lib}})
			a := s.checkout(t, repository, sha, "", "KATKIT_SUBMODULES=true")
			reason := contract.ReasonInvalidSubmodule
			if name == "another commit" {
				reason = contract.ReasonRepositoryNotFound
			}
			r := a.wantFailure(contract.ClassConfig, reason, "submodule lib: ", c.words)
			if strings.Contains(a.log.String()+r.Message, "hunter2") {
				t.Error("the password is in the log")
			}
		})
	}
	sha := s.addCommit(t, "public/unnamed.git", tree{commits: map[string]string{"lib": lib}})
	s.checkout(t, "public/unnamed.git", sha, "", "KATKIT_SUBMODULES=true").
		wantFailure(contract.ClassConfig, contract.ReasonInvalidSubmodule, "lib", ".gitmodules cannot be read")
}

// The form of CVE-2024-32002, of its predecessors, and of the names that became options or paths: the submodule's hook, where git's
// own machinery would find one, is not run, and nothing leaves the working tree.
func TestSubmodulesRunNothing(t *testing.T) {
	s := newGitServer(t)
	marker := filepath.Join(t.TempDir(), "ran")
	hook := "#!/bin/sh\ntouch " + marker + "\n"
	payload := s.addCommit(t, "public/payload.git", tree{files: map[string]string{"y/hooks/post-checkout": hook, "hooks/post-checkout": hook, "payload": hook}})
	sha := s.addCommit(t, "public/app.git", tree{
		files: map[string]string{".gitmodules": "[submodule \"x/y\"]\n\tpath = A/modules/x\n\turl = ../payload.git\n\tupdate = checkout\n" +
			"[submodule \"../../../evil\"]\n\tpath = evil\n\turl = ../payload.git\n\tbranch = -u./payload\n" +
			"[submodule \"-u./payload\"]\n\tpath = -u./payload\n\turl = ../payload.git\n\tupdate = !touch " + marker + "\n\tfetchRecurseSubmodules = true\n" +
			"[submodule \"left\"]\n\tpath = left\n\turl = ext::sh -c touch% " + marker + "\n\tupdate = none\n" +
			"[core]\n\tfsmonitor = touch " + marker + "\n\thooksPath = hooks\n\tsshCommand = touch " + marker + "\n[include]\n\tpath = /etc/passwd\n"},
		links:    map[string]string{"a": ".git"},
		commits:  map[string]string{"A/modules/x": payload, "evil": payload, "-u./payload": payload, "left": payload},
		branches: []string{"-u./payload"},
	})
	a := s.checkout(t, "public/app.git", sha, "", "KATKIT_SUBMODULES=recursive")
	a.wantSuccess()
	src := pathsIn(a.base).Source
	for _, path := range []string{"A/modules/x", "evil", "-u./payload"} {
		if !exists(filepath.Join(src, path, "payload")) {
			t.Errorf("%s was not brought; log:\n%s", path, a.log.String())
		}
	}
	if exists(marker) || exists(filepath.Join(src, ".git/modules")) || exists(filepath.Join(src, "left/payload")) {
		t.Error("a stranger's words were obeyed")
	}
	entries, err := os.ReadDir(a.base)
	if err != nil || len(entries) != 3 { // src, .katkit, termination-log
		t.Errorf("beside the working tree: %v, %v", entries, err)
	}
}

func TestCheckoutRefusesPathsOutOfTheTree(t *testing.T) {
	s := newGitServer(t)
	s.addCommit(t, "public/app.git", tree{files: map[string]string{"hook": "#!/bin/sh\n"}})
	bare := filepath.Join(s.dir, "public/app.git")
	treeOf := func(entry string) string {
		cmd := exec.Command("git", "mktree", "--missing")
		cmd.Dir, cmd.Stdin = bare, strings.NewReader(entry+"\n")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	hooks := treeOf("100755 blob " + git(t, bare, "rev-parse", "main:hook") + "\tpost-checkout")
	for name, entry := range map[string]string{
		"git's own folder":              "040000 tree " + hooks + "\t.git",
		"the folder above":              "040000 tree " + hooks + "\t..",
		"a submodule as git's own":      "160000 commit " + git(t, bare, "rev-parse", "main") + "\t.git",
		"a submodule in another's .git": "040000 tree " + treeOf("160000 commit "+git(t, bare, "rev-parse", "main")+"\t.GIT") + "\tlib",
	} {
		t.Run(name, func(t *testing.T) {
			sha := git(t, bare, "commit-tree", "-m", "hostile", treeOf(entry))
			git(t, bare, "update-ref", "refs/heads/hostile", sha)
			s.checkout(t, "public/app.git", sha, "", "KATKIT_SUBMODULES=true").
				wantFailure(contract.ClassConfig, contract.ReasonCheckoutFailed, sha, "leads out of the working tree")
		})
	}
}

func TestSubmodulesStayInside(t *testing.T) {
	work, outside := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(work, "file"), "", 0o644)
	if err := errors.Join(os.MkdirAll(filepath.Join(work, "real/lib"), 0o755), os.MkdirAll(filepath.Join(outside, "lib"), 0o755),
		os.Symlink(outside, filepath.Join(work, "out")), os.Symlink("real", filepath.Join(work, "in"))); err != nil {
		t.Fatal(err)
	}
	for path, inside := range map[string]bool{"real/lib": true, "real": true,
		"out/lib": false, "out": false, "in/lib": false, "file": false, "../x": false, "real/../../x": false, ".": false, "/etc": false} {
		if err := staysInside(work, path); (err == nil) != inside {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestResolveSubmodule(t *testing.T) {
	for said, want := range map[string]string{
		"../lib.git":                    "https://example.org/acme/lib.git",
		"../../other/lib":               "https://example.org/other/lib",
		"./lib":                         "https://example.org/acme/app.git/lib",
		"../lib/":                       "https://example.org/acme/lib",
		"https://example.com:8443/a/b/": "https://example.com:8443/a/b/",
		"HTTP://example.com/a":          "http://example.com/a",
		"../../..":                      "", "../../../x": "", "//example.com/a": "", "https:///a": "", "https://example.com/a?b": "", "https://example.com/%zz": "",
		"../-u./payload": "https://example.org/acme/-u./payload",
	} {
		got, err := resolveSubmodule("https://example.org/acme/app.git", said)
		if want == "" && err == nil || want != "" && (err != nil || got.String() != want) {
			t.Errorf("%s: %v, %v, want %q", said, got, err, want)
		}
	}
}

// FuzzResolveSubmodule: whatever .gitmodules says, what is fetched has an address without credentials, and a relative one stays on
// the host.
func FuzzResolveSubmodule(f *testing.F) {
	for _, seed := range []string{"../lib", "./../../x/y", "..//..//..", "../@evil.example/x", "../x?y#z", "https://a:b@c/d", "//c/d", "-u./x", "../%2e%2e/%2e%2e/x", "https://c\\@d/e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		got, err := resolveSubmodule("https://example.org:8443/acme/app.git", said)
		if err != nil {
			if _, ok := errors.AsType[*refusal](err); !ok {
				t.Fatalf("%q: %v is no refusal", said, err)
			}
			return
		}
		again, err := url.Parse(got.String())
		if err != nil || again.Scheme != "https" && again.Scheme != "http" || again.Host == "" || again.User != nil || again.RawQuery != "" || again.Fragment != "" {
			t.Errorf("%q is %s, %v", said, got, err)
		}
		if strings.HasPrefix(said, ".") && originOf(again) != "https://example.org:8443/" {
			t.Errorf("%q leads to %s", said, got)
		}
	})
}

func TestGitlinksOfManyFiles(t *testing.T) {
	var links gitlinks
	sha := strings.Repeat("a", 40)
	record := strings.Repeat("100644 blob "+sha+"\tfile with 160000 commit\x00", 1000) + "160000 commit " + sha + "\tlib\n2\x00"
	for i := range len(record) { // as the pipe may break it
		if n, err := links.Write([]byte(record[i : i+1])); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(links.found) != 1 || links.found[0] != (submodule{sha: sha, path: "lib\n2"}) || len(links.rest) != 0 {
		t.Errorf("%+v", links)
	}
}
