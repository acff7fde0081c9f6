package logstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"katkit.dev/katkit/internal/contract"
)

const (
	// A log that is followed is listed this often: more of it may come through another process. When nothing comes it is less often.
	minPoll, maxPoll = time.Second, 5 * time.Second
	// followIdle is how long a follower waits for more.
	followIdle = 30 * time.Minute
	// readStall is how long a reader may take nothing.
	readStall = time.Minute
)

// wanted is what a reader asks for.
type wanted struct {
	offset int64
	tail   int // lines; -1: not asked
	since  time.Time
	follow bool
}

func parseWanted(query url.Values) (wanted, error) {
	want := wanted{tail: -1}
	var err error
	if want.offset, err = number(query.Get(contract.LogQueryOffset), contract.LogQueryOffset); err != nil {
		return want, err
	}
	if want.follow, err = boolean(query.Get(contract.LogQueryFollow), contract.LogQueryFollow); err != nil {
		return want, err
	}
	if query.Has(contract.LogQueryTail) {
		lines, err := number(query.Get(contract.LogQueryTail), contract.LogQueryTail)
		if err != nil {
			return want, err
		}
		want.tail = int(min(lines, math.MaxInt32))
	}
	if text := query.Get(contract.LogQuerySince); text != "" {
		if want.since, err = time.Parse(time.RFC3339, text); err != nil {
			return want, refuse(http.StatusBadRequest, "%s=%.40q is no time such as 2006-01-02T15:04:05Z", contract.LogQuerySince, text)
		}
	}
	if query.Has(contract.LogQueryOffset) && (want.tail >= 0 || !want.since.IsZero()) {
		return want, refuse(http.StatusBadRequest, "%s says where to begin, and so do %s and %s: choose", contract.LogQueryOffset, contract.LogQueryTail, contract.LogQuerySince)
	}
	return want, nil
}

// read sends a log, or a part of it, to somebody who may get it.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) error {
	namespace, phase, pod := r.PathValue("namespace"), r.PathValue("phase"), r.PathValue("pod")
	if err := h.Guard.Reader(r, namespace, phase); err != nil {
		return err
	}
	want, err := parseWanted(r.URL.Query())
	if err != nil {
		return err
	}
	if !validNames(namespace, pod) || !contract.PodOfPhase(pod, phase) {
		return refuse(http.StatusNotFound, "%s is no Pod of the phase %s: status.attempts of the phase has their names", pod, phase)
	}
	leave, err := enter(r.Context(), h.reads, namespace)
	if err != nil {
		return err
	}
	defer leave()
	h.Metrics.readsInFlight.Inc()
	defer h.Metrics.readsInFlight.Dec()

	log, state, err := h.Store.Find(r.Context(), namespace, pod)
	if errors.Is(err, ErrNoLog) {
		return refuse(http.StatusNotFound, "nothing of the log of the Pod %s is stored: it has not begun, its builder has no log store, or it is older than logs are kept", pod)
	}
	if err != nil {
		return err
	}
	begin, err := h.begin(r.Context(), log, state, want)
	if err != nil {
		return err
	}
	if want.follow && r.Method == http.MethodGet && !state.Complete {
		return h.follow(w, r, log, state, begin)
	}
	h.header(w, begin, state)
	w.Header().Set("Content-Length", strconv.FormatInt(state.Bytes-begin, 10))
	if r.Method == http.MethodHead {
		return nil
	}
	n, _, err := h.Store.Copy(r.Context(), h.to(w), log, begin, state.Bytes)
	if err == nil && n < state.Bytes-begin {
		err = fmt.Errorf("%d bytes of %d are gone", state.Bytes-begin-n, state.Bytes)
	}
	if err != nil {
		h.cut(r, log, err)
	}
	return nil
}

// begin tells where what is asked for begins.
func (h *Handler) begin(ctx context.Context, log Log, state contract.LogState, want wanted) (int64, error) {
	if want.offset > state.Bytes {
		return 0, &refusal{status: http.StatusRequestedRangeNotSatisfiable, state: &state,
			message: fmt.Sprintf("the log has no offset %d: %d bytes of it are stored", want.offset, state.Bytes)}
	}
	begin := want.offset
	if !want.since.IsZero() {
		since, err := h.Store.Since(ctx, log, want.since)
		if err != nil {
			return 0, err
		}
		begin = min(max(begin, since), state.Bytes)
	}
	if want.tail >= 0 {
		last, err := h.Store.LastLines(ctx, log, state.Bytes, want.tail)
		if err != nil {
			return 0, err
		}
		begin = max(begin, last)
	}
	return begin, nil
}

// follow sends a log until it is complete.
func (h *Handler) follow(w http.ResponseWriter, r *http.Request, log Log, state contract.LogState, at int64) error {
	e, done := h.Store.entries.use(log)
	defer done()
	if !e.follow(maxFollowers) {
		return refuse(http.StatusTooManyRequests, "%d others follow this log: try again, or read it without %s", maxFollowers, contract.LogQueryFollow)
	}
	defer e.unfollow()
	h.Metrics.followed.Inc()
	defer h.Metrics.followed.Dec()

	h.header(w, at, state)
	to := h.to(w)
	poll, news := minPoll, h.Clock.Now()
	for {
		changed := e.watch() // before looking, so that nothing is missed
		n, state, err := h.Store.Copy(r.Context(), to, log, at, math.MaxInt64)
		at += n
		if err == nil && state.Complete && at == state.Bytes {
			return nil
		}
		if err == nil {
			err = to.flush()
		}
		if err != nil {
			h.cut(r, log, err)
		}
		poll = min(2*poll, maxPoll)
		if n > 0 {
			poll, news = minPoll, h.Clock.Now()
		}
		if h.Clock.Since(news) > followIdle {
			panic(http.ErrAbortHandler)
		}
		select {
		case <-changed:
		case <-h.Clock.After(poll):
		case <-h.Stopping:
			panic(http.ErrAbortHandler)
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// cut ends an answer so that the reader sees that it is not whole.
func (h *Handler) cut(r *http.Request, log Log, err error) {
	var gone *readerError
	if !errors.As(err, &gone) && r.Context().Err() == nil {
		h.Log.Error(err, "a log cannot be read on", "namespace", log.Namespace, "pod", log.Pod, "uid", log.UID)
	}
	panic(http.ErrAbortHandler)
}

func (h *Handler) header(w http.ResponseWriter, begin int64, state contract.LogState) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	header.Set(contract.HeaderLogOffset, strconv.FormatInt(begin, 10))
	header.Set(contract.HeaderLogComplete, strconv.FormatBool(state.Complete))
}

// reader is whom a log is sent to, as long as they take it.
type reader struct {
	io.Writer
	control *http.ResponseController
	handler *Handler
}

// readerError is an error of the reader's connection.
type readerError struct{ error }

func (h *Handler) to(w http.ResponseWriter) *reader {
	return &reader{Writer: w, control: http.NewResponseController(w), handler: h}
}

func (r *reader) Write(p []byte) (int, error) {
	if err := r.await(); err != nil {
		return 0, err
	}
	n, err := r.Writer.Write(p)
	r.handler.Metrics.sent.Add(float64(n))
	if err != nil {
		err = &readerError{err}
	}
	return n, err
}

// flush sends what was written.
func (r *reader) flush() error {
	if err := r.await(); err != nil {
		return err
	}
	if err := r.control.Flush(); err != nil {
		return &readerError{err}
	}
	return nil
}

// await sets how long the reader may take nothing.
func (r *reader) await() error {
	if err := r.control.SetWriteDeadline(r.handler.Clock.Now().Add(readStall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return &readerError{err}
	}
	return nil
}
