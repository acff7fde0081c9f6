package logstore

import (
	"context"
	"errors"

	"k8s.io/utils/clock"

	"katkit.dev/katkit/internal/contract"
)

// Limits bound what a store takes.
type Limits struct {
	// LogBytes is the most that is taken of one log.
	LogBytes int64
	// NamespaceBytes is the most that all logs of a namespace have together; 0: any number.
	NamespaceBytes int64
}

// Store keeps logs in a bucket. Several may share a bucket.
type Store struct {
	bucket  *Bucket
	clock   clock.Clock
	limits  Limits
	budget  *budget
	entries entries
}

// NewStore makes a store that knows nothing yet of what is in its bucket.
func NewStore(bucket *Bucket, clock clock.Clock, limits Limits) *Store {
	return &Store{
		bucket: bucket, clock: clock, limits: limits,
		budget:  &budget{most: limits.NamespaceBytes, held: map[string]int64{}},
		entries: entries{all: map[Log]*held{}},
	}
}

// Errors of Append and Find.
var (
	// ErrNoLog: nothing of that log is stored.
	ErrNoLog = errors.New("there is no such log")
	// ErrBusy: another write of the same log takes long.
	ErrBusy = errors.New("another write of this log is under way")
	// ErrTooLong: the log would have more bytes than a log may have.
	ErrTooLong = errors.New("the log is longer than it may be")
	// ErrNoRoom: the logs of the namespace would have more bytes than they may have.
	ErrNoRoom = errors.New("the logs of the namespace have as many bytes as they may")
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
