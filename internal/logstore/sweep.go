package logstore

import (
	"context"
	"errors"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-logr/logr"
)

const (
	// strayAge is the age from which on what was left of an interrupted write is removed.
	strayAge = time.Hour
	// Logs are looked through 24 times in the time that they are kept, within these bounds; after a failure, at the first one.
	minSweepInterval, maxSweepInterval = 10 * time.Minute, time.Hour
)

// Sweeper removes logs that are older than they are kept, and counts the others for their namespaces' budgets.
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
		wait := every
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			wait = minSweepInterval
			s.Log.Error(err, "not all logs were looked through, to count and to remove them; this is tried again", "after", wait.String())
		}
		select {
		case <-ctx.Done():
			return
		case <-s.Store.clock.After(wait):
		}
	}
}

// Sweep looks through all logs once, and counts what each namespace has. It goes on where it fails for one, and returns the first error.
// Whatever is left over is found the next time.
func (s *Sweeper) Sweep(ctx context.Context) error {
	namespaces := s.Store.budget.all() // those of which nothing is left, too
	for o, err := range s.Store.bucket.list(ctx, "", "/") {
		if err != nil {
			return err
		}
		if o.IsDir {
			namespaces[strings.TrimSuffix(o.Key, "/")] = 0
		}
	}
	var first error
	for namespace := range namespaces {
		if err := s.namespace(ctx, namespace); first == nil {
			first = err
		}
	}
	return first
}

// namespace looks through the logs of a namespace. It counts what it has unless that cannot be listed.
func (s *Sweeper) namespace(ctx context.Context, namespace string) error {
	before := s.Store.budget.of(namespace)
	var listed, freed int64
	var first error
	var log found
	judge := func() {
		n, err := s.judge(ctx, log)
		freed += n
		if first == nil {
			first = err
		}
	}
	for o, err := range s.objects(ctx, namespace) {
		if err != nil {
			s.Store.budget.add(namespace, -freed)
			return errors.Join(first, err) // of the last log not all is known
		}
		listed += o.size + objectCost
		if o.uid == "" {
			continue // no log's
		}
		if folder := path.Dir(o.key); folder != log.folder {
			judge()
			log = found{folder: folder}
		}
		log.add(o)
	}
	judge()
	// What was stored meanwhile counts, whether it was listed or not: the next sweep knows.
	s.Store.budget.add(namespace, listed-freed-before)
	return first
}

// objects yields what is in a namespace, one log after the other: by one list, since each costs; of a folder by one for each Pod's name, since
// each page of a long list of files begins with the first of them.
func (s *Sweeper) objects(ctx context.Context, namespace string) iter.Seq2[object, error] {
	bucket := s.Store.bucket
	if bucket.dir == "" {
		return bucket.objects(ctx, namespace+"/")
	}
	return func(yield func(object, error) bool) {
		for pod, err := range bucket.list(ctx, namespace+"/", "/") {
			if err != nil {
				yield(object{}, err)
				return
			}
			if !pod.IsDir {
				continue
			}
			for o, err := range bucket.objects(ctx, pod.Key) {
				if !yield(o, err) {
					return
				}
			}
		}
	}
}

// found is what the objects of one log tell.
type found struct {
	folder string // that their keys are in
	newest time.Time
	stray  time.Time // the oldest stray's; zero: there is none
}

func (f *found) add(o object) {
	if o.stored.After(f.newest) {
		f.newest = o.stored
	}
	if o.kind == stray && (f.stray.IsZero() || o.stored.Before(f.stray)) {
		f.stray = o.stored
	}
}

// judge removes a log that is old, or what is astray in it, and returns what that counted.
func (s *Sweeper) judge(ctx context.Context, log found) (freed int64, err error) {
	if log.folder == "" {
		return 0, nil
	}
	now := s.Store.clock.Now()
	age := now.Sub(log.newest)
	old := s.Keep > 0 && age > s.Keep
	if !old && (log.stray.IsZero() || now.Sub(log.stray) <= strayAge) {
		return 0, nil
	}
	freed, err = s.remove(ctx, log.folder+"/", func(o object) bool {
		return (old && now.Sub(o.stored) > s.Keep) || (o.kind == stray && now.Sub(o.stored) > strayAge)
	})
	if err != nil {
		return freed, err
	}
	if old && freed > 0 {
		s.Metrics.deleted.Inc()
		s.Store.bucket.prune(log.folder)
		s.Log.V(1).Info("a log was removed", "log", log.folder, "age", age.String())
	}
	return freed, nil
}

// remove deletes the objects below a prefix that are chosen, and returns what they counted.
func (s *Sweeper) remove(ctx context.Context, prefix string, chosen func(object) bool) (freed int64, err error) {
	for o, err := range s.Store.bucket.objects(ctx, prefix) {
		if err != nil {
			return freed, err
		}
		if !chosen(o) {
			continue
		}
		if err := s.Store.bucket.remove(ctx, o.key); err != nil {
			return freed, err
		}
		freed += o.size + objectCost
	}
	return freed, nil
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
