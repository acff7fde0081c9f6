package agent

import "testing"

func TestWhatGitSaysHasNoSecretInIt(t *testing.T) {
	t.Parallel()
	g := &repository{req: request{token: "s3cret"}}
	for said, want := range map[string]string{
		"fatal: s3cret": "fatal: ***",
		"LFS: https://bucket.example.com/a/b?X-Amz-Signature=abc&x=1 403": "LFS: https://bucket.example.com/a/b?*** 403",
		`Get "https://e.example.com/o?sig=1": no such host`:               `Get "https://e.example.com/o?***": no such host`,
		"what? nothing": "what? nothing",
	} {
		if got := g.redact(said); got != want {
			t.Errorf("%q becomes %q", said, got)
		}
	}
}
