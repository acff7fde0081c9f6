// Package markdown puts what others wrote into Markdown that GitHub shows, so that it mentions nobody, links nowhere and formats
// nothing. It is pure; comments and check runs are written with it.
package markdown

import (
	"strings"

	"katkit.dev/katkit/internal/domain/text"
)

// maxCode bounds what is repeated of others in a line, in bytes.
const maxCode = 200

// Code shows any text as it is, in a code span of one line of 200 bytes at most.
func Code(foreign string) string { return Span(text.Cut(text.Line(foreign), maxCode)) }

// Span is a code span of a line that is safe to show. Backticks become single quotes, and no space is left at its ends, which Markdown
// would take away.
func Span(line string) string {
	line = strings.TrimSpace(strings.ReplaceAll(line, "`", "'"))
	if line == "" {
		return `""`
	}
	return "`" + line + "`"
}

// mostNamed is how many names a list has.
const mostNamed = 10

// Codes lists names, the first ten of them.
func Codes(list []string) string {
	shown := make([]string, 0, len(list))
	for i, one := range list {
		if i == mostNamed {
			shown = append(shown, "…")
			break
		}
		shown = append(shown, Code(one))
	}
	return strings.Join(shown, ", ")
}

// fence is the shortest that begins and ends a block of code.
const fence = "```"

// Block shows lines as they are, in a block of code. Its fence is longer than any that they hold.
func Block(foreign string) string {
	lines, mark := text.Lines(foreign), fence
	for strings.Contains(lines, mark) {
		mark += "`"
	}
	return mark + "text\n" + lines + "\n" + mark + "\n"
}
