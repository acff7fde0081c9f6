package text_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"katkit.dev/katkit/internal/domain/text"
)

func TestTerminal(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"plain lines stay":                    {"a\n\tb\r\nc", "a\n\tb\r\nc"},
		"a line that is written over stays":   {"10 %\r50 %\rdone\n", "10 %\r50 %\rdone\n"},
		"colours stay":                        {"\x1b[1;38:5:9mred\x1b[0m\x1b[m.", "\x1b[1;38:5:9mred\x1b[0m\x1b[m."},
		"colours end with the log":            {"\x1b[31mred", "\x1b[31mred\x1b[0m"},
		"what moves the cursor goes":          {"a\x1b[2Ab\x1b[2J\x1b[?1049hc", "abc"},
		"what only looks like a colour goes":  {"\x1b[>4;2mx\x1b[0 m", "x"},
		"the title and the clipboard stay":    {"\x1b]0;title\x07\x1b]52;c;QQ==\x1b\\", "\uFFFD]0;title\uFFFD\uFFFD]52;c;QQ==\uFFFD\\"},
		"an answer is not asked for":          {"\x1b[6n\x1bZ\x05", "\uFFFDZ\uFFFD"},
		"C1 controls are shown":               {"a\u009b2Jb\x9b2J\u0085", "a\uFFFD2Jb\uFFFD2J\uFFFD"},
		"what turns the direction is shown":   {"a\u202eb\u2066\u200f", "a\uFFFDb\uFFFD\uFFFD"},
		"what is not UTF-8 is shown":          {"a\xff\xe2\x82b\xe2\x82", "a\uFFFD\uFFFD\uFFFDb\uFFFD\uFFFD"},
		"backspace and delete are shown":      {"secret\b\b\x7f\x00", "secret\uFFFD\uFFFD\uFFFD\uFFFD"},
		"a sequence that never ends is shown": {"\x1b[" + strings.Repeat("1;", 40), "\uFFFD[" + strings.Repeat("1;", 40)},
		"a sequence that the log cuts":        {"x\x1b[3", "x\uFFFD[3"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := whole([]byte(c.in)); got != c.want {
				t.Errorf("%q is shown as %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func whole(pieces ...[]byte) string {
	var terminal text.Terminal
	var shown []byte
	for _, piece := range pieces {
		shown = append(shown, terminal.Safe(piece)...)
	}
	return string(append(shown, terminal.End()...))
}

var colour = regexp.MustCompile("\x1b\\[[0-9;:]*m")

func FuzzTerminal(f *testing.F) {
	f.Add([]byte("\x1b[31mä\x1b[2J\r\n\u202e\xff\x1b]0;t\x07\x9b"), 3)
	f.Add([]byte("\x1b[\x1b[0m\xe2\x82\xac"), 1)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		want := whole(in)
		if size > 0 {
			var pieces [][]byte
			for rest := in; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				pieces = append(pieces, bytes.Clone(rest[:min(size, len(rest))]))
			}
			if got := whole(pieces...); got != want {
				t.Errorf("%q in pieces of %d is shown as %q, whole as %q", in, size, got, want)
			}
		}
		unsafe := func(r rune) bool {
			return unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r) || unicode.Is(unicode.Bidi_Control, r)
		}
		if bare := colour.ReplaceAllString(want, ""); !utf8.ValidString(want) || strings.ContainsFunc(bare, unsafe) {
			t.Errorf("%q is shown as %q", in, want)
		}
		if again := whole([]byte(want)); again != want {
			t.Errorf("%q is shown as %q, and that as %q", in, want, again)
		}
	})
}
