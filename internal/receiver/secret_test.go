package receiver

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
)

func TestParseSecrets(t *testing.T) {
	long := strings.Repeat("k", MinSecretLength)
	for name, c := range map[string]struct {
		file  string
		want  []string
		wrong string
	}{
		"one, as openssl writes it":       {file: long + "\n", want: []string{long}},
		"one without an end of line":      {file: long, want: []string{long}},
		"one from Windows":                {file: long + "\r\n", want: []string{long}},
		"white space around it":           {file: " \t" + long + " \n", want: []string{long}},
		"white space within":              {file: "a secret of " + long, want: []string{"a secret of " + long}},
		"two, with empty lines":           {file: "\n" + secret + "\n\n" + long + "\n", want: []string{secret, long}},
		"as many as may be":               {file: strings.Repeat(long+"\n", maxSecrets), want: strings.Fields(strings.Repeat(long+" ", maxSecrets))},
		"nothing":                         {file: "", wrong: "no secret"},
		"white space":                     {file: " \n\t\r\n\v\n", wrong: "no secret"},
		"one that is too short":           {file: long[1:], wrong: "line 1"},
		"one that is white space's worth": {file: "   x" + strings.Repeat(" ", 40), wrong: "line 1"},
		"a short one beside a long one":   {file: long + "\n\nabc\n", wrong: "line 3"},
		"too many":                        {file: strings.Repeat(long+"\n", maxSecrets+1), wrong: "9 secrets"},
	} {
		t.Run(name, func(t *testing.T) {
			secrets, err := ParseSecrets([]byte(c.file))
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Errorf("error %v, want one with %q", err, c.wrong)
				}
				return
			}
			var got []string
			for _, one := range secrets {
				got = append(got, string(one))
			}
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestOpenSecrets(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": "", "short": "abc", "large": strings.Repeat(secret+"\n", 1<<10)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenSecrets(path, clock.RealClock{}, logr.Discard()); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one that names the file", name, err)
		}
	}
	if _, err := OpenSecrets(filepath.Join(dir, "none"), clock.RealClock{}, logr.Discard()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: error %v", err)
	}
}

// The kubelet swaps a folder that the file's folder links to.
func TestASecretThatTheKubeletSwaps(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	for version, content := range map[string]string{"..1": olderSecret, "..2": secret} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, version, "secret"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(version string) {
		if err := os.Symlink(version, filepath.Join(dir, "new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	link("..1")
	if err := os.Symlink("..data/secret", filepath.Join(dir, "secret")); err != nil {
		t.Fatal(err)
	}
	secrets, err := OpenSecrets(filepath.Join(dir, "secret"), r.clock, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	r.Secrets = secrets
	if status := r.deliver(delivery("push", pushed)).StatusCode; status != 401 {
		t.Fatalf("answered %d before the swap", status)
	}
	link("..2")
	r.clock.Step(reloadInterval)
	if status := r.deliver(delivery("push", pushed)).StatusCode; status != 202 {
		t.Errorf("answered %d after the swap", status)
	}
}
