package follow

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"katkit.dev/katkit/internal/cli/view"
)

// redraw is how often a view in a terminal is drawn again, for its durations to go on.
const redraw = time.Second

// newDisplay draws in place where out is a terminal, and prints lines otherwise.
func newDisplay(out io.Writer) display {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return &printed{out: out}
	}
	return newDrawn(out, func() (width, height int) {
		width, height, err := term.GetSize(int(file.Fd()))
		if err != nil {
			return 80, 24
		}
		return width, height
	})
}

// printed has a line per change.
type printed struct {
	out io.Writer
	log view.Log
}

func (p *printed) show(s view.Snapshot) {
	for _, line := range p.log.Changes(s, time.Now()) {
		fmt.Fprintln(p.out, line)
	}
}

func (*printed) tick() <-chan time.Time { return nil }

func (*printed) close() {}

// drawn has the whole view, and draws it over the last one.
type drawn struct {
	out    io.Writer
	size   func() (width, height int)
	ticker *time.Ticker
	last   view.Snapshot
	lines  int // of the last view
}

func newDrawn(out io.Writer, size func() (width, height int)) *drawn {
	return &drawn{out: out, size: size, ticker: time.NewTicker(redraw)}
}

func (d *drawn) show(s view.Snapshot) {
	d.last = s
	width, height := d.size()
	width-- // a terminal whose last column is written may take the erasing of the line's rest for that of its last character
	lines := view.Lines(s, time.Now(), width)
	// What has scrolled out of the terminal cannot be drawn over; the last line is the cursor's.
	if room := max(height-1, 1); len(lines) > room {
		lines = append(lines[:room-1], view.Fit(fmt.Sprintf("… %d more lines", len(lines)-room+1), width))
	}
	d.draw(lines)
}

func (d *drawn) draw(lines []string) {
	var b strings.Builder
	if d.lines > 0 {
		fmt.Fprintf(&b, "\r\x1b[%dA", d.lines)
	}
	for _, line := range lines {
		b.WriteString(line + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	_, _ = io.WriteString(d.out, b.String())
	d.lines = len(lines)
}

func (d *drawn) tick() <-chan time.Time { return d.ticker.C }

// close leaves the whole view on the terminal, however long it is.
func (d *drawn) close() {
	d.ticker.Stop()
	if d.last.Run != nil {
		d.draw(view.Lines(d.last, time.Now(), 0))
	}
}
