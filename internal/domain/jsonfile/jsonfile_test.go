package jsonfile_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/domain/diagnostic"
	"katkit.dev/katkit/internal/domain/jsonfile"
)

func TestParse(t *testing.T) {
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	tests := map[string]struct {
		content string
		want    string // how the one diagnostic begins, "" for none
	}{
		"plain JSON":                               {`{"a": [1, true, null, "x"]}`, ""},
		"a byte order mark":                        {"\ufeff[]", ""},
		"CRLF, comments and trailing commas":       {"[\r\n1, // one\r\n/* two */ 2,\r\n]", ""},
		"a comment without a line end at the end":  {"[] // end", ""},
		"brackets in strings and comments":         {`["` + nested(100) + `\"[", /*` + nested(100) + "*/ 1] //" + nested(100), ""},
		"brackets after an escaped quote":          {`["\"` + strings.Repeat("[", 100) + `"]`, ""},
		"64 deep":                                  {nested(64), ""},
		"65 deep":                                  {"\n" + nested(65), "f.js:2:65: error: objects and lists may nest 64 deep at most"},
		"a million deep":                           {strings.Repeat("[", 256<<10), "f.js:1:65: error: objects and lists may nest"},
		"256 KiB":                                  {strings.Repeat(" ", 256<<10-2) + "[]", ""},
		"more than 256 KiB":                        {strings.Repeat(" ", 256<<10-1) + "[]", "f.js:1:1: error: the file has 262145 bytes, at most 262144 are read"},
		"too many values":                          {"[" + strings.Repeat("0,", 64<<10) + "]", "f.js:1:65535: error: the file holds more than 32768 values"},
		"nothing":                                  {"", "f.js:1:1: error: the file is empty"},
		"only a byte order mark":                   {"\ufeff\n", "f.js:1:1: error: the file is empty"},
		"only a comment":                           {"// nothing", "f.js:1:11: error: not valid JSON: parsing value: unexpected EOF"},
		"UTF-16":                                   {"\xff\xfe[\x00]\x00", "f.js:1:1: error: the file is not UTF-8 text here: save it as UTF-8"},
		"a missing comma":                          {"[\r\n\t1 2]", "f.js:2:4: error: not valid JSON: invalid character '2' after array value"},
		"a missing comma after an umlaut":          {"[\n\"ü\" 2]", "f.js:2:5: error: not valid JSON: invalid character '2' after array value"},
		"a missing comma after a byte order mark":  {"\ufeff[1 2]", "f.js:1:4: error: not valid JSON: invalid character '2' after array value"},
		"a string that never ends":                 {"[\"abc\n]", "f.js:2:2: error: not valid JSON: parsing string: unexpected EOF"},
		"a comment that never ends":                {"[1] /* abc", "f.js:1:5: error: not valid JSON: parsing comment"},
		"code":                                     {"module.exports = []", "f.js:1:1: error: not valid JSON: invalid literal: module.exports"},
		"single quotes":                            {"['a']", `f.js:1:2: error: not valid JSON: invalid character '\''`},
		"two values":                               {"[]\n[]", "f.js:2:1: error: not valid JSON: invalid character '[' after top-level value"},
		"a literal as long as the file, shortened": {strings.Repeat("x", 1000), "f.js:1:1: error: not valid JSON: invalid literal: xxx"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file, problems := jsonfile.Parse("f.js", []byte(tt.content))
			switch {
			case tt.want == "" && (len(problems) > 0 || file.Root.Value == nil):
				t.Errorf("Parse() = %v, %v, want a root and no problem", file.Root.Value, problems)
			case tt.want != "" && (len(problems) != 1 || !strings.HasPrefix(problems[0].String(), tt.want)):
				t.Errorf("Parse() said %v, want %s…", problems, tt.want)
			case tt.want != "" && len(problems[0].String()) > 700:
				t.Errorf("the problem has %d bytes", len(problems[0].String()))
			}
		})
	}
}

// TestParseDoesNotTakeTheBytesAfterContent: content may be a slice of something larger.
func TestParseDoesNotTakeTheBytesAfterContent(t *testing.T) {
	whole := []byte("[1]xyz")
	if _, problems := jsonfile.Parse("f.js", whole[:3]); len(problems) > 0 {
		t.Errorf("Parse() said %v", problems)
	}
	if string(whole) != "[1]xyz" {
		t.Errorf("Parse() changed its input's surroundings to %q", whole)
	}
}

func TestParseTakesBoundedMemory(t *testing.T) {
	const size = jsonfile.MaxBytes
	fill := func(head, body, tail string) string {
		return head + strings.Repeat(body, (size-len(head)-len(tail))/len(body)) + tail
	}
	for name, content := range map[string]string{
		"many small values":  fill("[", "0,", "]"),
		"many empty lists":   fill("[", "[],", "]"),
		"as many as allowed": "[" + strings.Repeat("{},", jsonfile.MaxValues/2-2) + "]",
		"many members":       fill("{", `"":0,`, "}"),
		"deep and wide":      fill("", strings.Repeat("[", 64)+"0"+strings.Repeat("]", 64)+",", ""),
		"only opening":       fill("", "[", ""),
		"one long string":    fill(`["`, "x", `"]`),
		"many comments":      fill("[", "/**/", "]"),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _ = jsonfile.Parse("f.js", []byte(content))
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > 24<<20 {
				t.Errorf("took %d KiB for %d bytes", got>>10, len(content))
			}
		})
	}
}

func parse(t *testing.T, content string) (*jsonfile.File, *jsonfile.Reporter) {
	t.Helper()
	file, problems := jsonfile.Parse("f.js", []byte(content))
	if len(problems) > 0 {
		t.Fatalf("Parse(%s) said %v", content, problems)
	}
	return file, file.Reporter()
}

func TestScalars(t *testing.T) {
	read := map[string]func(*jsonfile.Reporter, *jsonfile.File) any{
		"text": func(r *jsonfile.Reporter, f *jsonfile.File) any {
			v, ok := r.Text(f.Root, "X")
			return fmt.Sprintf("%v %v", v, ok)
		},
		"bool": func(r *jsonfile.Reporter, f *jsonfile.File) any {
			v, ok := r.Bool(f.Root, "X", true)
			return fmt.Sprintf("%v %v", v, ok)
		},
		"int": func(r *jsonfile.Reporter, f *jsonfile.File) any {
			v, ok := r.Int(f.Root, "X", 5, 0, 9)
			return fmt.Sprintf("%v %v", v, ok)
		},
	}
	for _, tt := range []struct{ content, text, boolean, integer string }{
		{`null`, " true", "true true", "5 true"},
		{`""`, " true", "true true", "5 true"},
		{`"a\u0062"`, "ab true", "true false", "5 false"},
		{`"FALSE"`, "FALSE true", "false true", "5 false"},
		{`false`, "false true", "false true", "5 false"},
		{`true`, "true true", "true true", "5 false"},
		{`0`, "0 true", "false true", "0 true"},
		{`" 9 "`, " 9  true", "true false", "9 true"},
		{`9.0`, "9.0 true", "true false", "9 true"},
		{`1.5`, "1.5 true", "true false", "5 false"},
		{`10`, "10 true", "true false", "5 false"},
		{`-1`, "-1 true", "true false", "5 false"},
		{`1e300`, "1e300 true", "true false", "5 false"},
		{`"NaN"`, "NaN true", "true false", "5 false"},
		{`"Infinity"`, "Infinity true", "true false", "5 false"},
		{`[]`, " false", "true false", "5 false"},
		{`{}`, " false", "true false", "5 false"},
	} {
		for as, want := range map[string]string{"text": tt.text, "bool": tt.boolean, "int": tt.integer} {
			file, r := parse(t, tt.content)
			if diff := cmp.Diff(want, read[as](r, file)); diff != "" {
				t.Errorf("%s as %s (-want +got):\n%s", tt.content, as, diff)
			}
			if complained := len(r.List()) == 1; complained == strings.HasSuffix(want, " true") {
				t.Errorf("%s as %s: said %v", tt.content, as, r.List())
			}
		}
	}
}

func TestFields(t *testing.T) {
	names := jsonfile.Names{"Name": "Name", "Nmae": "Name", "Order": "Order"}
	tests := map[string]struct {
		content string
		want    map[string]string
		say     []string
	}{
		"known names": {`{"Name": "a", "Order": 1}`, map[string]string{"Name": "a", "Order": "1"}, nil},
		"an alias":    {`{"Nmae": "a"}`, map[string]string{"Name": "a"}, nil},
		"another case": {`{"name": "a"}`, map[string]string{"Name": "a"},
			[]string{`f.js:1:2: warning: read as Name: write it so (found "name")`}},
		"twice, under two names": {`{"Name": "a", "Nmae": "b"}`, map[string]string{"Name": "b"},
			[]string{`f.js:1:15: warning: Name stands more than once in a thing, the last one counts: remove the others (found "Nmae")`}},
		"an unknown field": {`{"Nam": "a"}`, map[string]string{},
			[]string{`f.js:1:2: warning: unknown field in a thing, it is ignored: correct its name or remove it (found "Nam")`}},
		"no object": {`7`, nil, []string{`f.js:1:1: error: a thing must be an object: write it as { … } (found 7)`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file, r := parse(t, tt.content)
			fields, ok := r.Fields(file.Root, "a thing", names)
			var got map[string]string
			if ok {
				got = map[string]string{}
			}
			for field, v := range fields {
				got[field], _ = r.Text(v, field)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			var said []string
			for _, d := range r.List() {
				said = append(said, d.String())
			}
			if diff := cmp.Diff(tt.say, said); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReporterKeepsAHundredOfEachSeverity(t *testing.T) {
	file, r := parse(t, "\n\n7")
	for i := range 5000 {
		r.Warnf(file.Root, "warning %d", i)
		r.Errorf(file.Root, "error %d", i)
	}
	list := r.List()
	if n, m := len(list.Errors()), len(list.Warnings()); n != 101 || m != 101 {
		t.Errorf("kept %d errors and %d warnings, want 101 of each", n, m)
	}
	more := 0
	for _, d := range list {
		if strings.HasPrefix(d.Message, "there are more than 100") {
			more++
		}
	}
	if more != 2 {
		t.Errorf("%d diagnostics say that there are more, want 2", more)
	}
}

func TestWithin(t *testing.T) {
	for content, want := range map[string]string{
		"\n  \"ab, cd\"": "2:8",
		`"\"b, cd"`:      "1:1", // an escape goes before it: the string's start
	} {
		file, r := parse(t, content)
		r.Within(diagnostic.Error, file.Root, 4, "cd", "bad")
		if d := r.List()[0]; fmt.Sprintf("%d:%d", d.Line, d.Column) != want {
			t.Errorf("cd in %s is at %d:%d, want %s", content, d.Line, d.Column, want)
		}
	}
}
