package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// drainLimit is how long output is still taken after ci.sh ended, from children that it left behind.
	drainLimit = 2 * time.Second
	// pipeSize lets ci.sh write ahead; Linux allows 1 MiB to anyone.
	pipeSize = 1 << 20
)

// process is a running ci.sh, the leader of its own process group.
//
// Its output goes through one pipe, so that stdout and stderr keep their order. Since the agent is usually process 1 of
// its container it reaps every orphan as well, so nothing else in this program may wait for a child.
type process struct {
	pid    int
	log    *logWriter
	output *os.File      // reading end of the pipe
	copied chan struct{} // closed when the last writer of the pipe has gone, or output was closed
	died   chan os.Signal
}

func startProcess(s script, env []string, log *logWriter) (*process, error) {
	// Orphans come to the agent, also where another process is the container's first.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	// Not os.Pipe: its writing end does not block, which is not what a script expects of its stdout.
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer unix.Close(pipe[1])
	_, _ = unix.FcntlInt(uintptr(pipe[0]), unix.F_SETPIPE_SZ, pipeSize)
	if err := unix.SetNonblock(pipe[0], true); err != nil { // so that a Read can be ended
		return nil, err
	}
	read := os.NewFile(uintptr(pipe[0]), "output of ci.sh")
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()

	p := &process{log: log, output: read, copied: make(chan struct{}), died: make(chan os.Signal, 1)}
	signal.Notify(p.died, syscall.SIGCHLD)
	p.pid, err = syscall.ForkExec(s.argv[0], s.argv, &syscall.ProcAttr{
		Dir: s.dir, Env: env,
		Files: []uintptr{null.Fd(), uintptr(pipe[1]), uintptr(pipe[1])},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		read.Close()
		return nil, fmt.Errorf("in %s: %w", s.dir, err)
	}
	go p.copyOutput()
	return p, nil
}

func (p *process) copyOutput() {
	defer close(p.copied)
	_, _ = io.CopyBuffer(struct{ io.Writer }{p.log}, struct{ io.Reader }{p.output}, make([]byte, 128<<10))
	p.log.flush()
}

// wait returns how ci.sh ended, and the first signal that told it to stop before, or nil. Signals are passed on to the
// process group; grace after the first it is killed.
func (p *process) wait(told <-chan os.Signal, grace time.Duration) (status syscall.WaitStatus, stopped os.Signal) {
	var kill <-chan time.Time
	for {
		if status, ended := p.reap(); ended {
			return status, stopped
		}
		select {
		case <-p.died:
		case s := <-told:
			if stopped == nil {
				stopped = s
				kill = time.After(grace)
				p.log.say("told to stop: ci.sh has %s to end", grace)
			}
			_ = syscall.Kill(-p.pid, s.(syscall.Signal))
		case <-kill:
			p.log.say("ci.sh did not end within %s: it is killed", grace)
			_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		}
	}
}

// reap collects every child that has ended, and reports whether ci.sh was among them.
func (p *process) reap() (status syscall.WaitStatus, ended bool) {
	for {
		var s syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &s, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil || pid == 0:
			return status, ended
		case pid == p.pid:
			status, ended = s, true
		}
	}
}

// drain takes what output is left after the end of ci.sh, for at most drainLimit, and kills what it left behind.
func (p *process) drain() {
	limit := time.After(drainLimit)
	for waiting := true; waiting; {
		select {
		case <-p.copied:
			waiting = false
		case <-limit:
			p.log.say("ci.sh ended, but left processes behind that still write: they are killed")
			waiting = false
		case <-p.died:
			p.reap()
		}
	}
	p.killRest()
	<-p.copied
	p.reap()
}

// killRest ends what ci.sh left behind. Processes that took a group of their own are out of reach unless the agent is
// the container's first process; then they end with it.
func (p *process) killRest() {
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	if os.Getpid() == 1 {
		_ = syscall.Kill(-1, syscall.SIGKILL)
	}
	// What was written before stays readable until here; a Read that waits is ended by this.
	_ = p.output.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
}
