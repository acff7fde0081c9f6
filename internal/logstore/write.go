package logstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"katkit.dev/katkit/internal/contract"
)

const (
	// What trickles in makes an object longer instead of a new one, while that is small and young: a day of a line a second is
	// then thousands of objects, not a hundred thousand.
	growBelow = 256 << 10
	growFor   = 10 * time.Second
	// growEvery is how often an object may be written: GCS refuses more.
	growEvery = time.Second
	// lockTimeout is how long a write waits for another one of the same log.
	lockTimeout = 15 * time.Second
)

// Writer is the one of this process that writes a log, until it is closed.
type Writer struct {
	*entry
	store *Store
	log   Log
	done  func()
}

// Open waits until nobody else of this process writes a log. The error is ErrBusy: another one takes long.
func (s *Store) Open(ctx context.Context, log Log) (*Writer, error) {
	e, done := s.entries.use(log)
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	if take(ctx, e.lock) != nil {
		done()
		return nil, ErrBusy
	}
	return &Writer{entry: e, store: s, log: log, done: done}, nil
}

// Close lets the next one write.
func (w *Writer) Close() {
	<-w.lock
	w.done()
}

// Append stores what body has: the bytes from offset on, those of them that are not stored. complete tells that nothing follows them;
// up to contract.MaxLastWords bytes are then stored whatever the limits are.
// It returns the state afterwards. Besides ErrTooLong, ErrNoRoom, *ConflictError and *SourceError, errors are the bucket's.
// After an error all of body is stored, or nothing of it.
func (w *Writer) Append(ctx context.Context, offset int64, body io.Reader, complete bool) (contract.LogState, error) {
	if !w.known || offset > w.state.Bytes { // another process may have written meanwhile
		if err := w.learn(ctx); err != nil {
			return contract.LogState{}, err
		}
	}
	if offset > w.state.Bytes {
		return w.state, &ConflictError{State: w.state, Reason: fmt.Sprintf(
			"offset %d leaves a gap, as %d bytes are stored: go on from there", offset, w.state.Bytes)}
	}
	granted := &admission{budget: w.store.budget, namespace: w.log.Namespace, room: w.store.limits.LogBytes - w.state.Bytes}
	if complete { // once: who is cut off before the log is complete has had them
		granted.beyond = min(contract.MaxLastWords, max(0, granted.room+contract.MaxLastWords))
	}
	size, err := w.extend(ctx, offset, body, granted)
	if err != nil {
		return w.state, err
	}
	if complete && size < w.state.Bytes {
		return w.state, &ConflictError{State: w.state, Reason: fmt.Sprintf(
			"the log ends before what is stored of it, with %d bytes instead of %d: go on from there", size, w.state.Bytes)}
	}
	if complete && !w.state.Complete {
		if err := w.finish(context.WithoutCancel(ctx)); err != nil { // of who has gone, too: the last words come once
			return w.state, err
		}
	}
	return w.state, nil
}

// learn asks the bucket how far a log is.
func (w *Writer) learn(ctx context.Context) error {
	state, err := w.store.State(ctx, w.log)
	if err != nil {
		return err
	}
	w.known, w.state, w.tail = true, state, tail{}
	return nil
}

// extend stores what body has beyond the bytes that are stored, and returns the offset behind body's last byte.
func (w *Writer) extend(ctx context.Context, offset int64, body io.Reader, granted *admission) (int64, error) {
	from := &source{Reader: body}
	var first [1]byte
	n, err := io.CopyN(io.Discard, from, w.state.Bytes-offset)
	if err == nil {
		from.admission = granted
		_, err = io.ReadFull(from, first[:])
	}
	switch {
	case errors.Is(err, io.EOF):
		return offset + n, nil // all of it is stored
	case err != nil:
		return 0, from.or(err)
	case w.state.Complete:
		granted.revoke()
		return 0, &ConflictError{State: w.state, Reason: fmt.Sprintf("the log is complete with %d bytes: nothing can follow", w.state.Bytes)}
	}
	if err := w.put(ctx, io.MultiReader(bytes.NewReader(first[:]), from)); err != nil {
		granted.revoke()
		return 0, from.or(err)
	}
	w.announce()
	return w.state.Bytes, nil
}

// put stores what follows the bytes that are there in the object at the log's end, or a new one.
func (w *Writer) put(ctx context.Context, from io.Reader) error {
	now := w.store.clock.Now()
	t := w.tail
	w.known, w.tail = false, tail{} // until it is clear how this ends
	if t.key != "" && t.size < growBelow && now.Sub(t.since) < growFor && now.Sub(t.written) >= growEvery {
		before, err := w.read(ctx, t)
		if err != nil {
			return err
		}
		from = io.MultiReader(bytes.NewReader(before), from)
	} else {
		t = tail{key: w.log.chunkKey(w.state.Bytes), offset: w.state.Bytes, since: now}
	}
	n, err := w.store.bucket.put(ctx, t.key, from)
	if err != nil {
		return err
	}
	if t.size == 0 {
		w.store.budget.add(w.log.Namespace, objectCost)
	}
	t.size, t.written = n, w.store.clock.Now()
	w.known, w.tail, w.state.Bytes = true, t, t.offset+n
	return nil
}

// read returns all of a tail.
func (w *Writer) read(ctx context.Context, t tail) ([]byte, error) {
	r, err := w.store.bucket.open(ctx, t.key, 0, t.size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	content := make([]byte, t.size)
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, fmt.Errorf("reading what is to be made longer: %w", err)
	}
	return content, nil
}

// finish stores that a log is complete as it is.
func (w *Writer) finish(ctx context.Context) error {
	w.known = false
	if _, err := w.store.bucket.put(ctx, w.log.endKey(w.state.Bytes), bytes.NewReader(nil)); err != nil {
		return err
	}
	w.store.budget.add(w.log.Namespace, objectCost)
	w.known, w.state.Complete = true, true
	w.announce()
	return nil
}

// source reads what is to be stored, no more than is admitted, and keeps its error apart from the bucket's.
type source struct {
	io.Reader
	admission *admission // nil: what is read is stored already
	err       error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if s.admission != nil && n > 0 {
		if s.err = s.admission.admit(int64(n)); s.err != nil {
			return 0, s.err
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = &SourceError{Err: err}
		err = s.err
	}
	return n, err
}

// or returns the source's error if there was one.
func (s *source) or(err error) error {
	if s.err != nil {
		return s.err
	}
	return err
}
