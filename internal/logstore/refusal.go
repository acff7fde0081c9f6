package logstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"katkit.dev/katkit/internal/contract"
)

// refusal is an answer that is not what was asked for: what is wrong, where, and what to do about it.
type refusal struct {
	status  int
	message string
	// state is told beside it where it is known.
	state *contract.LogState
}

func (r *refusal) Error() string { return r.message }

func refuse(status int, format string, arguments ...any) *refusal {
	return &refusal{status: status, message: fmt.Sprintf(format, arguments...)}
}

// retryAfter is when to try again what was refused for the moment, in seconds.
const retryAfter = 5

// send writes the refusal as the answer.
func (r *refusal) send(w http.ResponseWriter) {
	header := w.Header()
	switch r.status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		header.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	answer := struct {
		Error string `json:"error"`
		*contract.LogState
	}{r.message, r.state}
	sendJSON(w, r.status, answer)
}

func sendJSON(w http.ResponseWriter, status int, answer any) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // nobody is left to be told
}

// asRefusal turns an error of the store into an answer. known tells whether it was expected; otherwise it is worth the store's own log.
func asRefusal(err error, limits Limits) (answer *refusal, known bool) {
	var conflict *ConflictError
	var from *SourceError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &answer):
		return answer, true
	case errors.As(err, &conflict):
		return &refusal{status: http.StatusConflict, message: conflict.Reason, state: &conflict.State}, true
	case errors.As(err, &tooLarge):
		return refuse(http.StatusRequestEntityTooLarge, "the body has more than %d bytes: send the rest in a further request", contract.MaxLogChunk), true
	case errors.Is(err, ErrTooLong):
		return refuse(http.StatusRequestEntityTooLarge, "the log would have more than %d bytes, which is the most that the log store takes of one log: "+
			"write less, or have --max-log-bytes of the log store raised", limits.LogBytes), true
	case errors.Is(err, ErrNoRoom):
		return refuse(http.StatusRequestEntityTooLarge, "the logs of this namespace have %d bytes, which is the most that the log store takes of one namespace: "+
			"write less, wait until older logs are removed, or have --max-namespace-bytes of the log store raised", limits.NamespaceBytes), true
	case errors.Is(err, ErrBusy):
		return refuse(http.StatusServiceUnavailable, "another write of this log is under way: try again"), true
	case errors.As(err, &from):
		return refuse(http.StatusBadRequest, "the body did not come to its end, and nothing of it is stored: send it again"), true
	}
	return refuse(http.StatusServiceUnavailable, "the log store's bucket fails: try again; the log store's own log tells more"), false
}
