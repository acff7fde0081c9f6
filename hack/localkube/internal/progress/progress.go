// Package progress tells a person what is being done, how far it is and how long it has taken: one line
// kept up to date in a terminal, a line now and then anywhere else (a CI log). All commands of the
// launcher write through it.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// quietInterval is the time between two lines of one task where the output is no terminal.
const quietInterval = 15 * time.Second

// Printer writes progress to a stream. Its methods may be called from several goroutines.
type Printer struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	open     bool // a line is shown that has no end yet
}

// New returns a printer to f; whether f is a terminal decides how it shows progress.
func New(f *os.File) *Printer {
	return &Printer{out: f, terminal: term.IsTerminal(int(f.Fd()))}
}

// Line writes one line that stays.
func (p *Printer) Line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintf(p.out, format+"\n", args...)
}

// Start begins to show a task: "NAME: STATUS, ELAPSED", where status is asked for each time.
// The returned function ends it, and leaves a line with the task's last status and its duration.
func (p *Printer) Start(name string, status func() string) (done func(last string)) {
	interval := quietInterval
	if p.terminal {
		interval = time.Second / 2
	}
	began := time.Now()
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				p.update(fmt.Sprintf("%s: %s, %s", name, status(), elapsed(began)))
			}
		}
	}()
	return func(last string) {
		close(stop)
		<-stopped
		p.Line("%s: %s, %s", name, last, elapsed(began))
	}
}

func (p *Printer) update(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.terminal {
		fmt.Fprintln(p.out, line)
		return
	}
	p.clear()
	fmt.Fprint(p.out, line)
	p.open = true
}

func (p *Printer) clear() {
	if p.open {
		fmt.Fprint(p.out, "\r\033[K")
		p.open = false
	}
}

func elapsed(since time.Time) time.Duration {
	d := time.Since(since)
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}
