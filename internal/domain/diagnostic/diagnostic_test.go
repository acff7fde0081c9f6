package diagnostic_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/domain/diagnostic"
)

func TestDiagnosticString(t *testing.T) {
	tests := map[string]struct {
		diagnostic diagnostic.Diagnostic
		want       string
	}{
		"names place, severity, message and text": {
			diagnostic.New(diagnostic.Error, "a/b.js", 3, 14, "7", "PhaseType must be 4 or 1"),
			"a/b.js:3:14: error: PhaseType must be 4 or 1 (found 7)",
		},
		"leaves out what is not known": {
			diagnostic.New(diagnostic.Warning, "b.js", 0, 0, "", "odd"),
			"b.js: warning: odd",
		},
		"shows hostile text as escapes": {
			diagnostic.New(diagnostic.Error, "a\nb.js", 1, 1, "\x1b[2J\u202e\xff", "bad\r\n\tthing"),
			`a\nb.js:1:1: error: bad\r\n\tthing (found \x1b[2J\u202e\xff)`,
		},
		"escapes what was not made by New": {
			diagnostic.Diagnostic{Severity: diagnostic.Error, Path: "b.js", Line: 1, Column: 2, Message: "a\x00b"},
			`b.js:1:2: error: a\x00b`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.diagnostic.String()); diff != "" {
				t.Errorf("String() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPosition(t *testing.T) {
	tests := map[string]struct {
		content      string
		offset       int
		line, column int
	}{
		"the first byte":                         {"abc", 0, 1, 1},
		"after a line feed":                      {"a\nbc", 3, 2, 2},
		"after a carriage return and line feed":  {"a\r\nbc", 3, 2, 1},
		"a tab is one column":                    {"\t\tb", 2, 1, 3},
		"a character of two bytes is one column": {"ü: b", 4, 1, 4},
		"a byte order mark is no column":         {"\ufeffab", 4, 1, 2},
		"the end":                                {"ab\n", 3, 2, 1},
		"beyond the end":                         {"ab\n", 9, 2, 1},
		"before the start":                       {"ab\n", -1, 1, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			line, column := diagnostic.Position([]byte(tt.content), tt.offset)
			if line != tt.line || column != tt.column {
				t.Errorf("Position(%q, %d) = %d:%d, want %d:%d", tt.content, tt.offset, line, column, tt.line, tt.column)
			}
		})
	}
}

func list(n int, severity diagnostic.Severity, message string) diagnostic.List {
	var l diagnostic.List
	for i := n; i > 0; i-- {
		l = append(l, diagnostic.New(severity, "katkitconfig.js", i, 1, "", message))
	}
	return l
}

func TestListError(t *testing.T) {
	long := strings.Repeat("ü", 300)
	tests := map[string]struct {
		list diagnostic.List
		want string
	}{
		"nothing for no problem": {nil, ""},
		"errors in the order of the file": {
			list(2, diagnostic.Error, "bad"),
			"katkitconfig.js:1:1: error: bad; katkitconfig.js:2:1: error: bad",
		},
		"errors without the warnings": {
			append(list(1, diagnostic.Warning, "odd"), list(1, diagnostic.Error, "bad")...),
			"katkitconfig.js:1:1: error: bad",
		},
		"warnings where there is no error": {
			list(1, diagnostic.Warning, "odd"),
			"katkitconfig.js:1:1: warning: odd",
		},
		"how many did not fit": {
			list(1000, diagnostic.Error, long),
			"katkitconfig.js:1:1: error: " + long + "; and 999 more",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.list.Error()); diff != "" {
				t.Errorf("Error() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestListErrorFitsACondition(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 9, 10, 11, 99, 100, 101, 200} {
		for _, width := range []int{1, 7, 50, 399, 500} {
			got := list(n, diagnostic.Error, strings.Repeat("😀", width)).Error()
			if len(got) > 1024 || !utf8.ValidString(got) {
				t.Fatalf("%d problems of %d characters: %d bytes, valid UTF-8 %t", n, width, len(got), utf8.ValidString(got))
			}
		}
	}
}

func TestListErr(t *testing.T) {
	if err := list(3, diagnostic.Warning, "odd").Err(); err != nil {
		t.Errorf("Err() of warnings = %v, want nil", err)
	}
	err := fmt.Errorf("cannot deploy: %w", append(list(1, diagnostic.Error, "bad"), list(1, diagnostic.Warning, "odd")...).Err())
	var found diagnostic.List
	if !errors.As(err, &found) || len(found) != 1 {
		t.Errorf("errors.As found %v, want the one error", found)
	}
}

func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"", "plain", "a\nb", "\x1b[31m", "\xff\xfe", "\u202egnp.exe", strings.Repeat("é", 90), "…"} {
		f.Add(s, 20)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 1 + (limit&0x7fffffff)%100
		got := diagnostic.Printable(s, limit)
		if n := utf8.RuneCountInString(got); n > limit {
			t.Errorf("Printable(%q, %d) has %d characters", s, limit, n)
		}
		if strings.ContainsFunc(got, func(c rune) bool { return !unicode.IsPrint(c) }) || !utf8.ValidString(got) {
			t.Errorf("Printable(%q, %d) = %q is not printable", s, limit, got)
		}
		if twice := diagnostic.Printable(got, limit); twice != got {
			t.Errorf("Printable twice = %q, once %q", twice, got)
		}
	})
}
