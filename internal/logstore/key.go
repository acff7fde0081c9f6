package logstore

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"katkit.dev/katkit/internal/contract"
)

// Log names the log of one Pod.
type Log struct{ Namespace, Pod, UID string }

var uidPattern = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)

// valid tells whether the names are such as the API server gives, none of which leads out of its folder.
func (l Log) valid() bool { return validNames(l.Namespace, l.Pod) && uidPattern.MatchString(l.UID) }

func validNames(namespace, pod string) bool {
	return len(validation.IsDNS1123Label(namespace)) == 0 && len(validation.IsDNS1123Subdomain(pod)) == 0
}

// podPrefix is what the keys of all logs of a Pod's name begin with.
func podPrefix(namespace, pod string) string { return namespace + "/" + pod + "/" }

func (l Log) prefix() string { return podPrefix(l.Namespace, l.Pod) + l.UID + "/" }

// chunkKey is a new key for bytes from offset on. No two are the same, so that writers that do not know of each other destroy nothing.
func (l Log) chunkKey(offset int64) string {
	return fmt.Sprintf("%s%020d-%s", l.prefix(), offset, rand.Text())
}

// endKey is the key of the object that tells that a log is complete with so many bytes. It sorts behind all chunks.
func (l Log) endKey(bytes int64) string { return fmt.Sprintf("%send-%020d", l.prefix(), bytes) }

// kind tells what an object below a log's prefix is.
type kind int

const (
	stray kind = iota // what was left of a write that did not come to its end, or somebody else's
	chunk
	end
)

// object is one of a log.
type object struct {
	key  string
	uid  string // the log's
	kind kind
	// offset is where a chunk's bytes begin, or the length of the log that ends.
	offset, size int64
	stored       time.Time
}

// limit is the offset behind the last byte.
func (o object) limit() int64 { return o.offset + o.size }

var (
	chunkPattern = regexp.MustCompile(`^[0-9]{20}-[A-Z2-7]{26}$`)
	endPattern   = regexp.MustCompile(`^end-[0-9]{20}$`)
)

// parse reads a key below podPrefix.
func parse(key string, size int64, stored time.Time) object {
	o := object{key: key, size: size, stored: stored}
	parts := strings.Split(key, "/")
	if len(parts) != 4 {
		return o
	}
	o.uid = parts[2]
	name := parts[3]
	var found kind
	switch {
	case chunkPattern.MatchString(name):
		name, _, _ = strings.Cut(name, "-")
		found = chunk
	case endPattern.MatchString(name):
		name = strings.TrimPrefix(name, "end-")
		found = end
	default:
		return o
	}
	if offset, err := strconv.ParseInt(name, 10, 64); err == nil {
		o.offset, o.kind = offset, found
	}
	return o
}

// tally sums up a log from its objects, which come in the order of their keys.
type tally struct {
	contract.LogState
	newest time.Time
}

func (t *tally) add(o object) {
	if o.stored.After(t.newest) {
		t.newest = o.stored
	}
	switch o.kind {
	case chunk:
		if o.offset <= t.Bytes {
			t.Bytes = max(t.Bytes, o.limit())
		}
	case end:
		t.Complete = t.Complete || o.offset <= t.Bytes
	case stray:
	}
}
