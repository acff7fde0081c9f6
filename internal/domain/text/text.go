// Package text bounds texts to what the API's fields take. It is pure.
package text

// mark shows a reader that something was left out.
const mark = " […]"

// Cut returns the text, or as much of its beginning as fits into a number of bytes together with a mark that
// something is missing. It never cuts within a rune. limit is larger than the mark, which has 6 bytes.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit - len(mark)
	for end > 0 && text[end]&0xC0 == 0x80 {
		end--
	}
	return text[:end] + mark
}
