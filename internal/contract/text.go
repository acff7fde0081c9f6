package contract

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain makes any bytes safe to store and to show on a terminal: valid UTF-8, colours and other escape sequences taken
// out, CRLF as LF, and every other control or format character but newline and tab as U+FFFD.
func plain(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		if n := ControlSequence(s[i:]); n > 0 {
			i += n
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == '\r' && strings.HasPrefix(s[i:], "\n"):
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029':
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r) // an invalid byte was decoded as U+FFFD already
		}
	}
	return b.String()
}

// MaxControlSequence is how long a control sequence may be to be taken for one, in bytes.
const MaxControlSequence = 32

// ControlSequence returns the length of the ANSI control sequence (ECMA-48 CSI, such as a colour) that s begins with, or 0.
func ControlSequence(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s) && i < MaxControlSequence; i++ {
		switch c := s[i]; {
		case c >= 0x40 && c <= 0x7e:
			return i + 1
		case c < 0x20 || c > 0x3f:
			return 0
		}
	}
	return 0
}

// firstBytes cuts valid UTF-8 to at most maxMessage bytes, with "…" where something was lost.
func firstBytes(s string) string {
	const more = "…"
	if len(s) <= maxMessage {
		return s
	}
	end := maxMessage - len(more)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + more
}

// lastLines returns the end of the plain text s that takes at most room bytes inside a JSON string. It begins with a
// whole line where one fits, else inside of one.
func lastLines(s string, room int) string {
	start := len(s)
	for start > 0 {
		r, size := utf8.DecodeLastRuneInString(s[:start])
		if room -= jsonLength(r, size); room < 0 {
			break
		}
		start -= size
	}
	if start == 0 {
		return s
	}
	if s[start-1] == '\n' {
		return s[start:]
	}
	if _, rest, cut := strings.Cut(s[start:], "\n"); cut && rest != "" {
		return rest
	}
	return s[start:]
}

// jsonLength is how many bytes encoding/json writes for a rune of plain text.
func jsonLength(r rune, size int) int {
	switch r {
	case '\n', '\t', '"', '\\':
		return 2
	case utf8.RuneError:
		return 6 // written as it is, or as \ufffd
	}
	return size
}
