package text_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"katkit.dev/katkit/internal/domain/text"
)

func TestLines(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"lines stay, with their indentation":   {"a\n  b\n\tc", "a\n  b\n\tc"},
		"empty ones at the end do not":         {"a\n\nb\n\n", "a\n\nb"},
		"other systems' line ends":             {"a\r\nb\r\n", "a\nb"},
		"the last of what was written over":    {"10 %\r50 %\rdone\nnext\r", "done\nnext"},
		"colours are taken out":                {"\x1b[31mred\x1b[0m\nx", "red\nx"},
		"what moves the cursor is shown":       {"a\bb\n\x1b]0;x\x07", "a\uFFFDb\n\uFFFD]0;x\uFFFD"},
		"nothing":                              {"\n", ""},
		"a colour before the indentation goes": {"\x1b[31m  red", "red"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := text.Lines(c.in); got != c.want {
				t.Errorf("Lines(%q) = %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func FuzzLines(f *testing.F) {
	f.Add("\x1b[31m\r\n \x1b[\t\x1b[0m\u202e \xff\r")
	f.Fuzz(func(t *testing.T, in string) {
		got := text.Lines(in)
		unsafe := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
		if !utf8.ValidString(got) || strings.ContainsFunc(got, unsafe) || text.Lines(got) != got {
			t.Errorf("Lines(%q) = %q, again %q", in, got, text.Lines(got))
		}
	})
}
