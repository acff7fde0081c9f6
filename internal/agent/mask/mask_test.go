package mask_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"katkit.dev/katkit/internal/agent/mask"
)

const (
	token    = "npm_s3cr3t/T0ken+x"
	password = `it's "5 $" & <so> \on`
	// key is of several lines, as a private key's file is.
	key = "-----BEGIN TEST KEY-----\nMIIEpAIBAAKCAQEAx7cC0Sdf3QmYb6hQ7ZpEw2VJ1kR8sT0uNv5aXyWzGhIjKlMn\nAbCdEfGh9s8d7f6g5h4j3k2l1qWeRtYuIoPaSdFgHjKlZxCvBnM0987654321xyZ\nshortEnd==\n-----END TEST KEY-----\n"
)

func TestWhatIsMasked(t *testing.T) {
	masker := mask.New([]string{token, password, key})
	in64 := base64.StdEncoding.EncodeToString
	asJSON := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                   {"", ""},
		"plain lines":               {"building…\nnpm_ is fine\n", "building…\nnpm_ is fine\n"},
		"a value":                   {"token=" + token + ";\n", "token=***;\n"},
		"twice, one after another":  {token + token + " " + token, "*** ***"},
		"two values":                {token + password, "***"},
		"the beginning of one":      {"npm_s3cr3t/T0ken+", "npm_s3cr3t/T0ken+"},
		"a value of several lines":  {"key:\n" + key + "done\n", "key:\n***\ndone\n"},
		"its lines by themselves":   {"> shortEnd==\n> MIIEpAIBAAKCAQEAx7cC0Sdf3QmYb6hQ7ZpEw2VJ1kR8sT0uNv5aXyWzGhIjKlMn", "> ***\n> ***"},
		"its lines with CRLF":       {strings.ReplaceAll(key, "\n", "\r\n"), "***\r\n***\r\n***\r\n***\r\n***\r\n"},
		"base64":                    {in64([]byte(token)), "***"},
		"base64 of echo":            {in64([]byte(token + "\n")), "***"},
		"base64 with padding":       {in64([]byte(token + "1")), "***MQ=="},
		"base64 in something else":  {"auth: " + in64([]byte("me:"+token+"@host")), "auth: bWU6***QGhvc3Q="},
		"base64, an offset of one":  {in64([]byte("x:y:" + token + ":")), "eDp5Om***Do="},
		"base64, an offset of two":  {in64([]byte("xx:y:" + token + ":")), "eHg6eTp***g6"},
		"base64 of several lines":   {in64([]byte(key)), "***"},
		"base64 for URLs":           {base64.URLEncoding.EncodeToString([]byte("\xff" + password + "~~~")), "_2***n5-fg=="},
		"base64 without padding":    {base64.RawURLEncoding.EncodeToString([]byte(password)), "***"},
		"a query":                   {"?q=" + url.QueryEscape(password), "?q=***"},
		"a path":                    {"/" + url.PathEscape(token), "/***"},
		"encodeURIComponent":        {"it's%20%225%20%24%22%20%26%20%3Cso%3E%20%5Con", "***"},
		"JSON":                      {asJSON(map[string]string{"p": password, "t": token}), `{"p":"***","t":"***"}`},
		"JSON of several lines":     {asJSON(key), `"***\n"`},
		"a mask and what is beside": {"«" + token + "»", "«***»"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := masker.String(c.text); got != c.want {
				t.Errorf("got  %q\nwant %q\nof   %q", got, c.want, c.text)
			}
			if got, want := masker.In(c.text), c.text != c.want; got != want {
				t.Errorf("In says %t", got)
			}
		})
	}
}

// What programs of a builder image make of a value.
func TestWhatProgramsWrite(t *testing.T) {
	masker := mask.New([]string{token, password, key})
	for name, script := range map[string]string{
		"set -x":               `set -x; curl() { :; }; curl "$TOKEN" "$PASSWORD"`,
		"set -x, several":      `set -x; : "$KEY"`,
		"printf %q":            `printf '%q\n' "$TOKEN" "$PASSWORD" "$KEY"`,
		"env":                  `env`,
		"export -p":            `export -p`,
		"set":                  `set`,
		"base64":               `base64 <<<"$TOKEN"; base64 <<<"$PASSWORD"; printf %s "$KEY" | base64`,
		"base64, wrapped":      `for w in 20 28 57 64 76; do for before in '' a ab abc 'user:of@some.host:'; do printf %s "$before$KEY" | base64 -w $w; done; done`,
		"base64, with Windows": `printf %s "$KEY" | base64 | sed 's/$/\r/'`,
		"heredoc":              "cat <<EOF\nkey: |\n$(sed 's/^/  /' <<<\"$KEY\")\ntoken: $TOKEN\nEOF",
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("bash", "-c", script)
			cmd.Env = []string{"PATH=/usr/bin:/bin", "TOKEN=" + token, "PASSWORD=" + password, "KEY=" + key}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			got := masker.String(string(out))
			if !strings.Contains(got, mask.Stars) {
				t.Errorf("nothing is masked in %q", got)
			}
			// Pieces of the values that no line shows by chance, as they are and in base64.
			for _, secret := range []string{"s3cr3t", "T0ken", "so>", `\on`, "MIIEpAIBAAK", "shortEnd", "AbCdEfGh9s"} {
				for offset := range 3 {
					in64 := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", offset) + secret))
					in64 = in64[(offset*8+5)/6 : len(in64)-4]
					if strings.Contains(got, secret) || len(in64) > 5 && strings.Contains(got, in64) {
						t.Errorf("%q, or %q, is in\n%s", secret, in64, got)
					}
				}
			}
		})
	}
}

func TestWhatIsNotMasked(t *testing.T) {
	if got := mask.New([]string{"abc", "", " \n x \n"}).String("abc x\n"); got != "abc x\n" {
		t.Errorf("%q: values of less than %d bytes are in every other line", got, mask.MinValue)
	}
	lines := mask.New([]string{"{\n  \"a\": \"secretary\"\n}"})
	if got := lines.String("{\n}\n"); got != "{\n}\n" {
		t.Errorf("%q: short lines of a value say nothing", got)
	}
	if got := lines.String(`x "a": "secretary"`); got != "x ***" {
		t.Errorf("%q", got)
	}
	if got := mask.New(nil).String("all\n"); got != "all\n" {
		t.Errorf("%q", got)
	}
}

// What a line ends with is shown at once, unless it may be the beginning of a value.
func TestWhatIsHeldBack(t *testing.T) {
	var out bytes.Buffer
	w := mask.NewWriter(&out, mask.New([]string{token, key}))
	for _, step := range []struct{ write, want string }{
		{"Starting\n", "Starting\n"},
		{"Ready n", "Ready "},
		{"ow? ", "now? "},
		{"the token is npm_s3", "the token is "},
		{"cr3t/T0ken+x", "***"},
		{"!\n", "!\n"},
		{"npm_s3cr\n", "npm_s3cr\n"},
		{"-----BEGIN TEST KEY-----\n", "***"}, // the whole key may follow
		{"and more\n", "\nand more\n"},
	} {
		out.Reset()
		if n, err := w.Write([]byte(step.write)); n != len(step.write) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if got := out.String(); got != step.want {
			t.Errorf("of %q it shows %q, want %q", step.write, got, step.want)
		}
	}
	out.Reset()
	_, _ = w.Write([]byte("npm_"))
	if err := w.Flush(); err != nil || out.String() != "npm_" {
		t.Errorf("in the end it shows %q (%v)", out.String(), err)
	}
}

func TestALongValue(t *testing.T) {
	long := strings.Repeat("0123456789abcdefghijklmnopqrstuvwxyz-", 200)
	masker := mask.New([]string{long})
	for name, text := range map[string]string{"as it is": long, "in base64": base64.StdEncoding.EncodeToString([]byte("a" + long + "bc"))} {
		if got := masker.String(text); !strings.Contains(got, mask.Stars) || len(got) > 12 {
			t.Errorf("%s: %q", name, got)
		}
	}
}
