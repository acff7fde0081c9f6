package logs

import (
	"bytes"
	"fmt"
	"io"

	"katkit.dev/katkit/internal/contract"
)

// counter tells how far a log has come, how it ends, and whether it could be written.
type counter struct {
	to     io.Writer
	begun  bool
	bytes  int64
	end    []byte // of 1 to 2 contract.LogTailBytes, where there is so much
	failed error
}

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.bytes += int64(n)
	if c.end = append(c.end, p[:n]...); len(c.end) > 2*contract.LogTailBytes {
		c.end = append(c.end[:0], c.end[len(c.end)-contract.LogTailBytes:]...)
	}
	if err != nil {
		c.failed = fmt.Errorf("writing the log: %w", err)
	}
	return n, err
}

// endsWith tells whether the end of a log was passed on. Of one that is longer than what is kept it cannot be told.
func (c *counter) endsWith(end string) bool { return bytes.HasSuffix(c.end, []byte(end)) }
