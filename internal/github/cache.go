package github

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net/http"
)

// answerCache holds what GitHub answered, in one bounded memory: answers with their ETag, and values that
// cannot change. Every key starts with the fingerprint of the token that was answered.
type answerCache struct {
	entries *lru[cacheKey, any]
}

type cacheKey [sha256.Size]byte

// entryOverhead is about what an entry costs beside its bytes.
const entryOverhead = 512

// stringOverhead is about what a string in a list takes beside its bytes.
const stringOverhead = 32

func newAnswerCache(maxBytes int64) *answerCache {
	return &answerCache{entries: newLRU[cacheKey, any](maxBytes)}
}

// keyOf digests the parts with their lengths, so that no two lists of parts share a key.
func keyOf(account fingerprint, parts ...string) cacheKey {
	digest := sha256.New()
	digest.Write(account[:])
	for _, part := range parts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		digest.Write(length[:])
		io.WriteString(digest, part)
	}
	return cacheKey(digest.Sum(nil))
}

// maxEntry keeps one large answer from pushing out everything else.
func (c *answerCache) maxEntry() int64 { return c.entries.max / 8 }

func (c *answerCache) answer(key cacheKey) (answer, bool) {
	value, _ := c.entries.get(key)
	known, ok := value.(answer)
	return known, ok
}

func (c *answerCache) putAnswer(key cacheKey, known answer) {
	cost := int64(len(known.body)) + entryOverhead
	for name, values := range known.header {
		for _, value := range values {
			cost += int64(len(name) + len(value))
		}
	}
	c.entries.put(key, known, cost)
}

// answer is a complete answer 200.
type answer struct {
	header http.Header
	body   []byte
}

// revive makes the answer that a 304 stands for: the known body, under the known headers with
// those of the 304, which carry the present rate limit, over them.
func (a answer) revive(request *http.Request, notModified *http.Response) *http.Response {
	notModified.Body.Close()
	header := a.header.Clone()
	for name, values := range notModified.Header {
		if name != "Content-Length" && name != "Content-Type" {
			header[name] = values
		}
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK,
		Proto: notModified.Proto, ProtoMajor: notModified.ProtoMajor, ProtoMinor: notModified.ProtoMinor,
		Header: header, Request: request,
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}
}
