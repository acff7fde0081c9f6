package logs

import (
	"fmt"
	"strings"
	"testing"
)

// stamps puts times before lines as Kubernetes does; two lines each have one.
func stamps(lines []string) string {
	var b strings.Builder
	for i, line := range lines {
		fmt.Fprintf(&b, "2026-03-01T12:00:%02d.123456789Z %s", i/2, line)
	}
	return b.String()
}

func TestStamped(t *testing.T) {
	lines := []string{"one\n", "two\n", "\n", " four\n", "five six\n", "seven"}
	want := strings.Join(lines, "")
	log := stamps(lines)
	for cut := range len(log) + 1 {
		for from := range 3 { // the second that is asked for again
			var out strings.Builder
			s := &stamped{out: &out}
			s.again()
			if _, err := s.Write([]byte(log[:cut])); err != nil {
				t.Fatal(err)
			}
			if s.written.at.Second() < from {
				continue // nobody asks for later lines than the last
			}
			s.again()
			copyByBytes(t, s.Write, stamps(lines)[strings.Index(log, fmt.Sprintf("2026-03-01T12:00:%02d", from)):])
			if out.String() != want {
				t.Fatalf("broken off at byte %d, read again from second %d: %q, want %q", cut, from, out.String(), want)
			}
		}
	}
}

func TestNotStamped(t *testing.T) {
	var out strings.Builder
	s := &stamped{out: &out}
	const log = "failed to open the log\n2026-03-01T12:00:01Z two\n" + "very-long-word-without-any-space-that-is-no-time\n"
	if _, err := s.Write([]byte(log)); err != nil || !strings.Contains(out.String(), "failed to open the log\n") || !strings.HasSuffix(out.String(), "is-no-time\n") {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestLastLines(t *testing.T) {
	for _, c := range []struct {
		s    string
		n    int64
		want string
	}{{"a\nb\nc\n", 2, "b\nc\n"}, {"a\nb\nc", 2, "b\nc"}, {"a\nb\n", 0, ""}, {"a\nb\n", -1, "a\nb\n"}, {"a\n", 5, "a\n"}, {"", 3, ""}, {"\n\n", 1, "\n"}, {"a\nb", 2, "a\nb"}} {
		if got := lastLines(c.s, c.n); got != c.want {
			t.Errorf("the last %d lines of %q: %q, want %q", c.n, c.s, got, c.want)
		}
	}
}
