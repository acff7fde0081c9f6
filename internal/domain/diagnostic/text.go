package diagnostic

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

var byteOrderMark = []byte("\ufeff")

// Position turns a byte offset in a file's content into line and column as
// Diagnostic counts them. An offset outside of content is moved to its nearest end.
func Position(content []byte, offset int) (line, column int) {
	before := content[:min(max(offset, 0), len(content))]
	return Advance(1, 1, bytes.TrimPrefix(before, byteOrderMark))
}

// Advance returns the position after text that starts at line and column.
func Advance(line, column int, text []byte) (int, int) {
	if newlines := bytes.Count(text, []byte{'\n'}); newlines > 0 {
		line += newlines
		column = 1
		text = text[bytes.LastIndexByte(text, '\n')+1:]
	}
	return line, column + utf8.RuneCount(text)
}

// Printable makes text from a stranger's file safe to show in one line: what is
// not printable becomes an escape (\n, \x1b, \u202e), and text beyond limit
// characters is replaced by an ellipsis. It changes nothing when applied twice.
func Printable(text string, limit int) string {
	var b strings.Builder
	count := 0
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		piece := text[i : i+size]
		if r == utf8.RuneError && size == 1 {
			piece = fmt.Sprintf(`\x%02x`, text[i])
		} else if !unicode.IsPrint(r) {
			piece = escape(r)
		}
		n := utf8.RuneCountInString(piece)
		if count+n > limit || (count+n == limit && i+size < len(text)) {
			return b.String() + "…"
		}
		b.WriteString(piece)
		count += n
		i += size
	}
	return b.String()
}

func escape(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	default:
		return fmt.Sprintf(`\U%08x`, r)
	}
}

// truncateBytes cuts valid UTF-8 text to at most limit bytes at a character's border.
func truncateBytes(text string, limit int) string {
	const ellipsis = "…"
	if len(text) <= limit {
		return text
	}
	cut := limit - len(ellipsis)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + ellipsis
}
