package logs

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

func TestOneLog(t *testing.T) {
	for name, c := range map[string]struct{ log, piped, shown string }{
		"plain":                     {"a\nb\n", "a\nb\n", "a\nb\n"},
		"without an end":            {"a", "a", "a\n"},
		"empty":                     {"", "", ""},
		"colours":                   {"\x1b[31mred\x1b[0m\n", "\x1b[31mred\x1b[0m\n", "\x1b[31mred\x1b[0m\n"},
		"colours that do not end":   {"\x1b[31mred\n", "\x1b[31mred\n", "\x1b[31mred\n\x1b[0m"},
		"what steers the terminal":  {"\x1b]0;x\x07\x1b[2Ja\n", "\x1b]0;x\x07\x1b[2Ja\n", "\uFFFD]0;x\uFFFDa\n"},
		"a line over another":       {"1 %\r2 %\n", "1 %\r2 %\n", "1 %\r2 %\n"},
		"what is cut at the end":    {"a\n\xe2\x82", "a\n\xe2\x82", "a\n\uFFFD\uFFFD\n"},
		"bytes that are no text":    {"\x00\xff\n", "\x00\xff\n", "\uFFFD\uFFFD\n"},
		"a sequence cut at the end": {"a\x1b[3", "a\x1b[3", "a\uFFFD[3\n"},
	} {
		t.Run(name, func(t *testing.T) {
			for terminal, want := range map[bool]string{false: c.piped, true: c.shown} {
				var out strings.Builder
				p := &printer{out: &out, terminal: terminal}
				log := p.alone()
				copyByBytes(t, log.Write, c.log)
				if err := log.Close(); err != nil || out.String() != want {
					t.Errorf("terminal %t: %q, %v, want %q", terminal, out.String(), err, want)
				}
			}
		})
	}
}

func copyByBytes(t *testing.T, write func([]byte) (int, error), s string) {
	t.Helper()
	for i := range len(s) {
		if _, err := write([]byte{s[i]}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogsBesideEachOther(t *testing.T) {
	for name, c := range map[string]struct {
		terminal, coloured bool
		want               string
	}{
		"in a pipe":     {false, false, "BUILD | a\nTEST[1] | 1 %\r\x1b[31m2 %\r\nBUILD | \x1b[2Jb\nTEST[1] | end\n"},
		"in a terminal": {true, false, "BUILD | a\nTEST[1] | \x1b[31m2 %\x1b[0m\nBUILD | b\nTEST[1] | end\n"},
		"in a coloured terminal": {true, true, "\x1b[36mBUILD | \x1b[0ma\n\x1b[33mTEST[1] | \x1b[0m\x1b[31m2 %\x1b[0m\n\x1b[36mBUILD | \x1b[0mb\n" +
			"\x1b[33mTEST[1] | \x1b[0mend\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			p := &printer{out: &out, terminal: c.terminal, coloured: c.coloured}
			build, test := p.beside("BUILD", 0), p.beside("TEST[1]", 1)
			copyByBytes(t, build.Write, "a\n\x1b[2J")
			copyByBytes(t, test.Write, "1 %\r\x1b[31m2 %\r\ne")
			copyByBytes(t, build.Write, "b\n")
			copyByBytes(t, test.Write, "nd")
			for _, log := range []io.Closer{build, test} {
				if err := log.Close(); err != nil {
					t.Error(err)
				}
			}
			if out.String() != c.want {
				t.Errorf("got %q, want %q", out.String(), c.want)
			}
		})
	}
}

// TestLinesAreNotTorn holds for logs that are written at once.
func TestLinesAreNotTorn(t *testing.T) {
	var out bytes.Buffer
	p := &printer{out: &out}
	var all sync.WaitGroup
	for i := range 4 {
		log := p.beside(strings.Repeat("x", i+1), i)
		all.Go(func() {
			line := strings.Repeat(strings.Repeat("abc", i+1), 50) + "\n"
			for range 100 {
				_, _ = log.Write([]byte(line[:7]))
				_, _ = log.Write([]byte(line[7:]))
			}
			_ = log.Close()
		})
	}
	all.Wait()
	lines := map[string]int{}
	for line := range strings.Lines(out.String()) {
		lines[line]++
	}
	for line, n := range lines {
		if prefix, rest, _ := strings.Cut(line, " | "); n != 100 || len(rest) != 150*len(prefix)+1 {
			t.Errorf("%d times %q", n, line)
		}
	}
	if len(lines) != 4 {
		t.Errorf("%d different lines", len(lines))
	}
}

func TestAVeryLongLine(t *testing.T) {
	var out bytes.Buffer
	log := (&printer{out: &out}).beside("A", 0)
	if _, err := log.Write(bytes.Repeat([]byte{'x'}, maxLine+1)); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil || out.String() != "A | "+strings.Repeat("x", maxLine)+"\nA | x\n" {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
}

func TestAnOutputThatFails(t *testing.T) {
	for _, log := range []interface{ Write([]byte) (int, error) }{
		(&printer{out: failing{}}).alone(), (&printer{out: failing{}, terminal: true}).alone(), (&printer{out: failing{}}).beside("A", 0),
	} {
		if _, err := log.Write([]byte("a\n")); err == nil {
			t.Errorf("%T: no error", log)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, iotest.ErrTimeout }
