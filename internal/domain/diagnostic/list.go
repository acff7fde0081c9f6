package diagnostic

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxSummary is the largest List.Error in bytes, so that it fits a condition's
// message with room for what a controller puts around it.
const maxSummary = 1024

// List is the problems of one or several files. The zero value is an empty list.
//
// List implements error, so that it can be wrapped and found again with
// errors.As. A function that returns error must return List.Err, never a List:
// an empty List in an error variable is not nil.
type List []Diagnostic //nolint:errname // A list of problems first, warnings included; an error only where one is wanted.

// HasErrors reports whether at least one problem is an Error.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return d.Severity == Error })
}

// Errors returns the problems that are errors, in order.
func (l List) Errors() List { return l.only(Error) }

// Warnings returns the problems that are warnings, in order.
func (l List) Warnings() List { return l.only(Warning) }

func (l List) only(s Severity) List {
	var kept List
	for _, d := range l {
		if d.Severity == s {
			kept = append(kept, d)
		}
	}
	return kept
}

// Err returns the errors of the list as an error of type List, or nil when there are none.
func (l List) Err() error {
	if errs := l.Errors(); len(errs) > 0 {
		return errs
	}
	return nil
}

// Error renders the list for a condition or an event: the first few errors (the
// warnings, when there is no error) joined by "; ", and "and N more" for what
// did not fit. It is one line of at most 1 KiB; "" for an empty list.
func (l List) Error() string {
	shown := l.Errors()
	if len(shown) == 0 {
		shown = l.Warnings()
	}
	shown = shown.Sorted()
	const rest = "; and %d more"
	var b strings.Builder
	for i, d := range shown {
		s := d.String()
		if i > 0 {
			s = "; " + s
		}
		room := maxSummary
		if left := len(shown) - i - 1; left > 0 {
			room -= len(fmt.Sprintf(rest, left))
		}
		if b.Len()+len(s) > room {
			if i == 0 {
				b.WriteString(truncateBytes(s, room))
				continue
			}
			fmt.Fprintf(&b, rest, len(shown)-i)
			break
		}
		b.WriteString(s)
	}
	return b.String()
}

// Sorted returns a copy ordered by path, line, column, severity (errors first)
// and message, so that equal input gives equal output.
func (l List) Sorted() List {
	sorted := slices.Clone(l)
	slices.SortStableFunc(sorted, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return sorted
}
