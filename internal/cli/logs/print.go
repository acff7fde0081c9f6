package logs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"katkit.dev/katkit/internal/domain/text"
)

// maxLine is the longest line that is held together beside other logs, in bytes. A longer one is broken.
const maxLine = 1 << 20

// printer merges logs into one output. In a terminal what they hold is made safe; elsewhere they are as they are.
type printer struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	coloured bool // the prefixes
}

func newPrinter(out io.Writer) *printer {
	file, ok := out.(*os.File)
	terminal := ok && term.IsTerminal(int(file.Fd()))
	// https://no-color.org
	return &printer{out: out, terminal: terminal, coloured: terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// alone gives the writer of a log that has the output for itself: bytes go out as they come.
func (p *printer) alone() io.WriteCloser {
	if !p.terminal {
		return &untouched{p}
	}
	return &shown{printer: p, atStart: true}
}

// beside gives the writer of a log that shares the output with others: each of its lines goes out whole, behind its name. number tells
// the colours of the names apart.
func (p *printer) beside(name string, number int) io.WriteCloser {
	prefix := name + " | "
	if p.coloured {
		prefix = fmt.Sprintf("\x1b[%dm%s%s", []int{36, 33, 32, 35, 34}[number%5], prefix, text.Plain)
	}
	return &prefixed{printer: p, prefix: prefix}
}

func (p *printer) write(b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.out.Write(b)
	return err
}

type untouched struct{ *printer }

// Write implements io.Writer.
func (u *untouched) Write(b []byte) (int, error) { return len(b), u.write(b) }

// Close implements io.Closer.
func (*untouched) Close() error { return nil }

// shown is a log in a terminal.
type shown struct {
	*printer
	safe    text.Terminal
	atStart bool // of a line
}

// Write implements io.Writer.
func (s *shown) Write(b []byte) (int, error) { return len(b), s.show(s.safe.Safe(b)) }

func (s *shown) show(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	s.atStart = b[len(b)-1] == '\n'
	return s.write(b)
}

// Close ends the last line, and its colours.
func (s *shown) Close() error {
	ended := s.atStart
	rest := s.safe.End()
	if !ended || len(rest) > 0 && !bytes.HasPrefix(rest, []byte(text.Plain)) {
		rest = append(rest, '\n')
	}
	return s.show(rest)
}

// prefixed is a log beside others.
type prefixed struct {
	*printer
	prefix string
	line   []byte // that has not ended yet
}

// Write implements io.Writer.
func (p *prefixed) Write(b []byte) (int, error) {
	p.line = append(p.line, b...)
	var whole bytes.Buffer
	for {
		line, rest, ended := bytes.Cut(p.line, []byte{'\n'})
		if !ended && len(line) < maxLine {
			break
		}
		if !ended {
			line, rest = line[:maxLine], line[maxLine:]
		}
		p.add(&whole, line)
		p.line = rest
	}
	if whole.Len() == 0 {
		return len(b), nil
	}
	p.line = bytes.Clone(p.line) // the array it was in may be large
	return len(b), p.write(whole.Bytes())
}

// Close ends the last line.
func (p *prefixed) Close() error {
	if len(p.line) == 0 {
		return nil
	}
	var whole bytes.Buffer
	p.add(&whole, p.line)
	p.line = nil
	return p.write(whole.Bytes())
}

// add adds a line behind its prefix. In a terminal it has what was written last between its carriage returns, which would otherwise go
// over the prefix.
func (p *prefixed) add(to *bytes.Buffer, line []byte) {
	to.WriteString(p.prefix)
	if p.terminal {
		line = bytes.TrimRight(line, "\r")
		line = line[bytes.LastIndexByte(line, '\r')+1:]
		var safe text.Terminal
		to.Write(safe.Safe(line))
		line = safe.End()
	}
	to.Write(line)
	to.WriteByte('\n')
}
