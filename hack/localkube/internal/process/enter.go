package process

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Entry is where a process shall run, and what. A started process is at first the launcher itself,
// which goes there (Enter) and then becomes the program: so the program is in its place from its first
// instruction, its id is the one that was started, and no helper stays behind.
type Entry struct {
	CgroupDirs []string // the control group's folders
	NetNS      string   // file of the network namespace
	// MountsOf is the id of a process whose mount namespace to share; 0 makes a new one, a copy of the
	// machine's. All components of a node share one, so that whatever they mount is gone when they are.
	MountsOf int
	// Binds is what covers what in a new mount namespace: paths that are compiled into the kubelet and
	// containerd and may belong to another installation on this machine.
	Binds []Bind
	Argv  []string // Argv[0] is the program's path
}

// Bind puts From (a folder) in the place of To (a folder that exists).
type Bind struct{ From, To string }

// EntryArgument is the launcher's first argument when it is started to Enter; the second is the Entry as JSON.
const EntryArgument = "enter"

// Enter goes where the entry says and becomes its program. It returns only to report an error.
func Enter(entryJSON string) error {
	var e Entry
	if err := json.Unmarshal([]byte(entryJSON), &e); err != nil {
		return fmt.Errorf("entry: %w", err)
	}
	runtime.LockOSThread() // namespaces belong to the thread, and execve keeps this one's
	for _, dir := range e.CgroupDirs {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
			return fmt.Errorf("join control group: %w", err)
		}
	}
	if err := setns(e.NetNS, unix.CLONE_NEWNET); err != nil {
		return err
	}
	if err := e.enterMounts(); err != nil {
		return err
	}
	unix.CloseOnExec(entryPipe)
	return fmt.Errorf("run %s: %w", e.Argv[0], unix.Exec(e.Argv[0], e.Argv, os.Environ()))
}

func (e Entry) enterMounts() error {
	if e.MountsOf != 0 {
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		return setns(fmt.Sprintf("/proc/%d/ns/mnt", e.MountsOf), unix.CLONE_NEWNS)
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("new mount namespace: %w", err)
	}
	// What the machine mounts later shows up here, never the other way round; below here it is shared,
	// as volumes with mount propagation need it.
	for _, flags := range []uintptr{unix.MS_SLAVE, unix.MS_SHARED} {
		if err := unix.Mount("", "/", "", unix.MS_REC|flags, ""); err != nil {
			return fmt.Errorf("set mount propagation: %w", err)
		}
	}
	for _, b := range e.Binds {
		if err := unix.Mount(b.From, b.To, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s over %s: %w", b.From, b.To, err)
		}
	}
	return nil
}

func setns(path string, kind int) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open namespace: %w", err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), kind); err != nil {
		return fmt.Errorf("enter namespace %s: %w", path, err)
	}
	return nil
}
