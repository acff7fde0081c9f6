package annotation_test

import (
	"math"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"katkit.dev/katkit/internal/domain/annotation"
)

// check holds annotations to what GitHub's description says of those of a check run, and to what Annotation says.
func check(t *testing.T, found []annotation.Annotation) {
	t.Helper()
	seen := map[annotation.Annotation]bool{}
	for _, a := range found {
		if seen[a] {
			t.Errorf("twice: %+v", a)
		}
		seen[a] = true
		if !filepath.IsLocal(a.Path) || path.Clean(a.Path) != a.Path || a.Path == "." || len(a.Path) > 1024 || strings.Contains(a.Path, `\`) || !plain(a.Path) {
			t.Errorf("path %q", a.Path)
		}
		if a.StartLine < 1 || a.EndLine < a.StartLine || a.EndLine > math.MaxInt32 {
			t.Errorf("lines %d to %d", a.StartLine, a.EndLine)
		}
		known := a.StartColumn >= 1 && a.StartColumn <= a.EndColumn && a.EndColumn <= math.MaxInt32 && a.StartLine == a.EndLine
		if unknown := a.StartColumn == 0 && a.EndColumn == 0; !known && !unknown {
			t.Errorf("columns %d to %d of lines %d to %d", a.StartColumn, a.EndColumn, a.StartLine, a.EndLine)
		}
		if a.Level != notice && a.Level != warning && a.Level != failure {
			t.Errorf("level %q", a.Level)
		}
		if len(a.Title) > 255 || !plain(a.Title) || a.Message == "" || len(a.Message) > 1024 || !plain(a.Message) {
			t.Errorf("title %q, message %q", a.Title, a.Message)
		}
	}
}

func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) })
}

// FuzzFind: whatever a log, a folder and a checkout are, what is found is what GitHub takes, and as much as was asked for.
func FuzzFind(f *testing.F) {
	for _, log := range []string{
		"::error file=a.js,line=1,endLine=2,col=5,endColumn=7,title=x%3A::message%0Aand more",
		"::warning file=%2E%2E/a.js,line=-1::%1B[31m\n::notice file=/workspace/src/../x::m",
		"\x1b[1ma.c:3:5:\x1b[0m warning: x\r\n    a_test.go:12: y\rvet: ./b.go:1: z",
		"error[E1]: x\n --> src/main.rs:2:18\nsrc/a.ts(1,2): error TS1: x\na.ts:1:2 - error TS1: x\n/workspace/src/ci.sh: line 3: x",
		"Traceback\n  File \"/workspace/src/a.py\", line 3, in f\n    x\nValueError: \u202e\xff",
		"12:34:56: foo\nhost.example.com:8080: x\nhttp://x:80: y\n[::1]:53: z\n../a.go:1: m\n\\a.go:99999999999: m",
	} {
		f.Add(log, "", "/workspace/src", 50)
		f.Add(log, "../api\x00", "/", 2)
	}
	f.Fuzz(func(t *testing.T, log, folder, checkout string, limit int) {
		found := annotation.Find(log, folder, checkout, limit)
		check(t, found)
		if len(found) > max(limit, 0) {
			t.Errorf("%d of at most %d", len(found), limit)
		}
	})
}

// What a stranger's log costs grows with its length, not faster: a line of 128 KiB, more than a log's tail has, in each form is read here.
func TestLongLines(t *testing.T) {
	const size = 1 << 17
	for name, line := range map[string]string{
		"digits": "a.go:" + strings.Repeat("1", size), "colons": strings.Repeat(":", size), "brackets": strings.Repeat("(", size),
		"dots": "a.go:1: m" + strings.Repeat("/..", size/3), "path": strings.Repeat("a/", size/2) + "a.go:1: m",
		"properties": "::error " + strings.Repeat("file=a.go,", size/10) + "::m", "escapes": "::error file=a.go::" + strings.Repeat("%25", size/3),
		"colours": strings.Repeat("\x1b[", size/2), "frames": strings.Repeat("  File \"a.py\", line 1\n", size/22),
	} {
		t.Run(name, func(t *testing.T) { check(t, annotation.Find(line, "", checkout, 50)) })
	}
}
