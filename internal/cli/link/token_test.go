package link

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// TestReadToken writes a file, and reads the token from it and from the standard input.
func TestReadToken(t *testing.T) {
	for name, c := range map[string]struct{ content, want, refused string }{
		"a token":                     {content: github, want: github},
		"a line end":                  {content: github + "\r\n", want: github},
		"a lot of white space":        {content: github + " \t\n\n", want: github},
		"a token with a dot and dash": {content: "ghs_a.b-c", want: "ghs_a.b-c"},
		"nothing":                     {refused: "is empty: it holds the token alone"},
		"white space":                 {content: " \n", refused: "is empty"},
		"two tokens":                  {content: github + "\n" + github, refused: "has more than one line"},
		"a token and a comment":       {content: github + " # bot", refused: "has characters that no token has"},
		"a variable":                  {content: "TOKEN=" + github, refused: "has characters that no token has"},
		"quotes":                      {content: `"` + github + `"`, refused: "has characters that no token has"},
		"a key":                       {content: "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n", refused: "holds a key or a certificate"},
		"another encoding":            {content: "\xff\xfeg\x00h\x00", refused: "is no plain text"},
		"a mark of the encoding":      {content: "\uFEFF" + github, refused: "is no plain text"},
		"a large file":                {content: strings.Repeat("hunter2", 1<<20), refused: "is over 4 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "token")
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, source := range []string{file, "-"} {
				got, err := ReadToken(genericiooptions.IOStreams{In: strings.NewReader(c.content)}, source)
				switch {
				case err != nil && (c.refused == "" || !strings.Contains(err.Error(), c.refused)), err == nil && got != c.want:
					t.Errorf("%s: %q, %v, want %q%s", source, got, err, c.want, c.refused)
				case err != nil && (strings.Contains(err.Error(), github) || strings.Contains(err.Error(), "hunter2")):
					t.Errorf("%s: the error shows a token: %v", source, err)
				}
			}
		})
	}
}

// TestATokenInThePlaceOfItsFile holds that it is not shown.
func TestATokenInThePlaceOfItsFile(t *testing.T) {
	for _, token := range []string{github, "github_pat_0123456789abcdefghijABCDEFGHIJ0123456789", strings.Repeat("0a", 20)} {
		if _, err := ReadToken(genericiooptions.IOStreams{}, token); err == nil || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "revoke it") {
			t.Errorf("%s: %v", token, err)
		}
	}
	if _, err := ReadToken(genericiooptions.IOStreams{}, "absent"); err == nil || !strings.Contains(err.Error(), "reading the token: open absent: no such file") {
		t.Error(err)
	}
}
