package contract

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func failed(tail string) Report {
	lines := int64(len(strings.Split(strings.TrimSuffix(tail, "\n"), "\n")))
	return Report{
		Class: ClassUser, Reason: ReasonCIScriptFailed, Message: "ci.sh exited with code 3", ExitCode: 3,
		StartTime:  time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC),
		FinishTime: time.Date(2024, 5, 6, 7, 9, 9, 0, time.UTC),
		Log:        Log{Bytes: int64(len(tail)), Lines: min(lines, int64(len(tail)))},
		Tail:       tail,
	}
}

func TestReportRoundTrip(t *testing.T) {
	want := failed("make: <all> \"quoted\" \\ & ünïcode\n\tindented\n")
	got, err := ParseReport(want.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if !got.LogComplete() {
		t.Error("a small plain log is complete in the report")
	}
	want.Log.Complete = true
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReportAlwaysFits(t *testing.T) {
	pieces := []string{"a", "\n", "\t", "\"", "\\", "<", "\x00", "\x1b[31m", "\x1b", "\r\n", "\r", "ü", "日本", "\u2028", "\u202e", "\xff", "\xe6\x97", "😀", "word "}
	random := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		var b strings.Builder
		for range random.IntN(6000) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		r := failed(b.String())
		r.Message = b.String()
		message := r.Marshal()
		if len(message) > MaxReport {
			t.Fatalf("%d bytes for %.80q", len(message), b.String())
		}
		got, err := ParseReport(message)
		if err != nil {
			t.Fatalf("%v: %s", err, message)
		}
		checkPlain(t, got)
		if got.LogComplete() && got.Tail != b.String() {
			t.Fatalf("said to be complete: %q of %q", got.Tail, b.String())
		}
	}
}

func TestReportKeepsTheLastLines(t *testing.T) {
	long := strings.Repeat("an early line\n", 1000) + "the end\n"
	got, err := ParseReport(failed(long).Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(long, got.Tail) || !strings.HasPrefix(got.Tail, "an early line\n") || len(got.Tail) < 3000 {
		t.Errorf("tail of %d bytes is not the end from the start of a line: %.40q", len(got.Tail), got.Tail)
	}
	if got.LogComplete() {
		t.Error("most of the log is missing, it is not complete")
	}
	oneLine := failed(strings.Repeat("x", 10000))
	if got, _ = ParseReport(oneLine.Marshal()); len(got.Tail) < 3000 {
		t.Errorf("of one endless line only %d bytes are left", len(got.Tail))
	}
}

func TestReportMakesTextPlain(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"colours go":                       {"\x1b[1;31mFAIL\x1b[0m\n", "FAIL\n"},
		"a lone escape is marked":          {"\x1b]0;title\a", "\uFFFD]0;title\uFFFD"},
		"CRLF is LF":                       {"a\r\nb\rc", "a\nb\uFFFDc"},
		"invalid bytes are marked":         {"\xffok", "\uFFFDok"},
		"direction changes are marked":     {"a\u202eb", "a\uFFFDb"},
		"tab, newline and Unicode stay":    {"\tü日😀\n", "\tü日😀\n"},
		"an unfinished colour is no crash": {"x\x1b[", "x\uFFFD["},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseReport(failed(c.in).Marshal())
			if err != nil {
				t.Fatal(err)
			}
			if got.Tail != c.want {
				t.Errorf("got %q, want %q", got.Tail, c.want)
			}
			if got.LogComplete() != (c.in == c.want) {
				t.Errorf("complete: %t", got.LogComplete())
			}
		})
	}
}

func TestReportWithImpossibleTimeStillFits(t *testing.T) {
	r := failed("x\n")
	r.StartTime = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := ParseReport(r.Marshal()); err != nil {
		t.Error(err)
	}
}

func TestParseReportRefuses(t *testing.T) {
	for name, message := range map[string]string{
		"nothing":                       ``,
		"prose":                         `all is well`,
		"another type":                  `[1]`,
		"another version":               `{"version":2,"reason":"Completed"}`,
		"an unknown reason":             `{"version":1,"reason":"Fine"}`,
		"a class that does not fit":     `{"version":1,"class":"Infra","reason":"CIScriptFailed","exitCode":1}`,
		"success with an exit code":     `{"version":1,"reason":"Completed","exitCode":1}`,
		"failure without one":           `{"version":1,"class":"User","reason":"CIScriptFailed","exitCode":0}`,
		"a negative exit code":          `{"version":1,"class":"User","reason":"CIScriptFailed","exitCode":-1}`,
		"a huge exit code":              `{"version":1,"class":"User","reason":"CIScriptFailed","exitCode":99999999999999999999}`,
		"a negative log":                `{"version":1,"reason":"Completed","log":{"bytes":-1}}`,
		"more lines than bytes":         `{"version":1,"reason":"Completed","log":{"bytes":1,"lines":2}}`,
		"a tail longer than the log":    `{"version":1,"reason":"Completed","log":{"bytes":9,"lines":2,"tailLines":7}}`,
		"an end before the start":       `{"version":1,"reason":"Completed","startTime":"2024-01-02T00:00:00Z","finishTime":"2024-01-01T00:00:00Z"}`,
		"more than Kubernetes delivers": `{"version":1,"reason":"Completed","x":"` + strings.Repeat("x", MaxReport) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := ParseReport([]byte(message)); err == nil {
				t.Errorf("accepted: %+v", r)
			}
		})
	}
}

func TestParseReportIgnoresUnknownFields(t *testing.T) {
	r, err := ParseReport([]byte(`{"version":1,"reason":"Completed","future":{"a":[1]},"log":{"x":1}}`))
	if err != nil || !r.Succeeded() {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestReservedVariable(t *testing.T) {
	for name, want := range map[string]bool{
		"KATKIT": true, "KATKIT_RUN": true, "LD_PRELOAD": true, "GIT_SSH_COMMAND": true, "PATH": true,
		"FOO": false, "ENV": false, "KATKITTEN": false, "MY_PATH": false, "path": false, "": false, "GITHUB": false,
	} {
		if got := ReservedVariable(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}

// FuzzParseReport: whatever ci.sh writes to its termination message, what comes out is small, plain and stable.
func FuzzParseReport(f *testing.F) {
	f.Add(failed("tail\n").Marshal())
	f.Add([]byte(`{"version":1,"reason":"Completed","tail":"\u001b[31m\u0000\ud800","log":{"bytes":9007199254740993,"complete":true}}`))
	f.Add([]byte(`{"VERSION":1,"reason":"CheckoutFailed","class":"Config","exitCode":122,"message":"` + strings.Repeat(`\u0001`, 300) + `"}`))
	f.Add(completed(mostOutputs()...).Marshal())
	f.Add([]byte(`{"version":1,"reason":"Completed","outputs":{"A":"\ud800","B":null,"a1":"\t\u2028","A":"twice"}}`))
	f.Add([]byte(`{"version":1,"reason":"Completed","outputs":{"PATH":"."},"Outputs":{"X=Y":"\u001b[31m"}}`))
	f.Add([]byte(`{"version":1,"class":"User","reason":"CIScriptFailed","exitCode":1,"outputs":{"PATH":"."}}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		r, err := ParseReport(message)
		if err != nil {
			return
		}
		checkPlain(t, r)
		checkOutputs(t, r)
		again, err := ParseReport(r.Marshal())
		if err != nil {
			t.Fatalf("%v: %+v", err, r)
		}
		again.Log.Complete = r.Log.Complete // of a stranger's report that did not claim it
		// A longer one may lose lines beside a long message and many outputs.
		if len(r.Tail)+len(encode(valuesOf(r.Outputs))) < 2000 {
			if diff := cmp.Diff(r, again); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func checkPlain(t *testing.T, r Report) {
	t.Helper()
	if len(r.Message) > maxMessage || len(r.Tail) > MaxReport {
		t.Fatalf("message of %d bytes, tail of %d", len(r.Message), len(r.Tail))
	}
	for _, s := range []string{r.Message, r.Tail} {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\x1b\r\a\u202e\u2028") {
			t.Fatalf("not plain: %q", s)
		}
	}
}
