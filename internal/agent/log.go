package agent

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"katkit.dev/katkit/internal/agent/mask"
	"katkit.dev/katkit/internal/contract"
)

// prefix marks the agent's own lines in a log.
const prefix = "[katkit] "

// logWriter passes a log on without the values that it is to conceal, and knows its length and its end. Memory is fixed, whatever is
// written.
type logWriter struct {
	mu     sync.Mutex
	masker *mask.Masker
	masked *mask.Writer // to write
	out    io.Writer
	ring   [contract.LogTailBytes]byte // the last bytes; the next goes to bytes % len(ring)
	bytes  int64
	lines  int64 // newlines
}

func newLogWriter(out io.Writer) *logWriter {
	l := &logWriter{out: out}
	l.conceal(nil)
	return l
}

// conceal has the values masked in all that follows. It is called before ci.sh is started.
func (l *logWriter) conceal(values []string) {
	l.masker = mask.New(values)
	l.masked = mask.NewWriter(sink(l.write), l.masker)
}

type sink func([]byte)

func (s sink) Write(p []byte) (int, error) { s(p); return len(p), nil }

// Write never fails: a log that nobody takes is no reason to stop a build.
func (l *logWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.masked.Write(p)
}

// flush writes what was held back since it may have been the beginning of a value.
func (l *logWriter) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.masked.Flush()
}

func (l *logWriter) write(p []byte) {
	_, _ = l.out.Write(p)
	l.lines += int64(bytes.Count(p, []byte{'\n'}))
	skip := max(0, len(p)-len(l.ring))
	at := (l.bytes + int64(skip)) % int64(len(l.ring))
	kept := p[skip:]
	n := copy(l.ring[at:], kept)
	copy(l.ring[:], kept[n:])
	l.bytes += int64(len(p))
}

// say writes a line of the agent's own, on a line of its own. What of ci.sh is held back comes after it, so that no value is torn.
func (l *logWriter) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b bytes.Buffer
	if l.unfinished() {
		b.WriteByte('\n')
	}
	b.WriteString(l.masker.String(fmt.Sprintf(prefix+format+"\n", args...)))
	l.write(b.Bytes())
}

// unfinished reports whether the log ends inside of a line.
func (l *logWriter) unfinished() bool {
	return l.bytes > 0 && l.ring[(l.bytes-1)%int64(len(l.ring))] != '\n'
}

// measure returns the log's measures and as much of its end as a report can ever hold.
func (l *logWriter) measure() (contract.Log, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	if l.unfinished() {
		lines++
	}
	end := l.end()
	m := contract.Log{Bytes: l.bytes, Lines: lines, TailLines: pieces(end)}
	return m, string(end[max(0, len(end)-contract.MaxReport):])
}

// end returns the last bytes of the log in order, at most contract.LogTailBytes.
func (l *logWriter) end() []byte {
	size := int64(len(l.ring))
	if l.bytes <= size {
		return bytes.Clone(l.ring[:l.bytes])
	}
	at := l.bytes % size
	return append(bytes.Clone(l.ring[at:]), l.ring[:at]...)
}

// pieces counts the lines of a log as container runtimes do, which break long ones.
func pieces(log []byte) (n int64) {
	for line := range bytes.Lines(log) {
		n += 1 + int64(len(line)/contract.LogPieceBytes)
	}
	return n
}
