package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"katkit.dev/katkit/internal/contract"
)

// Line makes any bytes one line that is safe to store and to show on a terminal: valid UTF-8, colours and other ANSI
// control sequences taken out, white space and line ends as one space, and every other control or direction character as
// U+FFFD. It changes nothing when applied twice.
func Line(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for i := 0; i < len(s); {
		if n := contract.ControlSequence(s[i:]); n > 0 {
			i += n
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		if unicode.IsSpace(r) {
			space = true
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			r = utf8.RuneError
		}
		b.WriteRune(r) // an invalid byte was decoded as U+FFFD already
	}
	return b.String()
}
