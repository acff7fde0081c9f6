package github_test

import (
	"fmt"
	"sync"
	"testing"

	"katkit.dev/katkit/internal/github"
	"katkit.dev/katkit/test/fakegithub"
)

// Many runs start at once, with the tokens of several tenants, while people push.
func TestManyReadersAtOnceAreEachAnsweredRightly(t *testing.T) {
	const readers = 30
	w := serve(t, github.Options{CacheBytes: 16 << 10}) // small, so that entries come and go
	r := w.repository("acme/app")
	shas := map[string]string{}
	for i := range 5 {
		content := fmt.Sprintf("content %d", i)
		shas[content] = w.commit(r, fakegithub.Commit{Message: content, Files: fakegithub.Texts(map[string]string{"f": content})})
	}
	var all sync.WaitGroup
	for i := range readers {
		all.Go(func() {
			tokens := []string{token, "other"}
			client := clientOf(t, w.factory, tokens[i%2])
			for content, sha := range shas {
				got, err := client.File(t.Context(), "acme/app", "f", sha, 100)
				if i%2 == 1 {
					if github.KindOf(err) != github.KindNotFound {
						t.Errorf("a token without access read %q, %v", got, err)
					}
					continue
				}
				if err != nil || string(got) != content {
					t.Errorf("file at %s: %q, %v; want %q", sha, got, err, content)
				}
				if commit, err := client.Commit(t.Context(), "acme/app", sha); err != nil || commit.Message != content {
					t.Errorf("commit %s: %+v, %v", sha, commit, err)
				}
				if _, err := client.Branch(t.Context(), "acme/app", "trunk"); err != nil {
					t.Errorf("branch: %v", err)
				}
			}
		})
	}
	all.Go(func() {
		for range 3 {
			if _, err := r.Commit(fakegithub.Commit{Message: "push"}); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
}
