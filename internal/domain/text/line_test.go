package text_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"katkit.dev/katkit/internal/domain/text"
)

func TestLine(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"a plain line stays":                {"exec: \"/app\": not found", "exec: \"/app\": not found"},
		"line ends and tabs become a space": {"\n one\r\n\ttwo\n\n", "one two"},
		"colours are taken out":             {"\x1b[1;31mpanic\x1b[0m: no", "panic: no"},
		"what moves the cursor is shown":    {"a\x1b]0;title\x07\bb", "a\uFFFD]0;title\uFFFD\uFFFDb"},
		"what turns the direction is shown": {"a\u202eb\u2066c", "a\uFFFDb\uFFFDc"},
		"what is not UTF-8 is shown":        {"a\xffb", "a\uFFFDb"},
		"a separator of lines is one":       {"a\u2028b\u0085c", "a b c"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := text.Line(c.in); got != c.want {
				t.Errorf("Line(%q) = %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func FuzzLine(f *testing.F) {
	f.Add("\x1b[31m\x1b[\x1b[0mm\u202e \xff")
	f.Fuzz(func(t *testing.T, in string) {
		got := text.Line(in)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || text.Line(got) != got {
			t.Errorf("Line(%q) = %q, again %q", in, got, text.Line(got))
		}
	})
}
