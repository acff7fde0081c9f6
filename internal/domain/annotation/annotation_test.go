package annotation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/domain/annotation"
)

const (
	checkout = "/workspace/src"
	notice   = annotation.LevelNotice
	warning  = annotation.LevelWarning
	failure  = annotation.LevelFailure
)

// at is a remark about one place; column 0 is none.
func at(path string, line, column int, level annotation.Level, message string) annotation.Annotation {
	return annotation.Annotation{
		Path: path, StartLine: line, EndLine: line, StartColumn: column, EndColumn: column, Level: level, Message: message,
	}
}

func TestCommands(t *testing.T) {
	full := annotation.Annotation{
		Path: "a.js", StartLine: 2, EndLine: 2, StartColumn: 5, EndColumn: 7, Level: failure, Title: "no-x", Message: "x is not defined",
	}
	lines := annotation.Annotation{Path: "a.js", StartLine: 1, EndLine: 2, Level: failure, Message: "m"}
	decoded := at("a:b,c.js", 1, 0, failure, "50% one two")
	decoded.Title = "t: u, v"
	titleOnly := at("a.js", 1, 0, failure, "t")
	titleOnly.Title = "t"
	for name, c := range map[string]struct {
		log  string
		want []annotation.Annotation
	}{
		"all properties":                        {"::error file=a.js,line=2,endLine=2,col=5,endColumn=7,title=no-x::x is not defined", []annotation.Annotation{full}},
		"properties in another order":           {"::error title=no-x,endColumn=7,col=5,endLine=2,line=2,file=a.js::x is not defined", []annotation.Annotation{full}},
		"names and keys in any case":            {"::ERROR File=a.js,LINE=2,endline=2,COL=5,EndColumn=7,Title=no-x::x is not defined", []annotation.Annotation{full}},
		"a line that is indented and coloured":  {"  \x1b[31m::error file=a.js,line=2,endLine=2,col=5,endColumn=7,title=no-x::x is not defined\x1b[0m\r\n", []annotation.Annotation{full}},
		"a warning":                             {"::warning file=a.js,line=3::m", []annotation.Annotation{at("a.js", 3, 0, warning, "m")}},
		"a notice":                              {"::notice file=a.js,line=3::m", []annotation.Annotation{at("a.js", 3, 0, notice, "m")}},
		"one column is the end, too":            {"::error file=a.js,line=3,col=4::m", []annotation.Annotation{at("a.js", 3, 4, failure, "m")}},
		"the end alone is the begin, too":       {"::error file=a.js,endLine=3,endColumn=4::m", []annotation.Annotation{at("a.js", 3, 4, failure, "m")}},
		"several lines have no columns":         {"::error file=a.js,line=1,endLine=2,col=5,endColumn=7::m", []annotation.Annotation{lines}},
		"an end before the begin is the begin":  {"::error file=a.js,line=3,endLine=2,col=4,endColumn=1::m", []annotation.Annotation{at("a.js", 3, 4, failure, "m")}},
		"without a line it is the first":        {"::error file=a.js::m", []annotation.Annotation{at("a.js", 1, 0, failure, "m")}},
		"without a line a column is nothing":    {"::error file=a.js,col=4::m", []annotation.Annotation{at("a.js", 1, 0, failure, "m")}},
		"what is no line is none":               {"::error file=a.js,line=-4::m\n::error file=a.js,line=2147483648::n", []annotation.Annotation{at("a.js", 1, 0, failure, "m"), at("a.js", 1, 0, failure, "n")}},
		"the last line that there can be":       {"::error file=a.js,line=2147483647::m", []annotation.Annotation{at("a.js", 2147483647, 0, failure, "m")}},
		"what is escaped":                       {"::error file=a%3Ab%2Cc.js,title=t%3A u%2C v::50%25%0D%0Aone%0Atwo", []annotation.Annotation{decoded}},
		"an escape is read once":                {"::error file=a.js::%250A", []annotation.Annotation{at("a.js", 1, 0, failure, "%0A")}},
		"a message may have colons":             {"::error file=a.js::a::b", []annotation.Annotation{at("a.js", 1, 0, failure, "a::b")}},
		"a title speaks for a missing message":  {"::error file=a.js,title=t::", []annotation.Annotation{titleOnly}},
		"any file will do":                      {"::error file=LICENSE::m", []annotation.Annotation{at("LICENSE", 1, 0, failure, "m")}},
		"without a file there is nothing":       {"::error line=1::m\n::error::m\n::error file=::m", nil},
		"without a message there is nothing":    {"::error file=a.js,line=1::", nil},
		"another command":                       {"::debug file=a.js,line=1::m\n::group::a.js:1: m", nil},
		"one that does not end":                 {"::error file=a.js,line=1:m", nil},
		"one that the line does not begin with": {"see ::error file=a.js,line=1::m", nil},
	} {
		t.Run(name, func(t *testing.T) { find(t, c.log, "", c.want) })
	}
}

func TestCompilers(t *testing.T) {
	for name, c := range map[string]struct {
		log  string
		want []annotation.Annotation
	}{
		"go build":                             {"./main.go:5:2: undefined: x", []annotation.Annotation{at("main.go", 5, 2, failure, "undefined: x")}},
		"go vet":                               {"# acme/x\nvet: ./main.go:5:2: undefined: x", []annotation.Annotation{at("main.go", 5, 2, failure, "undefined: x")}},
		"go test":                              {"--- FAIL: TestX (0.00s)\n    a_test.go:12: got 1, want 2", []annotation.Annotation{at("a_test.go", 12, 0, failure, "got 1, want 2")}},
		"go.mod":                               {"/workspace/src/go.mod:5: unknown directive: foo", []annotation.Annotation{at("go.mod", 5, 0, failure, "unknown directive: foo")}},
		"gcc with colours":                     {"\x1b[01m\x1b[Ksrc/a.c:3:5:\x1b[m\x1b[K \x1b[01;31m\x1b[Kerror: \x1b[m\x1b[K'x' undeclared", []annotation.Annotation{at("src/a.c", 3, 5, failure, "error: 'x' undeclared")}},
		"a warning and a note of clang":        {"a.c:3:5: warning: unused [-Wunused]\na.c:4:1: note: here", []annotation.Annotation{at("a.c", 3, 5, warning, "warning: unused [-Wunused]"), at("a.c", 4, 1, notice, "note: here")}},
		"a message that only begins like one":  {"a_test.go:1: warnings are missing\na_test.go:2: note that", []annotation.Annotation{at("a_test.go", 1, 0, failure, "warnings are missing"), at("a_test.go", 2, 0, failure, "note that")}},
		"javac":                                {"src/A.java:7: error: ';' expected", []annotation.Annotation{at("src/A.java", 7, 0, failure, "error: ';' expected")}},
		"rustc":                                {"error[E0308]: mismatched types\n --> src/main.rs:2:18\n  |", []annotation.Annotation{at("src/main.rs", 2, 18, failure, "error[E0308]: mismatched types")}},
		"a warning of rustc":                   {"warning: unused variable: `x`\n  --> src/main.rs:2:9", []annotation.Annotation{at("src/main.rs", 2, 9, warning, "warning: unused variable: `x`")}},
		"an arrow without a message":           {" --> src/main.rs:2:18\nerror: x\nother\n --> src/main.rs:2:18", nil},
		"tsc":                                  {"src/a.ts(1,2): error TS2322: no number", []annotation.Annotation{at("src/a.ts", 1, 2, failure, "error TS2322: no number")}},
		"tsc to a terminal":                    {"src/a.ts:1:2 - error TS2322: no number", []annotation.Annotation{at("src/a.ts", 1, 2, failure, "error TS2322: no number")}},
		"a warning of csc":                     {"A.cs(1,2): warning CS0168: unused", []annotation.Annotation{at("A.cs", 1, 2, warning, "warning CS0168: unused")}},
		"eslint's unix format":                 {"/workspace/src/a.js:1:2: x is not defined. [Error/no-undef]\n/workspace/src/a.js:3:4: unused [Warning/no-unused]", []annotation.Annotation{at("a.js", 1, 2, failure, "x is not defined. [Error/no-undef]"), at("a.js", 3, 4, warning, "unused [Warning/no-unused]")}},
		"yamllint":                             {"a.yaml:1:2: [warning] too long", []annotation.Annotation{at("a.yaml", 1, 2, warning, "[warning] too long")}},
		"bash and dash":                        {"/workspace/src/ci.sh: line 3: foo: command not found\n./ci.sh: 4: bar: not found", []annotation.Annotation{at("ci.sh", 3, 0, failure, "foo: command not found"), at("ci.sh", 4, 0, failure, "bar: not found")}},
		"make":                                 {"Makefile:3: *** missing separator.  Stop.", []annotation.Annotation{at("Makefile", 3, 0, failure, "*** missing separator. Stop.")}},
		"brackets in a path":                   {"app/(shop)/[id]/page.tsx:1:2: m", []annotation.Annotation{at("app/(shop)/[id]/page.tsx", 1, 2, failure, "m")}},
		"what overwrites a line":               {"10 %\ra.go:1: m", []annotation.Annotation{at("a.go", 1, 0, failure, "m")}},
		"a time":                               {"12:34:56: foo\n2024-01-02T12:34:56: foo", nil},
		"a host and its port":                  {"host.example.com:8080: connection refused\nget.example.sh:443: refused\n127.0.0.1:80: x\n[::1]:53: z", nil},
		"a URL":                                {"http://x:80: y\nhttps://host/a.go:80: y", nil},
		"a stack":                              {"main.main()\n\t/workspace/src/main.go:12 +0x1d\n    at f (/workspace/src/a.js:1:2)\n0x45: foo", nil},
		"a line in a line of a log":            {"2024/01/02 12:34:56 main.go:12: starting", nil},
		"no line":                              {"a.go:0: m\na.go:2147483648: m\na.go:: m\na.go:1:", nil},
		"a column that is none":                {"a.go:1:0: m", []annotation.Annotation{at("a.go", 1, 0, failure, "m")}},
		"no known file":                        {"foo:1: m\n.go:1: m\na.bin:1: m\nx/.go:1: m", nil},
		"a placeholder's extension with a dot": {"a.go.:1: m", nil},
	} {
		t.Run(name, func(t *testing.T) { find(t, c.log, "", c.want) })
	}
}

func TestTracebacks(t *testing.T) {
	traceback := "Traceback (most recent call last):\n  File \"/workspace/src/a b.py\", line 3, in <module>\n    f()\n"
	for name, c := range map[string]struct {
		log  string
		want []annotation.Annotation
	}{
		"an exception":                {traceback + "ValueError: no", []annotation.Annotation{at("a b.py", 3, 0, failure, "ValueError: no")}},
		"one that says nothing":       {traceback + "acme.Failed", []annotation.Annotation{at("a b.py", 3, 0, failure, "acme.Failed")}},
		"the last place of ours":      {traceback + "  File \"b.py\", line 9, in f\n    g()\n  File \"/usr/lib/c.py\", line 1, in g\n    h\nKeyError: 1", []annotation.Annotation{at("b.py", 9, 0, failure, "KeyError: 1")}},
		"a syntax error":              {"  File \"a.py\", line 1\n    x =\n       ^\nSyntaxError: invalid", []annotation.Annotation{at("a.py", 1, 0, failure, "SyntaxError: invalid")}},
		"two that are chained":        {traceback + "KeyError: 1\n\nDuring handling of the above exception, another exception occurred:\n\n" + traceback + "E: 2", []annotation.Annotation{at("a b.py", 3, 0, failure, "KeyError: 1"), at("a b.py", 3, 0, failure, "E: 2")}},
		"one that ends in prose":      {traceback + "and so on\nValueError: no", nil},
		"what is no file":             {"  File \"<string>\", line 1\n    x =\nSyntaxError: invalid", nil},
		"the end of the log comes":    {traceback, nil},
		"an exception without places": {"ValueError: no", nil},
	} {
		t.Run(name, func(t *testing.T) { find(t, c.log, "", c.want) })
	}
}

func TestPaths(t *testing.T) {
	for name, c := range map[string]struct{ folder, path, want string }{
		"of the root":                      {"", "a.go", "a.go"},
		"of the folder":                    {"api", "a.go", "api/a.go"},
		"of a folder with slashes":         {"/api/", "a.go", "api/a.go"},
		"up, but inside":                   {"api/v1", "../a.go", "api/a.go"},
		"up and out":                       {"api", "../../a.go", ""},
		"out and in again":                 {"", "../src/a.go", ""},
		"absolute":                         {"api", checkout + "/web/a.go", "web/a.go"},
		"absolute, not clean":              {"api", "/workspace//src/./web/../a.go", "a.go"},
		"absolute, elsewhere":              {"", "/usr/include/a.h", ""},
		"absolute, out by dots":            {"", checkout + "/../a.go", ""},
		"absolute, of a neighbour":         {"", checkout + "2/a.go", ""},
		"the checkout itself":              {"", checkout, ""},
		"backslashes":                      {"", `src\a.go`, ""},
		"a control character":              {"", "a\x01.go", ""},
		"a line break in it":               {"", "a%0A.go", ""},
		"what is not UTF-8":                {"", "a\xff.go", ""},
		"what turns the direction":         {"", "a\u202e.go", ""},
		"letters of other scripts":         {"", "ä/日.go", "ä/日.go"},
		"as long as may be":                {"", strings.Repeat("a", 1021) + ".go", strings.Repeat("a", 1021) + ".go"},
		"too long":                         {"", strings.Repeat("a", 1022) + ".go", ""},
		"too long by its folder":           {"api", strings.Repeat("a", 1021) + ".go", ""},
		"long, and short when it is clean": {"", strings.Repeat("./", 600) + "a.go", "a.go"},
		"the root":                         {"", ".", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var want []annotation.Annotation
			if c.want != "" {
				want = append(want, at(c.want, 1, 0, failure, "m"))
			}
			find(t, "::error file="+c.path+"::m", c.folder, want)
			if !strings.Contains(c.path, "%") {
				find(t, c.path+":1: m", c.folder, want)
			}
		})
	}
	for _, checkout := range []string{"", "src"} {
		if found := annotation.Find("/src/a.go:1: m", "", checkout, 9); found != nil {
			t.Errorf("with the checkout in %q an absolute path is taken: %v", checkout, found)
		}
	}
}

func TestBounds(t *testing.T) {
	long := strings.Repeat("ä", 3000)
	found := annotation.Find("::error file=a.go,title="+long+"::"+long, "", checkout, 9)
	if len(found) != 1 || len(found[0].Message) > 1024 || len(found[0].Title) > 255 || !strings.HasSuffix(found[0].Message, "[…]") {
		t.Errorf("%+v", found)
	}

	var log strings.Builder
	for i := range 9 {
		fmt.Fprintf(&log, "a.go:%d: m\na.go:1: m\n", i+1)
	}
	want := []annotation.Annotation{at("a.go", 1, 0, failure, "m"), at("a.go", 2, 0, failure, "m"), at("a.go", 3, 0, failure, "m")}
	if diff := cmp.Diff(want, annotation.Find(log.String(), "", checkout, 3)); diff != "" {
		t.Errorf("the first, each once (-want +got):\n%s", diff)
	}
	if found := annotation.Find(log.String(), "", checkout, 0); len(found) > 0 {
		t.Errorf("none were asked for: %v", found)
	}
}

func find(t *testing.T, log, folder string, want []annotation.Annotation) {
	t.Helper()
	got := annotation.Find(log, folder, checkout, 50)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	check(t, got)
}
