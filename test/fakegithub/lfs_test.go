package fakegithub_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"katkit.dev/katkit/test/fakegithub"
)

func TestLargeFilesAndSubmodules(t *testing.T) {
	w := serve(t)
	lib := w.commit(w.repository("acme/lib", false), fakegithub.Commit{Message: "lib", Files: fakegithub.Texts(map[string]string{"lib": "lib"})})
	r := w.repository("acme/app", true)
	w.commit(r, fakegithub.Commit{Message: "first", Files: map[string]fakegithub.File{
		".gitattributes": fakegithub.Text("*.bin filter=lfs -text\n"),
		".gitmodules":    fakegithub.Text("[submodule \"lib\"]\n\tpath = lib\n\turl = ../lib\n"),
		"lib":            {Submodule: lib},
		"a.bin":          {Content: []byte("large"), Large: true},
	}})
	dir := t.TempDir()
	w.mustGit(dir, "clone", "-q", w.remote(reader, "acme/app.git"), "clone")
	clone := filepath.Join(dir, "clone")
	if got := w.mustGit(clone, "ls-tree", "HEAD", "lib"); !strings.HasPrefix(got, "160000 commit "+lib) {
		t.Errorf("lib: %s", got)
	}
	pointer, err := os.ReadFile(filepath.Join(clone, "a.bin"))
	if err != nil || !strings.Contains(string(pointer), "size 5\n") {
		t.Fatalf("a.bin: %s, %v", pointer, err)
	}
	if _, err := exec.LookPath("git-lfs"); err != nil {
		t.Skip("git-lfs is not installed")
	}
	w.mustGit(clone, "lfs", "install", "--local")
	w.mustGit(clone, "lfs", "pull")
	if content, err := os.ReadFile(filepath.Join(clone, "a.bin")); string(content) != "large" {
		t.Errorf("a.bin: %s, %v", content, err)
	}
	w.mustGit(clone, "remote", "set-url", "origin", w.remote(stranger, "acme/app.git"))
	if err := os.RemoveAll(filepath.Join(clone, ".git/lfs")); err != nil {
		t.Fatal(err)
	}
	if out, err := w.git(clone, "lfs", "pull"); err == nil {
		t.Errorf("a stranger got it: %s", out)
	}
}
