package fakegithub

import "testing"

func TestReadsGoOnWhenTheirGitProcessIsGone(t *testing.T) {
	server, err := New(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	r, err := server.CreateRepository("acme/app", RepositoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sha, err := r.Commit(Commit{Message: "first"})
	if err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(){
		"killed": func() { _ = r.objects.cmd.Process.Kill(); _ = r.objects.cmd.Wait() },
		"closed": server.Close,
	} {
		end()
		if got, err := r.Head("main"); got != sha || err != nil {
			t.Errorf("%s: head %s, %v; want %s", name, got, err, sha)
		}
	}
}

func TestNoNameIsAnExpression(t *testing.T) {
	for _, name := range []string{"", "a b", "a~1", "a^", "a:b", "a..b", "a@{1}", "a\nb", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "-a", "a\\b", "a*"} {
		if validRefName(name) {
			t.Errorf("%q passes as the name of a ref", name)
		}
	}
	for _, name := range []string{"main", "feature/a#b%c", "v1.0", "ü", "a@b", "HEAD"} {
		if !validRefName(name) {
			t.Errorf("%q doesn't pass as the name of a ref", name)
		}
	}
}
