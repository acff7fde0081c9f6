package logstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"k8s.io/utils/clock"

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

// Store keeps logs in a bucket. Several may share a bucket.
type Store struct {
	bucket   *Bucket
	clock    clock.Clock
	maxBytes int64
	entries  entries
}

// NewStore makes a store whose logs have maxBytes bytes at most.
func NewStore(bucket *Bucket, clock clock.Clock, maxBytes int64) *Store {
	return &Store{bucket: bucket, clock: clock, maxBytes: maxBytes, entries: entries{all: map[Log]*held{}}}
}

// Errors of Append and Find.
var (
	// ErrNoLog: nothing of that log is stored.
	ErrNoLog = errors.New("there is no such log")
	// ErrBusy: another write of the same log takes long.
	ErrBusy = errors.New("another write of this log is under way")
	// ErrTooLong: the log would have more bytes than a log may have.
	ErrTooLong = errors.New("the log is longer than it may be")
)

// ConflictError tells that a write does not fit what is stored.
type ConflictError struct {
	Reason string
	State  contract.LogState
}

func (e *ConflictError) Error() string { return e.Reason }

// SourceError is an error of the reader that was to be stored.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return e.Err.Error() }
func (e *SourceError) Unwrap() error { return e.Err }

// Append stores what body has: the bytes from offset on, those of them that are not stored. complete tells that nothing follows them.
// It returns the state afterwards. Besides ErrBusy, ErrTooLong, *ConflictError and *SourceError, errors are the bucket's. After an error
// all of body is stored, or nothing of it.
func (s *Store) Append(ctx context.Context, log Log, offset int64, body io.Reader, complete bool) (contract.LogState, error) {
	e, done := s.entries.use(log)
	defer done()
	waiting, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	if err := e.take(waiting); err != nil {
		return contract.LogState{}, ErrBusy
	}
	defer e.give()
	if !e.known || offset > e.state.Bytes { // another process may have written meanwhile
		if err := s.learn(ctx, log, e); err != nil {
			return contract.LogState{}, err
		}
	}
	if offset > e.state.Bytes {
		return e.state, &ConflictError{State: e.state, Reason: fmt.Sprintf(
			"offset %d leaves a gap, as %d bytes are stored: go on from there", offset, e.state.Bytes)}
	}
	size, err := s.extend(ctx, log, e, offset, body)
	if err != nil {
		return e.state, err
	}
	if complete && size < e.state.Bytes {
		return e.state, &ConflictError{State: e.state, Reason: fmt.Sprintf(
			"the log ends before what is stored of it, with %d bytes instead of %d: go on from there", size, e.state.Bytes)}
	}
	if complete && !e.state.Complete {
		if err := s.finish(ctx, log, e); err != nil {
			return e.state, err
		}
	}
	return e.state, nil
}

// learn asks the bucket how far a log is.
func (s *Store) learn(ctx context.Context, log Log, e *entry) error {
	state, err := s.State(ctx, log)
	if err != nil {
		return err
	}
	e.known, e.state, e.tail = true, state, tail{}
	return nil
}

// extend stores what body has beyond the bytes that are stored, and returns the offset behind body's last byte.
func (s *Store) extend(ctx context.Context, log Log, e *entry, offset int64, body io.Reader) (int64, error) {
	from := &source{Reader: body, room: math.MaxInt64}
	var first [1]byte
	n, err := io.CopyN(io.Discard, from, e.state.Bytes-offset)
	if err == nil {
		from.room = s.maxBytes - e.state.Bytes
		_, err = io.ReadFull(from, first[:])
	}
	switch {
	case errors.Is(err, io.EOF):
		return offset + n, nil // all of it is stored
	case err != nil:
		return 0, from.or(err)
	case e.state.Complete:
		return 0, &ConflictError{State: e.state, Reason: fmt.Sprintf("the log is complete with %d bytes: nothing can follow", e.state.Bytes)}
	}
	if err := s.store(ctx, log, e, io.MultiReader(bytes.NewReader(first[:]), from)); err != nil {
		return 0, from.or(err)
	}
	e.announce()
	return e.state.Bytes, nil
}

// store puts what follows the bytes that are stored into the object at the log's end, or a new one.
func (s *Store) store(ctx context.Context, log Log, e *entry, from io.Reader) error {
	now := s.clock.Now()
	t := e.tail
	e.known, e.tail = false, tail{} // until it is clear how this ends
	if t.key != "" && t.size < growBelow && now.Sub(t.since) < growFor && now.Sub(t.written) >= growEvery {
		before, err := s.read(ctx, t)
		if err != nil {
			return err
		}
		from = io.MultiReader(bytes.NewReader(before), from)
	} else {
		t = tail{key: log.chunkKey(e.state.Bytes), offset: e.state.Bytes, since: now}
	}
	n, err := s.bucket.put(ctx, t.key, from)
	if err != nil {
		return err
	}
	t.size, t.written = n, s.clock.Now()
	e.known, e.tail, e.state.Bytes = true, t, t.offset+n
	return nil
}

// read returns all of a tail.
func (s *Store) read(ctx context.Context, t tail) ([]byte, error) {
	r, err := s.bucket.open(ctx, t.key, 0, t.size)
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
func (s *Store) finish(ctx context.Context, log Log, e *entry) error {
	e.known = false
	if _, err := s.bucket.put(ctx, log.endKey(e.state.Bytes), bytes.NewReader(nil)); err != nil {
		return err
	}
	e.known, e.state.Complete = true, true
	e.announce()
	return nil
}

// State returns what is stored of a log; of one that is not there, no bytes.
func (s *Store) State(ctx context.Context, log Log) (contract.LogState, error) {
	var t tally
	for o, err := range s.bucket.objects(ctx, log.prefix()) {
		if err != nil {
			return contract.LogState{}, err
		}
		t.add(o)
	}
	return t.LogState, nil
}

// source reads what is to be stored, no more than there is room for, and keeps its error apart from the bucket's.
type source struct {
	io.Reader
	room int64
	err  error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if s.room -= int64(n); n > 0 && s.room < 0 {
		s.err = ErrTooLong
		return 0, s.err
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
