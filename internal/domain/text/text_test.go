package text_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"katkit.dev/katkit/internal/domain/text"
)

func TestCut(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		limit int
		want  string
	}{
		"a short text stays as it is":        {"short", 10, "short"},
		"a text of just the limit stays":     {"0123456789", 10, "0123456789"},
		"a longer one ends with the mark":    {"0123456789a", 10, "0123 […]"},
		"a rune is left out rather than cut": {"012ä456789a", 10, "012 […]"},
	} {
		t.Run(name, func(t *testing.T) {
			got := text.Cut(c.text, c.limit)
			if got != c.want {
				t.Errorf("Cut(%q, %d) = %q, want %q", c.text, c.limit, got, c.want)
			}
		})
	}
}

func FuzzCut(f *testing.F) {
	f.Add(strings.Repeat("ä", 100), 20)
	f.Fuzz(func(t *testing.T, in string, limit int) {
		if limit < 6 || limit > 1<<16 || !utf8.ValidString(in) {
			t.Skip()
		}
		if got := text.Cut(in, limit); len(got) > limit || !utf8.ValidString(got) {
			t.Errorf("Cut to %d gives %d bytes, valid UTF-8: %t", limit, len(got), utf8.ValidString(got))
		}
	})
}
