package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"katkit.dev/katkit/internal/contract"
)

const (
	escape = '\x1b'
	// Plain is the control sequence that ends every colour.
	Plain = "\x1b[0m"
)

// Terminal makes a stream of bytes safe to show on a terminal, however it is cut into pieces. Colours (ECMA-48 SGR), newlines, tabs
// and carriage returns stay. Other control sequences are taken out; every other control or direction character, and what is not
// UTF-8, becomes U+FFFD. The zero value has seen nothing.
type Terminal struct {
	held     string // the beginning of a rune or of a sequence, which the next piece goes on with
	coloured bool
}

// Safe gives what is to be shown of the next piece. The last bytes of a piece may be held back until the next one.
func (t *Terminal) Safe(piece []byte) []byte {
	s := t.held + string(piece)
	shown := make([]byte, 0, len(s))
	i := 0
	for i < len(s) && !unfinished(s[i:]) {
		var n int
		shown, n = t.next(shown, s[i:])
		i += n
	}
	t.held = s[i:]
	return shown
}

// End gives what was held back, and ends the colours that the stream did not.
func (t *Terminal) End() []byte {
	var shown []byte
	for s := t.held; s != ""; {
		var n int
		shown, n = t.next(shown, s)
		s = s[n:]
	}
	t.held = ""
	if t.coloured {
		shown = append(shown, Plain...)
	}
	t.coloured = false
	return shown
}

// next adds the first rune or sequence of s, and gives its length.
func (t *Terminal) next(shown []byte, s string) ([]byte, int) {
	if n := contract.ControlSequence(s); n > 0 {
		if parameters := s[2 : n-1]; s[n-1] == 'm' && strings.Trim(parameters, "0123456789;:") == "" {
			t.coloured = strings.Trim(parameters, "0;") != ""
			shown = append(shown, s[:n]...)
		}
		return shown, n
	}
	r, size := utf8.DecodeRuneInString(s)
	switch {
	case r == '\n' || r == '\t' || r == '\r':
	case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029':
		r = utf8.RuneError
	}
	return utf8.AppendRune(shown, r), size
}

// unfinished tells whether all of s may be the beginning of a rune or a sequence.
func unfinished(s string) bool {
	if s[0] != escape {
		return !utf8.FullRuneInString(s)
	}
	if len(s) == 1 {
		return true
	}
	if s[1] != '[' || len(s) >= contract.MaxControlSequence {
		return false
	}
	for _, c := range []byte(s[2:]) {
		if c < 0x20 || c > 0x3f {
			return false
		}
	}
	return true
}
