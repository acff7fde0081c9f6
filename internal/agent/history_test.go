package agent

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"katkit.dev/katkit/internal/contract"
)

func TestCheckoutBringsHistoryWhenAskedTo(t *testing.T) {
	s := newGitServer(t)
	shas := s.addRepository(t, "public/app.git") // the last one is tagged
	for name, c := range map[string]struct {
		depth string
		sha   string
		want  int
		tags  string
	}{
		"the commit alone":  {"1", shas[1], 1, ""},
		"two commits":       {"2", shas[2], 2, ""},
		"more than all":     {"50", shas[1], 2, ""},
		"the whole history": {"0", shas[1], 2, "v1"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.checkout(t, "public/app.git", c.sha, "", "KATKIT_FETCH_DEPTH="+c.depth)
			a.wantSuccess()
			src := pathsIn(a.base).Source
			if got := strings.Fields(git(t, src, "rev-list", "HEAD")); len(got) != c.want || got[0] != c.sha {
				t.Errorf("commits %v, want %d", got, c.want)
			}
			if got := git(t, src, "tag"); got != c.tags {
				t.Errorf("tags %q, want %q", got, c.tags)
			}
		})
	}
	for _, bad := range []string{"KATKIT_FETCH_DEPTH=all", "KATKIT_SUBMODULES=yes", "KATKIT_LFS=1"} {
		name, value, _ := strings.Cut(bad, "=")
		s.checkout(t, "public/app.git", shas[0], "", bad).wantFailure(contract.ClassConfig, contract.ReasonInvalidRequest, name, value, "has to be")
	}
}

// TestCheckoutOfALargeRepositoryCostsTheCommitAlone is of a history that holds what the commit has not.
func TestCheckoutOfALargeRepositoryCostsTheCommitAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a repository of 128 MiB")
	}
	const commits, each = 128, 1 << 20
	s := newGitServer(t)
	bare := filepath.Join(s.dir, "public/large.git")
	git(t, s.dir, "init", "-q", "--bare", bare)
	git(t, bare, "config", "uploadpack.allowAnySHA1InWant", "true")
	load := exec.Command("git", "-c", "core.compression=0", "fast-import", "--quiet")
	load.Dir = bare
	input, err := load.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	noise := rand.NewChaCha8([32]byte{})
	for i := range commits {
		fmt.Fprintf(input, "commit refs/heads/main\nmark :%d\ncommitter A <a@example.org> %d +0000\ndata 1\nx\n", i+1, 1e9+i)
		fmt.Fprintf(input, "M 100644 inline small\ndata 1\n%d\nM 100644 inline large\ndata %d\n", i%10, each)
		if _, err := io.CopyN(input, noise, each); err != nil {
			t.Fatal(err)
		}
		if i == commits/2 {
			fmt.Fprint(input, "\nD large\n")
		}
	}
	input.Close()
	if err := load.Wait(); err != nil {
		t.Fatal(err)
	}
	sha := git(t, bare, "rev-parse", fmt.Sprintf("main~%d", commits/2-1))
	a := s.checkout(t, "public/large.git", sha, "")
	a.wantSuccess()
	if sent := s.sent.Load(); sent > 16<<10 {
		t.Errorf("%d bytes came of a commit of one byte", sent)
	}
	s.sent.Store(0)
	s.checkout(t, "public/large.git", git(t, bare, "rev-parse", "main"), "").wantSuccess()
	if sent := s.sent.Load(); sent < each || sent > each+16<<10 {
		t.Errorf("%d bytes came of a commit of %d", sent, each)
	}
}
