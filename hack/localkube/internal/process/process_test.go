package process

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// start runs a program that lasts, and records it as Table does.
func start(t *testing.T, table *Table, name string, argv ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("%q did not get ready: %v", argv, err)
	}
	ticks, err := startTicks(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.write(name, Record{PID: cmd.Process.Pid, StartTicks: ticks, BootID: bootID()}); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestStopEndsAProgramThatListens(t *testing.T) {
	table := &Table{Records: t.TempDir()}
	cmd := start(t, table, "polite", "sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done")
	if _, alive := table.Find("polite"); !alive {
		t.Fatal("a running program is not found")
	}
	if err := table.Stop("polite", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 7 {
		t.Errorf("exit code %d: the program was not asked to end", code)
	}
	if _, alive := table.Find("polite"); alive {
		t.Error("it is still found")
	}
}

func TestStopKillsAProgramThatDoesNotListen(t *testing.T) {
	table := &Table{Records: t.TempDir()}
	cmd := start(t, table, "deaf", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
	if err := table.Stop("deaf", 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Errorf("it ended by %v", status.Signal())
	}
}

func TestStopLeavesAnotherProcessOfTheSameIDAlone(t *testing.T) {
	for name, change := range map[string]func(*Record){
		"started at another time": func(r *Record) { r.StartTicks-- },
		"before a reboot":         func(r *Record) { r.BootID = "earlier" },
	} {
		t.Run(name, func(t *testing.T) {
			table := &Table{Records: t.TempDir()}
			cmd := start(t, table, "mine", "sh", "-c", "echo ready; exec sleep 60")
			r, _ := table.Find("mine")
			change(&r)
			if err := table.write("mine", r); err != nil {
				t.Fatal(err)
			}
			if err := table.Stop("mine", time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if _, err := startTicks(cmd.Process.Pid); err != nil {
				t.Errorf("a process that is not ours was ended: %v", err)
			}
		})
	}
}

func TestFindTakesABrokenRecordForNone(t *testing.T) {
	table := &Table{Records: t.TempDir()}
	for _, content := range []string{"", "{", `{"pid":-1}`} {
		if err := os.WriteFile(table.recordFile("x"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, alive := table.Find("x"); alive {
			t.Errorf("record %q: found running", content)
		}
	}
}

func TestFingerprintFollowsCommandLineAndFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "conf")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := Program{Argv: []string{"/bin/x", "--a"}, Files: []string{file}}
	write("one")
	before := p.fingerprint()
	if p.fingerprint() != before {
		t.Error("the fingerprint is not stable")
	}
	write("two")
	if p.fingerprint() == before {
		t.Error("a changed file does not change it")
	}
	write("one")
	p.Argv = []string{"/bin/x", "--b"}
	if p.fingerprint() == before {
		t.Error("a changed flag does not change it")
	}
}

func TestParseStat(t *testing.T) {
	tail := " 1 5 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9999 8"
	tests := map[string]struct {
		stat string
		want uint64
		ok   bool
	}{
		"plain":                      {"5 (etcd) S" + tail, 4242, true},
		"a name with blanks and ')'": {"5 (a b) c) R" + tail, 4242, true},
		"a zombie has ended":         {"5 (etcd) Z" + tail, 0, false},
		"cut off":                    {"5 (etcd) S 1 2", 0, false},
		"nothing":                    {"", 0, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseStat(test.stat)
			if got != test.want || (err == nil) != test.ok {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}

func TestParseCgroupMounts(t *testing.T) {
	tests := map[string]struct {
		mounts string
		v1, v2 []string
	}{
		"v2": {"cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\nproc /proc proc rw 0 0", nil, []string{"/sys/fs/cgroup"}},
		"v1 beside v2": {
			"tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0",
			[]string{"/sys/fs/cgroup/cpu"}, []string{"/sys/fs/cgroup/unified"},
		},
		"a mount elsewhere is somebody else's": {"cgroup2 /mnt/cg cgroup2 rw 0 0", nil, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v1, v2 := parseCgroupMounts(bufio.NewScanner(strings.NewReader(test.mounts)))
			if !slices.Equal(v1, test.v1) || !slices.Equal(v2, test.v2) {
				t.Errorf("got %q, %q", v1, v2)
			}
		})
	}
}
