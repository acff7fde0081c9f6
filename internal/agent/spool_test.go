package agent

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"katkit.dev/katkit/internal/contract"
)

// TestSpoolLeavesOutLoudly: the store is down for longer than there is room.
func TestSpoolLeavesOutLoudly(t *testing.T) {
	t.Setenv(contract.VarSpoolBytes, fmt.Sprint(2*contract.SpoolFileBytes))
	s := startShipping(t, fast())
	down := true
	s.store.change(func() {
		s.store.fault = func(int) fault {
			if down {
				return unavailable
			}
			return fine
		}
	})
	r := rand.New(rand.NewPCG(1, 1))
	kept, lost, more := text(r, 2*contract.SpoolFileBytes-1)+"\n", text(r, 12345), text(r, 777)
	fmt.Fprint(s.spool, kept)
	fmt.Fprint(s.spool, lost)
	s.store.change(func() { down = false })
	eventually(t, "there is room again", func() bool { return !exists(filepath.Join(s.paths.Spool, "part-0")) })
	fmt.Fprint(s.spool, more)
	s.spool.close()
	s.wantGap("12345 bytes, for which there was no room", kept+fmt.Sprintf("[katkit] 12345 bytes of the log are missing here, from byte %d on: %v\n", len(kept), errSpoolFull)+more)
}

// TestSpoolTellsOfALossAtTheEnd: there is no room, and nothing follows.
func TestSpoolTellsOfALossAtTheEnd(t *testing.T) {
	t.Setenv(contract.VarSpoolBytes, fmt.Sprint(contract.SpoolFileBytes))
	dir := t.TempDir()
	s, err := openSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	full := strings.Repeat("x", contract.SpoolFileBytes)
	fmt.Fprint(s, full+"y")
	fmt.Fprint(s, "z\n")
	s.close()
	got, _ := os.ReadFile(filepath.Join(dir, "part-1"))
	if want := fmt.Sprintf("\n[katkit] 3 bytes of the log are missing here, from byte %d on: %v\n", len(full), errSpoolFull); string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestShipSurvivesTheScript: what a ci.sh does to the files harms its own log alone.
func TestShipSurvivesTheScript(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(dir string) error
		want string // at the end of what is stored
		// holed: something is missing.
		holed bool
	}{
		"it removes files":      {func(dir string) error { return os.RemoveAll(filepath.Join(dir, "part-0")) }, "one\ntwo\n", false},
		"it says that it ended": {func(dir string) error { return os.WriteFile(filepath.Join(dir, "end"), nil, 0o600) }, "one\ntwo\n", false},
		"a directory in place of the next file": {func(dir string) error { return os.Mkdir(filepath.Join(dir, "part-1"), 0o777) },
			"one\ntwo\n\n[katkit] a file of the builder's copy of the log is missing here, of up to 16777216 bytes: DIR/part-1 is not a file\n", true},
		"a link in place of the next file": {func(dir string) error { return os.Symlink("/etc/passwd", filepath.Join(dir, "part-1")) },
			"one\ntwo\n\n[katkit] a file of the builder's copy of the log is missing here, of up to 16777216 bytes: open DIR/part-1: too many levels of symbolic links\n", true},
		"files out of order": {func(dir string) error { return os.WriteFile(filepath.Join(dir, "part-3"), []byte("three\n"), 0o666) },
			"one\ntwo\n\n[katkit] 2 files of the builder's copy of the log are missing here, of up to 16777216 bytes each: something removed them\nthree\n", true},
		"a huge file": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "part-1"), make([]byte, contract.SpoolFileBytes+1000), 0o666)
		}, strings.Repeat("\x00", 100), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := startShipping(t, fast())
			fmt.Fprint(s.spool, "one\n")
			eventually(t, "the first line is stored", func() bool { got, _ := s.store.has(); return got != "" })
			fmt.Fprint(s.spool, "two\n")
			if err := c.do(s.paths.Spool); err != nil {
				t.Fatal(err)
			}
			eventually(t, "all is stored", func() bool {
				got, _ := s.store.has()
				return strings.HasSuffix(strings.ReplaceAll(got, s.paths.Spool, "DIR"), c.want)
			})
			s.spool.close()
			if r := s.end(); r.Complete == c.holed || strings.Contains(r.Message, "missing") != c.holed || r.Bytes > contract.SpoolFileBytes+8 {
				t.Errorf("%+v", r)
			}
		})
	}
}
