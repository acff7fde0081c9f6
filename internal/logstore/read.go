package logstore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"katkit.dev/katkit/internal/contract"
)

// Find returns the log of a Pod and its state; of several Pods that had the name one after the other, the one that was written last.
// The error is ErrNoLog, or the bucket's.
func (s *Store) Find(ctx context.Context, namespace, pod string) (Log, contract.LogState, error) {
	var best, current tally
	var uid, currentUID string
	better := func() {
		if (current.Bytes > 0 || current.Complete) && !current.newest.Before(best.newest) {
			best, uid = current, currentUID
		}
	}
	for o, err := range s.bucket.objects(ctx, podPrefix(namespace, pod)) {
		if err != nil {
			return Log{}, contract.LogState{}, err
		}
		if o.uid != currentUID {
			better()
			current, currentUID = tally{}, o.uid
		}
		current.add(o)
	}
	better()
	if uid == "" {
		return Log{}, contract.LogState{}, ErrNoLog
	}
	return Log{Namespace: namespace, Pod: pod, UID: uid}, best.LogState, nil
}

// Copy writes the bytes of a log from offset on, up to limit or what is stored, and returns how many it wrote and the state that
// the list of objects showed. It holds neither the bytes nor the list.
func (s *Store) Copy(ctx context.Context, to io.Writer, log Log, offset, limit int64) (int64, contract.LogState, error) {
	var t tally
	at := offset
	for o, err := range s.bucket.objects(ctx, log.prefix()) {
		if err != nil {
			return at - offset, t.LogState, err
		}
		t.add(o)
		if o.kind != chunk || o.offset > at || o.limit() <= at || at >= limit {
			continue
		}
		n, err := s.copyChunk(ctx, to, o, at-o.offset, min(o.limit(), limit)-at)
		at += n
		if err != nil {
			return at - offset, t.LogState, err
		}
	}
	return at - offset, t.LogState, nil
}

func (s *Store) copyChunk(ctx context.Context, to io.Writer, o object, offset, length int64) (int64, error) {
	r, err := s.bucket.open(ctx, o.key, offset, length)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n, err := copyBytes(to, r)
	if err == nil && n < length {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Since returns where the bytes begin that came to the store at t or later, at the beginning of their line. S3 knows seconds only.
func (s *Store) Since(ctx context.Context, log Log, t time.Time) (int64, error) {
	t = t.Truncate(time.Second)
	var sum tally
	first := int64(math.MaxInt64)
	for o, err := range s.bucket.objects(ctx, log.prefix()) {
		if err != nil {
			return 0, err
		}
		sum.add(o)
		if o.kind == chunk && !o.stored.Before(t) {
			first = min(first, o.offset)
		}
	}
	if first >= sum.Bytes {
		return sum.Bytes, nil
	}
	return s.lineStart(ctx, log, first, 0)
}

// LastLines returns where the last lines of the first size bytes begin. A last line without its end counts as one.
func (s *Store) LastLines(ctx context.Context, log Log, size int64, lines int) (int64, error) {
	if lines <= 0 {
		return size, nil
	}
	return s.lineStart(ctx, log, max(0, size-1), lines-1)
}

const (
	// lookBack is how many bytes are read at once to find the beginning of a line, and lookBackChunks how many objects are known then.
	lookBack       = 64 << 10
	lookBackChunks = 256
)

// lineStart returns the beginning of the line that has the byte at an offset, or of the one so many before it, or 0.
func (s *Store) lineStart(ctx context.Context, log Log, offset int64, before int) (int64, error) {
	buffer := make([]byte, lookBack)
	for offset > 0 {
		chunks, err := s.chunksBefore(ctx, log, offset)
		if err != nil {
			return 0, err
		}
		if len(chunks) == 0 {
			return 0, fmt.Errorf("the bytes before %d are gone", offset)
		}
		for _, c := range slices.Backward(chunks) {
			for offset > c.offset {
				block := buffer[:min(lookBack, offset-c.offset)]
				offset -= int64(len(block))
				if err := s.readAt(ctx, c, block, offset-c.offset); err != nil {
					return 0, err
				}
				begin, found := lineIn(block, &before)
				if found {
					return offset + int64(begin), nil
				}
			}
		}
	}
	return 0, nil
}

// lineIn looks for the end of a line from the back of a block, passes over so many, and returns what is behind the one it then finds.
func lineIn(block []byte, before *int) (begin int, found bool) {
	for {
		at := bytes.LastIndexByte(block, '\n')
		if at < 0 {
			return 0, false
		}
		if *before == 0 {
			return at + 1, true
		}
		*before--
		block = block[:at]
	}
}

// chunksBefore returns the last chunks that begin before an offset, in their order, without those whose bytes others have. The last
// of them goes as far as the offset, if the log does, and each goes as far as the next one's begin.
func (s *Store) chunksBefore(ctx context.Context, log Log, offset int64) ([]object, error) {
	var t tally
	var last []object
	for o, err := range s.bucket.objects(ctx, log.prefix()) {
		if err != nil {
			return nil, err
		}
		reached := t.Bytes
		if t.add(o); t.Bytes == reached || o.offset >= offset {
			continue
		}
		if len(last) == lookBackChunks {
			copy(last, last[1:])
			last = last[:lookBackChunks-1]
		}
		last = append(last, o)
	}
	return last, nil
}

func (s *Store) readAt(ctx context.Context, o object, into []byte, offset int64) error {
	r, err := s.bucket.open(ctx, o.key, offset, int64(len(into)))
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := io.ReadFull(r, into); err != nil {
		return fmt.Errorf("reading a part of the log: %w", err)
	}
	return nil
}
