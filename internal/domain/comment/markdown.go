package comment

import (
	"strings"

	"katkit.dev/katkit/internal/domain/text"
)

// maxCode bounds what is repeated of others, in bytes.
const maxCode = 200

// code shows any text as it is, in one line: it mentions nobody, links nowhere and formats nothing.
func code(foreign string) string { return span(text.Cut(text.Line(foreign), maxCode)) }

// span is a code span. No backtick may be in it, and no space at both ends, which Markdown would take away.
func span(line string) string {
	line = strings.TrimSpace(strings.ReplaceAll(line, "`", "'"))
	if line == "" {
		return `""`
	}
	return "`" + line + "`"
}

// mostNamed is how many names an answer lists.
const mostNamed = 10

// codes lists names.
func codes(list []string) string {
	shown := make([]string, 0, len(list))
	for i, one := range list {
		if i == mostNamed {
			shown = append(shown, "…")
			break
		}
		shown = append(shown, code(one))
	}
	return strings.Join(shown, ", ")
}
