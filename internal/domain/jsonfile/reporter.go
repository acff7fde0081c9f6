package jsonfile

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/tailscale/hujson"

	"katkit.dev/katkit/internal/domain/diagnostic"
)

// maxReported bounds how many problems of each severity one Reporter keeps.
const maxReported = 100

// Reporter collects the problems of a file or of a part of it.
type Reporter struct {
	file  *File
	found []problem
	count map[diagnostic.Severity]int
}

// problem is a diagnostic whose line and column are still to be counted.
type problem struct {
	severity      diagnostic.Severity
	offset        int
	text, message string
}

// Reporter returns an empty collector for problems of f. Several may be used
// side by side, each for a part of the file.
func (f *File) Reporter() *Reporter {
	return &Reporter{file: f, count: map[diagnostic.Severity]int{}}
}

// List returns what was reported, ordered by position: at most 100 errors and
// 100 warnings; beyond that, one more of each severity says that there are more.
func (r *Reporter) List() diagnostic.List {
	slices.SortStableFunc(r.found, func(a, b problem) int { return cmp.Compare(a.offset, b.offset) })
	var list diagnostic.List
	line, column, passed := 1, 1, 0
	for _, p := range r.found {
		line, column = diagnostic.Advance(line, column, r.file.content[passed:p.offset])
		passed = p.offset
		list = append(list, diagnostic.New(p.severity, r.file.Path, line, column, p.text, p.message))
	}
	return list.Sorted()
}

// Take moves what other has collected to r.
func (r *Reporter) Take(other *Reporter) {
	for _, p := range other.found {
		r.at(p.severity, p.offset, p.text, p.message)
	}
	other.found = nil
}

// Errorf reports an error at v, showing the text of v.
func (r *Reporter) Errorf(v hujson.Value, format string, args ...any) {
	r.at(diagnostic.Error, v.StartOffset, source(v), fmt.Sprintf(format, args...))
}

// Warnf reports a warning at v, showing the text of v.
func (r *Reporter) Warnf(v hujson.Value, format string, args ...any) {
	r.at(diagnostic.Warning, v.StartOffset, source(v), fmt.Sprintf(format, args...))
}

// MissingIn reports an error at v for something that is not there.
func (r *Reporter) MissingIn(v hujson.Value, format string, args ...any) {
	r.at(diagnostic.Error, v.StartOffset, "", fmt.Sprintf(format, args...))
}

// Within reports a problem with the part text of the string v, which starts at
// byte offset in v's decoded value. The position is exact unless escapes
// precede it; then it is the string's start.
func (r *Reporter) Within(severity diagnostic.Severity, v hujson.Value, offset int, text, format string, args ...any) {
	if r.count[severity] > maxReported {
		return // before the cost of looking for the place
	}
	r.at(severity, v.StartOffset+sourceOffset(v, offset), text, fmt.Sprintf(format, args...))
}

func (r *Reporter) at(severity diagnostic.Severity, offset int, text, message string) {
	r.count[severity]++
	if r.count[severity] > maxReported+1 {
		return
	}
	if r.count[severity] > maxReported {
		text, message = "", fmt.Sprintf("there are more than %d problems of this severity: mend the first ones and look again", maxReported)
	}
	r.found = append(r.found, problem{severity, offset, text, message})
}

// source is the text of a scalar as it stands in the file, "" for an object or a list.
func source(v hujson.Value) string {
	if lit, ok := v.Value.(hujson.Literal); ok {
		return string(lit)
	}
	return ""
}

// sourceOffset turns an offset in a string's decoded value into one in its literal.
func sourceOffset(v hujson.Value, offset int) int {
	lit, ok := v.Value.(hujson.Literal)
	if !ok || lit.Kind() != '"' || offset < 0 || 1+offset >= len(lit) {
		return 0
	}
	if bytes.ContainsRune(lit[:1+offset], '\\') {
		return 0
	}
	return 1 + offset
}
