// Package process starts the cluster's programs so that they outlive the launcher, and finds and ends
// them again. The launcher's commands call it; nothing stays running to supervise.
//
// What always holds: a program is ended by its recorded process id only together with the recorded
// start time, so that an id that the kernel gave to somebody else is never signalled; and every program
// is in a control group of its own, so that one whose record was lost (the launcher was killed between
// starting and recording) is found there.
package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// entryPipe is the descriptor on which a started process tells that it could not Enter.
const entryPipe = 3

// maxLog is the size in bytes at which a log file is put aside (one older file is kept) before a start.
const maxLog = 20 << 20

// Program is one long-running program.
type Program struct {
	Name string
	Argv []string // Argv[0] is its path
	Env  []string // nil: the launcher's
	// Files are configuration files that it reads only at its start: when one changes it has to be restarted.
	Files []string
	// Mounts names the mount namespace that it shares with all others of that name.
	Mounts string
}

// Record is what is remembered of a started program.
type Record struct {
	PID         int       `json:"pid"`
	StartTicks  uint64    `json:"startTicks"` // field 22 of /proc/PID/stat, since boot
	BootID      string    `json:"bootID"`
	Started     time.Time `json:"started"`
	Fingerprint string    `json:"fingerprint"` // of command line and configuration
	Mounts      string    `json:"mounts,omitempty"`
}

// Table is the programs of one cluster.
type Table struct {
	Records  string // folder of the records
	Logs     string // folder of the log files, NAME.log
	Launcher string // the launcher's own path; it must stay there while Start runs
	Cgroup   Cgroup // parent of the programs' groups
	NetNS    string // file of the network namespace
	// Binds are what covers what, by the name of the mount namespace.
	Binds map[string][]Bind
}

// Find returns the record of a program, and whether it is running.
func (t *Table) Find(name string) (Record, bool) {
	var r Record
	data, err := os.ReadFile(t.recordFile(name))
	if err != nil || json.Unmarshal(data, &r) != nil {
		return Record{}, false
	}
	return r, r.alive()
}

// Log is the path of a program's log.
func (t *Table) Log(name string) string { return filepath.Join(t.Logs, name+".log") }

// Any returns the process id of some running program that is in the mount namespace of that name, 0 when none is.
func (t *Table) Any(mounts string) int {
	files, _ := filepath.Glob(t.recordFile("*"))
	for _, file := range files {
		if r, alive := t.Find(strings.TrimSuffix(filepath.Base(file), ".json")); alive && r.Mounts == mounts {
			return r.PID
		}
	}
	return 0
}

// Current tells whether the program runs with just this command line and configuration.
func (t *Table) Current(p Program) bool {
	r, alive := t.Find(p.Name)
	return alive && r.Fingerprint == p.fingerprint()
}

// Start starts the program, after ending what may be left of an earlier one, and returns when it runs.
func (t *Table) Start(ctx context.Context, p Program) error {
	group := t.Cgroup.Child(p.Name)
	if err := group.Create(); err != nil {
		return err
	}
	if err := group.Kill(ctx); err != nil {
		return err
	}
	entry := Entry{CgroupDirs: group.Dirs(), NetNS: t.NetNS, MountsOf: t.Any(p.Mounts), Binds: t.Binds[p.Mounts], Argv: p.Argv}
	log, err := openLog(t.Log(p.Name))
	if err != nil {
		return err
	}
	defer log.Close()
	pid, err := t.spawn(entry, p.Env, log)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	ticks, err := startTicks(pid)
	if err != nil {
		return fmt.Errorf("%s ended at once; its log is %s", p.Name, t.Log(p.Name))
	}
	return t.write(p.Name, Record{PID: pid, StartTicks: ticks, BootID: bootID(), Started: time.Now().Truncate(time.Second), Fingerprint: p.fingerprint(), Mounts: p.Mounts})
}

func (t *Table) write(name string, r Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(t.recordFile(name), data, 0o644)
}

// spawn starts the launcher to Enter and waits until it has become the program.
func (t *Table) spawn(entry Entry, env []string, log *os.File) (pid int, err error) {
	arg, err := json.Marshal(entry)
	if err != nil {
		return 0, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	cmd := exec.Command(t.Launcher, EntryArgument, string(arg))
	cmd.Env, cmd.Dir = env, "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{w} // becomes entryPipe
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return 0, err
	}
	go func() { _ = cmd.Wait() }() // or it stays a zombie, should it die while we are here
	message, err := io.ReadAll(r)  // ends when the program's execve closes the other end
	if err != nil {
		return 0, err
	}
	if len(message) > 0 {
		return 0, errors.New(strings.TrimSpace(string(message)))
	}
	return cmd.Process.Pid, nil
}

// ReportEntryError tells the process that started us that Enter failed.
func ReportEntryError(err error) {
	pipe := os.NewFile(entryPipe, "entry")
	fmt.Fprintln(pipe, err)
	pipe.Close()
}

// Stop ends a program: TERM, and KILL when it still runs after grace. A program that does not run is fine.
func (t *Table) Stop(name string, grace time.Duration) error {
	r, alive := t.Find(name)
	if alive {
		if err := r.end(grace); err != nil {
			return fmt.Errorf("stop %s (process %d): %w", name, r.PID, err)
		}
	}
	err := os.Remove(t.recordFile(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (t *Table) recordFile(name string) string { return filepath.Join(t.Records, name+".json") }

// end goes by a process descriptor, which cannot come to mean another process between looking and signalling.
func (r Record) end(grace time.Duration) error {
	fd, err := unix.PidfdOpen(r.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !r.alive() {
		return nil
	}
	for _, step := range []struct {
		signal unix.Signal
		wait   time.Duration
	}{{unix.SIGTERM, grace}, {unix.SIGKILL, 10 * time.Second}} {
		if err := unix.PidfdSendSignal(fd, step.signal, nil, 0); errors.Is(err, unix.ESRCH) {
			return nil
		} else if err != nil {
			return err
		}
		if ended(fd, step.wait) {
			return nil
		}
	}
	return errors.New("it does not die")
}

// ended waits until the process of the descriptor has ended, at most for `wait`.
func ended(fd int, wait time.Duration) bool {
	deadline := time.Now().Add(wait)
	for {
		left := max(time.Until(deadline), 0)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if n > 0 {
			return true
		}
		if !errors.Is(err, unix.EINTR) {
			return false
		}
	}
}

func (r Record) alive() bool {
	if r.BootID != bootID() {
		return false
	}
	ticks, err := startTicks(r.PID)
	return err == nil && ticks == r.StartTicks
}

// startTicks is when a process started, in clock ticks since boot. A zombie is an error: it has ended.
func startTicks(pid int) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(string(data))
}

// parseStat reads /proc/PID/stat; the second field is the program's name in brackets and may hold anything.
func parseStat(stat string) (uint64, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("unexpected process status %q", stat)
	}
	if state := fields[0]; state == "Z" || state == "X" {
		return 0, errors.New("process has ended")
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

func bootID() string {
	data, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data))
}

func (p Program) fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", p.Argv) // not the environment, which differs from shell to shell
	for _, file := range p.Files {
		data, err := os.ReadFile(file)
		fmt.Fprintf(h, "%s %v %x", file, err, sha256.Sum256(data))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}
