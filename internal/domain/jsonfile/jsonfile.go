// Package jsonfile reads the JSON that users of Katkit keep in a .js file, with
// the position of everything in it. The parsers of internal/domain/workflow and
// internal/domain/servicedesc are written on top of it.
//
// The file is parsed, never evaluated. On top of RFC 8259 it may have comments,
// trailing commas, a UTF-8 byte order mark and CRLF line ends.
//
// What always holds: nothing panics, memory and recursion are bounded whatever
// the content (limits are checked before a tree is built), and every problem is
// a diagnostic with a position.
package jsonfile

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/tailscale/hujson"

	"katkit.dev/katkit/internal/domain/diagnostic"
)

// Limits of a file. MaxValues is far beyond what MaxBytes of a file that
// somebody wrote can hold; it bounds the memory that "[0,0,0,…" would take.
const (
	MaxBytes  = 256 << 10
	MaxDepth  = 64
	MaxValues = 32 << 10
)

var byteOrderMark = []byte("\ufeff")

// File is a parsed file. Its values are read through a Reporter.
type File struct {
	// Path is the file's path relative to the repository's root.
	Path string
	// Root is the file's one value.
	Root    hujson.Value
	content []byte
}

// Parse reads a file. Where it is too large, too deep or not JSON, the list
// holds the one error that says so and where, and File has no Root. Content is
// kept by File and must not be changed.
func Parse(path string, content []byte) (*File, diagnostic.List) {
	f := &File{Path: path, content: bytes.TrimPrefix(content, byteOrderMark)}
	r := f.Reporter()
	if len(content) > MaxBytes {
		r.at(diagnostic.Error, 0, "", fmt.Sprintf(
			"the file has %d bytes, at most %d are read: make it smaller", len(content), MaxBytes))
		return f, r.List()
	}
	if !f.checkText(r) || !f.checkBounds(r) {
		return f, r.List()
	}
	// A comment in the last line needs no line end here, but hujson wants one.
	root, err := hujson.Parse(append(bytes.Clone(f.content), '\n'))
	if err != nil {
		f.syntaxError(r, err)
		return f, r.List()
	}
	f.Root = root
	return f, nil
}

// checkText refuses content that is no UTF-8 text.
func (f *File) checkText(r *Reporter) bool {
	if len(bytes.TrimSpace(f.content)) == 0 {
		r.at(diagnostic.Error, 0, "", "the file is empty: write the JSON that is expected here, or remove the file")
		return false
	}
	for i := 0; i < len(f.content); {
		c, size := utf8.DecodeRune(f.content[i:])
		if c == utf8.RuneError && size == 1 {
			r.at(diagnostic.Error, i, string(f.content[i:i+1]), "the file is not UTF-8 text here: save it as UTF-8")
			return false
		}
		i += size
	}
	return true
}

// checkBounds walks the tokens as the parser would, without building anything,
// and refuses what nests too deeply or holds too many values.
func (f *File) checkBounds(r *Reporter) bool {
	depth, values := 0, 1
	for i := 0; i < len(f.content); {
		switch f.content[i] {
		case '"':
			i = skipString(f.content, i)
			continue
		case '/':
			i = skipComment(f.content, i)
			continue
		case '{', '[':
			depth++
			values++
		case '}', ']':
			depth--
		case ',', ':':
			values++
		}
		if depth > MaxDepth {
			r.at(diagnostic.Error, i, "", fmt.Sprintf("objects and lists may nest %d deep at most: make it flatter", MaxDepth))
			return false
		}
		if values > MaxValues {
			r.at(diagnostic.Error, i, "", fmt.Sprintf("the file holds more than %d values: make it smaller", MaxValues))
			return false
		}
		i++
	}
	return true
}

// skipString returns the offset after the string that starts at i.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// skipComment returns the offset after the comment that starts at i, or after
// the slash where none starts.
func skipComment(b []byte, i int) int {
	var end string
	switch {
	case bytes.HasPrefix(b[i:], []byte("//")):
		end = "\n"
	case bytes.HasPrefix(b[i:], []byte("/*")):
		end = "*/"
	default:
		return i + 1
	}
	start := i + len("//")
	n := bytes.Index(b[start:], []byte(end))
	if n < 0 {
		return len(b)
	}
	return start + n + len(end)
}

// syntaxError reports hujson's error at the place that its text names: it has no
// other way to tell it. Its columns count bytes.
func (f *File) syntaxError(r *Reporter, err error) {
	reason := err
	if inner := errors.Unwrap(err); inner != nil {
		reason = inner
	}
	offset := 0
	var line, column int
	if _, scanErr := fmt.Sscanf(err.Error(), "hujson: line %d, column %d:", &line, &column); scanErr == nil {
		offset = lineStart(f.content, line) + column - 1
	}
	offset = min(offset, len(f.content))
	r.at(diagnostic.Error, offset, restOfLine(f.content[offset:]), fmt.Sprintf(
		"not valid JSON: %s; the file is read as data, never run, so it must hold one JSON value and may hold comments besides",
		diagnostic.Printable(reason.Error(), 120)))
}

// lineStart returns the offset where the 1-based line starts.
func lineStart(b []byte, line int) int {
	offset := 0
	for ; line > 1; line-- {
		n := bytes.IndexByte(b[offset:], '\n')
		if n < 0 {
			return len(b)
		}
		offset += n + 1
	}
	return offset
}

func restOfLine(b []byte) string {
	if n := bytes.IndexByte(b, '\n'); n >= 0 {
		b = b[:n]
	}
	return string(bytes.TrimSpace(b))
}

// Position returns where v stands; line and column are as in
// diagnostic.Diagnostic. A value that was never in the file has 0, 0.
func (f *File) Position(v hujson.Value) (line, column int) {
	if v.Value == nil {
		return 0, 0
	}
	return diagnostic.Position(f.content, v.StartOffset)
}
