package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"katkit.dev/katkit/internal/contract"
)

// leastRequest is the least that is sent at once, in bytes, where there is more.
const leastRequest = 64 << 10

// pace is how often and how long things are tried. Only tests use another than podPace.
type pace struct {
	look     time.Duration // between two looks at the disk
	gather   time.Duration // how long a byte waits for more to go with it
	request  time.Duration // for one request
	backoff  time.Duration // at most, after requests that failed
	farewell time.Duration // from TERM on, below the Pod's grace period
	patience time.Duration // from the end of the log on
	most     int64         // bytes of one request
	enough   int64         // bytes that are not waited for any longer
}

func podPace() pace {
	p := pace{
		look: 200 * time.Millisecond, gather: time.Second, request: time.Minute, backoff: 30 * time.Second,
		farewell: (contract.DefaultGraceSeconds + 4) * time.Second, patience: contract.DefaultLogPatienceSeconds * time.Second,
		most: 4 << 20, enough: 1 << 20,
	}
	if seconds, err := strconv.ParseUint(os.Getenv(contract.VarLogPatience), 10, 24); err == nil {
		p.patience = time.Duration(seconds) * time.Second
	}
	return p
}

// ship brings the log of the container build, which begins with the Pod, to the log store, tells in its own log (stdout) what is worth
// telling, and leaves a contract.LogReport. told is done when the container has to end. It returns the exit code.
func ship(told context.Context, paths Paths, stdout io.Writer) int {
	tell := func(format string, args ...any) { fmt.Fprintf(stdout, prefix+format+"\n", args...) }
	report := shipLog(told, paths, tell)
	if err := leaveReport(paths.Termination, report.Marshal()); err != nil {
		tell("the report could not be left for Kubernetes: %v", err)
	}
	if !report.Complete {
		return contract.ExitInfra
	}
	return contract.ExitOK
}

// shipLog is ship without what it leaves behind. A panic is reported, too.
func shipLog(told context.Context, paths Paths, tell func(string, ...any)) (report contract.LogReport) {
	defer func() {
		if p := recover(); p != nil {
			tell("defect of the agent: %v\n%s", p, debug.Stack())
			report = contract.LogReport{Message: fmt.Sprintf("defect of the agent: %v", p)}
		}
	}()
	store, err := newLogStore(os.Getenv(contract.VarLogStoreURL), os.Getenv(contract.VarLogStoreCA), paths.LogToken,
		os.Getenv(contract.VarPodNamespace), os.Getenv(contract.VarPodName))
	if err != nil {
		tell("%v", err)
		return contract.LogReport{Message: err.Error()}
	}
	log, err := openUnsent(paths.Spool)
	if err != nil {
		tell("%v", err)
		return contract.LogReport{Message: err.Error()}
	}
	s := &shipper{store: store, log: log, pace: podPace(), tell: tell}
	return s.run(told)
}

// shipper is what ship knows while it runs.
type shipper struct {
	store *logStore
	log   unsent
	pace  pace
	tell  func(format string, args ...any)

	stored   int64     // bytes of the log that the store has said it has
	complete bool      // it knows that nothing follows
	full     error     // why it takes no more than that; nil: it does
	wordless bool      // nor a word of that
	waiting  time.Time // since when bytes wait to be sent; zero while none do
	deadline time.Time // when it is given up; zero while the log goes on
	size     int64     // of the next request, pace.most at most; 0 before the first
	failures int       // requests in a row
	failure  error     // the last one's
	next     time.Time // when the next may be tried
}

// run ships until all is stored, or there is no use or no time any more. told is done when the container has to end.
func (s *shipper) run(told context.Context) contract.LogReport {
	looks := time.NewTicker(s.pace.look)
	defer looks.Stop()
	for over := s.log.over; ; over = awaitLook(looks.C, over) {
		for more := true; more; {
			s.log.scan()
			s.hurry(told, time.Now())
			for s.full != nil && s.log.endsBefore(s.log.end()) {
				s.log.drop()
			}
			more = s.due(told, time.Now()) && s.send(told)
		}
		switch {
		case s.complete && s.full != nil:
			s.failure = s.full
			return s.giveUp("the log store takes no more of the log")
		case s.complete:
			s.tell("the log is stored: %d bytes", s.stored)
			return contract.LogReport{Bytes: s.stored, Complete: s.log.missing == "", Message: s.log.missing}
		case told.Err() != nil && !s.log.begun:
			return contract.LogReport{Message: "there was no log: the container build did not start"}
		case !s.deadline.IsZero() && time.Now().After(s.deadline):
			return s.giveUp("there is no more time to bring the log to the store")
		}
	}
}

// awaitLook waits until it is time to look again: now and then, and when the log is over. It returns what to wait for then.
func awaitLook(looks <-chan time.Time, over chan struct{}) chan struct{} {
	select {
	case <-looks:
		return over
	case <-over:
		return nil // once
	}
}

// giveUp tells what is not stored.
func (s *shipper) giveUp(why string) contract.LogReport {
	if s.failure != nil {
		why += ": " + s.failure.Error()
	}
	r := contract.LogReport{Bytes: s.stored, Message: fmt.Sprintf("%s; stored are %d bytes, not stored %d", why, s.stored, max(0, s.log.end()-s.stored))}
	s.tell("%s", r.Message)
	return r
}

// hurry sets the deadline once the log has ended, or the container has to.
func (s *shipper) hurry(told context.Context, now time.Time) {
	var limit time.Time
	switch {
	case told.Err() != nil:
		limit = now.Add(s.pace.farewell)
		if soon := now.Add(s.pace.farewell / 20); s.next.After(soon) {
			s.next = soon
		}
	case s.log.ended:
		limit = now.Add(s.pace.patience)
	default:
		return
	}
	if s.deadline.IsZero() || limit.Before(s.deadline) {
		s.deadline = limit
	}
}

// due tells whether something is to be sent now.
func (s *shipper) due(told context.Context, now time.Time) bool {
	pending := s.log.end() - s.stored
	switch {
	case pending <= 0:
		s.waiting = time.Time{}
	case s.waiting.IsZero():
		s.waiting = now
	}
	switch {
	case s.complete || !s.log.begun || now.Before(s.next):
		return false
	case s.full != nil:
		return s.log.ended
	case s.log.ended || pending >= s.pace.enough:
		return true
	}
	return pending > 0 && (told.Err() != nil || now.Sub(s.waiting) >= s.pace.gather)
}

// send makes one request. It tells whether another one may follow at once.
func (s *shipper) send(told context.Context) bool {
	ctx, cancel := s.requestContext(told)
	defer cancel()
	state, err := s.request(ctx)
	if tooMuch, is := errors.AsType[*storeRefusal](err); is && tooMuch.status == http.StatusRequestEntityTooLarge && !s.wordless {
		s.takeLess(tooMuch)
		return true
	}
	if err != nil {
		s.failed(err)
		return false
	}
	before := s.stored
	s.waiting = time.Time{}
	if s.full == nil || state.Bytes < s.stored { // the last words are no part of the build's log
		s.stored = state.Bytes
	}
	if s.full == nil {
		s.log.stored(state.Bytes)
	}
	s.complete = state.Complete && s.log.ended && (s.full != nil || s.stored >= s.log.end())
	if s.stored == before && !s.complete {
		s.failed(errors.New("the log store took nothing of what it was sent"))
		return false
	}
	if s.failures > 0 {
		s.tell("the log store answers again, and has %d bytes of the log", s.stored)
	}
	s.failures, s.size, s.failure = 0, 2*s.size, nil
	return true
}

// takeLess sends less at once, where that may have been too much, or else takes it that the store has no room for more of the log.
// Its end is told to the store all the same, for those who wait for it, with a line in the place of what is missing.
func (s *shipper) takeLess(refused *storeRefusal) {
	if s.full != nil {
		s.wordless = true
		return
	}
	if s.pace.most /= 2; s.pace.most < leastRequest {
		s.full = refused
		s.tell("no more of the log is stored, the build goes on: %v", refused)
	}
}

// lastWords end a log that is not whole.
func (s *shipper) lastWords() *io.SectionReader {
	if s.wordless {
		return io.NewSectionReader(nil, 0, 0)
	}
	why := s.full.Error()
	if len(why) > contract.MaxLastWords/2 {
		why = strings.ToValidUTF8(why[:contract.MaxLastWords/2], "") + "…"
	}
	words := line("the log store took no more of the log from here on, and %d bytes are missing: %s", max(0, s.log.end()-s.stored), why)
	return io.NewSectionReader(words.content, 0, words.size)
}

func (s *shipper) request(ctx context.Context) (contract.LogState, error) {
	if s.full != nil {
		return s.store.put(ctx, s.stored, s.lastWords(), true)
	}
	if s.size = min(s.size, s.pace.most); s.size == 0 {
		s.size = s.pace.most
	}
	content := s.log.from(s.stored, s.size)
	last := s.log.ended && s.stored+content.Size() >= s.log.end()
	return s.store.put(ctx, s.stored, content, last)
}

// requestContext bounds a request; one that is under way when the container has to end is given up, for a last quick one.
func (s *shipper) requestContext(told context.Context) (context.Context, context.CancelFunc) {
	if told.Err() != nil {
		return context.WithTimeout(context.WithoutCancel(told), s.pace.farewell/5)
	}
	return context.WithTimeout(told, s.pace.request)
}

// failed notes that a request failed, and when the next one may be tried.
func (s *shipper) failed(err error) {
	if s.failures == 0 {
		s.tell("the log cannot be stored now, the build goes on: %v", err)
	}
	s.failure = err
	s.failures++
	wait := min(s.pace.backoff, s.pace.look<<min(s.failures, 16))
	if errors.Is(err, context.DeadlineExceeded) { // the way is slow
		s.size = max(s.size/2, leastRequest)
	}
	if asked, is := errors.AsType[*storeRefusal](err); is {
		wait = min(s.pace.backoff, max(wait, 2*asked.after))
	}
	s.next = time.Now().Add(wait/2 + rand.N(wait/2+1)) //nolint:gosec // so that many Pods do not come at once
}
