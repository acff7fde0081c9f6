package contract

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func completed(outputs ...Output) Report {
	r := failed("tail\n")
	r.Class, r.Reason, r.Message, r.ExitCode, r.Outputs = "", ReasonCompleted, "ci.sh exited with code 0", 0, outputs
	return r
}

// mostOutputs are as many as allowed, and as long.
func mostOutputs() []Output {
	const each = 23 // bytes of a value; the last one gets what is left
	outputs := make([]Output, MaxOutputs)
	for i := range outputs {
		outputs[i] = Output{Name: fmt.Sprintf("A_LONGER_NAME_%04d", i), Value: strings.Repeat("x", each)}
	}
	last := &outputs[MaxOutputs-1]
	last.Value += strings.Repeat("x", MaxOutputBytes-len(encode(valuesOf(outputs))))
	return outputs
}

func TestReportCarriesOutputs(t *testing.T) {
	want := completed(Output{Name: "A", Value: `"a\b"` + "\t<ü日😀>="}, Output{Name: "EMPTY"}, Output{Name: "_z9", Value: " x "})
	got, err := ParseReport(want.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	want.Log.Complete = true
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A manager of before knows nothing of outputs, an agent of before has none.
func TestReportWithoutOutputsIsAsBefore(t *testing.T) {
	if message := completed().Marshal(); strings.Contains(string(message), "outputs") {
		t.Errorf("%s", message)
	}
	r, err := ParseReport([]byte(`{"version":1,"reason":"Completed","log":{}}`))
	if err != nil || r.Outputs != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestFailedReportHasNoOutputs(t *testing.T) {
	r := failed("x\n")
	r.Outputs = []Output{{Name: "A", Value: "1"}}
	if message := r.Marshal(); strings.Contains(string(message), "outputs") {
		t.Errorf("written: %s", message)
	}
	got, err := ParseReport([]byte(`{"version":1,"class":"User","reason":"CIScriptFailed","exitCode":1,"outputs":{"A":"1","PATH":"/"}}`))
	if err != nil || got.Outputs != nil {
		t.Errorf("read: %+v, %v", got, err)
	}
}

func TestReportWithTheMostOutputsKeepsMessageAndTail(t *testing.T) {
	r := completed(mostOutputs()...)
	r.Tail = strings.Repeat("a line\n", 1000)
	message := r.Marshal()
	got, err := ParseReport(message)
	if err != nil || len(message) > MaxReport {
		t.Fatalf("%d bytes, %v", len(message), err)
	}
	if diff := cmp.Diff(r.Outputs, got.Outputs); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(got.Tail) < 1800 || got.Message != r.Message {
		t.Errorf("message %q, tail of %d bytes", got.Message, len(got.Tail))
	}
	// No success has such a message; it fits none the less, and whole.
	r.Message, r.Tail = strings.Repeat(`"`, maxMessage), "the last line\n"
	r.Log.Bytes, r.Log.Lines, r.Log.TailLines = 1<<62, 1<<62, LogTailBytes
	message = r.Marshal()
	got, err = ParseReport(message)
	if err != nil || len(message) > MaxReport || got.Message != r.Message || got.Tail != r.Tail || len(got.Outputs) != MaxOutputs {
		t.Errorf("%d bytes, %v, %+v", len(message), err, got)
	}
}

func TestReportWithOutputsAlwaysFits(t *testing.T) {
	pieces := []string{"a", "\t", "\"", "\\", "<", "\x00", "\x1b[31m", "\r", "ü", "日本", "\u2028", "\xff", "😀", "word "}
	random := rand.New(rand.NewPCG(3, 4))
	for range 400 {
		text := func(limit int) string {
			var b strings.Builder
			for range random.IntN(limit) {
				b.WriteString(pieces[random.IntN(len(pieces))])
			}
			return b.String()
		}
		r := completed()
		for i := range random.IntN(2 * MaxOutputs) {
			r.Outputs = append(r.Outputs, Output{Name: fmt.Sprint("V", i), Value: text(60)})
		}
		r.Message, r.Tail = text(2000), text(6000)
		if message := r.Marshal(); len(message) > MaxReport || !json.Valid(message) {
			t.Fatalf("%d bytes: %s", len(message), message)
		}
	}
}

func TestParseReportRefusesOutputs(t *testing.T) {
	many := make([]string, MaxOutputs+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"V%d":"x"`, i)
	}
	for name, c := range map[string]struct{ outputs, want string }{
		"another type":                {`["A=1"]`, "not the agent's JSON"},
		"a value of another type":     {`{"A":1}`, "not the agent's JSON"},
		"an empty name":               {`{"":"1"}`, "not the name of a variable"},
		"a name with a space":         {`{"export A":"1"}`, "not the name of a variable"},
		"a name with another =":       {`{"A=B":"1"}`, "not the name of a variable"},
		"a digit first":               {`{"1A":"1"}`, "not the name of a variable"},
		"a letter beyond ASCII":       {`{"Ü":"1"}`, "not the name of a variable"},
		"a name that is too long":     {`{"` + strings.Repeat("A", MaxOutputName+1) + `":"1"}`, "at most 256"},
		"a reserved name":             {`{"LD_PRELOAD":"x"}`, "LD_PRELOAD"},
		"one of Katkit's":             {`{"OK":"1","PHASE":"x"}`, "PHASE is a variable that Katkit sets"},
		"a newline":                   {`{"A":"a\nb"}`, "control character"},
		"an escape sequence":          {`{"A":"\u001b[31m"}`, "control character"},
		"NUL":                         {`{"A":"\u0000"}`, "control character"},
		"CRLF":                        {`{"A":"a\r"}`, "control character"},
		"a change of direction":       {`{"A":"\u202e"}`, "control character"},
		"one more than allowed":       {`{` + strings.Join(many, ",") + `}`, "33 outputs, at most 32"},
		"one byte more than allowed":  {`{"A":"` + strings.Repeat("x", MaxOutputBytes-7) + `"}`, "1537 bytes"},
		"quotes count as two":         {`{"A":"` + strings.Repeat(`\"`, MaxOutputBytes/2) + `"}`, "bytes in all"},
		"valid ones beside a bad one": {`{"A":"1","B":"2","KATKIT_RUN":"x"}`, "KATKIT_RUN"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ParseReport([]byte(`{"version":1,"reason":"Completed","outputs":` + c.outputs + `}`))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %+v, %v; want an error with %q", r.Outputs, err, c.want)
			}
		})
	}
}

func TestParseReportTakesTheLastOfAName(t *testing.T) {
	r, err := ParseReport([]byte(`{"version":1,"reason":"Completed","outputs":{"B":"1","A":"","B":"2"}}`))
	if diff := cmp.Diff([]Output{{Name: "A"}, {Name: "B", Value: "2"}}, r.Outputs); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestCheckOutputName(t *testing.T) {
	for name, allowed := range map[string]bool{
		"A": true, "foo_1": true, "_": true, "PATHS": true, "GIT": true, "KATKITX": true, "path": true, "Env": true, "HOME": true,
		strings.Repeat("A", MaxOutputName): true, strings.Repeat("A", MaxOutputName+1): false,
		VarEnv: false, VarGitSHA: false, VarGitRepo: false, VarCodePath: false, VarPhase: false, VarReplicaID: false, VarReplicaCount: false,
		VarTenant: false, VarRun: false, VarPhaseName: false, VarBranch: false, VarPullRequest: false, VarRepoURL: false, VarCI: false,
		VarKatkit: false, VarOutput: false, VarGraceSeconds: false, "PATH": false, "LD_PRELOAD": false, "GIT_X": false, "KATKIT_X": false,
		"": false, "1A": false, "A-B": false, "A B": false, " A": false, "Ü": false, "A\x00": false, "A\n": false,
	} {
		if err := CheckOutputName(name); (err == nil) != allowed {
			t.Errorf("CheckOutputName(%q) = %v, want allowed %t", name, err, allowed)
		}
	}
}

func TestOutputCheckDoesNotTellTheValue(t *testing.T) {
	for _, value := range []string{"secret\xff", "secret\x1b", "secret\nmore"} {
		if err := (Output{Name: "A", Value: value}).Check(); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// checkOutputs holds what the docs promise of a report's outputs.
func checkOutputs(t *testing.T, r Report) {
	t.Helper()
	if len(r.Outputs) > 0 && !r.Succeeded() || len(r.Outputs) > MaxOutputs || len(encode(valuesOf(r.Outputs))) > MaxOutputBytes {
		t.Fatalf("%s has the outputs %+v", r.Reason, r.Outputs)
	}
	if !slices.IsSortedFunc(r.Outputs, func(a, b Output) int { return strings.Compare(a.Name, b.Name) }) ||
		len(valuesOf(r.Outputs)) != len(r.Outputs) {
		t.Fatalf("not sorted or not unique: %+v", r.Outputs)
	}
	for _, o := range r.Outputs {
		control := func(c rune) bool { return unicode.IsControl(c) && c != '\t' }
		if CheckOutputName(o.Name) != nil || !utf8.ValidString(o.Value) || strings.ContainsFunc(o.Value, control) {
			t.Fatalf("%+v", o)
		}
	}
}
