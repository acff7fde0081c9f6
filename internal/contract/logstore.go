package contract

import (
	"fmt"
	"net/url"
	"strconv"
)

// What a builder Pod's `ship`, the log store and the store's readers agree on.
//
// A log is the bytes that the build container wrote, from its first; it belongs to one Pod. Offsets and lengths are bytes.
//
//	PUT  LogPath?offset=N             the bytes from offset N on, at most MaxLogChunk of them
//	PUT  LogPath?offset=N&complete=true   the same (or no bytes), and nothing follows: the log is complete
//	GET  LogPath                      LogState of what is stored
//	GET  ReadLogPath?offset=N&follow=true&tail=N&since=TIME   the bytes themselves, for people
//
// A PUT answers 200 with the LogState after it: what is counted there is stored for good. Bytes below the stored length are
// passed over, so that a PUT that is sent again changes nothing. An offset above it is 409, with the LogState to go on from; so
// is what follows a complete log, or completes it before what is stored. 413 is more than MaxLogChunk, or more than a log, or all logs
// of a namespace, may have: such a log can still be completed, with MaxLastWords bytes that tell why it ends there. 429 and 503 are worth trying again, after Retry-After. Every answer but 200 is
// JSON with what is wrong in "error", beside the LogState where it is known.
//
// Reading answers 404 until the log's first byte came. One that follows ends with the log; if it is cut before, the HTTP body is,
// too, and the reader asks again from the offset where they are.
//
// The writer's credential is a token of its Pod for LogAudience, as a bearer: it writes this Pod's log and no other. A reader's is a
// bearer token that the API server knows them by, in Authorization or HeaderLogAuthorization; they have to be allowed to `get`
// LogResource of the phase.
const (
	// LogAudience is whom the Pod's token for the store is for. The API server takes no such token.
	LogAudience = "katkit-logstore"
	// MaxLogChunk is the most bytes that one PUT carries.
	MaxLogChunk = 8 << 20
	// MaxLastWords is the most bytes that a log may be completed with where there is no room for more of it.
	MaxLastWords = 1 << 10
	// LogResource is the resource of the API group katkit.dev that a reader has to be allowed to get.
	LogResource = "phases/log"
	// SpoolDir is the emptyDir that `exec` writes the log to and `ship` reads it from. `exec` holds a lock on the folder itself (flock,
	// exclusive) as long as it lives, and makes the first file in it when it has the lock: where there was a file and the lock is
	// free, nothing more is written. ci.sh can remove all that is in the folder, and not the folder, which is a mount.
	SpoolDir = "/var/run/katkit/log"
	// LogTokenDir holds the token, in the container that runs `ship` only, in the file LogTokenKey; it changes while the Pod lives.
	LogTokenDir = "/var/run/katkit/log-token"
	LogTokenKey = "token"
	// VarLogStoreURL tells `ship` where the store is, http or https; VarLogStoreCA are certificates in PEM that it trusts for it.
	VarLogStoreURL = "KATKIT_LOG_STORE_URL"
	VarLogStoreCA  = "KATKIT_LOG_STORE_CA"
	// VarPodNamespace and VarPodName tell it whose log it is.
	VarPodNamespace = "KATKIT_POD_NAMESPACE"
	VarPodName      = "KATKIT_POD_NAME"

	// Queries of the paths.
	LogQueryOffset   = "offset"
	LogQueryComplete = "complete"
	LogQueryFollow   = "follow"
	LogQueryTail     = "tail"  // the last so many lines
	LogQuerySince    = "since" // RFC 3339: what came to the store from then on, whole lines
	// HeaderLogOffset and HeaderLogComplete say of an answer's body where in the log it begins, and whether the log was complete then.
	HeaderLogOffset   = "Katkit-Log-Offset"
	HeaderLogComplete = "Katkit-Log-Complete"
	// HeaderLogAuthorization is read instead of Authorization, which the API server's service proxy keeps for itself: "Bearer TOKEN".
	HeaderLogAuthorization = "Katkit-Authorization"
)

// LogState is what a store says of a log.
type LogState struct {
	// Bytes that are stored, from the log's first.
	Bytes int64 `json:"bytes"`
	// Complete: nothing follows.
	Complete bool `json:"complete"`
}

// LogPath is where a Pod writes its log, below the store's address.
func LogPath(namespace, pod string) string {
	return "/v1/namespaces/" + url.PathEscape(namespace) + "/pods/" + url.PathEscape(pod) + "/log"
}

// ReadLogPath is where the log of a Pod of a phase is read, below the store's address.
func ReadLogPath(namespace, phase, pod string) string {
	return "/v1/namespaces/" + url.PathEscape(namespace) + "/phases/" + url.PathEscape(phase) + "/pods/" + url.PathEscape(pod) + "/log"
}

// SpoolFile is the name of the nth file of a spool, from 0, in SpoolDir. The files follow each other, each of SpoolFileBytes at
// most; only the last one grows. Whoever has brought one to the store removes it, from the first on.
func SpoolFile(n int) string { return "part-" + strconv.Itoa(n) }

// SpoolSum is what `exec` says of a spool at its end.
type SpoolSum struct {
	// Files is the number of SpoolFiles that there were.
	Files int
	// LeftOut are the bytes of the log for which there was no room.
	LeftOut int64
}

// String returns both numbers in decimal, with a space between them.
func (s SpoolSum) String() string { return fmt.Sprintf("%d %d", s.Files, s.LeftOut) }

// ParseSpoolSum reads what String returned. An error tells that it is something else.
func ParseSpoolSum(said string) (sum SpoolSum, err error) {
	if _, err := fmt.Sscanf(said, "%d %d", &sum.Files, &sum.LeftOut); err != nil || said != sum.String() || sum.Files < 0 || sum.LeftOut < 0 {
		return SpoolSum{}, fmt.Errorf("%.40q is not the number of files and that of bytes", said)
	}
	return sum, nil
}

// SpoolFileBytes is the most that a file of a spool has.
const SpoolFileBytes = 16 << 20

const (
	// SpoolEnd is the file that tells that `exec` came to its end, and was not killed before. It holds what SpoolSum.String returns.
	SpoolEnd = "end"

	// VarSpoolBytes is the most that `exec` keeps on disk of a log that is not stored yet, in bytes. ci.sh does not see it.
	VarSpoolBytes = "KATKIT_LOG_SPOOL_BYTES"
	// DefaultSpoolBytes is what counts where VarSpoolBytes is absent.
	DefaultSpoolBytes = 1 << 30
	// VarLogPatience is how long `ship` goes on trying once the log has ended, in whole seconds.
	VarLogPatience = "KATKIT_LOG_PATIENCE_SECONDS"
	// DefaultLogPatienceSeconds is what counts where VarLogPatience is absent.
	DefaultLogPatienceSeconds = 15 * 60
)
