// Package diagnostic is the one type for problems in a file of a user's
// repository: where, what, and what to do about it.
//
// The parsers of internal/domain make diagnostics; controllers put them into
// conditions and events, the kubectl plugin prints them.
//
// What always holds: whatever the file contained, a rendered diagnostic is one
// line of printable text of bounded length. Control characters, bidirectional
// overrides and invalid UTF-8 are shown as escapes.
package diagnostic

import (
	"fmt"
	"strings"
)

// Severity tells whether a problem stops what was asked for.
type Severity string

const (
	// Error is a problem that makes the file unusable for what was asked.
	Error Severity = "error"
	// Warning is something that was read, but does not do what its author may expect.
	Warning Severity = "warning"
)

// Limits of what a rendered diagnostic shows, in characters (Unicode code points).
const (
	maxPath    = 256
	maxText    = 80
	maxMessage = 400
)

// Diagnostic is one problem in one file.
type Diagnostic struct {
	// Severity is Error or Warning.
	Severity Severity `json:"severity"`
	// Path is the file's path relative to the repository's root, with slashes.
	Path string `json:"path"`
	// Line is 1-based. A line ends with LF or CRLF. 0 means the file as a whole.
	Line int `json:"line,omitempty"`
	// Column is 1-based and counts characters (Unicode code points), as editors
	// do: a tab is one, and so is an umlaut; a byte order mark is none. 0 with Line 0.
	Column int `json:"column,omitempty"`
	// Text is the offending text as it stands in the file, "" where nothing stands there.
	Text string `json:"text,omitempty"`
	// Message says what is wrong, what was expected and what to do.
	Message string `json:"message"`
}

// New makes a diagnostic with text and message made safe to show: see Printable.
func New(severity Severity, path string, line, column int, text, message string) Diagnostic {
	return Diagnostic{
		Severity: severity,
		Path:     Printable(path, maxPath),
		Line:     line,
		Column:   column,
		Text:     Printable(text, maxText),
		Message:  Printable(message, maxMessage),
	}
}

// String renders the diagnostic as compilers do, in one line that editors and
// CI systems know how to link: "path:line:column: severity: message (found text)".
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(Printable(d.Path, maxPath))
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", d.Line, d.Column)
	}
	fmt.Fprintf(&b, ": %s: %s", d.Severity, Printable(d.Message, maxMessage))
	if d.Text != "" {
		fmt.Fprintf(&b, " (found %s)", Printable(d.Text, maxText))
	}
	return b.String()
}
