package logs

import (
	"bytes"
	"io"
	"time"
)

// maxStamp is how long the time before a line is at most, in bytes.
const maxStamp = 40

// spot is one in a Pod's log: the time of a line, how many lines of that time come before it, and how many bytes of it.
type spot struct {
	at           time.Time
	lines, bytes int64
}

// stamped takes away the times that Kubernetes puts before the lines of a Pod's log. Written to again from an earlier line on, as when
// a connection was lost, it passes on what it had not passed on before.
type stamped struct {
	out     io.Writer
	written spot // up to which all is passed on
	now     spot // of the next byte
	stamp   []byte
	inLine  bool
}

// again begins an answer that reaches back to the line of s.written or further.
func (s *stamped) again() {
	s.now, s.stamp, s.inLine = spot{}, nil, false
}

// Write implements io.Writer.
func (s *stamped) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if !s.inLine {
			rest = s.begin(rest)
			continue
		}
		line, _, ended := bytes.Cut(rest, []byte{'\n'})
		if ended {
			line = rest[:len(line)+1]
		}
		if err := s.pass(line); err != nil {
			return len(p) - len(rest), err
		}
		s.inLine = !ended
		rest = rest[len(line):]
	}
	return len(p), nil
}

// begin takes the time before a line, or a part of it, and gives the rest.
func (s *stamped) begin(p []byte) []byte {
	stamp, rest, found := bytes.Cut(p, []byte{' '})
	s.stamp = append(s.stamp, stamp...)
	if !found && len(s.stamp) <= maxStamp {
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, string(s.stamp))
	switch {
	case err != nil: // not a time: nothing is taken away
		rest = append(append(s.stamp, p[len(stamp):len(p)-len(rest)]...), rest...)
		at = s.now.at
		fallthrough
	case at.Equal(s.now.at):
		s.now.lines++
	default:
		s.now.lines = 0
	}
	s.now.at, s.now.bytes = at, 0
	s.stamp, s.inLine = nil, true
	return rest
}

// pass passes on what is new of a piece of a line.
func (s *stamped) pass(piece []byte) error {
	fresh := piece
	switch s.now.line(s.written) {
	case -1:
		fresh = nil
	case 0:
		fresh = piece[min(max(s.written.bytes-s.now.bytes, 0), int64(len(piece))):]
	}
	s.now.bytes += int64(len(piece))
	if len(fresh) == 0 {
		return nil
	}
	s.written = s.now
	_, err := s.out.Write(fresh)
	return err
}

// line tells whether the line of a spot is before (-1), the same as (0) or after (1) that of another.
func (a spot) line(b spot) int {
	if order := a.at.Compare(b.at); order != 0 {
		return order
	}
	switch {
	case a.lines < b.lines:
		return -1
	case a.lines > b.lines:
		return 1
	}
	return 0
}
