package logstore

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"katkit.dev/katkit/internal/contract"
)

const (
	// turnTimeout is how long a request waits for others to end.
	turnTimeout = 10 * time.Second
	// A namespace has an eighth of the writes at once, and a quarter of the reads, of which those that follow last.
	namespacesOfWrites, namespacesOfReads = 8, 4
	// bodyTimeout is how long a body may take to come, and bodyStall how long nothing of it may come.
	bodyTimeout = 2 * time.Minute
	bodyStall   = 15 * time.Second
	// maxReads is how many read at once, and maxFollowers how many of them follow the same log.
	maxReads     = 512
	maxFollowers = 64
)

// Handler serves the contract.
type Handler struct {
	Store   *Store
	Guard   *Guard
	Metrics *Metrics
	Clock   clock.Clock
	Log     logr.Logger
	// Stopping is closed when those that follow are to be sent away.
	Stopping <-chan struct{}

	writes, reads *shares // by namespace
	mux           *http.ServeMux
}

// NewHandler makes a handler that takes maxWrites writes at once.
func NewHandler(store *Store, guard *Guard, metrics *Metrics, clock clock.Clock, log logr.Logger, maxWrites int, stopping <-chan struct{}) *Handler {
	h := &Handler{
		Store: store, Guard: guard, Metrics: metrics, Clock: clock, Log: log, Stopping: stopping,
		writes: newShares(maxWrites, maxWrites/namespacesOfWrites), reads: newShares(maxReads, maxReads/namespacesOfReads), mux: http.NewServeMux(),
	}
	const write, read = "/v1/namespaces/{namespace}/pods/{pod}/log", "/v1/namespaces/{namespace}/phases/{phase}/pods/{pod}/log"
	h.handle("PUT "+write, verbWrite, h.write)
	h.handle("GET "+write, verbState, h.state)
	h.handle("GET "+read, verbRead, h.read)
	h.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(http.StatusNotFound, "there is nothing here: logs are written with PUT %s, and read with GET %s", write, read).send(w)
	})
	return h
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// answer answers a request, or returns why not, before anything of the answer was sent.
type answer func(w http.ResponseWriter, r *http.Request) error

// handle serves a pattern, and counts what it was answered with.
func (h *Handler) handle(pattern string, v verb, do answer) {
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		code := "cut" // unless do returns
		defer func() { h.Metrics.answered(v, code) }()
		err := do(w, r)
		code = strconv.Itoa(http.StatusOK)
		if err == nil {
			return
		}
		refused, known := asRefusal(err, h.Store.limits)
		code = strconv.Itoa(refused.status)
		if !known && r.Context().Err() == nil {
			h.Log.Error(err, "the bucket fails", "verb", v, "namespace", r.PathValue("namespace"), "pod", r.PathValue("pod"))
		}
		refused.send(w)
	})
}

// state tells how much of a Pod's own log is stored.
func (h *Handler) state(w http.ResponseWriter, r *http.Request) error {
	log, err := h.Guard.Writer(r, r.PathValue("namespace"), r.PathValue("pod"))
	if err != nil {
		return err
	}
	leave, err := enter(r.Context(), h.writes, log.Namespace)
	if err != nil {
		return err
	}
	defer leave()
	state, err := h.Store.State(r.Context(), log)
	if err != nil {
		return err
	}
	sendJSON(w, http.StatusOK, state)
	return nil
}

// write stores a part of a Pod's own log.
func (h *Handler) write(w http.ResponseWriter, r *http.Request) error {
	log, err := h.Guard.Writer(r, r.PathValue("namespace"), r.PathValue("pod"))
	if err != nil {
		return err
	}
	query := r.URL.Query()
	offset, err := number(query.Get(contract.LogQueryOffset), contract.LogQueryOffset)
	if err != nil {
		return err
	}
	if r.ContentLength > contract.MaxLogChunk {
		return &http.MaxBytesError{Limit: contract.MaxLogChunk}
	}
	complete, err := boolean(query.Get(contract.LogQueryComplete), contract.LogQueryComplete)
	if err != nil {
		return err
	}
	// The log first: however many writes of it wait, they keep no place from another.
	writer, err := h.Store.Open(r.Context(), log)
	if err != nil {
		return err
	}
	defer writer.Close()
	leave, err := enter(r.Context(), h.writes, log.Namespace)
	if err != nil {
		return err
	}
	defer leave()
	h.Metrics.writesInFlight.Inc()
	defer h.Metrics.writesInFlight.Dec()

	body := &body{
		Reader: http.MaxBytesReader(w, r.Body, contract.MaxLogChunk), control: http.NewResponseController(w),
		clock: h.Clock, until: h.Clock.Now().Add(bodyTimeout),
	}
	state, err := writer.Append(r.Context(), offset, body, complete)
	if err != nil {
		_, _ = io.Copy(io.Discard, body) // a client that still sends would not see the answer
		return err
	}
	h.Metrics.received.Add(float64(body.read))
	sendJSON(w, http.StatusOK, state)
	return nil
}

// enter waits for a namespace's turn, and returns what ends it.
func enter(ctx context.Context, turns *shares, namespace string) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	if leave, err = turns.enter(ctx, namespace); err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "the log store has too much to do at once, in all or for this namespace: try again")
	}
	return leave, nil
}

// body is what comes of a write, as long as it comes.
type body struct {
	io.Reader
	control *http.ResponseController
	clock   clock.PassiveClock
	until   time.Time
	read    int64
}

func (b *body) Read(p []byte) (int, error) {
	deadline := b.clock.Now().Add(bodyStall)
	if deadline.After(b.until) {
		deadline = b.until
	}
	if err := b.control.SetReadDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := b.Reader.Read(p)
	b.read += int64(n)
	if errors.Is(err, io.EOF) {
		// From here on the server reads to see the client go, which may take any time.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// number reads a query that is a number of bytes or lines; "" is 0.
func number(text, name string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, refuse(http.StatusBadRequest, "%s=%.40q is no number from 0 on", name, text)
	}
	return n, nil
}

// boolean reads a query that is true or false; "" is false.
func boolean(text, name string) (bool, error) {
	switch text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, refuse(http.StatusBadRequest, "%s=%.40q is neither true nor false", name, text)
}
