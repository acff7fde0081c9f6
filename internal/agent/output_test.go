package agent

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/contract"
)

func TestParseOutputs(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		want    []contract.Output
	}{
		"nothing":                          {"", nil},
		"one":                              {"A=1\n", []contract.Output{{Name: "A", Value: "1"}}},
		"sorted by name":                   {"B=2\nA=1\n", []contract.Output{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}},
		"no newline at the end":            {"A=1\nB=2", []contract.Output{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}},
		"CRLF":                             {"A=1\r\nB=\r\n", []contract.Output{{Name: "A", Value: "1"}, {Name: "B"}}},
		"empty lines and comments":         {"\n# A=0\n \t\n#\nA=1\n\r\n", []contract.Output{{Name: "A", Value: "1"}}},
		"an empty value":                   {"A=\n", []contract.Output{{Name: "A"}}},
		"all after the first = as it is":   {"A= b=\"c\" # d \n", []contract.Output{{Name: "A", Value: ` b="c" # d `}}},
		"a tab and letters beyond ASCII":   {"A=ü\t日\n", []contract.Output{{Name: "A", Value: "ü\t日"}}},
		"nothing is expanded":              {"A=$HOME $(id) \\n\n", []contract.Output{{Name: "A", Value: `$HOME $(id) \n`}}},
		"the last of a name counts":        {"A=1\nB=2\nA=3\n", []contract.Output{{Name: "A", Value: "3"}, {Name: "B", Value: "2"}}},
		"many of a name are one":           {strings.Repeat("A="+strings.Repeat("x", 100)+"\n", 500) + "A=\n", []contract.Output{{Name: "A"}}},
		"as many bytes as there may be":    {"A=" + strings.Repeat("x", contract.MaxOutputBytes-8), []contract.Output{{Name: "A", Value: strings.Repeat("x", contract.MaxOutputBytes-8)}}},
		"names differ in case":             {"a=1\nA=2\n", []contract.Output{{Name: "A", Value: "2"}, {Name: "a", Value: "1"}}},
		"the mark of a replaced character": {"A=\uFFFD\n", []contract.Output{{Name: "A", Value: "\uFFFD"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseOutputs([]byte(c.content))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// many are n outputs that differ.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "V%d=x\n", i)
	}
	return b.String()
}

// refusals are contents that are no outputs, and words of what is said of them.
var refusals = map[string]struct{ content, want string }{
	"no =":                      {"A=1\n\nsecret\n", "$KATKIT_OUTPUT, line 3: there is no =; write NAME=value"},
	"a value of two lines":      {"A=secret\nsecret\n", "line 2: there is no ="},
	"export":                    {"export A=secret\n", "line 1: what stands before the = is not the name of a variable: use letters, digits and _"},
	"a space before the name":   {" A=secret", "line 1: what stands"},
	"a space after the name":    {"A =secret", "line 1: what stands"},
	"no name":                   {"=secret\n", "line 1: what stands"},
	"a BOM":                     {"\ufeffA=secret\n", "line 1: what stands"},
	"UTF-16":                    {"\xff\xfeA\x00=\x001\x00\n\x00", "line 1: what stands"},
	"a long name":               {strings.Repeat("A", 257) + "=secret", "line 1: the name has 257 bytes, at most 256 are allowed"},
	"a reserved name":           {"A=1\nLD_PRELOAD=secret\n", "line 2: LD_PRELOAD is a variable that Katkit sets itself or keeps from being set: choose another name"},
	"one that Katkit sets":      {"PHASE=secret\n", "line 1: PHASE is"},
	"NUL":                       {"A=secret\x00\n", "line 1: the value of A has a control character: encode it"},
	"an escape sequence":        {"A=\x1b[31msecret\n", "line 1: the value of A has a control character"},
	"a CR inside":               {"A=secret\rB\n", "line 1: the value of A has a control character"},
	"another encoding":          {"A=gr\xfcn\n", "line 1: the value of A is not valid UTF-8: encode it"},
	"33 outputs":                {many(33), "$KATKIT_OUTPUT: there are 33 outputs, at most 32 are allowed: leave fewer"},
	"a byte more than there is": {"A=" + strings.Repeat("x", contract.MaxOutputBytes-7), "the outputs have 1537 bytes in all, written as JSON, and at most 1536 are allowed: leave less"},
	"quotes count twice":        {"A=" + strings.Repeat(`"`, contract.MaxOutputBytes/2), "bytes in all"},
}

func TestParseOutputsRefuses(t *testing.T) {
	for name, c := range refusals {
		t.Run(name, func(t *testing.T) {
			got, err := parseOutputs([]byte(c.content))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %+v, %v; want an error with %q and without any value", got, err, c.want)
			}
		})
	}
}

// FuzzOutputs: whatever ci.sh leaves, it is refused in one line of plain text, or taken whole and carried by a report.
func FuzzOutputs(f *testing.F) {
	for _, c := range refusals {
		f.Add([]byte(c.content))
	}
	f.Add([]byte("# a comment\r\n\r\nA=1\r\nB= two words \nA=\t3"))
	f.Fuzz(func(t *testing.T, content []byte) {
		outputs, err := parseOutputs(content)
		if err != nil {
			if s := err.Error(); len(s) > 500 || strings.ContainsAny(s, "\n\x1b\x00") {
				t.Errorf("%q", s)
			}
			return
		}
		r := contract.Report{Reason: contract.ReasonCompleted, Outputs: outputs}
		got, err := contract.ParseReport(r.Marshal())
		if err != nil {
			t.Fatalf("%v: %+v", err, outputs)
		}
		if diff := cmp.Diff(outputs, got.Outputs); diff != "" {
			t.Errorf("(-left +reported)\n%s", diff)
		}
		values := map[string]string{}
		for _, line := range strings.Split(string(content), "\n") {
			if name, value, assigned := strings.Cut(strings.TrimSuffix(line, "\r"), "="); assigned && !strings.HasPrefix(line, "#") {
				values[name] = value
			}
		}
		for _, o := range outputs {
			if values[o.Name] != o.Value {
				t.Errorf("%s is %q, left was %q", o.Name, o.Value, values[o.Name])
			}
			delete(values, o.Name)
		}
		if len(values) > 0 {
			t.Errorf("dropped: %q", values)
		}
	})
}

func TestExecTakesOutputs(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		want   []contract.Output
	}{
		"a script that leaves none": {"true", nil},
		"appended":                  {"echo A=1 >>$KATKIT_OUTPUT; echo 'B=two words' >>$KATKIT_OUTPUT", []contract.Output{{Name: "A", Value: "1"}, {Name: "B", Value: "two words"}}},
		"written anew":              {"echo A=1 >$KATKIT_OUTPUT.new; mv $KATKIT_OUTPUT.new $KATKIT_OUTPUT", []contract.Output{{Name: "A", Value: "1"}}},
		"an inherited path is not there beside it": {"grep -cz ^KATKIT_OUTPUT= /proc/$$/environ | sed s/^/N=/ >>$KATKIT_OUTPUT", []contract.Output{{Name: "N", Value: "1"}}},
		"no file any more":                         {"rm $KATKIT_OUTPUT", nil},
		"no folder any more":                       {"rm -r ${KATKIT_OUTPUT%/*}", nil},
		"by a child that ends later": {"(sleep 0.3; echo A=1 >>$KATKIT_OUTPUT) &",
			[]contract.Output{{Name: "A", Value: "1"}}},
		"the file is there, empty, and anyone's": {`echo "A=$(stat -c '%F %a' $KATKIT_OUTPUT)" >>$KATKIT_OUTPUT`,
			[]contract.Output{{Name: "A", Value: "regular empty file 666"}}},
	} {
		t.Run(name, func(t *testing.T) {
			a := runCI(t, "#!/bin/bash\numask 077\nset -e\n"+c.script+"\n", "KATKIT_OUTPUT=/dev/null")
			if diff := cmp.Diff(c.want, a.wantSuccess().Outputs); diff != "" {
				t.Errorf("(-want +got)\n%s\n%s", diff, a.log.String())
			}
		})
	}
}

// Each Pod has a workspace of its own, so this cannot happen; if it did, nothing would be taken for this ci.sh's.
func TestExecBeginsWithAnEmptyOutput(t *testing.T) {
	base := workspace(t, map[string]string{"ci.sh": "#!/bin/sh\necho A=1 >>$KATKIT_OUTPUT\n"})
	kept := filepath.Join(base, "kept")
	writeFile(t, kept, "STALE=1\n", 0o600)
	if err := os.Symlink(kept, filepath.Join(pathsIn(base).Control, outputFile)); err != nil {
		t.Fatal(err)
	}
	r := startAgent(t, contract.ExecCommand, base).wantSuccess()
	content, err := os.ReadFile(kept)
	if len(r.Outputs) != 1 || r.Outputs[0].Name != "A" || string(content) != "STALE=1\n" {
		t.Errorf("%+v, %q, %v", r.Outputs, content, err)
	}
}

func TestExecRefusesOutputs(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"a malformed line":        {"echo A=1 >>$KATKIT_OUTPUT; echo oops >>$KATKIT_OUTPUT", "$KATKIT_OUTPUT, line 2: there is no =; write NAME=value"},
		"a reserved name":         {"echo PATH=/tmp >>$KATKIT_OUTPUT", "line 1: PATH is a variable that Katkit sets itself"},
		"too many":                {"for i in $(seq 33); do echo V$i= >>$KATKIT_OUTPUT; done", "33 outputs, at most 32"},
		"too much":                {"printf 'A=%02000d\\n' 0 >>$KATKIT_OUTPUT", "at most 1536 are allowed"},
		"binary junk":             {"head -c 20000 /bin/sh >>$KATKIT_OUTPUT", "line 1: "},
		"a file without end":      {"truncate -s 1G $KATKIT_OUTPUT", "has more than 65536 bytes: leave less"},
		"a link to another file":  {"rm $KATKIT_OUTPUT; ln -s /etc/passwd $KATKIT_OUTPUT", "is a symbolic link, which is not followed: leave the file that is there"},
		"a link to nothing":       {"rm $KATKIT_OUTPUT; ln -s /nonexistent $KATKIT_OUTPUT", "is a symbolic link"},
		"a link to a device":      {"rm $KATKIT_OUTPUT; ln -s /dev/zero $KATKIT_OUTPUT", "is a symbolic link"},
		"a FIFO":                  {"rm $KATKIT_OUTPUT; mkfifo $KATKIT_OUTPUT", "is not a file but of the kind p"},
		"a folder":                {"rm $KATKIT_OUTPUT; mkdir $KATKIT_OUTPUT", "is not a file but a folder"},
		"a file for the folder":   {"d=${KATKIT_OUTPUT%/*}; rm -r $d; touch $d", "cannot be opened"},
		"a FIFO that is fed":      {"rm $KATKIT_OUTPUT; mkfifo $KATKIT_OUTPUT; (while :; do echo A=1; done) <>$KATKIT_OUTPUT >$KATKIT_OUTPUT 2>/dev/null & sleep 0.1", "is not a file but of the kind p"},
		"a large file":            {"yes A=1 | head -c 80000 >>$KATKIT_OUTPUT", "has more than 65536 bytes"},
		"a name as long as it is": {"printf '%0300d=1\\n' 0 | tr 0 A >>$KATKIT_OUTPUT", "line 1: the name has 300 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			a := runCI(t, "#!/bin/bash\nset -e\necho built\n"+c.script+"\n")
			r := a.wantFailure(contract.ClassConfig, contract.ReasonInvalidOutput, "ci.sh exited with code 0, but its outputs cannot be taken", c.want)
			if r.ExitCode != contract.ExitConfig || r.Outputs != nil || r.StartTime.IsZero() || r.FinishTime.Before(r.StartTime) {
				t.Errorf("%+v", r)
			}
			if !strings.HasPrefix(a.log.String(), "built\n[katkit] ") || !strings.HasSuffix(a.log.String(), r.Message+"\n") {
				t.Errorf("the log does not say so: %q", a.log.String())
			}
		})
	}
}

func TestExecTakesNoOutputsOfAScriptThatFailed(t *testing.T) {
	for name, script := range map[string]string{
		"valid ones":   "echo A=1 >>$KATKIT_OUTPUT; exit 3",
		"invalid ones": "echo A >>$KATKIT_OUTPUT; exit 3",
	} {
		t.Run(name, func(t *testing.T) {
			r := runCI(t, "#!/bin/sh\n"+script+"\n").wantFailure(contract.ClassUser, contract.ReasonCIScriptFailed)
			if r.ExitCode != 3 || r.Outputs != nil {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestExecReportsThatItCannotMakeTheOutputFile(t *testing.T) {
	var log bytes.Buffer
	r := runScript(script{}, nil, Paths{Control: filepath.Join(t.TempDir(), "gone")}, newLogWriter(&log), nil)
	if r.Class != contract.ClassInfra || r.Reason != contract.ReasonAgentFailed || r.ExitCode != contract.ExitInfra ||
		!strings.Contains(r.Message, "make the file for the outputs of ci.sh") || !strings.Contains(log.String(), r.Message) {
		t.Errorf("%+v, log %q", r, log.String())
	}
}
