package logstore

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
)

const (
	// strayAge is the age from which on what was left of an interrupted write is removed.
	strayAge = time.Hour
	// Logs are looked through 24 times in the time that they are kept, within these bounds.
	minSweepInterval, maxSweepInterval = 10 * time.Minute, 6 * time.Hour
)

// Sweeper removes logs that are older than they are kept.
type Sweeper struct {
	Store *Store
	// Keep is how long a log is kept after its newest byte; 0: for ever.
	Keep    time.Duration
	Metrics *Metrics
	Log     logr.Logger
}

// Run sweeps at once and then now and then, until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
	every := maxSweepInterval
	if s.Keep > 0 {
		every = min(max(s.Keep/24, minSweepInterval), maxSweepInterval)
	}
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error(err, "old logs are not removed; this is tried again", "after", every.String())
		}
		select {
		case <-ctx.Done():
			return
		case <-s.Store.clock.After(every):
		}
	}
}

// Sweep looks through all logs once. It goes on where it fails for one log, and returns the first error. Whatever is left over is found
// the next time.
func (s *Sweeper) Sweep(ctx context.Context) error {
	if s.Store.bucket.dir == "" {
		return s.logs(ctx, "") // each list costs, and this is the fewest
	}
	var first error // a long list of files is slow: each of its pages begins with the first file
	for namespace, err := range s.Store.bucket.list(ctx, "", "/") {
		if err != nil {
			return err
		}
		if !namespace.IsDir {
			continue
		}
		for pod, err := range s.Store.bucket.list(ctx, namespace.Key, "/") {
			if err == nil && pod.IsDir {
				err = s.logs(ctx, pod.Key)
			}
			if first == nil {
				first = err
			}
		}
	}
	return first
}

// found is what the objects of one log tell.
type found struct {
	folder string // that their keys are in
	newest time.Time
	stray  time.Time // the oldest stray's; zero: there is none
}

// logs looks through the logs whose keys begin with a prefix.
func (s *Sweeper) logs(ctx context.Context, prefix string) error {
	var first error
	var log found
	judge := func() {
		if err := s.judge(ctx, log); first == nil {
			first = err
		}
	}
	for o, err := range s.Store.bucket.objects(ctx, prefix) {
		if err != nil {
			judge()
			return errors.Join(first, err)
		}
		if o.uid == "" {
			continue // no log's
		}
		if folder := path.Dir(o.key); folder != log.folder {
			judge()
			log = found{folder: folder}
		}
		if o.stored.After(log.newest) {
			log.newest = o.stored
		}
		if o.kind == stray && (log.stray.IsZero() || o.stored.Before(log.stray)) {
			log.stray = o.stored
		}
	}
	judge()
	return first
}

// judge removes a log that is old, or what is astray in it.
func (s *Sweeper) judge(ctx context.Context, log found) error {
	if log.folder == "" {
		return nil
	}
	now := s.Store.clock.Now()
	age := now.Sub(log.newest)
	old := s.Keep > 0 && age > s.Keep
	if !old && (log.stray.IsZero() || now.Sub(log.stray) <= strayAge) {
		return nil
	}
	removed, err := s.remove(ctx, log.folder+"/", func(o object) bool {
		return (old && now.Sub(o.stored) > s.Keep) || (o.kind == stray && now.Sub(o.stored) > strayAge)
	})
	if err != nil {
		return err
	}
	if old && removed > 0 {
		s.Metrics.deleted.Inc()
		s.Store.bucket.prune(log.folder)
		s.Log.V(1).Info("a log was removed", "log", log.folder, "age", age.String())
	}
	return nil
}

// remove deletes the objects below a prefix that are chosen.
func (s *Sweeper) remove(ctx context.Context, prefix string, chosen func(object) bool) (int, error) {
	removed := 0
	for o, err := range s.Store.bucket.objects(ctx, prefix) {
		if err != nil {
			return removed, err
		}
		if !chosen(o) {
			continue
		}
		if err := s.Store.bucket.remove(ctx, o.key); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// prune removes the folders of a file:// bucket that nothing is in any more, from one of a log upwards.
func (b *Bucket) prune(prefix string) {
	if b.dir == "" {
		return
	}
	for range 3 { // the UID's, the Pod's and the namespace's
		if os.Remove(filepath.Join(b.dir, prefix)) != nil {
			return // something is in it
		}
		prefix = filepath.Dir(prefix)
	}
}
